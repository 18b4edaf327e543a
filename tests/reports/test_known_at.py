"""The page about the funnel as it was known: what it says, and how it looks in a browser."""

from datetime import date, datetime
from pathlib import Path
from typing import Any

import pytest

from reports.known_at import page
from tests.reports.chromium import CHROMIUM, Screen, chromium, on_each_screen, opened
from tests.reports.test_accessibility import violations
from tests.reports.test_runs import Page

MARKUP = "<script>console.log(1)</script>"


def cell(month: int, step: str, name: str | None, then: int, now: int) -> dict[str, Any]:
    order = {"1": 1, "2": 2}.get(step)
    return {
        "month": date(2024, month, 1),
        "step_order": order,
        "funnel_step": step,
        "kpi_name": name,
        "deals_then": then,
        "deals_now": now,
    }


def change(month: int, step: str, reason: str, deals: int) -> dict[str, Any]:
    place = {"month": date(2024, month, 1), "funnel_step": step}
    return place | {"reason": reason, "deals_change": deals}


FUNNEL = [
    cell(1, "2", MARKUP, 4, 4),
    cell(1, "1", "Lead", 1200, 1198),
    cell(2, "1", "Lead", 7, 7),
    cell(2, "2", MARKUP, 0, 0),
    cell(2, "0", None, 3, 0),
]
CHANGES = [
    change(2, "0", "other_step", -3),
    change(1, "1", "told_later", 1),
    change(1, "1", "taken_back", -3),
]
REASONS = {
    "other_step": "entered another step",
    "told_later": "told later",
    "taken_back": "not known any more",
    "deal_is_gone": "nothing is known",
}


def found(funnel: list[dict[str, Any]], changes: list[dict[str, Any]]) -> dict[str, Any]:
    run = {"started_at": datetime(2024, 3, 1, 7), "as_of": datetime(2024, 2, 28)}
    return {
        "known_at": datetime(2024, 3, 2),
        "timezone": "UTC",
        "then": run,
        "now": run | {"started_at": datetime(2024, 5, 1)},
        "funnel": funnel,
        "restatements": changes,
        "reasons": REASONS,
    }


def rows(html: str) -> list[str]:
    return [" ".join(row.split()) for row in Page(html).rows]


def test_a_figure_that_is_another_now_is_beside_the_one_of_then() -> None:
    _, january, february, *_ = rows(page(found(FUNNEL, CHANGES)))
    assert january == "2024-01 1,200 1,198 4 0"
    assert february == "2024-02 7 0 3 0"


def test_steps_are_in_the_order_of_the_funnel_and_those_it_lost_come_last() -> None:
    [heading, *_] = rows(page(found(FUNNEL, CHANGES)))
    assert heading.startswith("month 1 Lead 2 ")
    assert heading.endswith("0 (not in the funnel any more)")


def test_a_step_whose_name_is_its_number_is_named_once() -> None:
    [heading, *_] = rows(page(found([cell(1, "Lost", "Lost", 1, 1)], [])))
    assert heading == "month Lost"


def test_names_stay_text() -> None:
    made = page(found(FUNNEL, CHANGES))
    assert "<script" not in made
    assert "&lt;script&gt;" in made


def test_each_change_has_its_reasons() -> None:
    made = page(found(FUNNEL, CHANGES))
    assert rows(made)[-2:] == [
        "2024-01 1 Lead 1,200 1,198 +1 told later, −3 taken back",
        "2024-02 0 (not in the funnel any more) 3 0 −3 other step",
    ]
    assert "not known any more" in made
    assert "deal is gone" not in made


def test_no_change_is_said() -> None:
    made = page(found(FUNNEL[:1], []))
    assert "Nothing: every figure is now what it was then." in made
    assert "Nothing: every figure" not in page(found(FUNNEL, CHANGES))


def test_before_any_entry_there_is_nothing_to_show() -> None:
    assert rows(page(found([], []))) == ["month"]


@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium found")
@on_each_screen
def test_the_page_in_a_browser(tmp_path: Path, screen: Screen) -> None:
    """Nothing is fetched, the console stays empty, and a phone needs no sideways scrolling."""
    file = tmp_path / "known_at.html"
    file.write_text(page(found(FUNNEL, CHANGES)), encoding="utf-8")
    with chromium() as browser, opened(browser, file, screen=screen) as seen:
        assert (seen.console, seen.requests, seen.sideways()) == ([], [], 0)
        assert violations(seen.page) == []
