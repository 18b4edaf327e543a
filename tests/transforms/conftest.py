"""Models on tables drawn as text: rows in, rows out."""

from collections.abc import Callable
from datetime import datetime
from typing import Any

import ibis
import pytest
from ibis import Table
from ibis.backends import BaseBackend

from transforms.funnel import load_funnel
from transforms.graph import BEFORE, load_models
from transforms.sources import SOURCES

MODELS = load_models()
SETTINGS: dict[str, Any] = {
    "funnel": load_funnel(),
    "timezone": "UTC",
    "as_of": datetime(2024, 12, 31),
    "now": datetime(2025, 1, 1),
    "forgotten": (),
}
RAW_SCHEMAS = {source.raw_name: source.raw_schema for source in SOURCES.values()}

Rows = list[tuple[Any, ...]]
Run = Callable[..., Rows]
Draw = Callable[..., Table]
Applied = Callable[..., list[Any]]


def schema_of(name: str, settings: dict[str, Any]) -> dict[str, str]:
    """Columns and types of a model or a raw table."""
    if name in RAW_SCHEMAS:
        return RAW_SCHEMAS[name]
    return dict(MODELS[name].columns(settings))


def upstream(name: str) -> tuple[str, ...]:
    """What a table is made of; nothing for a raw table and for the funnel."""
    return MODELS[name].upstream if name in MODELS else ()


def drawn(text: str) -> list[dict[str, str | None]]:
    """The rows of a table drawn as text: first its columns, `|` between cells, `-` is null."""
    lines = [[cell.strip() for cell in line.split("|")] for line in text.strip().splitlines()]
    names, *rows = lines
    assert all(len(row) == len(names) for row in rows), f"a row has too few or many cells:\n{text}"
    return [
        {name: None if cell == "-" else cell for name, cell in zip(names, row, strict=True)}
        for row in rows
    ]


def as_table(name: str, text: str, schema: dict[str, str]) -> Table:
    """A drawn table with these types; columns that are not drawn are null."""
    rows = drawn(text) if text.strip() else []
    unknown = {column for row in rows for column in row} - set(schema)
    assert not unknown, f"{name} has no column {unknown}"
    cells = {column: [row.get(column) for row in rows] for column in schema}
    text_table = ibis.memtable(cells, schema=dict.fromkeys(schema, "string"))
    return text_table.cast(schema)


@pytest.fixture
def run(engine: BaseBackend) -> Run:
    """A model's rows, sorted, as tuples: `run("model", "column, column", table="…", setting=…)`.

    Tables that the test does not draw are what the models make of those that it draws, or empty if
    that is nothing. The funnel is the committed one unless the test gives another. `before` is what
    the run before left of the model.
    """

    def run_model(asked: str, columns: str, **given: Any) -> Rows:
        settings = SETTINGS | {key: value for key, value in given.items() if key in SETTINGS}
        tables: dict[str, Table] = {}

        def table(name: str) -> Table:
            if name not in tables:
                is_source = name in RAW_SCHEMAS or name in given
                if is_source or (upstream(name) and not is_drawn(name)):
                    tables[name] = as_table(name, given.get(name, ""), schema_of(name, settings))
                else:
                    tables[name] = made(name)
            return tables[name]

        def made(name: str) -> Table:
            read = {each: table(each) for each in upstream(name)}
            if MODELS[name].remembers:
                as_before = given.get(BEFORE, "") if name == asked else ""
                read[BEFORE] = as_table(name, as_before, schema_of(name, settings))
            return MODELS[name].expression(read, settings)

        def is_drawn(name: str) -> bool:
            return name in given or any(is_drawn(each) for each in upstream(name))

        wanted = [column.strip() for column in columns.split(",")]
        rows = engine.to_pyarrow(made(asked).select(wanted)).to_pylist()
        known = tables.keys() | SETTINGS.keys() | {BEFORE}
        assert not (stray := given.keys() - known), f"unused: {stray}"
        return sorted((tuple(row.values()) for row in rows), key=lambda row: [str(v) for v in row])

    return run_model


@pytest.fixture
def draw() -> Draw:
    """A drawn table that no model makes: `draw("…", column="type", …)`."""
    return lambda text, **schema: as_table("the drawn table", text, schema)


@pytest.fixture
def applied(engine: BaseBackend) -> Applied:
    """What an expression makes of values, in their order: `applied(function, values, "type")`."""

    def apply(function: Callable[..., Any], values: list[Any], dtype: str = "string") -> list[Any]:
        table = ibis.memtable(
            {"place": list(range(len(values))), "value": values},
            schema={"place": "int64", "value": dtype},
        )
        made = table.select("place", made=function(table.value)).order_by("place")
        return engine.to_pyarrow(made)["made"].to_pylist()

    return apply
