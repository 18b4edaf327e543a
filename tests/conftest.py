"""Each engine that the models run on, and tables drawn as text."""

from collections.abc import Iterator

import ibis
import pytest
from ibis.backends import BaseBackend


@pytest.fixture(scope="session", params=["duckdb"])
def engine(request: pytest.FixtureRequest) -> Iterator[BaseBackend]:
    """A connection to each engine; tests that use it run on all of them."""
    connection = ibis.duckdb.connect()
    yield connection
    connection.disconnect()
