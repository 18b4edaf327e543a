"""A dbt project on PostgreSQL: `python -m tests.benchmarks.dbt_postgres URL FOLDER` writes it.

It sets the database up, too; `dbt_load` then copies an export into it, for `dbt build` in FOLDER.
"""

import re
import sys
from contextlib import closing
from pathlib import Path
from typing import Any

import psycopg2
from psycopg2 import sql
from psycopg2.extensions import parse_dsn

from tests.benchmarks.dbt_project import (
    AS_OF,
    KEY,
    WORK,
    DbtModel,
    DbtProject,
    change_settings,
    hooks,
)
from tests.handwritten.run import LAYERS, pads
from tests.handwritten.run_postgres import HERE, SETTINGS

MADE = re.compile(r"CREATE (UNLOGGED )?TABLE (\w+)\.(\w+) AS\s(.*)", re.DOTALL)


def set_up(url: str) -> None:
    """Give the database the settings of the handwritten SQL, for all sessions that begin now."""
    inner, outer = pads(KEY)
    given = {"ipad": inner.hex(), "opad": outer.hex(), "timezone": "UTC"}
    settings = SETTINGS | {f"handwritten.{name}": value for name, value in given.items()}
    with closing(psycopg2.connect(url)) as session, session, session.cursor() as cursor:
        for name, value in settings.items():
            cursor.execute(
                sql.SQL("ALTER DATABASE {} SET {} = {}").format(
                    sql.Identifier(session.info.dbname),
                    sql.SQL(".").join(map(sql.Identifier, name.split("."))),
                    sql.Literal(value),
                )
            )


def on_postgres(url: str) -> DbtProject:
    """The handwritten SQL in a database that is set up and loaded."""
    functions: list[str] = []
    models: list[DbtModel] = []
    scratch: set[tuple[str, str]] = set()
    settings: dict[str, str | None] = {}
    for layer in LAYERS:
        for statement in (HERE / layer).read_text(encoding="utf-8").split(";\n\n"):
            text = re.sub(r"^\s*--.*\n?", "", statement, flags=re.MULTILINE).strip().rstrip(";")
            change_settings(settings, text)
            if text.startswith("CREATE FUNCTION"):
                functions.append(text.replace("CREATE FUNCTION", "CREATE OR REPLACE FUNCTION"))
            elif found := MADE.match(text):
                is_scratch, schema, name, query = found.groups()
                config: dict[str, Any] = {"pre_hook": hooks(settings, "LOCAL ")}
                if is_scratch:
                    scratch.add((schema, name))
                    config["unlogged"] = True
                models.append(DbtModel(WORK if is_scratch else schema, name, query, config))
            elif text.startswith("SELECT set_config('handwritten.as_of'"):
                first = text.index("greatest(")
                latest = text[first : text.index("::text", first)]
                models.append(DbtModel(WORK, "as_of", f"SELECT {latest} AS as_of"))

    def query(text: str) -> str:
        text = text.replace("pg_temp.", f"{WORK}.")
        text = text.replace("current_setting('handwritten.as_of')", f"{AS_OF}::text")
        for schema, name in scratch:
            text = re.sub(rf"\b{schema}\.{name}\b", f"{WORK}.{name}", text)
        return text

    named = parse_dsn(url)
    target = {
        "type": "postgres",
        "host": named["host"],
        "port": int(named.get("port", 5432)),
        "user": named["user"],
        "password": named.get("password", ""),
        "dbname": named["dbname"],
        "schema": "public",
        "threads": 2,
    }
    return DbtProject(
        "postgres",
        target,
        [f"CREATE SCHEMA IF NOT EXISTS {WORK}", *map(query, functions)],
        [DbtModel(model.schema, model.name, query(model.query), model.config) for model in models],
        {"post-hook": "ANALYZE {{ this }}"},
    )


if __name__ == "__main__":
    url, folder = sys.argv[1:]
    set_up(url)
    print(on_postgres(url).write(Path(folder)), "tests")
