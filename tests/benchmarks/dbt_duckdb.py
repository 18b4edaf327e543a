"""A dbt project on DuckDB: `python -m tests.benchmarks.dbt_duckdb EXPORT FILE FOLDER` writes it.

In FOLDER, `dbt build` then makes FILE of the CSV files of EXPORT.
"""

import re
import sys
from dataclasses import replace
from pathlib import Path

import duckdb

from tests.benchmarks.dbt_project import (
    AS_OF,
    KEY,
    WORK,
    DbtModel,
    DbtProject,
    change_settings,
    hooks,
    named,
)
from tests.handwritten.run import DEALS, HERE, LAYERS, pads


def on_duckdb(export: Path, file: Path) -> DbtProject:
    """The handwritten SQL that makes a file of an export."""
    macros, models = _statements()
    has_deals = (export / "deals.csv").exists()
    raw_deals = DEALS.partition(" AS ")[2] if has_deals else "SELECT 0 AS line LIMIT 0"
    models.append(DbtModel(WORK, "raw_deals", raw_deals))
    inner, outer = (f"unhex('{pad.hex()}')" for pad in pads(KEY))
    variables = {"ipad": inner, "opad": outer, "folder": f"'{export}'", "timezone": "'UTC'"}
    variables["as_of"] = AS_OF
    temporary = [model.name for model in models if model.schema == WORK]

    def query(text: str) -> str:
        for name, value in variables.items():  # dbt's connections do not have them
            text = text.replace(f"getvariable('{name}')", value)
        return named(text, temporary)

    target = {"type": "duckdb", "path": str(file), "schema": "main", "threads": 1}
    target["settings"] = {"TimeZone": "UTC", "threads": 2}
    return DbtProject(
        "duckdb",
        target,
        [query(macro) for macro in macros],
        [replace(model, query=query(model.query)) for model in models],
    )


def _statements() -> tuple[list[str], list[DbtModel]]:
    """The macros of the handwritten SQL, and its tables, with the settings each is made with."""
    macros: list[str] = []
    models: list[DbtModel] = []
    settings: dict[str, str | None] = {}
    for layer in LAYERS:
        for statement in duckdb.extract_statements((HERE / layer).read_text(encoding="utf-8")):
            text = re.sub(r"\s*--.*", "", statement.query).strip().rstrip(";")
            change_settings(settings, text)
            config = {"pre_hook": hooks(settings)}
            if text.startswith("CREATE TEMP MACRO"):
                macros.append(text.replace("CREATE TEMP MACRO", "CREATE OR REPLACE MACRO"))
            elif found := re.match(r"CREATE TABLE (\w+)\.(\w+) AS\s(.*)", text, re.DOTALL):
                models.append(DbtModel(found[1], found[2], found[3], config))
            elif found := re.match(r"CREATE TEMP TABLE (\w+) AS\s(.*)", text, re.DOTALL):
                models.append(DbtModel(WORK, found[1], found[2], config))
            elif found := re.match(r"SET VARIABLE as_of = (.*)", text, re.DOTALL):
                query = found[1].replace("getvariable('as_of')", "NULL")
                models.append(DbtModel(WORK, "as_of", f"SELECT {query} AS as_of"))
    return macros, models


if __name__ == "__main__":
    export, file, folder = (Path(given).resolve() for given in sys.argv[1:4])
    print(on_duckdb(export, file).write(folder), "tests")
