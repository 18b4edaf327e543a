"""What readers knew of the funnel is known for ever, and each difference from now has a reason."""

import json
from collections import Counter
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import duckdb
import pytest

from flows.errors import InputError
from flows.report.look_back import look_back
from flows.run import Run
from flows.settings import load_settings
from tests.docs.pages import ROOT, table
from tests.flows.batches import Batch, whole
from tests.flows.test_incremental import FIRST, NEXT
from tests.stored import opened
from transforms.known_at import REASONS

MART = "SELECT month, funnel_step, kpi_name, deals_count FROM marts.rep_sales_funnel_monthly"
PUBLISHED = "SELECT max(finished_at) FROM quality.runs WHERE status = 'published'"
LOOKED_AT = ("rep_sales_funnel_monthly", "deal_funnel_entries")

Cells = dict[tuple[Any, ...], int]


def shown(url: str) -> tuple[datetime, Cells]:
    """When the last run was published, and the funnel that readers see; without zeros."""
    with opened(url) as ask:
        [[finished_at]] = ask(PUBLISHED)
        return finished_at, {tuple(cell): count for *cell, count in ask(MART) if count}


def known(url: str, moment: datetime, folder: Path) -> tuple[Cells, Cells]:
    """The funnel as it was known then and as it is now; every difference is accounted for."""
    found = look_back(load_settings(warehouse=url, report=str(folder / "report.html")), moment)
    changes: Counter[tuple[Any, ...]] = Counter()
    for row in found["restatements"]:
        assert row["reason"] in REASONS
        changes[row["month"], row["funnel_step"]] += row["deals_change"]
    then, now = {}, {}
    for row in found["funnel"]:
        place = row["month"], row["funnel_step"]
        assert row["deals_now"] - row["deals_then"] == changes.pop(place, 0)
        cell = *place, row["kpi_name"]
        then[cell], now[cell] = row["deals_then"], row["deals_now"]
    assert not changes
    return ({cell: count for cell, count in each.items() if count} for each in (then, now))


@pytest.fixture
def live(new_warehouse: Callable[[], str], tell: Callable[..., Run], tmp_path: Path) -> Any:
    """Tells batches to a new warehouse; then, whatever readers saw in between is known."""

    def through(batches: list[Batch], **options: Any) -> None:
        url = new_warehouse()
        seen = []
        for number, batch in enumerate(batches):
            tell(url, batch, str(number), only=LOOKED_AT, **options)
            seen.append(shown(url))
        assert len({tuple(sorted(cells.items())) for _, cells in seen}) > 2  # it did change
        _, now = seen[-1]
        for moment, cells in seen:
            assert [*known(url, moment, tmp_path)] == [cells, now]

    return through


def test_the_funnel_of_every_incremental_run_can_be_looked_back_at(live):
    live([FIRST, *NEXT.values()], incremental=True)


def test_the_funnel_of_every_whole_run_can_be_looked_back_at(live):
    batches = [FIRST, *list(NEXT.values())[:3]]
    exports = [whole(batches[: number + 1]) for number in range(len(batches))]
    live([*exports, exports[0]])


# How the history is read on each engine is seen above.
on_one_engine = pytest.mark.parametrize("place", ["duckdb"], indirect=True)


@on_one_engine
def test_the_command_writes_a_page_and_nothing_else(place, export):
    changes = """
        deal_id,change_time,changed_field_key,new_value
        7,2024-01-02 08:00:00,stage_id,1
        8,2024-02-03 08:00:00,stage_id,1
        """
    place.run("--source", export())
    moment = datetime.fromisoformat(str(place.query(PUBLISHED)[0][0])).isoformat()
    place.run("--source", export(folder="later", deal_changes=changes))
    before = place.sandbox.published()
    found = place.run("--known-at", moment, "--report", place.sandbox.report)
    assert (found.returncode, found.stderr) == (0, "")
    assert "figures have changed since" in found.stdout
    page = Path(found.stdout.rpartition("Page: ")[2].strip())
    assert page.parent == place.sandbox.report.parent
    assert page.name.startswith("report_known_at_20")
    assert "told later" not in page.read_text()
    assert "taken back" in page.read_text()
    page.unlink()
    as_json = place.run("--known-at", moment, "--report", place.sandbox.report, "--json")
    restated = json.loads(as_json.stdout)["restatements"]
    assert {
        "month": "2024-01-01",
        "funnel_step": "2",
        "reason": "taken_back",
        "deals_change": -1,
    } in restated
    page.unlink()
    assert place.sandbox.published() == before
    assert place.sandbox.leftovers() == []


@on_one_engine
def test_after_a_change_of_the_funnel_that_is_the_reason(place, export):
    place.run("--source", export())
    [[published]] = place.query(PUBLISHED)
    moment = datetime.fromisoformat(str(published)).isoformat()
    stages = "stage_id,stage_name\n1,Lead Generation\n2,Needs Assessment\n"
    place.run("--source", export(folder="later", stages=stages))
    found = place.run("--known-at", moment, "--report", place.sandbox.report, "--json")
    assert [[*row.values()] for row in json.loads(found.stdout)["restatements"]] == [
        ["2024-01-01", "2", "other_funnel", -1],
        ["2024-01-01", "3", "other_funnel", 1],
    ]


@on_one_engine
def test_runs_that_did_not_record_what_matched_are_looked_back_at(place, export):
    place.run("--source", export())
    [[published]] = place.query(PUBLISHED)
    moment = datetime.fromisoformat(str(published)).isoformat()
    with duckdb.connect(place.sandbox.warehouse) as written:
        written.execute("DROP TABLE quality.funnel_matches")
    place.run("--source", export(folder="later", stages="stage_id,stage_name\n1,Lead Generation\n"))
    found = place.run("--known-at", moment, "--report", place.sandbox.report, "--json")
    assert [row["reason"] for row in json.loads(found.stdout)["restatements"]] == ["taken_back"]


def test_the_page_of_the_docs_has_all_reasons():
    reasons = table(ROOT / "docs/history.md", "reason", "the deal")
    assert reasons == [[name.replace("_", " "), said] for name, said in REASONS.items()]


@on_one_engine
def test_before_the_first_run_nothing_was_known(place, export):
    place.run("--source", export())
    found = place.run("--known-at", "2024-01-01", "--report", place.sandbox.report)
    assert (found.returncode, found.stdout) == (2, "")
    assert "nothing was known then: the first run that was published into" in found.stderr


def test_of_a_funnel_that_nobody_was_in_it_is_known_that_it_was_empty(
    tell, new_warehouse, tmp_path
):
    url = new_warehouse()
    tell(url, FIRST | {"activity": [], "deal_changes": []}, only=LOOKED_AT)
    moment, _ = shown(url)
    tell(url, FIRST, "second", only=LOOKED_AT)
    then, _ = known(url, moment, tmp_path)
    assert set(then.values()) <= {0}


def test_what_an_older_version_did_not_keep_is_not_known(tell, new_warehouse, tmp_path):
    url = new_warehouse()
    tell(url, FIRST, only=LOOKED_AT)
    moment, _ = shown(url)
    with opened(url, read_only=False) as ask:
        ask("DROP TABLE snapshots.deal_funnel_entries")
        ask("DELETE FROM quality.check_results WHERE model = 'deal_funnel_entries'")
    with pytest.raises(InputError, match="what was known is recorded from the next run on in"):
        known(url, moment, tmp_path)
    tell(url, FIRST, "second", only=LOOKED_AT)
    with pytest.raises(InputError, match=r"what was known is recorded only since 20.* UTC in"):
        known(url, moment, tmp_path)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--known-at", "July"], "--known-at: not a time; write it like 2024-06-30"),
        (["--known-at", ""], "--known-at: not a time; write it like 2024-06-30"),
        (["--known-at", "2190-01-01"], "--known-at: that is yet to come; name a time in the past"),
        (["--known-at", "2024-06-30", "--dry-run"], "--known-at starts no run"),
        (["rotate-key", "--known-at", "2024-06-30"], "--known-at starts no run"),
        (["--known-at", "2024-06-30", "--as-of", "2024-06-30"], "--known-at starts no run"),
        (["--known-at", "2024-06-30", "--export", "there"], "--known-at starts no run"),
        (["--known-at", "2024-06-30", "--incremental"], "--known-at starts no run"),
    ],
)
def test_what_it_does_not_go_with_is_told(sandbox, options, said):
    found = sandbox.run(*options)
    assert found.returncode == 2
    assert said in found.stderr
    assert sandbox.leftovers() == []
