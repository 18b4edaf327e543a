"""The page in a real browser: nothing fetched, nothing complained about, nothing missing."""

from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page

from reports import charts
from reports.drawing import Chart
from tests.reports.chromium import DESKTOP, SCREENS, Screen, charts_of, on_each_screen, opened

DRAWN = [item for item in vars(charts).values() if isinstance(item, Chart)]


@on_each_screen
def test_nothing_is_fetched_or_complained_about_and_nothing_is_too_wide(
    browser: Browser, report: Path, screen: Screen
) -> None:
    """As it is opened, and with all that can be opened."""
    with opened(browser, report, screen=screen) as seen:
        assert seen.sideways() == 0
        seen.open_all()
        assert seen.sideways() == 0
        seen.page.evaluate("scrollTo(1000, document.body.scrollHeight)")
        assert seen.page.evaluate("scrollX") == 0
    assert (seen.requests, seen.console) == ([], [])


@on_each_screen
def test_every_chart_has_a_size_and_texts(browser: Browser, report: Path, screen: Screen) -> None:
    """A phone shows it as large as it can be read, and scrolls it."""
    with opened(browser, report, screen=screen) as seen:
        boxes = charts_of(seen.page)
    assert len(boxes) == len(DRAWN)
    assert all(width > 340 and height > 50 and texts for width, height, texts in boxes)


def test_a_phone_shows_these_charts_without_scrolling(browser: Browser, report: Path) -> None:
    """Their values stand at the right end of the bars."""
    with opened(browser, report, screen=SCREENS["phone, light"]) as seen:
        hidden = seen.page.eval_on_selector_all(
            "figure:has(svg)",
            """(all) => all.map((figure) => {
              const place = figure.querySelector(".scroll");
              return [figure.id, place.scrollWidth - place.clientWidth];
            })""",
        )
    names = {name.removeprefix("chart-") for name, pixels in hidden if not pixels}
    assert names >= {"steps_by_month", "losses_by_reason", "days_to_close", "most_active_reps"}


@on_each_screen
def test_the_colours_are_those_the_reader_wants(
    browser: Browser, report: Path, screen: Screen
) -> None:
    """Light paper or dark, with ink that is the other."""
    with opened(browser, report, screen=screen) as seen:
        paper, ink = (
            seen.page.evaluate(f"getComputedStyle(document.body).{name}")
            for name in ("backgroundColor", "color")
        )
    assert (brightness(paper) < brightness(ink)) == screen.is_dark


def brightness(colour: str) -> int:
    """The sum of red, green and blue of `rgb(1, 2, 3)`."""
    return sum(map(int, colour.removeprefix("rgb(").removesuffix(")").split(", ")))


def texts(page: Page) -> str:
    """All that can be read, without what the script adds to use the tables."""
    page.eval_on_selector_all(".tools", "(all) => all.forEach((tools) => tools.remove())")
    return " ".join(page.inner_text("body").split())


def test_without_scripts_all_content_is_there(browser: Browser, report: Path) -> None:
    """Every text, every chart and every row; only the means to sort, filter and load are not."""
    with opened(browser, report) as seen:
        assert seen.page.locator(".tools").count() > len(DRAWN)
        rows = seen.page.locator("tr").count()
        seen.open_all()
        expected = texts(seen.page)
    with opened(browser, report, java_script_enabled=False) as plain:
        assert plain.page.locator(".tools, button, input, select").count() == 0
        for closed in plain.page.locator("summary").all():
            closed.click()
        assert plain.page.locator("tr:visible").count() == rows
        assert len(charts_of(plain.page)) == len(DRAWN)
        assert texts(plain.page) == expected
    assert len(expected) > 5_000


POLICY = "<meta http-equiv='Content-Security-Policy' content=\"img-src 'none'\">"
FETCHES = "<img src='https://example.invalid/x.png'>"


@pytest.mark.parametrize(
    ("policy", "page", "requests", "messages", "hidden"),
    [
        (POLICY, "<p>Nothing to complain about", 0, 0, 0),
        (POLICY, FETCHES, 1, 1, 0),
        ("", FETCHES, 1, 1, 0),
        ("", "<script>fail()</script>", 0, 1, 0),
        ("", "<div style='width: 1500px'>x</div>", 0, 0, 1500 - DESKTOP.width),
    ],
    ids=["good", "forbidden", "fetched", "error", "wide"],
)
def test_a_bad_page_is_noticed(
    browser: Browser,
    tmp_path: Path,
    policy: str,
    page: str,
    requests: int,
    messages: int,
    hidden: int,
) -> None:
    """What must not be would be seen here."""
    file = tmp_path / "page.html"
    icon = "<link rel=icon href='data:,'>"
    file.write_text(f"<!DOCTYPE html><head>{icon}{policy}</head><body style='margin: 0'>{page}")
    with opened(browser, file) as seen:
        assert seen.sideways() == hidden
    assert (len(seen.requests), len(seen.console)) == (requests, messages)
