"""axe-core finds nothing to object to: names, roles, order, contrast, size of what is pressed."""

from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page

from reports.render import render
from tests.reports.chromium import SCREENS, Screen, on_each_screen, opened
from tests.reports.conftest import RUN, typical_tables

OPTIONS = {"resultTypes": ["violations"], "rules": {"target-size": {"enabled": True}}}


def violations(page: Page) -> list[str]:
    """What axe objects to; before a shade, as at the edge of what scrolls, it sees no contrast."""
    page.eval_on_selector_all(".scroll", "(all) => all.forEach((e) => e.style.background = 'none')")
    return [
        f"{found['id']}: {node['target']} {node['failureSummary']}"
        for found in Axe().run(page, options=OPTIONS).response["violations"]
        for node in found["nodes"]
    ]


@pytest.fixture(scope="module")
def bad_news(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A report with all that is coloured: checks that fail, changes that are good or bad."""
    tables = typical_tables()
    tables["check_results"]["status"] = "fail"
    entries = tables["rep_sales_funnel_monthly"]
    entries["deals_count"] = [30 + 10 * (place % 7) for place in range(len(entries))]
    tables["rep_monthly_figures"]["deals_created"] = 30  # after the last new deal, none is either
    file = tmp_path_factory.mktemp("bad_news") / "report.html"
    file.write_text(render(tables, RUN), encoding="utf-8")
    return file


@on_each_screen
def test_a_typical_report_has_no_violation(browser: Browser, report: Path, screen: Screen) -> None:
    """With everything open, sorted and filtered."""
    with opened(browser, report, screen=screen) as seen:
        seen.open_all()
        table = seen.page.locator("#chart-funnel")
        table.locator("th button").first.click()
        table.locator("input").fill("e")
        assert violations(seen.page) == []


@pytest.mark.parametrize("name", ["phone, light", "phone, dark"])
def test_bad_news_have_no_violation(browser: Browser, bad_news: Path, name: str) -> None:
    """Warnings are as easy to read."""
    with opened(browser, bad_news, screen=SCREENS[name]) as seen:
        assert seen.page.locator(".fail").count() == 1
        assert min(seen.page.locator(f"td.{news}").count() for news in ("good", "bad")) > 0
        assert violations(seen.page) == []


# Of each text its colour, and what is painted below its middle, from the top to the page.
PAINTED = """(texts) => texts.map((text) => {
  text.scrollIntoView({ block: "center", inline: "center" });
  const { x, y, width, height } = text.getBoundingClientRect();
  const below = document
    .elementsFromPoint(x + width / 2, y + height / 2)
    .filter((each) => each instanceof SVGGeometryElement)
    .map((each) => getComputedStyle(each))
    .filter(({ fill }) => fill !== "none")
    .map(({ fill, fillOpacity, opacity }) => [fill, fillOpacity * opacity]);
  const page = [getComputedStyle(document.body).backgroundColor, 1];
  return [text.textContent, getComputedStyle(text).fill, [...below, page]];
})"""
LEAST_CONTRAST = 4.5


def rgb(colour: str) -> list[float]:
    """Red, green and blue of `rgb(1, 2, 3)`."""
    return [int(part) / 255 for part in colour.removeprefix("rgb(").removesuffix(")").split(", ")]


def luminance(colour: list[float]) -> float:
    """How bright a colour is, as WCAG has it."""
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in colour]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(ink: str, painted: list[tuple[str, float]]) -> float:
    """The contrast of a text with what is painted below it."""
    below = rgb(painted[-1][0])
    for colour, share in reversed(painted[:-1]):
        below = [share * over + (1 - share) * c for over, c in zip(rgb(colour), below, strict=True)]
    dark, light = sorted([luminance(rgb(ink)), luminance(below)])
    return (light + 0.05) / (dark + 0.05)


def pale(page: Page) -> list[str]:
    """Texts of the charts that are hard to read: axe does not look behind the texts of an SVG."""
    texts = page.eval_on_selector_all("figure svg text", PAINTED)
    assert len(texts) > 100
    return [text for text, *colours in texts if contrast(*colours) < LEAST_CONTRAST]


@pytest.mark.parametrize("name", ["desktop, light", "desktop, dark"])
def test_texts_in_charts_can_be_read(browser: Browser, report: Path, name: str) -> None:
    """On bars, on cells and on the page."""
    with opened(browser, report, screen=SCREENS[name]) as seen:
        assert pale(seen.page) == []


def test_a_text_that_cannot_be_read_is_noticed(browser: Browser, report: Path) -> None:
    """White, in a chart that is dark enough for it in no more than a few places."""
    with opened(browser, report) as seen:
        heatmap = seen.page.locator("#chart-entries_by_month text")
        heatmap.evaluate_all("(all) => all.forEach((text) => text.style.fill = 'white')")
        assert len(pale(seen.page)) > 100


def test_a_violation_is_noticed(browser: Browser, report: Path) -> None:
    """Pale grey on white, and a picture without a name."""
    with opened(browser, report, screen=SCREENS["phone, light"]) as seen:
        seen.page.evaluate("document.querySelector('h1').style.color = '#ccc'")
        seen.page.evaluate("document.querySelector('main').append(new Image())")
        assert {text.split(":")[0] for text in violations(seen.page)} == {
            "color-contrast",
            "image-alt",
        }
