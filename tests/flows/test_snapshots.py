"""Living day by day leaves the same history of deals as being told all of it at once."""

import os
import re
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

import flows
from flows.run import Run
from tests.flows.batches import LOOKUPS, Batch
from tests.stored import opened

HISTORIES = int(os.environ.get("FUNNEL_TEST_HISTORIES", "1"))

# Spans that are no history: a gap or overlap, two that are current, one that says nothing new.
WRONG = """
    SELECT * FROM (
        SELECT *, lead(valid_from) OVER deal AS next_from, lag(row_hash) OVER deal AS hash_before
        FROM snapshots.deals WINDOW deal AS (PARTITION BY deal_id ORDER BY valid_from)
    ) AS spans
    WHERE valid_to IS DISTINCT FROM next_from OR is_current <> (next_from IS NULL)
        OR row_hash IS NOT DISTINCT FROM hash_before
    """
# The current row says of a deal what `stg_deals` does.
OF_NOW = """
    SELECT * FROM (SELECT * FROM snapshots.deals WHERE is_current) AS history
    FULL JOIN staging.stg_deals AS now USING (deal_id)
    WHERE history.status IS DISTINCT FROM now.status
        OR history.user_id IS DISTINCT FROM now.user_id
        OR history.stage_id IS DISTINCT FROM now.stage_id
        OR history.value IS DISTINCT FROM now.value
    """
SNAPSHOTS = ("deals", "deal_funnel_entries")
HISTORY = "SELECT * FROM snapshots.deals ORDER BY deal_id, valid_from"


def answer(url: str, query: str) -> list[Any]:
    with opened(url) as ask:
        return list(ask(query))


def told(tell: Callable[..., Run], url: str, days: list[Batch], **options: Any) -> list[Any]:
    """The history after some runs, which was one after each of them."""
    for day in days:
        tell(url, LOOKUPS | {"activity": [], "deal_changes": []} | day, only=SNAPSHOTS, **options)
        assert answer(url, WRONG) == []
    return answer(url, HISTORY)


HOURS = [f"{hour}:00:00" for hour in ("08", "09", "10")]
SAID = {
    "user_id": ["1", "2", "3", ""],
    "stage_id": ["1", "2", "7", "99", "x"],
    "lost_reason": ["1", "2", ""],
    "title": ["x"],
}
CHANGES = st.one_of(
    st.tuples(
        st.sampled_from([1, 2, 3]), st.sampled_from(HOURS), st.just(key), st.sampled_from(values)
    )
    for key, values in SAID.items()
)
DAYS = st.lists(st.lists(CHANGES, max_size=6), min_size=3, max_size=3).map(
    lambda days: [
        [(deal, f"2024-01-0{number} {hour}", *rest) for deal, hour, *rest in day]
        for number, day in enumerate(days, 2)
    ]
)
CREATED = [(deal, "2024-01-01 08:00:00", "add_time", "2024-01-01T08:00:00") for deal in (1, 2)]


@settings(
    max_examples=HISTORIES,
    deadline=None,
    database=None,
    phases=[Phase.generate],  # an example takes half a minute, too long to look for smaller ones
    suppress_health_check=list(HealthCheck),
)
@given(days=DAYS)
def test_living_day_by_day_is_the_same_as_being_told_at_once(new_warehouse, tell, days):
    days = [CREATED, *days]
    until = [[row for day in days[: number + 1] for row in day] for number in range(len(days))]
    at_once = told(tell, url := new_warehouse(), [{"deal_changes": until[-1]}])
    assert answer(url, OF_NOW) == []
    as_whole = told(tell, new_warehouse(), [{"deal_changes": rows} for rows in until])
    assert as_whole == at_once
    without_the_past = told(tell, new_warehouse(), [{"deal_changes": rows} for rows in days])
    assert without_the_past == at_once
    new_only = [{"deal_changes": rows} for rows in days]
    assert told(tell, new_warehouse(), new_only, incremental=True) == at_once


def test_a_large_history_is_made_in_parts_and_is_the_same(new_warehouse, tell, put_in, monkeypatch):
    days: list[Batch] = [
        {
            "deal_changes": [
                (deal, f"2024-01-0{deal} 08:00:00", "stage_id", stage)
                for deal in range(1, 6)
                for stage in stages
            ],
            "deals": [(deal, status) for deal in range(1, 7)],
        }
        for stages, status in ((["1"], "open"), (["1", "2"], "lost"))
    ]
    at_once = told(tell, new_warehouse(), days)
    monkeypatch.setattr("flows.warehouse.duckdb.MOST_AT_ONCE", 3)
    assert told(tell, url := new_warehouse(), days) == at_once
    assert (put_in.count("_building_deals") > 5) == url.startswith("duckdb")


OPEN, LOST = [(7, "open")], [(7, "lost")]
FIRST: Batch = {
    "deal_changes": [
        (7, "2024-01-01 08:00:00", "add_time", "2024-01-01T08:00:00"),
        (7, "2024-01-02 08:00:00", "stage_id", "1"),
    ]
}
LATER: Batch = {"deal_changes": [(8, "2024-01-05 08:00:00", "stage_id", "1")]}


@pytest.mark.parametrize("incremental", [False, True])
def test_what_only_the_deals_table_knows_is_dated_by_the_runs(new_warehouse, tell, incremental):
    both: Batch = {"deal_changes": FIRST["deal_changes"] + LATER["deal_changes"]}
    days: list[Batch] = [FIRST | {"deals": OPEN}, both | {"deals": LOST}]
    url = new_warehouse()
    told(tell, url, days, incremental=incremental)
    assert answer(url, OF_NOW) == []
    found = answer(
        url,
        "SELECT status, CAST(valid_from AS date) FROM snapshots.deals"
        " WHERE deal_id = 7 ORDER BY valid_from",
    )
    assert [(status, str(since)) for status, since in found] == [
        ("open", "2024-01-01"),
        ("open", "2024-01-02"),
        ("lost", "2024-01-05"),
    ]


@pytest.mark.parametrize("incremental", [False, True])
def test_a_full_refresh_keeps_the_history(new_warehouse, tell, incremental):
    url = new_warehouse()
    before = told(tell, url, [FIRST | {"deals": OPEN}], incremental=incremental)
    options = {"incremental": incremental, "full_refresh": True}
    after = told(tell, url, [LATER], **options)
    assert [row for row in after if row[0] == 7] == before


def test_the_questions_of_the_history_page_are_answered(new_warehouse, tell):
    page = (Path(flows.__file__).parents[1] / "docs/history.md").read_text()
    *_, standing, back, taken_back = re.findall(r"^-- .+\n([^;]+);", page, flags=re.MULTILINE)
    url = new_warehouse()
    changes = [
        (7, "2026-06-02 08:00:00", "stage_id", "2"),
        (7, "2026-07-02 08:00:00", "lost_reason", "1"),
        (7, "2026-07-03 08:00:00", "stage_id", "7"),
        (8, "2026-06-02 08:00:00", "lost_reason", "1"),
    ]
    told(tell, url, [{"deal_changes": changes}])
    assert answer(url, standing) == [(2, 1)]
    assert answer(url, back) == [(7, datetime(2026, 7, 2, 8), datetime(2026, 7, 3, 8))]
    assert answer(url, taken_back) == []
    told(tell, url, [{"deal_changes": changes[1:]}])
    assert [row[:2] for row in answer(url, taken_back)] == [(7, "2")]
