"""Each engine that the models run on, and tables drawn as text."""

from collections.abc import Iterator

import ibis
import pytest
from ibis.backends import BaseBackend


def pytest_configure(config: pytest.Config) -> None:
    """Ibis calls what DuckDB has deprecated; that is not for us to mend."""
    config.addinivalue_line("filterwarnings", "ignore:fetch_:DeprecationWarning")


@pytest.fixture(scope="session", params=["duckdb"])
def engine(request: pytest.FixtureRequest) -> Iterator[BaseBackend]:
    """A connection to each engine; tests that use it run on all of them."""
    connection = ibis.duckdb.connect()
    yield connection
    connection.disconnect()
