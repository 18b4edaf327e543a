"""Sorting, filtering, downloading and following links: with a mouse, and with keys only."""

import csv
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from reports.render import render
from tests.reports.chromium import DESKTOP, SCREENS, Screen, opened
from tests.reports.conftest import MONTHS, RUN, STEPS, typical_tables

MOST_STOPS = 200


class Mouse:
    """Points and clicks."""

    def press(self, target: Locator) -> None:
        """Click what is there."""
        target.click()

    def choose(self, select: Locator, place: int) -> None:
        """Take an option from a list, whose window is not part of the page."""
        select.select_option(index=place)


class Keyboard:
    """Gets everywhere with Tab, and has no other means."""

    def press(self, target: Locator) -> None:
        """Go there and press Enter."""
        go_to(target)
        target.page.keyboard.press("Enter")

    def choose(self, select: Locator, place: int) -> None:
        """Go there, and down the list."""
        go_to(select)
        for _ in range(place):
            select.page.keyboard.press("ArrowDown")


def go_to(target: Locator) -> None:
    """Press Tab until the focus is there; it can be seen where it is."""
    for _ in range(MOST_STOPS):
        if target.evaluate("(element) => element === document.activeElement"):
            break
        target.page.keyboard.press("Tab")
    expect(target).to_be_focused()
    expect(target).to_be_in_viewport()
    assert target.evaluate("(element) => getComputedStyle(element).outlineStyle") != "none"


Hand = Mouse | Keyboard
by_each_hand = pytest.mark.parametrize("hand", [Mouse(), Keyboard()], ids=["mouse", "keyboard"])


@pytest.fixture(scope="module")
def formulas(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A report in which a reason for a loss is a formula, and losses are told month by month."""
    tables = typical_tables()
    losses = tables["rep_losses_monthly"]
    losses["lost_reason_label"] = losses["lost_reason_label"].replace("Pricing Issues", FORMULA)
    file = tmp_path_factory.mktemp("formulas") / "report.html"
    file.write_text(render(tables, RUN), encoding="utf-8")
    return file


FORMULA = '=1+"Pricing"'


def column(figure: Locator, place: int) -> list[str]:
    """The texts of a column, of the rows that are shown."""
    return figure.locator(f"tbody tr:visible td:nth-child({place})").all_inner_texts()


def counts(figure: Locator, place: int) -> list[int]:
    """A column of whole numbers."""
    return [int(text.replace(",", "")) for text in column(figure, place)]


def downloaded(hand: Hand, figure: Locator) -> list[list[str]]:
    """The rows of the file that the button gives, and its name."""
    with figure.page.expect_download() as download:
        hand.press(figure.get_by_role("button", name="Download CSV"))
    content = download.value.path().read_bytes()
    assert content.startswith(b"\xef\xbb\xbf")  # by which spreadsheets know UTF-8
    rows = list(csv.reader(content.decode("utf-8-sig").splitlines()))
    return [[download.value.suggested_filename], *rows]


@by_each_hand
def test_a_table_is_sorted(browser: Browser, report: Path, hand: Hand) -> None:
    """Upwards, downwards, by number and by name; the heading tells which."""
    with opened(browser, report, "#chart-losses_by_reason") as seen:
        figure = seen.page.locator("#chart-losses_by_reason")
        hand.press(figure.locator("summary"))
        as_drawn = counts(figure, 2)
        losses = figure.get_by_role("button", name="losses", exact=True)
        hand.press(losses)
        assert counts(figure, 2) == sorted(as_drawn)
        assert figure.locator("[aria-sort=ascending]").inner_text() == "losses"
        hand.press(losses)
        assert counts(figure, 2) == sorted(as_drawn, reverse=True)
        assert figure.locator("[aria-sort=descending]").inner_text() == "losses"
        hand.press(figure.get_by_role("button", name="reason", exact=True))
        assert column(figure, 1) == sorted(column(figure, 1), key=str.casefold)
    assert len(as_drawn) == 6
    assert seen.console == []


@by_each_hand
def test_rows_are_searched_and_downloaded(browser: Browser, formulas: Path, hand: Hand) -> None:
    """The file has the rows shown, whole numbers, and a text that is no formula."""
    with opened(browser, formulas, "#chart-losses_by_reason") as seen:
        figure = seen.page.locator("#chart-losses_by_reason")
        hand.press(figure.locator("summary"))
        losses = dict(zip(column(figure, 1), counts(figure, 2), strict=True))
        hand.press(figure.get_by_role("searchbox"))
        seen.page.keyboard.type("pric")
        assert column(figure, 1) == [FORMULA]
        expect(figure.get_by_role("status")).to_have_text("1 of 6 rows")
        name, header, [reason, count, share] = downloaded(hand, figure)
    assert name == ["losses_by_reason.csv"]
    assert header == ["reason", "losses", "share of losses"]
    assert (reason, int(count)) == (f"'{FORMULA}", losses[FORMULA])
    assert float(share) == pytest.approx(100 * losses[FORMULA] / sum(losses.values()))
    assert seen.console == []


@by_each_hand
def test_a_month_is_chosen_and_downloaded(browser: Browser, report: Path, hand: Hand) -> None:
    """Where a table has months, each is a choice."""
    with opened(browser, report, "#table-entries_by_month") as seen:
        figure = seen.page.locator("#chart-entries_by_month")
        months = figure.get_by_role("combobox", name="month: Entries per month")
        written = [f"{month:%Y-%m}" for month in MONTHS]
        assert months.locator("option").all_inner_texts() == ["all", *written]
        hand.choose(months, 5)
        assert column(figure, 1) == [written[4]]
        _, header, row = downloaded(hand, figure)
        assert (header[0], row[0]) == ("month", written[4])
        months.select_option("all")
        assert column(figure, 1) == written


@by_each_hand
def test_a_step_is_chosen_and_downloaded(browser: Browser, report: Path, hand: Hand) -> None:
    """Where a table has steps, each is a choice, with its name; it goes with the search."""
    with opened(browser, report, "#table-funnel") as seen:
        figure = seen.page.locator("#chart-funnel")
        steps = figure.get_by_role("combobox", name="funnel step: Deals and conversion")
        named = [f"{step} {name}" for step, (name, _) in STEPS.items()]
        assert steps.locator("option").all_inner_texts() == ["all", *named]
        hand.choose(steps, 3)
        assert column(figure, 1) == ["2.1"]
        hand.press(figure.get_by_role("searchbox"))
        seen.page.keyboard.type("closing")
        assert column(figure, 1) == []
        expect(figure.get_by_role("status")).to_have_text("0 of 12 rows")
        seen.page.keyboard.press("ControlOrMeta+A")
        seen.page.keyboard.press("Backspace")
        _, _, row = downloaded(hand, figure)
        assert row[:3] == ["2.1", "Sales Call 1", "568"]
        hand.press(figure.get_by_role("button", name="total volume"))
        assert column(figure, 1) == ["2.1"]


def test_tables_without_months_and_steps_offer_no_such_choice(
    browser: Browser, report: Path
) -> None:
    """Nothing to choose from."""
    with opened(browser, report) as seen:
        assert seen.page.locator("#data select").count() == 0


# Links


@by_each_hand
@pytest.mark.parametrize("name", ["Summary", "Losses", "Sales reps", "Data"])
def test_a_section_is_reached_from_the_top(
    browser: Browser, report: Path, hand: Hand, name: str
) -> None:
    """By the links of the page, and back."""
    with opened(browser, report) as seen:
        hand.press(seen.page.get_by_label("Sections").get_by_role("link", name=name, exact=True))
        at_the_top(seen.page, seen.page.get_by_role("heading", name=name, exact=True))
        assert seen.page.url.endswith("#" + name.lower().replace(" ", "-"))
        seen.page.go_back()
        expect(seen.page.get_by_role("heading", level=1)).to_be_in_viewport()


def at_the_top(page: Page, target: Locator) -> None:
    """It is what one sees first, or the page has no more to scroll."""
    expect(target).to_be_in_viewport()
    box = target.bounding_box()
    assert box is not None
    end = page.evaluate("document.documentElement.scrollHeight - innerHeight - scrollY")
    assert box["y"] < 120 or end < 1


@pytest.mark.parametrize("screen", [SCREENS["phone, light"], DESKTOP], ids=["phone", "desktop"])
@pytest.mark.parametrize(
    "place", ["summary", "latest", "funnel", "losses", "data", "meaning", "chart-days_in_stage"]
)
def test_a_link_from_elsewhere_shows_its_place(
    browser: Browser, report: Path, screen: Screen, place: str
) -> None:
    """A section or a chart."""
    with opened(browser, report, f"#{place}", screen) as seen:
        at_the_top(seen.page, seen.page.locator(f"#{place} :is(h2, h3)").first)


@pytest.mark.parametrize("has_scripts", [True, False])
def test_a_link_into_what_is_closed_opens_it(
    browser: Browser, report: Path, has_scripts: bool
) -> None:
    """From elsewhere."""
    place = "#table-losses_by_step"
    with opened(browser, report, place, java_script_enabled=has_scripts) as seen:
        at_the_top(seen.page, seen.page.locator(place))
        assert seen.page.locator("details[open]").count() == 1


def test_an_address_that_is_changed_opens_what_is_closed(browser: Browser, report: Path) -> None:
    """On a page that is there, and as often as one likes."""
    with opened(browser, report, "#table-funnel", SCREENS["phone, dark"]) as seen:
        for place in ("#table-losses_by_step", "#table-funnel", "#nowhere"):
            seen.page.locator("details").evaluate_all("(all) => all.forEach((e) => e.open = false)")
            seen.page.evaluate(f"location.hash = '{place}'")
            if place != "#nowhere":
                at_the_top(seen.page, seen.page.locator(place))
    assert seen.console == []


@by_each_hand
def test_a_finding_leads_to_what_it_is_read_off(browser: Browser, report: Path, hand: Hand) -> None:
    """From a sentence to the chart."""
    with opened(browser, report) as seen:
        sentence = "Where this is read off: The reason most often given"
        hand.press(seen.page.get_by_role("link", name=sentence))
        at_the_top(seen.page, seen.page.locator("#chart-losses_by_reason h3"))
