"""Every model against SQL that was written independently of it, from the definitions alone."""

import os
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import duckdb
import pytest

from flows.warehouse.duckdb import DuckDBWarehouse
from tests.handwritten.run import build as build_by_hand
from tests.whole_run import KEY, publish_run
from transforms.graph import load_models

ROOT = Path(__file__).parents[2]
# quality is not part of the handwritten warehouse, nor are tables that only our models need.
COMPARED = [
    (model.schema, model.name)
    for model in load_models().values()
    if model.schema != "quality"
    and model.name not in ("stg_deal_owner_changes", "stg_deal_stage_changes")
]
OF_THE_RUN = {"known_from"}  # when that was
REAL_EXPORT = Path(os.environ.get("FUNNEL_REAL_EXPORT", ROOT.parent / "shared/pipedrive_export"))


@pytest.fixture(scope="module", params=["sample", "generated", "real export"])
def both(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[duckdb.DuckDBPyConnection]:
    """A connection with `ours` and `by_hand`, built from the same export."""
    place = tmp_path_factory.mktemp("same")
    timezone, as_of, folder = "UTC", None, ROOT / "data/sample"
    if request.param == "generated":
        from data.generate import generate

        timezone, as_of, folder = "America/New_York", datetime(2026, 8, 1), place / "export"
        generate(20_000, 7, folder)
    if request.param == "real export":
        folder = REAL_EXPORT
        if not folder.is_dir():
            pytest.skip("the real export is not here (FUNNEL_REAL_EXPORT names its folder)")
    publish_run(DuckDBWarehouse(place / "ours.duckdb"), folder, timezone, as_of)
    build_by_hand(folder, place / "by_hand.duckdb", KEY, as_of=as_of, timezone=timezone)
    with duckdb.connect() as connection:
        for name in ("ours", "by_hand"):
            connection.execute(f"ATTACH '{place / name}.duckdb' AS {name} (READ_ONLY)")
        yield connection


@pytest.mark.parametrize(("schema", "table"), COMPARED, ids=lambda value: value)
def test_same_rows(both: duckdb.DuckDBPyConnection, schema: str, table: str) -> None:
    columns = {
        database: both.sql(f"FROM {database}.{schema}.{table} LIMIT 0").columns
        for database in ("ours", "by_hand")
    }
    assert sorted(columns["ours"]) == sorted(columns["by_hand"])
    types = both.sql(f"FROM ours.{schema}.{table} LIMIT 0").types
    # Means and rates agree to nine digits; everything else to the letter.
    compared = ", ".join(
        f"round({name}, 9) AS {name}" if dtype == "DOUBLE" else name
        for name, dtype in zip(columns["ours"], types, strict=True)
        if name not in OF_THE_RUN
    )
    for one, other in (("ours", "by_hand"), ("by_hand", "ours")):
        only = f"""
            SELECT {compared} FROM {one}.{schema}.{table}
            EXCEPT ALL
            SELECT {compared} FROM {other}.{schema}.{table}
        """
        rows = both.sql(f"FROM ({only}) ORDER BY ALL LIMIT 5").fetchall()
        assert not rows, f"only in {one}: {columns['ours']}\n" + "\n".join(map(str, rows))
