"""A cluster of Spark makes the tables that DuckDB makes, and readers see whole versions of them."""

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import datetime
from pathlib import Path
from threading import Thread

import duckdb
import pytest

from flows.errors import InputError, WarehouseBusyError
from flows.warehouse import open_warehouse
from flows.warehouse.duckdb import DuckDBWarehouse
from flows.warehouse.looking import looking_at_one_run, open_to_look
from tests.flows.warehouse.cluster import Cluster, running_cluster
from tests.flows.warehouse.test_same_on_postgres import OF_THE_RUN, TABLES, differing
from tests.whole_run import publish_run

ROOT = Path(__file__).parents[3]
SAMPLE = ROOT / "data/sample"
SETTINGS = ("America/New_York", datetime(2026, 8, 1))


@pytest.fixture(scope="module")
def cluster(tmp_path_factory) -> Iterator[Cluster]:
    with (
        running_cluster(tmp_path_factory.mktemp("spark") / "cluster") as started,
        pytest.MonkeyPatch.context() as patched,
    ):
        for name, value in started.environment.items():
            patched.setenv(name, value)
        yield started


@pytest.fixture(scope="module")
def folder(cluster, tmp_path_factory) -> Path:
    """A warehouse made by a first, whole run, which keeps its rows."""
    folder = tmp_path_factory.mktemp("warehouse") / "sales"
    publish_run(open_warehouse(cluster.url(folder)), SAMPLE, *SETTINGS, incremental=True)
    return folder


def beside(folder: Path, file: Path) -> duckdb.DuckDBPyConnection:
    """`spark` beside `duck`: the current version of a folder, and a warehouse file."""
    connection = duckdb.connect()
    connection.execute(f"ATTACH '{file}' AS duck (READ_ONLY)")
    connection.execute("ATTACH ':memory:' AS spark")
    for schema, table in TABLES:
        files = folder / "current" / schema / table / "*.parquet"
        connection.execute(f"CREATE SCHEMA IF NOT EXISTS spark.{schema}")
        connection.execute(f"CREATE TABLE spark.{schema}.{table} AS FROM '{files}'")
    return connection


@pytest.fixture(scope="module")
def both(folder, tmp_path_factory) -> Iterator[duckdb.DuckDBPyConnection]:
    file = tmp_path_factory.mktemp("same") / "duck.duckdb"
    publish_run(DuckDBWarehouse(file), SAMPLE, *SETTINGS, incremental=True)
    with beside(folder, file) as connection:
        yield connection


@pytest.mark.parametrize(("schema", "table"), TABLES, ids=lambda value: value)
def test_every_table_has_the_same_rows_and_types(both, schema, table):
    duck, spark = (both.table(f"{name}.{schema}.{table}") for name in ("duck", "spark"))
    assert dict(zip(spark.columns, spark.types, strict=True)) == dict(
        zip(duck.columns, duck.types, strict=True)
    )
    assert not differing(both, schema, table, OF_THE_RUN, ("duck", "spark"))
