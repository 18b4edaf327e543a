"""The same tables and the same rules as a dbt project.

Its models are the handwritten SQL, cut up, and its tests are the checks, in the SQL that Ibis makes
of them. `python -m tests.benchmarks.dbt_project EXPORT FILE FOLDER` writes it into FOLDER, whose
`dbt build` makes FILE of the CSV files of EXPORT.
"""

import re
import sys
from collections.abc import Iterable
from datetime import datetime
from pathlib import Path

import duckdb
import ibis
import yaml

from tests.handwritten.run import DEALS, HERE, LAYERS, pads
from transforms.funnel import load_funnel
from transforms.graph import load_models

SCHEMAS = "staging|intermediate|marts|snapshots"
WORK = "work"  # the schema of what the handwritten SQL has as temporary tables
KEY = bytes(32)
OF_A_MODEL = re.compile(rf'"?\b(?:{SCHEMAS})"?\."?(\w+)"?')


def write_project(export: Path, file: Path, folder: Path) -> int:
    """Write the project; gives the number of its tests."""
    macros, models = _statements()
    has_deals = (export / "deals.csv").exists()
    raw_deals = DEALS.partition(" AS ")[2] if has_deals else "SELECT 0 AS line LIMIT 0"
    models.append((WORK, "raw_deals", raw_deals))
    inner, outer = (f"unhex('{pad.hex()}')" for pad in pads(KEY))
    variables = {"ipad": inner, "opad": outer, "folder": f"'{export}'", "timezone": "'UTC'"}
    macros = [_with(variables, macro) for macro in macros]
    project = {
        "name": "funnel",
        "profile": "funnel",
        "version": "1.0",
        "flags": {"send_anonymous_usage_stats": False},
        "on-run-start": macros,
        "models": {"+materialized": "table"},
    }
    target = {"type": "duckdb", "path": str(file), "schema": "main", "threads": 1}
    target["settings"] = {"TimeZone": "UTC", "threads": 2}
    profile = {"funnel": {"target": "bench", "outputs": {"bench": target}}}
    (folder / "macros").mkdir(parents=True)
    (folder / "dbt_project.yml").write_text(yaml.safe_dump(project))
    (folder / "profiles.yml").write_text(yaml.safe_dump(profile))
    # dbt would put the name of the schema of the target before that of the model.
    (folder / "macros/schema.sql").write_text(
        "{% macro generate_schema_name(name, node) %}{{ name or target.schema }}{% endmacro %}"
    )
    temporary = {name for schema, name, _ in models if schema == WORK}
    for schema, name, query in models:
        place = folder / "models" / schema
        place.mkdir(parents=True, exist_ok=True)
        config = f"{{{{ config(schema='{schema}', alias='{name}') }}}}\n"
        query = _with(variables, query)
        (place / f"{_named(schema, name)}.sql").write_text(config + _referring(query, temporary))
    return _write_tests(folder / "tests", {name for _, name, _ in models})


def _statements() -> tuple[list[str], list[tuple[str, str, str]]]:
    """The macros of the handwritten SQL, and schema, name and query of its tables."""
    macros: list[str] = []
    models: list[tuple[str, str, str]] = []
    for layer in LAYERS:
        for statement in duckdb.extract_statements((HERE / layer).read_text(encoding="utf-8")):
            text = re.sub(r"\s*--.*", "", statement.query).strip().rstrip(";")
            if text.startswith("CREATE TEMP MACRO"):
                macros.append(text.replace("CREATE TEMP MACRO", "CREATE OR REPLACE MACRO"))
            elif found := re.match(r"CREATE TABLE (\w+)\.(\w+) AS\s(.*)", text, re.DOTALL):
                models.append((found[1], found[2], found[3]))
            elif found := re.match(r"CREATE TEMP TABLE (\w+) AS\s(.*)", text, re.DOTALL):
                models.append((WORK, found[1], found[2]))
            elif found := re.match(r"SET VARIABLE as_of = (.*)", text, re.DOTALL):
                query = found[1].replace("getvariable('as_of')", "NULL")
                models.append((WORK, "as_of", f"SELECT {query} AS as_of"))
    return macros, models


def _with(variables: dict[str, str], query: str) -> str:
    """The query with the values of variables, which dbt's connections do not have."""
    for name, value in variables.items():
        query = query.replace(f"getvariable('{name}')", value)
    return query.replace("getvariable('as_of')", f"(SELECT as_of FROM {WORK}.as_of)")


def _named(schema: str, name: str) -> str:
    """The name of a model, of which dbt has one for each."""
    return f"{schema}_{name}" if schema == WORK else name


def _referring(query: str, temporary: Iterable[str] = ()) -> str:
    """The query with references to models in place of the names of tables."""

    def alias(found: re.Match[str]) -> str:
        return f"{found[1]} {WORK}.{found[2]} AS {found[3] or found[2]}"

    if temporary:
        names = "|".join(sorted(temporary))
        pattern = rf"\b(FROM|JOIN)\s+({names})\b(?:\s+AS\s+(\w+))?"
        query = re.sub(pattern, alias, query)
    query = re.sub(rf"\b{WORK}\.(\w+)", lambda found: _reference(_named(WORK, found[1])), query)
    return OF_A_MODEL.sub(lambda found: _reference(found[1]), query)


def _reference(name: str) -> str:
    return f"{{{{ ref('{name}') }}}}"


def _write_tests(folder: Path, there: set[str]) -> int:
    """A test for each rule of a table that is there; it gives the rows that break the rule."""
    folder.mkdir()
    models = load_models()
    settings = {
        "funnel": load_funnel(),
        "timezone": "UTC",
        "as_of": datetime(2026, 9, 30),
        "now": datetime(2026, 10, 1),
        "forgotten": (),
    }
    tables = {
        name: ibis.table(model.columns(settings), name=name, database=model.schema)
        for name, model in models.items()
    }
    written = 0
    for name in sorted(there & models.keys()):
        for place, check in enumerate(models[name].checks):
            if {name, *check.needs} <= there:
                query = str(ibis.to_sql(check.failing(tables[name], tables, settings), "duckdb"))
                config = f"{{{{ config(severity='{check.severity}') }}}}\n"
                (folder / f"{name}_{place}.sql").write_text(config + _referring(query))
                written += 1
    return written


if __name__ == "__main__":
    print(write_project(*(Path(given).resolve() for given in sys.argv[1:4])), "tests")
