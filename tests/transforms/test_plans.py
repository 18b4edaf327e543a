"""No query gets slow with the square of its rows: how DuckDB would answer each of them.

It compares each row with each other one where a join is not a matter of equal or ordered columns:
where its condition has an OR, say. A few rows do not show it; a million take hours.
"""

from collections.abc import Iterator

import ibis
import pytest
from ibis import Table
from ibis.backends.duckdb import Backend

from tests.transforms.conftest import MODELS, RAW_SCHEMAS, SETTINGS, schema_of
from transforms.graph import BEFORE, Model

EACH_WITH_EACH = "BLOCKWISE_NL_JOIN"


@pytest.fixture(scope="module")
def duckdb() -> Iterator[Backend]:
    """A session with every table, empty, that plans as if it did not know that."""
    backend = ibis.duckdb.connect()
    backend.raw_sql("SET disabled_optimizers = 'statistics_propagation'")
    for name in (*RAW_SCHEMAS, *MODELS):
        backend.create_table(name, schema=schema_of(name, SETTINGS))
    yield backend
    backend.disconnect()


def plan(duckdb: Backend, query: Table) -> str:
    """How a query would be answered."""
    [(_, drawn)] = duckdb.raw_sql(f"EXPLAIN {ibis.to_sql(query)}").fetchall()
    return str(drawn)


def tables(duckdb: Backend, model: Model) -> dict[str, Table]:
    """What a model and its checks read."""
    found = {name: duckdb.table(name) for name in (*RAW_SCHEMAS, *MODELS)}
    return found | {BEFORE: found[model.name]}


@pytest.mark.parametrize("model", MODELS.values(), ids=MODELS)
def test_a_model_compares_no_rows_each_with_each(duckdb, model):
    query = model.expression(tables(duckdb, model), SETTINGS)
    assert EACH_WITH_EACH not in plan(duckdb, query)


@pytest.mark.parametrize("model", MODELS.values(), ids=MODELS)
def test_a_check_compares_no_rows_each_with_each(duckdb, model):
    read = tables(duckdb, model)
    failing = [check.failing(read[model.name], read, SETTINGS) for check in model.checks]
    plans = [plan(duckdb, rows.agg(failing=rows.count())) for rows in failing]
    assert [drawn for drawn in plans if EACH_WITH_EACH in drawn] == []


def test_the_plan_of_a_condition_with_an_or_does(duckdb):
    one, other = duckdb.table("stg_deals"), duckdb.table("stg_deal_changes")
    either = (one.created_at < other.changed_at) | (one.created_at == other.changed_at)
    query = one.left_join(other, [one.deal_id == other.deal_id, either])
    assert EACH_WITH_EACH in plan(duckdb, query)
