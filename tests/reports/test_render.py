"""The page is complete, the same for the same input, and asks nothing of the network."""

import os
import pickle
import re
import subprocess
import sys
from base64 import b64encode
from collections import Counter
from hashlib import sha256
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pandas
import pyarrow
import pytest

from reports import charts
from reports.drawing import Chart
from reports.render import grid, render
from reports.runs import index

ROOT = Path(__file__).parents[2]
PROCESS = [sys.executable, "-m", "reports.render"]
LISTED: dict[str, Any] = {"runs": [], "latest": "report.html"}
MARKUP = "<script>alert(1)</script> & $x$ \"'"

Tables = dict[str, pandas.DataFrame]
Run = dict[str, str | int | None]


class Page(HTMLParser):
    """A page as a browser reads it: its tags with attributes, and its text."""

    def __init__(self, html: str) -> None:
        """Read a page."""
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(html)
        self.text = " ".join(self.text.split())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Keep a tag."""
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        """Keep a text."""
        self.text += " " + data


@pytest.fixture
def page(tables: Tables, run: Run) -> Page:
    """Render the fixture's marts."""
    return Page(render(tables, run))


def test_a_heading_is_without_its_unit_whatever_a_step_is_called() -> None:
    frame = pandas.DataFrame({"A_pct": [1.0], "share_pct": [1.0], "sales_rep_name": ["x"]})
    assert [name for name, _ in grid(frame).columns] == ["A", "share", "sales rep"]


def test_the_same_input_gives_the_same_text(tables: Tables, run: Run) -> None:
    """No run id, no clock, no random id."""
    other_run = {**run, "run_id": "r2"}
    others = {
        name: table.assign(run_id="r2") if "run_id" in table else table
        for name, table in tables.items()
    }
    assert render(tables, run) == render(others, other_run)


def test_nothing_is_fetched(tables: Tables, run: Run) -> None:
    """Links and pictures are inside the page, and a policy forbids any other."""
    html = render(tables, run)
    assert not re.findall(r"https?:|//cdn|@import|url\((?!#)|<iframe|xmlns", html)
    for tag, attributes in Page(html).tags:
        for name in ("src", "href", "xlink:href", "action"):
            assert re.match(r"#|data:,$", attributes.get(name) or "#"), tag
    assert "default-src 'none'; script-src 'sha256-" in html
    assert "; style-src 'unsafe-inline'; img-src data:" in html


def test_the_only_script_is_the_one_that_the_policy_allows(tables: Tables, run: Run) -> None:
    """Its hash is in the policy; a script from the data would have another."""
    html = render(tables, run)
    [script] = re.findall(r"<script>(.*?)</script>", html, re.DOTALL)
    digest = b64encode(sha256(script.encode()).digest()).decode()
    assert f"script-src 'sha256-{digest}';" in html


def test_ids_are_unique_and_links_arrive(page: Page) -> None:
    """Many pictures share one page: an id belongs to one element."""
    ids = Counter(attributes["id"] for _, attributes in page.tags if "id" in attributes)
    assert set(ids.values()) == {1}
    targets = {attributes.get("href") or "" for tag, attributes in page.tags if tag != "link"}
    clips = {attributes.get("clip-path") or "" for _, attributes in page.tags}
    found = {match for text in targets | clips for match in re.findall(r"#([\w-]+)", text)}
    assert found <= set(ids)
    assert len(found) > len([item for item in vars(charts).values() if isinstance(item, Chart)])


def test_charts_have_a_name_a_caption_and_their_numbers(page: Page) -> None:
    """What is seen can also be heard, read and checked."""
    drawn = [item for item in vars(charts).values() if isinstance(item, Chart)]
    svgs = [attributes for tag, attributes in page.tags if tag == "svg"]
    assert {svg["aria-hidden"] for svg in svgs} == {"true"}
    pictures = [attributes for _, attributes in page.tags if attributes.get("role") == "img"]
    for chart, picture in zip(drawn, pictures, strict=True):
        said = picture["aria-label"] or ""
        assert said.startswith(f"{chart.title}.")
        takeaway = said.removeprefix(f"{chart.title}.").strip()
        assert takeaway
        assert all(f"{sentence}." in page.text for sentence in takeaway.rstrip(".").split(". "))
    assert all(chart.caption in page.text for chart in drawn)
    opened = sum(tag == "details" for tag, _ in page.tags)
    assert opened == len(drawn) + 1  # the numbers of each, and what the tables mean


def test_names_are_escaped_everywhere(tables: Tables, run: Run) -> None:
    """A name from the data never becomes markup, in tables as in pictures."""
    expected = Counter(tag for tag, _ in Page(render(tables, run)).tags)
    for table in tables.values():
        for name in set(table) & {"kpi_name", "sales_rep_name", "lost_reason_label"}:
            table[name] = table[name].str[:3] + MARKUP
    for name, column in {"check_results": "model", "rejected_rows": "reason"}.items():
        tables[name][column] += MARKUP
    html = render(tables, {**run, "source": MARKUP})
    assert html.count("<script") == 1
    assert Page(html).text.count(MARKUP) > 50
    assert Counter(tag for tag, _ in Page(html).tags)["svg"] == expected["svg"]
    assert "$x$" in html


def test_key_figures_are_shown(page: Page) -> None:
    """Numbers with thousands, rates with a percent sign, months by name."""
    for text in ("Deals 1,995", "Win rate 6.2%", "Median days to close 97.4"):
        assert text in page.text
    assert "As of 2025-03-31 12:00 UTC, up to which" in page.text
    assert "Months from January 2024 to March 2025" in page.text
    assert "21,776 rows read: 21,762 loaded, 3 rejected, 11 duplicates collapsed." in page.text
    assert "data/sample, fingerprint f1e2d3" in page.text


def test_the_figures_of_the_latest_month_are_shown(page: Page) -> None:
    """Each with its changes and its meaning."""
    for text in (
        "February 2025, the latest month that is over",
        "Won 9 ▲ 1 (+12%) since January 2025 the same since February 2024",
        "Stalled deals 10 ▲ 1 (+11%) since January 2025",
        "Median days to close 103.5 ▲ 1.0 (+1%) since January 2025",
        "sales calls done, and due in the month",
    ):
        assert text in page.text


def test_scores_are_shown_with_those_of_earlier_exports(page: Page) -> None:
    """The export at hand first; a table that an earlier one did not score is blank."""
    for text in (
        "data up to stg activities stg deals stg users",
        "2025-03-31 74.9% n/a 2025-02-28 74.0% 98.0% 2025-01-31 n/a",
    ):
        assert text in page.text


def test_what_the_export_holds_is_shown(page: Page) -> None:
    """Numbers in their order, other values with the most frequent first."""
    for text in (
        "This source has no table of deals",
        "stage_id 8,906 66.4% 2024-01-01 2025-03-30 user_id 2,500",
        "1 400 55.6% 2024-01-01 2025-03-30 2 300 41.7% 2024-01-01 2025-03-30 10 20",
    ):
        assert text in page.text


def test_a_source_with_a_table_of_deals_is_not_told_to_have_none(tables: Tables, run: Run) -> None:
    assert "no table of deals" not in Page(render(tables, run | {"has_deals": True})).text


def test_rows_that_joined_those_of_earlier_runs_are_told_as_such(tables: Tables, run: Run) -> None:
    said = "rows read by this run, which added them to those of earlier ones:"
    assert said in Page(render(tables, run | {"is_incremental": True})).text
    assert said not in Page(render(tables, run)).text


def test_earlier_rows_can_be_replaced_by_an_incremental_run_alone(tables: Tables, run: Run) -> None:
    said = "duplicates collapsed earlier rows replaced"
    assert said in Page(render(tables, run | {"is_incremental": True})).text
    assert said not in Page(render(tables, run)).text


def test_what_is_odd_about_the_end_of_the_data_is_told(tables: Tables, run: Run) -> None:
    odd = "the data goes on to 2025-03-11 17:17:07, after --as-of 2025-01-01 00:00:00"
    assert f"With care: {odd}." in Page(render(tables, run | {"odd_as_of": odd})).text
    assert "With care" not in Page(render(tables, run | {"odd_as_of": None})).text


def test_null_is_not_available(tables: Tables, run: Run) -> None:
    """A NULL is shown as n/a, never as nan, None or 0."""
    tables["rep_key_figures"] = tables["rep_key_figures"].assign(
        win_rate_pct=None, median_days_to_close=None
    )
    text = Page(render(tables, run)).text
    assert "Win rate n/a" in text
    assert "Median days to close n/a" in text
    assert not {"nan", "None", "NaT", "<NA>"} & set(text.split())


def test_tables_without_rows_give_a_page(tables: Tables) -> None:
    """A first run may have nothing to tell."""
    empty = {name: table.head(0) for name, table in tables.items()}
    text = Page(render(empty, {})).text
    assert text.count("No data to show") == sum(
        isinstance(item, Chart) for item in vars(charts).values()
    )
    assert "No checks were recorded" in text
    assert "No row was rejected" in text


@pytest.mark.parametrize(
    ("statuses", "headline"),
    [
        (["pass", "pass"], "All 2 checks passed."),
        (["pass", "warn"], "1 of 2 checks warns."),
        (["fail", "warn"], "1 of 2 checks failed , 1 more warn"),
    ],
)
def test_the_headline_tells_how_the_checks_stand(
    statuses: list[str], headline: str, tables: Tables, run: Run
) -> None:
    """Bad news comes first."""
    tables["check_results"] = tables["check_results"].head(2).assign(status=statuses)
    assert headline in Page(render(tables, run)).text


def test_the_end_of_the_intake_is_explained(tables: Tables, run: Run) -> None:
    """Months without new deals are named; with new deals to the end there are none."""
    assert "No deal came in after September 2024. The months" in Page(render(tables, run)).text
    mart = tables["rep_sales_funnel_monthly"]
    tables["rep_sales_funnel_monthly"] = mart.assign(deals_count=5)
    tables["rep_monthly_figures"] = tables["rep_monthly_figures"].assign(deals_created=5)
    assert "No deal came in after" not in Page(render(tables, run)).text


def test_the_data_section_counts_rows(page: Page) -> None:
    """Reconciliation, scores, orphan links, checks and rejected rows."""
    for text in (
        "activity 4,579 4,566 2 11",
        "100.0% (4,566 of 4,566)",
        "8 of 4,566 rows in stg_activities name a deal that is known, 4,558 do not",
        "40 of 42 checks passed, 2 warn, 0 failed",
        "stg_activities references(deal_id) warn 4,558 4,566 deal_id 7",
        "activity due_to not a timestamp 2 17, 1204",
    ):
        assert text in page.text


def test_long_tables_are_cut(tables: Tables, run: Run) -> None:
    """The page says how much it leaves out."""
    tables["check_results"]["status"] = "warn"
    tables["check_results"] = pandas.concat([tables["check_results"]] * 2)
    assert "24 more are in the warehouse" in Page(render(tables, run)).text


def pickled(tables: Tables, run: Run) -> bytes:
    """What the flow sends: the marts, then the quality tables and the run, then all runs."""
    sent = {name: pyarrow.Table.from_pandas(table) for name, table in tables.items()}
    marts = [(name, sent.pop(name)) for name in list(sent) if name.startswith("rep_")]
    return b"".join(map(pickle.dumps, [*marts, (None, (sent, run)), LISTED]))


def test_the_process_gives_the_page_and_the_list_of_runs(tables: Tables, run: Run) -> None:
    """The marts come as Arrow tables; large ids beside NULLs stay what they are."""
    mart = tables["rep_sales_rep_totals"].astype({"user_id": "Int64"})
    mart.loc[mart.index[:15], "user_id"] = [2**60 + n % 2 for n in range(15)]
    mart.loc[mart.index[15:30], "user_id"] = pandas.NA
    tables["rep_sales_rep_totals"] = mart
    sent = pickled(tables, run)
    done = subprocess.run(PROCESS, input=sent, capture_output=True, cwd=ROOT, check=False)
    assert (done.returncode, done.stderr) == (0, b"")
    page, listed = pickle.loads(done.stdout)
    assert page.decode() == render(tables, run)
    assert listed.decode() == index(**LISTED)


@pytest.mark.parametrize("sent", [b"", b"\x80\x05\x95"])
def test_the_process_ends_quietly_when_the_caller_gives_up(sent: bytes) -> None:
    """No input, or half of it: exit code 1 and not a word."""
    done = subprocess.run(PROCESS, input=sent, capture_output=True, cwd=ROOT, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (1, b"", b"")


def test_the_process_ends_quietly_when_nobody_reads(tables: Tables, run: Run) -> None:
    """The reader of the page is gone: exit code 1 and not a word."""
    reader, writer = os.pipe()
    os.close(reader)
    done = subprocess.run(
        PROCESS,
        input=pickled(tables, run),
        stdout=writer,
        stderr=subprocess.PIPE,
        cwd=ROOT,
        check=False,
    )
    os.close(writer)
    assert (done.returncode, done.stderr) == (1, b"")


def test_the_process_is_ready_before_it_reads() -> None:
    """Its imports overlap with the caller's work, and need no engine and no Prefect."""
    code = (
        "import sys, reports.render; found = set(sys.modules); "
        "assert {'pandas', 'seaborn', 'matplotlib', 'jinja2'} <= found; "
        "assert not {'ibis', 'prefect', 'duckdb', 'flows', 'transforms'} & found"
    )
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True)
