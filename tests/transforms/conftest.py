"""Models on tables drawn as text: rows in, rows out."""

from collections.abc import Callable
from datetime import datetime
from typing import Any

import ibis
import pytest
from ibis import Table
from ibis.backends import BaseBackend

from transforms.funnel import load_funnel
from transforms.graph import load_models
from transforms.sources import SOURCES

MODELS = load_models()
SETTINGS: dict[str, Any] = {
    "funnel": load_funnel(),
    "timezone": "UTC",
    "as_of": datetime(2024, 12, 31),
    "now": datetime(2025, 1, 1),
}
# The funnel is the same in nearly every test; a test can give its own steps all the same.
EMPTY_BY_DEFAULT = {source.raw_name: source.raw_schema for source in SOURCES.values()}

Rows = list[tuple[Any, ...]]
Run = Callable[..., Rows]


def schema_of(name: str, settings: dict[str, Any]) -> dict[str, str]:
    """Columns and types of a model or a raw table."""
    if name in EMPTY_BY_DEFAULT:
        return EMPTY_BY_DEFAULT[name]
    return dict(MODELS[name].columns(settings))


def drawn(text: str) -> list[dict[str, str | None]]:
    """The rows of a table drawn as text: names in the first line, `|` between cells, `-` is null."""
    lines = [[cell.strip() for cell in line.split("|")] for line in text.strip().splitlines()]
    names, *rows = lines
    assert all(len(row) == len(names) for row in rows), f"a row has too few or many cells:\n{text}"
    return [
        {name: None if cell == "-" else cell for name, cell in zip(names, row, strict=True)}
        for row in rows
    ]


def as_table(name: str, text: str, settings: dict[str, Any]) -> Table:
    """A drawn table with the types of its model; columns that are not drawn are null."""
    schema = schema_of(name, settings)
    rows = drawn(text) if text.strip() else []
    unknown = {column for row in rows for column in row} - set(schema)
    assert not unknown, f"{name} has no column {unknown}"
    cells = {column: [row.get(column) for row in rows] for column in schema}
    text_table = ibis.memtable(cells, schema=dict.fromkeys(schema, "string"))
    return text_table.cast(schema)


@pytest.fixture
def run(engine: BaseBackend) -> Run:
    """run("model", "column, column", table="…", setting=…): the model's rows, sorted, as tuples.

    Tables that the test does not draw are empty, but for stg_funnel_steps: it is the real one.
    """

    def run_model(name: str, columns: str, **given: Any) -> Rows:
        model = MODELS[name]
        settings = SETTINGS | {key: value for key, value in given.items() if key in SETTINGS}
        tables = {
            upstream: as_table(upstream, given.get(upstream, ""), settings)
            for upstream in model.upstream
        }
        if "stg_funnel_steps" in tables and "stg_funnel_steps" not in given:
            tables["stg_funnel_steps"] = MODELS["stg_funnel_steps"].expression({}, settings)
        assert not (stray := set(given) - set(tables) - set(SETTINGS)), f"unused: {stray}"
        wanted = [column.strip() for column in columns.split(",")]
        made = engine.to_pyarrow(model.expression(tables, settings).select(wanted))
        return sorted(
            (tuple(row.values()) for row in made.to_pylist()), key=lambda row: [str(v) for v in row]
        )

    return run_model
