"""Each engine that the models run on."""

import os
from collections.abc import Iterator

import ibis
import psycopg
import pytest
from ibis.backends import BaseBackend


def pytest_configure(config: pytest.Config) -> None:
    """Ibis calls what DuckDB has deprecated; that is not for us to mend."""
    config.addinivalue_line("filterwarnings", "ignore:fetch_:DeprecationWarning")


@pytest.fixture(scope="session")
def postgres_url() -> str:
    return os.environ["FUNNEL_TEST_POSTGRES_URL"]


@pytest.fixture(scope="session", params=["duckdb", "postgres"])
def engine(request: pytest.FixtureRequest) -> Iterator[BaseBackend]:
    """A connection to each engine; tests that use it run on all of them."""
    if request.param == "duckdb":
        connection = ibis.duckdb.connect()
    else:
        url = request.getfixturevalue("postgres_url")
        connection = ibis.postgres.from_connection(psycopg.connect(url, autocommit=True))
    yield connection
    connection.disconnect()
