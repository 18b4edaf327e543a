"""Text of an export stays text: it arrives as it is, on both engines, and nothing in it runs.

Payloads are planted in every text field, in the names of further columns and of folders.
"""

import csv
import glob
import json
import random
import re
import shutil
import string
import urllib.request
from typing import Any

import duckdb
import psycopg2
import pytest

from reports import charts
from reports.drawing import Chart
from reports.text import short
from tests.flows.test_main import STEP
from tests.flows.warehouse.test_same_on_postgres import OF_THE_RUN, TABLES, beside, differing
from tests.reports.chromium import CHROMIUM, charts_of, chromium, opened
from transforms.funnel import Step
from transforms.sources import SOURCES

# At most 16, with what is dangerous among the first 35 signs: the report cuts off the rest.
PAYLOADS = {
    "HTML": "<img src=x onerror=console.log(1)>",
    "script": "<script>console.log(2)</script>",
    "SVG": "<svg onload=console.log(3)>",
    "CSS": "~</style><style>*{x:expression(a)}",
    "Markdown": "#|[a](javascript:b)|![c](//d.invalid)",
    "Jinja": "{{ 7*7 }}{% raw %}{# a #}",
    "SQL": "'\"; DROP TABLE marts.obt_deals; --",
    "formula with =": "=1+1",
    "formula with +": "+cmd|' /C calc'!A0",
    "formula with @": "@SUM(1+9) %s %(a)d {0}",
    "formula with a tab": "\t=2+2",
    "mathtext": r"$\frac{}{}$ \alpha",
    "half of mathtext": "5$ \\ x_1 \\\\",
    "control characters": "a\x01\x07\x08\x1b[31m\x7f\x85b\x0bc\nd\r\ne\x1f\u2028f\u3000g",
    "direction and emoji": "\u202e\U0001f4a9\U0001f469\u200d\U0001f680 :bomb: \U00020000",
    "10,000 characters": "".join(random.Random(1).choices(f"{string.ascii_letters}é漢", k=10_000)),
}
TEXTS = list(PAYLOADS.values())
# Of the folder that is read and of the one that is written to.
NAME = "<img src=x onerror=console.log(4)> {{ 7*7 }} '\"; -- | *[a](b) $x_1$ %s \x1b[31m\x01\u202e"


def export() -> dict[str, list[list[object]]]:
    """The tables, names of columns first: a deal, an owner, a stage … of each payload."""
    tables: dict[str, list[list[object]]] = {
        name: [[*source.column_names]] for name, source in SOURCES.items()
    }
    options = json.dumps([{"id": number, "label": text} for number, text in enumerate(TEXTS, 1)])
    tables["activity"][0] += TEXTS
    tables["fields"].append([100, "lost_reason", "Lost reason", options])
    tables["stages"].append([100, "Lead Generation"])
    day = "2024-01-{:02} 09:00:00".format
    for number, text in enumerate(TEXTS, 1):
        of_deal = [number, number, True, day(5), *TEXTS]
        changes = [("add_time", day(1)), ("user_id", number), (text, text), ("stage_id", 100)]
        changes += [("stage_id", number), ("lost_reason", number)]
        tables["activity"] += [[number, text, *of_deal], [100 + number, "meeting", *of_deal]]
        tables["activity_types"].append([number, text, True, text])
        tables["deal_changes"] += [
            [number, day(place), *change] for place, change in enumerate(changes, 1)
        ]
        tables["deals"].append([number, text, None, None, None, text, None, None, None])
        tables["fields"].append([number, text, text, options])
        tables["stages"].append([number, text])
        tables["users"].append([number, text, text, day(1)])
    return tables


@pytest.fixture(scope="module")
def sandbox(tmp_path_factory, new_sandbox, prefect_server):
    """Where both runs write; the export is in there."""
    folder = tmp_path_factory.mktemp("injection") / NAME
    (folder / "export" / NAME).mkdir(parents=True)
    for name, rows in export().items():
        with (folder / "export" / NAME / f"{name}.csv").open("w", newline="") as file:
            csv.writer(file).writerows(rows)
    return new_sandbox(folder, prefect_server)


@pytest.fixture(scope="module")
def url(new_database) -> str:
    """The warehouse on PostgreSQL."""
    return new_database("injection")


@pytest.fixture(scope="module")
def runs(sandbox, url):
    """A run on each engine."""
    options = ("--json", "--source", sandbox.folder / "export" / NAME)
    on_duckdb = ("--export", sandbox.folder / "duck exports")
    on_postgres = ("--warehouse", url, "--report", sandbox.folder / "postgres.html")
    on_postgres += ("--export", sandbox.folder / "postgres exports")
    return {
        "duck": sandbox.run(*options, *on_duckdb),
        "postgres": sandbox.run(*options, *on_postgres),
    }


@pytest.fixture(scope="module")
def both(runs, sandbox, url, tmp_path_factory):
    """A connection to `duck`, with `postgres` beside it."""
    assert [run.returncode for run in runs.values()] == [0, 0]
    place = tmp_path_factory.mktemp("both")
    shutil.copy(sandbox.warehouse, place / "duck.duckdb")
    with beside(place / "duck.duckdb", url, place) as connection:
        yield connection


on_each_engine = pytest.mark.parametrize("engine", ["duck", "postgres"])


# The tables


@on_each_engine
def test_a_run_ends_with_0_and_loads_every_row(runs, engine):
    assert runs[engine].returncode == 0, runs[engine].stderr
    outcome = json.loads(runs[engine].stdout)
    rows = sum(len(rows) - 1 for rows in export().values())
    assert (outcome["rows_read"], outcome["rows_loaded"]) == (rows, rows)


@pytest.mark.parametrize(("schema", "table"), TABLES, ids=lambda value: value)
def test_every_table_has_the_same_rows_on_both_engines(both, schema, table):
    assert not differing(both, schema, table, ("run_id", *OF_THE_RUN))


def test_no_table_is_dropped_or_made_by_a_text(both, url):
    of_duckdb = "FROM duckdb_tables() SELECT schema_name, table_name WHERE database_name = 'duck'"
    assert sorted(both.sql(of_duckdb).fetchall()) == sorted(TABLES)
    session = psycopg2.connect(url)
    with session.cursor() as cursor:
        cursor.execute(
            "SELECT schemaname, tablename FROM pg_tables"
            " WHERE schemaname NOT IN ('pg_catalog', 'information_schema')"
        )
        assert sorted(cursor.fetchall()) == sorted([*TABLES, ("staging", "_unpublished_runs")])
    session.close()


def values(connection: duckdb.DuckDBPyConnection, table: str, column: str) -> set[Any]:
    """All values of a column."""
    return {value for (value,) in connection.sql(f"SELECT {column} FROM {table}").fetchall()}


def name(text: str) -> str:
    """As staging keeps names: white space of ASCII is one space."""
    return re.sub(r"[\t-\r ]+", " ", text).strip()


def code(text: str) -> str:
    """As staging keeps categories: letters and digits."""
    return Step("1", "Any", "activity", (text,)).codes[0]


@on_each_engine
@pytest.mark.parametrize(
    ("table", "column", "kept"),
    [
        ("staging.stg_activities", "activity_type", code),
        ("staging.stg_activity_types", "activity_type", code),
        ("staging.stg_activity_types", "activity_type_name", name),
        ("staging.stg_deal_changes", "changed_field_key", code),
        ("staging.stg_fields", "field_key", code),
        ("staging.stg_fields", "field_name", name),
        ("staging.stg_field_options", "field_key", code),
        ("staging.stg_field_options", "option_label", name),
        ("staging.stg_stages", "stage_name", name),
        ("marts.obt_deals", "lost_reason_label", name),
        ("marts.obt_deals", "stage_name", name),
        ("marts.rep_losses_monthly", "lost_reason_label", name),
    ],
)
def test_text_arrives_unharmed(both, engine, table, column, kept):
    assert {*map(kept, TEXTS)} <= values(both, f"{engine}.{table}", column)


@on_each_engine
@pytest.mark.parametrize(
    ("column", "masked"),
    [
        ("stg_deal_changes.new_value", "~[0-9a-f]{16}"),
        ("stg_deals.currency", "~[0-9A-F]{16}"),
        ("stg_users.email_hash", "[0-9a-f]{64}"),
    ],
)
def test_personal_text_becomes_one_pseudonym_each(both, engine, column, masked):
    table, column = column.split(".")
    found = values(both, f"{engine}.staging.{table}", column)
    assert sum(re.fullmatch(masked, value) is not None for value in found) == len(TEXTS)


# The exported files


@on_each_engine
def test_no_exported_cell_is_a_formula(runs, sandbox, engine):
    files = sorted((sandbox.folder / f"{engine} exports").glob("*.csv"))
    cells = set()
    for file in files:
        with file.open(encoding="utf-8", newline="") as stream:
            cells |= {cell for row in csv.reader(stream) for cell in row}
    assert len(files) > 10
    assert {"'=1+1", "'+cmd|' /C calc'!A0", "'@SUM(1+9) %s %(a)d {0}"} <= cells
    texts = {cell for cell in cells if not re.fullmatch(r"-?[\d.]+", cell)}
    assert not [text for text in texts if text.startswith(("=", "+", "-", "@", "\t", "\r"))]


def test_exported_files_are_the_same_on_both_engines(runs, sandbox):
    one, other = (
        {file.name: file.read_bytes() for file in (sandbox.folder / name).glob("*.csv")}
        for name in ("duck exports", "postgres exports")
    )
    assert one == other


@on_each_engine
def test_exported_text_is_as_it_is_in_the_mart(both, sandbox, engine):
    file = sandbox.folder / f"{engine} exports" / "obt_deals.parquet"
    found = both.execute("SELECT * FROM read_parquet(?)", [glob.escape(str(file))]).fetchall()
    assert sorted(map(str, found)) == sorted(
        map(str, both.sql("FROM duck.marts.obt_deals").fetchall())
    )


# The report


@pytest.fixture(scope="module", params=["with its policy", "without its policy"])
def shown(request, runs, sandbox, tmp_path_factory):
    """What a browser shows of the report, and its messages.

    The policy of the page forbids scripts; without it, only what is written as text does not run.
    """
    if CHROMIUM is None:
        pytest.skip("no Chromium found")
    page = sandbox.report.read_text(encoding="utf-8")
    if request.param == "without its policy":
        page, removed = re.subn("<meta http-equiv[^>]*>", "", page)
        assert removed == 1
    file = tmp_path_factory.mktemp("shown") / "report.html"
    file.write_text(page, encoding="utf-8")
    with chromium() as browser, opened(browser, file) as seen:
        return {
            "charts": charts_of(seen.page),
            "text": seen.page.inner_text("body"),
            "console": seen.console,
            "requests": seen.requests,
        }


def test_nothing_runs_in_the_report_and_nothing_is_fetched(shown):
    assert (shown["console"], shown["requests"]) == ([], [])


def test_every_chart_is_there(shown):
    boxes = shown["charts"]
    assert len(boxes) == sum(isinstance(item, Chart) for item in vars(charts).values())
    assert all(width > 400 and height > 40 and texts > 3 for width, height, texts in boxes)


@pytest.mark.parametrize("kind", PAYLOADS)
def test_a_label_is_shown_as_text(shown, kind):
    assert short(PAYLOADS[kind]) in shown["text"].splitlines()


def test_the_name_of_the_source_is_shown_as_text(shown):
    source = re.sub("[\x01\x1b\u202e]", "\N{REPLACEMENT CHARACTER}", NAME)
    assert f"Source: {source}, fingerprint" in shown["text"]


def test_no_template_is_worked_out(shown):
    assert not re.search(r"\b49\b", shown["text"])


def test_the_report_is_the_same_on_both_engines(runs, sandbox):
    assert (sandbox.folder / "postgres.html").read_bytes() == sandbox.report.read_bytes()


# Prefect, and the terminal


def told(sandbox, run, what: str) -> list[dict[str, Any]]:
    """The artifacts or the logs of a run, as the Prefect server tells them."""
    chosen = {what: {"flow_run_id": {"any_": [json.loads(run.stdout)["run_id"]]}}}
    url, sent = f"{sandbox.api_url}/{what}/filter", json.dumps(chosen).encode()
    request = urllib.request.Request(url, sent, {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=20) as answer:
        return json.load(answer)


@on_each_engine
def test_the_artifacts_are_tables_and_hold_no_payload(sandbox, runs, engine):
    artifacts = {row["key"]: row["data"] for row in told(sandbox, runs[engine], "artifacts")}
    summary, scores = artifacts["sales-funnel-summary"], artifacts["quality-scores"]
    lines = [re.split(r"(?<!\\)\|", line) for line in summary.splitlines()]
    assert [len(cells) for cells in lines] == [4] * (2 + len(json.loads(runs[engine].stdout)))
    assert not re.search(r"(?<!\\)[<>`*\[]", summary)
    texts = {value for row in json.loads(scores) for value in row.values()}
    assert all(re.fullmatch("[a-z_]+", text) for text in texts if isinstance(text, str))


@on_each_engine
def test_each_step_is_one_printable_line(sandbox, runs, engine):
    said = runs[engine].stderr.splitlines()
    assert [line for line in said if not (line.isprintable() and STEP.fullmatch(line))] == []
    logs = [row["message"] for row in told(sandbox, runs[engine], "logs")]
    assert [line for line in logs if not line.isprintable()] == []
    assert {*said} <= {*logs}


@on_each_engine
def test_columns_that_are_not_read_are_told_by_their_names(runs, engine):
    [names] = re.findall(r"^raw_activity .*; columns not used: (.*)$", runs[engine].stderr, re.M)
    expected = ("".join(c if c.isprintable() else "?" for c in text[:40]) for text in TEXTS)
    assert names == ", ".join(expected)


@pytest.mark.parametrize(("missing", "ends"), [("stages", 2), ("deals", 0)], ids=["refused", "ok"])
def test_the_name_of_a_folder_commands_no_terminal(sandbox, small_export, tmp_path, missing, ends):
    folder = small_export(tmp_path / NAME, **{missing: None})
    run = sandbox.run("--dry-run", "--source", folder)
    assert run.returncode == ends
    assert "onerror=console.log(4)> {{ 7*7 }}" in run.stderr
    assert [line for line in run.stderr.splitlines() if not line.isprintable()] == []
