"""The page that lists the runs: what it says of them, where it leads, and that text stays text."""

import re
from datetime import datetime
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from reports.runs import index
from tests.reports.chromium import CHROMIUM, Screen, chromium, on_each_screen, opened
from tests.reports.test_accessibility import violations

MARKUP = "a <script>console.log(1)</script> '\"&?#% ö.html"


def run(**changed: Any) -> dict[str, Any]:
    """A run, but for what is changed."""
    found = {
        "run_id": "r1",
        "started_at": datetime(2024, 5, 6, 7, 8, 9),
        "as_of": datetime(2024, 4, 30, 12),
        "rows_read": 24_690,
        "checks": 144,
        "warnings": 16,
        "page": "one.html",
    }
    return found | changed


class Page(HTMLParser):
    """Where a page leads, and its rows as text."""

    def __init__(self, html: str) -> None:
        """Read a page."""
        super().__init__()
        self.links: list[str | None] = []
        self.rows: list[str] = []
        self.is_in_row = False
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Keep where a link leads; begin a row."""
        if tag == "a":
            self.links.append(dict(attrs)["href"])
        if tag == "tr":
            self.rows.append("")
            self.is_in_row = True

    def handle_data(self, data: str) -> None:
        """Add to the row."""
        if self.is_in_row:
            self.rows[-1] += f"{data.strip()} "

    def handle_endtag(self, tag: str) -> None:
        """End a row."""
        self.is_in_row = self.is_in_row and tag != "tr"


def test_a_run_is_told_in_a_row() -> None:
    page = Page(index([run()], "latest.html"))
    assert " ".join(page.rows[1].split()) == "2024-05-06 07:08:09 2024-04-30 12:00 24,690 144 16"
    assert page.links == ["../latest.html", "one.html"]


def test_a_run_whose_report_is_gone_has_no_link() -> None:
    page = Page(index([run(), run(page=None)], "latest.html"))
    assert page.links == ["../latest.html", "one.html"]
    assert len(page.rows) == 3


def test_what_is_not_known_is_not_available() -> None:
    page = Page(index([run(as_of=None, rows_read=None, checks=None, warnings=None)], "a.html"))
    assert page.rows[1].split() == ["2024-05-06", "07:08:09", *["n/a"] * 4]


def test_names_stay_text_and_part_of_the_address() -> None:
    [latest, kept] = Page(index([run(page=MARKUP)], MARKUP)).links
    for link in (latest, kept):
        assert link is not None
        assert re.fullmatch(r"[\w./%-]+", link)


def test_the_page_runs_no_script_and_fetches_nothing() -> None:
    page = index([run()], "latest.html")
    [policy] = re.findall(r'http-equiv="Content-Security-Policy" content="([^"]*)"', page)
    assert policy == "default-src 'none'; style-src 'unsafe-inline'; img-src data:"
    assert "<script" not in page
    assert re.findall(r"(?:src|href)=\"(?!data:)([^\"]*)\"", page) == ["../latest.html", "one.html"]


@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium found")
@on_each_screen
def test_the_page_in_a_browser(tmp_path: Path, screen: Screen) -> None:
    """Nothing is fetched, the console stays empty, and a phone needs no sideways scrolling."""
    file = tmp_path / "index.html"
    file.write_text(index([run() for _ in range(30)], MARKUP), encoding="utf-8")
    with chromium() as browser, opened(browser, file, screen=screen) as seen:
        assert (seen.console, seen.requests, seen.sideways()) == ([], [], 0)
        assert violations(seen.page) == []
        assert seen.page.get_by_text("2024-05-06 07:08:09").count() == 30
