"""The search for planted words finds one that has leaked, in each place where it could be.

Here the engines and Prefect write the word themselves; files with it are in `test_privacy`.
"""

import os
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from textwrap import dedent

import psycopg2
import pytest

from tests.flows.canaries import found_below, found_in, postgres_cells, spellings


def run_code(code: str, *arguments: object, **environment: str) -> None:
    """Run Python code in another process, to its end."""
    command = [sys.executable, "-c", dedent(code), *map(str, arguments)]
    subprocess.run(command, env=os.environ | environment, check=True, capture_output=True)


# DuckDB: what a process leaves that is killed

WRITTEN = """
    import os, sys
    import duckdb

    connection = duckdb.connect(sys.argv[1])
    connection.execute("CREATE TABLE people AS SELECT 'Ruritanian' AS name")
    os._exit(0)
    """
SPILLED = """
    import os, sys
    import duckdb

    connection = duckdb.connect(sys.argv[1])
    connection.execute("SET memory_limit = '8MB'; SET threads = 1")
    connection.execute(
        "CREATE TEMP TABLE people AS SELECT 'Ruritanian ' || hash(i) AS name"
        " FROM range(300000) AS numbers(i)"
    )
    os._exit(0)
    """


def test_a_word_in_the_log_of_duckdb_is_found(tmp_path):
    run_code(WRITTEN, tmp_path / "w.duckdb")
    found = found_below(tmp_path, spellings("Ruritanian"))
    assert "w.duckdb.wal: Ruritanian utf-8" in found


def test_a_word_that_duckdb_spilled_is_found(tmp_path):
    run_code(SPILLED, tmp_path / "w.duckdb")
    assert found_below(tmp_path / "w.duckdb.tmp", spellings("Ruritanian"))


# Prefect

LEAKY_FLOW = """
    from prefect import flow, get_run_logger
    from prefect.artifacts import create_markdown_artifact

    @flow(persist_result=True)
    def leaky(name):
        get_run_logger().info("Zebulonius")
        create_markdown_artifact("Quixotemountain", key="leak")
        return ["Grumblethorpe"]

    @flow
    def failing():
        raise ValueError("Fizzlewick")

    leaky("Ruritanian")
    failing(return_state=True)
    """
IN_PREFECT = {
    "parameter": "Ruritanian",
    "log": "Zebulonius",
    "artifact": "Quixotemountain",
    "result": "Grumblethorpe",
    "exception": "Fizzlewick",
}


@pytest.fixture(scope="module")
def leaked_to_prefect(tmp_path_factory, prefect_server_in) -> Path:
    """The folder of a server, and of a flow that leaks."""
    home = tmp_path_factory.mktemp("leaky")
    with prefect_server_in(home) as api_url:
        run_code(LEAKY_FLOW, PREFECT_API_URL=api_url, PREFECT_HOME=str(home))
    return home


@pytest.mark.parametrize("place", IN_PREFECT)
def test_a_word_that_leaked_to_prefect_is_found(leaked_to_prefect, place):
    assert found_below(leaked_to_prefect, spellings(IN_PREFECT[place]))


# PostgreSQL


@pytest.fixture(scope="module")
def session(own_postgres):
    """A session on a server that writes all statements to its log."""
    with closing(psycopg2.connect(own_postgres.url)) as opened:
        opened.autocommit = True
        with closing(opened.cursor()) as cursor:
            cursor.execute("CREATE TABLE people (name text)")
            cursor.execute("ALTER TABLE people SET (autovacuum_enabled = off)")
            yield cursor


def test_a_word_in_a_table_of_postgresql_is_found(session, own_postgres):
    session.execute("INSERT INTO people SELECT chr(70) || 'izzlewick'")
    session.execute("CHECKPOINT")
    assert found_below(own_postgres.tables, spellings("Fizzlewick"))


def test_a_word_in_a_value_that_postgresql_has_compressed_is_found(session, own_postgres):
    session.execute("INSERT INTO people SELECT repeat(chr(90) || 'ebulonius and ', 9999)")
    cells = b"\n".join(postgres_cells(own_postgres.url))
    assert found_in(cells, spellings("Zebulonius"))


def test_a_word_in_a_row_that_is_deleted_is_found(session, own_postgres):
    session.execute("INSERT INTO people SELECT chr(81) || 'uixotemountain'")
    session.execute("DELETE FROM people WHERE name LIKE '_uixotemountain'")
    session.execute("CHECKPOINT")
    assert not found_in(b"\n".join(postgres_cells(own_postgres.url)), {"": b"Quixotemountain"})
    assert found_below(own_postgres.tables, spellings("Quixotemountain"))


def test_a_word_in_the_write_ahead_log_of_postgresql_is_found(session, own_postgres):
    session.execute("INSERT INTO people SELECT chr(71) || 'rumblethorpe'")
    assert found_below(own_postgres.data / "pg_wal", spellings("Grumblethorpe"))


def test_a_word_in_the_log_of_postgresql_is_found(session, own_postgres):
    session.execute("SELECT 'Ruritanian'")
    assert found_in(own_postgres.log.read_bytes(), spellings("Ruritanian"))
