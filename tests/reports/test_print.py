"""The page on paper: no figure is cut off or goes over two pages, in light colours."""

import re
from pathlib import Path

import pandas
import pytest
from playwright.sync_api import Browser, Page

from reports.render import render
from tests.reports.chromium import SCREENS, Screen, opened
from tests.reports.conftest import RUN, typical_tables

INCH, MARGIN = 25.4, 30  # mm; both margins of a page together
PAPER = {"A4": (210, 297), "Letter": (215.9, 279.4)}

# Marks where each figure begins and ends. A link to a mark makes the PDF tell its page.
MARK = """(figures) => figures.forEach((figure, place) => {
  for (const [side, add] of [["begin", "prepend"], ["end", "append"]]) {
    const mark = Object.assign(document.createElement("span"), { id: `${side}-${place}` });
    const link = Object.assign(document.createElement("a"), { href: `#${mark.id}` });
    figure[add](mark);
    document.querySelector("main").append(link);
    link.textContent = "mark ";
  }
})"""
DESTINATION = re.compile(rb"/(begin|end)-(\d+) \[(\d+) 0 R /XYZ")


def pages_of_figures(page: Page, figures: str, paper: str) -> list[tuple[bytes, bytes]]:
    """Print, and tell for each figure on which page it begins and ends."""
    page.eval_on_selector_all(figures, MARK)
    printed = page.pdf(format=paper, prefer_css_page_size=True, print_background=True)
    assert printed.startswith(b"%PDF-")
    found = {(side, int(place)): on for side, place, on in DESTINATION.findall(printed)}
    count = page.locator(figures).count()
    assert len(found) == 2 * count > 0
    return [(found[b"begin", place], found[b"end", place]) for place in range(count)]


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A report with more steps than fit on a page, and more months than fit beside each other."""
    tables = typical_tables()
    steps = pandas.DataFrame(
        [(f"{place}", f"A step with a long name {place}") for place in range(60)],
        columns=["funnel_step", "kpi_name"],
    )
    months = pandas.DataFrame({"month": pandas.date_range("2022-01-01", periods=36, freq="MS")})
    dropoff = tables["rep_funnel_dropoff"].head(1).drop(columns=["funnel_step", "kpi_name"])
    tables["rep_funnel_dropoff"] = steps.merge(dropoff, how="cross")
    tables["rep_sales_funnel_monthly"] = months.merge(steps, how="cross").assign(deals_count=12_345)
    file = tmp_path_factory.mktemp("large") / "report.html"
    file.write_text(render(tables, RUN), encoding="utf-8")
    return file


@pytest.fixture(params=["typical", "large"])
def printed(request: pytest.FixtureRequest) -> Path:
    """What is printed."""
    return request.getfixturevalue("report" if request.param == "typical" else "large")


on_each_paper = pytest.mark.parametrize("paper", PAPER)


@on_each_paper
def test_no_figure_goes_over_two_pages(browser: Browser, printed: Path, paper: str) -> None:
    """Read off the PDF."""
    with opened(browser, printed) as seen:
        pages = pages_of_figures(seen.page, "figure", paper)
    assert all(begin == end for begin, end in pages)
    assert len({page for page, _ in pages}) > 1


def test_no_chart_goes_over_two_pages_beside_long_tables(browser: Browser, printed: Path) -> None:
    """A table that the reader has opened is printed, and may be longer than a page."""
    with opened(browser, printed) as seen:
        seen.open_all()
        pages = pages_of_figures(seen.page, "figure > .scroll", "A4")
    assert all(begin == end for begin, end in pages)


def sheet(paper: str, *, is_dark: bool = False) -> Screen:
    """What of a sheet of paper is not margin, in pixels of CSS."""
    width, height = (int((side - MARGIN) / INCH * 96) for side in PAPER[paper])
    return Screen(width, height, is_dark)


SIZES = """(all) => all.map((each) => {
  const box = each.getBoundingClientRect();
  return [box.height, box.right, each.scrollWidth - each.clientWidth];
})"""


@on_each_paper
def test_no_figure_is_cut_off(browser: Browser, printed: Path, paper: str) -> None:
    """Each fits on a page, and what scrolls on a screen is there as a whole."""
    screen = sheet(paper)
    with opened(browser, printed, screen=screen) as seen:
        seen.page.emulate_media(media="print")
        figures = seen.page.eval_on_selector_all("figure, figure svg", SIZES)
        scrolled = seen.page.eval_on_selector_all(".scroll", SIZES)
        assert seen.sideways() == 0
    assert max(height for height, *_ in figures) <= screen.height
    assert max(right for _, right, _ in [*figures, *scrolled]) <= screen.width
    assert {hidden for *_, hidden in scrolled} == {0}


def test_no_table_is_cut_off_that_the_reader_has_opened(browser: Browser, report: Path) -> None:
    """It is printed as small as it must be."""
    screen = sheet("A4")
    with opened(browser, report, screen=screen) as seen:
        seen.page.emulate_media(media="print")
        seen.open_all()
        tables = seen.page.eval_on_selector_all("table", SIZES)
    assert max(right for _, right, _ in tables) <= screen.width


def test_paper_is_white_and_has_nothing_to_press(browser: Browser, report: Path) -> None:
    """Also for a reader whose screen is dark; tables that are closed stay away."""
    with opened(browser, report, screen=sheet("A4", is_dark=True)) as seen:
        seen.page.locator("summary").first.click()
        assert seen.page.locator("button:visible").count() > 0
        seen.page.emulate_media(media="print", color_scheme="dark")
        body = "getComputedStyle(document.body)"
        assert seen.page.evaluate(f"{body}.backgroundColor") == "rgb(255, 255, 255)"
        assert seen.page.evaluate(f"{body}.color") == "rgb(29, 35, 41)"
        assert seen.page.locator(".tools:visible, nav:visible").count() == 0
        assert seen.page.locator("figure table:visible").count() == 1


def test_a_figure_on_two_pages_is_noticed(browser: Browser, tmp_path: Path) -> None:
    """One that is higher than a page, after one that is not."""
    file = tmp_path / "page.html"
    figures = "".join(f"<figure><p style='height: {height}px'>x</figure>" for height in (100, 1500))
    file.write_text(f"<!DOCTYPE html><link rel=icon href='data:,'>{figures}<main></main>")
    with opened(browser, file, screen=SCREENS["desktop, light"]) as seen:
        [whole, split] = pages_of_figures(seen.page, "figure", "A4")
    assert whole[0] == whole[1]
    assert split[0] != split[1]
