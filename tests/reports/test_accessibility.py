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
    entries["deals_count"] = [30 + place % 7 for place in range(len(entries))]
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


@pytest.mark.parametrize("screen", [SCREENS["phone, light"], SCREENS["phone, dark"]])
def test_bad_news_have_no_violation(browser: Browser, bad_news: Path, screen: Screen) -> None:
    """Warnings are as easy to read."""
    with opened(browser, bad_news, screen=screen) as seen:
        assert seen.page.locator(".fail").count() == 1
        assert min(seen.page.locator(f"td.{news}").count() for news in ("good", "bad")) > 0
        assert violations(seen.page) == []


def test_a_violation_is_noticed(browser: Browser, report: Path) -> None:
    """Pale grey on white, and a picture without a name."""
    with opened(browser, report, screen=SCREENS["phone, light"]) as seen:
        seen.page.evaluate("document.querySelector('h1').style.color = '#ccc'")
        seen.page.evaluate("document.querySelector('main').append(new Image())")
        assert {text.split(":")[0] for text in violations(seen.page)} == {
            "color-contrast",
            "image-alt",
        }
