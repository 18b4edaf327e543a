"""What the tables of the warehouse mean and what they are made from, told by their declarations.

The warehouse (comments, `quality.data_dictionary`, `quality.lineage`), the report and the page
`docs/tables.md` all tell it from here.
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from flows.records.record import RECORDS, RUN_ID
from flows.run import Run
from flows.warehouse import QUALITY, SNAPSHOTS, Warehouse
from flows.warehouse.rows import read
from transforms.checks import Check
from transforms.graph import Model


@dataclass(frozen=True)
class DocumentedTable:
    """A table as it is documented; its columns with type and meaning."""

    schema: str
    name: str
    grain: str
    columns: Mapping[str, tuple[str, str]]
    key: tuple[str, ...] = ()
    checks: tuple[Check, ...] = ()
    upstream: tuple[str, ...] = ()
    about: str = ""


def documented(models: Iterable[Model], settings: Mapping[str, Any]) -> list[DocumentedTable]:
    """The tables of the models, and those that every run writes besides."""
    return [*(_of_model(model, settings) for model in models), *map(_of_record, RECORDS)]


def made_before(warehouse: Warehouse) -> set[tuple[str, str]]:
    """Schema and name of the tables that the runs before made, and that each makes anew."""
    dictionary = warehouse.kept("data_dictionary")
    if dictionary is None:
        return set()
    rows = read(dictionary.select("schema_name", "table_name").distinct()).to_pylist()
    found = {(row["schema_name"], row["table_name"]) for row in rows}
    return {(schema, name) for schema, name in found if schema not in (QUALITY, SNAPSHOTS)}


def document(run: Run, status: str) -> dict[str, pa.Table]:
    """Say in the warehouse what every table and column means: as comments, and as two tables.

    Tables that no model makes any more go with a run that is published.

    Args:
        run: that made the tables.
        status: whether it is published or stopped.

    Returns:
        The rows of these tables.
    """
    tables = documented(run.models.values(), run.given)
    if status == "published":
        for schema, name in sorted(run.made_before - {(made.schema, made.name) for made in tables}):
            run.warehouse.give_up(schema, name)
    else:  # of the others, readers have those of before
        tables = [table for table in tables if table.schema == QUALITY]
    dictionary: list[dict[str, object]] = [
        {
            "schema_name": table.schema,
            "table_name": table.name,
            "column_name": column,
            "column_type": dtype,
            "grain": table.grain,
            "description": said,
        }
        for table in tables
        for column, (dtype, said) in table.columns.items()
    ]
    lineage: list[dict[str, object]] = [
        {"table_name": table.name, "upstream_table": upstream}
        for table in tables
        for upstream in table.upstream
    ]
    made = {"data_dictionary": dictionary, "lineage": lineage}
    found = {}
    for name, rows in made.items():
        if status != "published":
            rows += _of_before(run, name, {table.name for table in tables})
        told = run.warehouse.table_of(rows, RECORDS[name].types)
        found[name] = read(told)
        run.warehouse.build(QUALITY, name, told)
    for table in tables:
        said = {column: text for column, (_, text) in table.columns.items()}
        run.warehouse.comment(table.schema, table.name, table.grain, said)
    return found


def _of_before(run: Run, name: str, told: Collection[str]) -> list[dict[str, object]]:
    """The rows that one of the two had before, but of tables that are told of anew."""
    kept = run.warehouse.kept(name)
    rows = [] if kept is None else read(kept.select(*RECORDS[name].types)).to_pylist()
    return [row for row in rows if row["table_name"] not in told]


def _of_model(model: Model, settings: Mapping[str, Any]) -> DocumentedTable:
    columns = {
        column: (dtype, model.describe(column)) for column, dtype in model.columns(settings).items()
    }
    if model.schema == QUALITY:
        columns = {"run_id": RUN_ID} | columns
    return DocumentedTable(
        model.schema,
        model.name,
        model.grain,
        columns,
        model.key,
        model.checks,
        model.upstream,
        model.about,
    )


def _of_record(name: str) -> DocumentedTable:
    return DocumentedTable(QUALITY, name, RECORDS[name].grain, RECORDS[name].columns)
