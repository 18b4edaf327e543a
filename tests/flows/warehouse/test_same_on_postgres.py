"""PostgreSQL has the same rows as DuckDB, in every table, wherever the export is read from."""

import os
from collections.abc import Iterator
from contextlib import closing
from datetime import datetime
from pathlib import Path

import duckdb
import psycopg2
import pytest
from psycopg2 import sql

from data.generate import generate
from flows.warehouse.duckdb import DuckDBWarehouse
from flows.warehouse.postgres import PostgresWarehouse
from tests.whole_run import publish_run
from transforms.graph import load_models
from transforms.sources import SOURCES

ROOT = Path(__file__).parents[3]
REAL_EXPORT = Path(os.environ.get("FUNNEL_REAL_EXPORT", ROOT.parent / "shared/pipedrive_export"))

RECORDS = ("check_results", "data_dictionary", "lineage", "reconciliation", "rejected_rows", "runs")
TABLES = [(model.schema, model.name) for model in load_models().values()]
TABLES += [("quality", name) for name in RECORDS]
OF_THE_RUN = ("started_at", "finished_at", "known_from")
# A database has no lines, and where it was read from is not the same.
OF_THE_SOURCE = ("line", "source", "source_fingerprint")


@pytest.fixture(scope="module", params=["sample", "generated", "real export"])
def both(request, tmp_path_factory, new_database) -> Iterator[duckdb.DuckDBPyConnection]:
    """`duck`, and `postgres` beside it, built from the same export."""
    place = tmp_path_factory.mktemp("same")
    timezone, as_of, folder = "UTC", None, ROOT / "data/sample"
    if request.param == "generated":
        timezone, as_of, folder = "America/New_York", datetime(2026, 8, 1), place / "export"
        generate(20_000, 11, folder)
    if request.param == "real export":
        folder = REAL_EXPORT
        if not folder.is_dir():
            pytest.skip("the real export is not here (FUNNEL_REAL_EXPORT names its folder)")
    url = new_database("same")
    publish_run(DuckDBWarehouse(place / "duck.duckdb"), folder, timezone, as_of)
    publish_run(PostgresWarehouse(url), folder, timezone, as_of)
    with beside(place / "duck.duckdb", url, place) as connection:
        yield connection


def beside(file: Path, url: str, place: Path) -> duckdb.DuckDBPyConnection:
    """A connection to a warehouse file, with copies of the tables of a PostgreSQL warehouse."""
    connection = duckdb.connect()
    connection.execute(f"ATTACH '{file}' AS duck (READ_ONLY)")
    connection.execute("ATTACH ':memory:' AS postgres")
    with closing(psycopg2.connect(url)) as session, session.cursor() as cursor:
        for schema, table in TABLES:
            connection.execute(f"CREATE SCHEMA IF NOT EXISTS postgres.{schema}")
            connection.execute(
                f"CREATE TABLE postgres.{schema}.{table} AS FROM duck.{schema}.{table} LIMIT 0"
            )
            columns = connection.table(f"postgres.{schema}.{table}").columns
            query = sql.SQL("COPY (SELECT {} FROM {}) TO STDOUT (FORMAT csv, FORCE_QUOTE *)")
            names = sql.SQL(", ").join(map(sql.Identifier, columns))
            with (place / "copied.csv").open("wb") as copy:
                cursor.copy_expert(query.format(names, sql.Identifier(schema, table)), copy)
            connection.execute(
                f"COPY postgres.{schema}.{table} FROM '{place}/copied.csv'"
                " (AUTO_DETECT false, HEADER false, ALLOW_QUOTED_NULLS false, NEW_LINE '\\n')"
            )
    return connection


def differing(
    both: duckdb.DuckDBPyConnection,
    schema: str,
    table: str,
    without: tuple[str, ...],
    pair: tuple[str, str] = ("duck", "postgres"),
) -> list[tuple[object, ...]]:
    """Some rows that are in one of them only; floats to nine digits."""
    found = both.table(f"duck.{schema}.{table}")
    compared = ", ".join(
        f"round({name}, 9) AS {name}" if dtype == "DOUBLE" else name
        for name, dtype in zip(found.columns, found.types, strict=True)
        if name not in without
    )
    one, other = (f"SELECT {compared} FROM {name}.{schema}.{table}" for name in pair)
    return [
        row
        for a, b in ((one, other), (other, one))
        for row in both.execute(f"FROM ({a} EXCEPT ALL {b}) LIMIT 3").fetchall()
    ]


@pytest.mark.parametrize(("schema", "table"), TABLES, ids=lambda value: value)
def test_every_table_has_the_same_rows(both, schema, table):
    assert not differing(both, schema, table, OF_THE_RUN)


@pytest.fixture(scope="module")
def from_databases(tmp_path_factory, new_database) -> Iterator[duckdb.DuckDBPyConnection]:
    """The sample, read out of DuckDB into PostgreSQL, and the other way round."""
    place = tmp_path_factory.mktemp("from_databases")
    with duckdb.connect(str(place / "source.duckdb")) as source:
        source.execute("CREATE SCHEMA raw")
        for name in SOURCES:
            file = ROOT / f"data/sample/{name}.csv"
            source.execute(
                f"CREATE TABLE raw.{name} AS FROM read_csv('{file}', all_varchar = true)"
            )
    url = new_database("source")
    with closing(psycopg2.connect(url)) as session, session.cursor() as cursor:
        cursor.execute("CREATE SCHEMA raw")
        for name in SOURCES:
            with (ROOT / f"data/sample/{name}.csv").open() as file:
                header = file.readline().strip().split(",")
                columns = ", ".join(f"{column} text" for column in header)
                cursor.execute(f"CREATE TABLE raw.{name} ({columns})")
                cursor.copy_expert(f"COPY raw.{name} FROM STDIN (FORMAT csv)", file)
        session.commit()
    publish_run(
        DuckDBWarehouse(place / "duck.duckdb"), f"{url}{'&' if '?' in url else '?'}schema=raw"
    )
    publish_run(PostgresWarehouse(url), f"duckdb://{place}/source.duckdb?schema=raw")
    publish_run(DuckDBWarehouse(place / "folder.duckdb"), ROOT / "data/sample")
    with beside(place / "duck.duckdb", url, place) as connection:
        connection.execute(f"ATTACH '{place}/folder.duckdb' AS folder (READ_ONLY)")
        yield connection


@pytest.mark.parametrize("read_from", [("duck", "folder"), ("postgres", "folder")])
@pytest.mark.parametrize(("schema", "table"), TABLES, ids=lambda value: value)
def test_it_does_not_matter_where_the_export_is_read_from(from_databases, schema, table, read_from):
    assert not differing(from_databases, schema, table, OF_THE_RUN + OF_THE_SOURCE, read_from)
