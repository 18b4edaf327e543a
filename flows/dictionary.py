"""What the tables of the warehouse mean and what they are made from, told by their declarations.

The warehouse (comments, `quality.data_dictionary`, `quality.lineage`), the report and the page
`docs/tables.md` all tell it from here.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
from transforms.checks import Check
from transforms.graph import Model

from flows.record import RECORDS, RUN_ID
from flows.run import Run
from flows.warehouse.rows import read


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


def document(run: Run) -> dict[str, pa.Table]:
    """Say in the warehouse what every table and column means: as comments, and as two tables.

    Returns:
        The rows of these tables.
    """
    tables = documented(run.models.values(), run.given)
    dictionary = [
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
    lineage = [
        {"table_name": table.name, "upstream_table": upstream}
        for table in tables
        for upstream in table.upstream
    ]
    made = {"data_dictionary": dictionary, "lineage": lineage}
    found = {}
    for name, rows in made.items():
        told = run.warehouse.table_of(rows, RECORDS[name].types)
        found[name] = read(told)
        run.warehouse.build("quality", name, told)
    for table in tables:
        said = {column: text for column, (_, text) in table.columns.items()}
        run.warehouse.comment(table.schema, table.name, table.grain, said)
    return found


def _of_model(model: Model, settings: Mapping[str, Any]) -> DocumentedTable:
    columns = {
        column: (dtype, model.describe(column)) for column, dtype in model.columns(settings).items()
    }
    if model.schema == "quality":
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
    return DocumentedTable("quality", name, RECORDS[name].grain, RECORDS[name].columns)
