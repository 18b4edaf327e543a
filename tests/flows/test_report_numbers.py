"""Each number of the report is the answer to a query on the warehouse.

Of charts it is the table under them that is held against the query; a chart draws nothing else.
"""

from datetime import date, datetime
from html.parser import HTMLParser
from pathlib import Path

import duckdb
import pytest

from reports.text import clean, decimal, month, rate, whole

ROOT = Path(__file__).parents[2]
LATEST = "DATE '2026-08-01'"  # the sample ends in September 2026

# Table of the report -> the query that gives its rows.
QUERIES = {
    "funnel": """
        SELECT funnel_step, dropoff.kpi_name, dropoff.kind, total_volume, retention_rate_pct,
               deals_entered, deals_reached, conversion_from_previous_pct,
               conversion_from_first_pct, deals_not_lost, decided_conversion_pct
        FROM marts.rep_funnel_dropoff AS dropoff JOIN staging.stg_funnel_steps USING (funnel_step)
        ORDER BY step_order""",
    "cohorts": f"""
        SELECT month, any_value(deals_created),
               {", ".join(f"max(reached_pct) FILTER (funnel_step = '{n}')" for n in range(1, 10))},
               CASE WHEN bool_and(is_mature) THEN 'yes' ELSE 'no' END
        FROM marts.rep_cohorts GROUP BY month ORDER BY month""",
    "losses_by_reason": """
        SELECT lost_reason_label, sum(deals_count) AS losses, 100 * losses / sum(losses) OVER ()
        FROM marts.rep_losses_monthly GROUP BY 1 ORDER BY losses DESC""",
    "losses_by_step": """
        SELECT coalesce(funnel_step || ' ' || kpi_name, 'No step'), sum(deals_count) AS losses,
               100 * losses / sum(losses) OVER ()
        FROM marts.rep_losses_monthly LEFT JOIN staging.stg_funnel_steps USING (funnel_step)
        GROUP BY funnel_step, kpi_name, step_order ORDER BY step_order NULLS LAST""",
    "days_in_stage": """
        SELECT funnel_step, dwell.kpi_name, completed_stays, mean_days, median_days, p75_days,
               p90_days, open_stays, open_median_days
        FROM marts.rep_stage_dwell AS dwell JOIN staging.stg_funnel_steps USING (funnel_step)
        ORDER BY step_order""",
    "days_to_close": """
        SELECT status, deals, median_days, p75_days, p90_days
        FROM marts.rep_days_to_close ORDER BY status DESC""",
    "most_active_reps": """
        SELECT user_id, sales_rep_name, deals_worked, activities_completed, sales_call_1_completed,
               sales_call_2_completed, other_activities, activities_per_deal
        FROM marts.rep_sales_rep_totals ORDER BY activities_completed DESC, user_id LIMIT 60""",
    "reconciliation": """
        SELECT table_name, rows_read, rows_loaded, rows_rejected, duplicates_collapsed
        FROM quality.reconciliation""",
    "checks": """
        SELECT model, check_name, status, failing_rows, total_rows, coalesce(example, 'n/a')
        FROM quality.check_results WHERE status <> 'pass' ORDER BY status""",
    "rejected_rows": """
        SELECT table_name, column_name, reason, count(*) AS found,
               array_to_string(list(line ORDER BY line)[:5], ', ')
        FROM quality.rejected_rows GROUP BY ALL ORDER BY found DESC""",
    **{
        category.replace(" ", "_"): f"""
        SELECT coalesce(value, 'n/a'), rows_count, 100 * rows_count / sum(rows_count) OVER (),
               strftime(first_at, '%Y-%m-%d'), strftime(last_at, '%Y-%m-%d')
        FROM marts.rep_source_mix WHERE category = '{category}'
        ORDER BY try_cast(value AS BIGINT), rows_count DESC"""
        for category in (
            "changes by field",
            "activities by type",
            "completed activities by type",
            "stage entries by stage",
            "deals by status",
            "deals by stages entered",
            "deals by completed activities",
            "stages outside the funnel",
            "unknown activity types",
        )
    },
}
# Tables with a column per step, reason or source table -> key column, column, value.
WIDE = {
    "entries_by_month": """
        SELECT month, funnel_step || ' ' || kpi_name, deals_count
        FROM marts.rep_sales_funnel_monthly""",
    "steps_by_month": """
        SELECT month, funnel_step || ' ' || kpi_name, deals_count
        FROM marts.rep_sales_funnel_monthly""",
    "losses_by_reason_and_step": """
        SELECT lost_reason_label, funnel_step, sum(deals_count)
        FROM marts.rep_losses_monthly GROUP BY ALL""",
    "losses_by_month": """
        SELECT month, lost_reason_label, sum(deals_count)
        FROM marts.rep_losses_monthly GROUP BY ALL""",
    "scores": """
        SELECT table_name, measure, score, passing_rows, total_rows FROM quality.scores""",
    "score_history": """
        SELECT as_of::DATE::VARCHAR, table_name, score
        FROM quality.scores JOIN quality.runs USING (run_id) WHERE measure = 'overall'""",
}


class Report(HTMLParser):
    """The tables of a page, as a script in it reads them, and all of its text."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tables: dict[str, list[list[str]]] = {}
        self.text, self._name, self._cell = "", "", None
        self.feed(html)
        self.text = " ".join(self.text.split())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """A table has a name, a cell maybe a value."""
        given = dict(attrs)
        if "data-name" in given:
            self._name = given["data-name"] or ""
            self.tables[self._name] = []
        if tag == "tr" and self._name:
            self.tables[self._name].append([])
        if tag in ("td", "th") and self._name:
            self._cell, self._value = "", given.get("data-value")

    def handle_data(self, data: str) -> None:
        """Text of the page, and maybe of a cell."""
        self.text += " " + data
        if self._cell is not None:
            self._cell += data

    def handle_endtag(self, tag: str) -> None:
        """Keep the cell."""
        if tag in ("td", "th") and self._cell is not None:
            value = self._cell if self._value is None else self._value
            self.tables[self._name][-1].append(value)
            self._cell = None
        if tag == "table":
            self._name = ""


@pytest.fixture(scope="module")
def both(new_sandbox, prefect_server, tmp_path_factory) -> tuple[Report, duckdb.DuckDBPyConnection]:
    """The report of the sample, and its warehouse."""
    sandbox = new_sandbox(tmp_path_factory.mktemp("numbers"), prefect_server)
    assert sandbox.run("--quiet", "--source", ROOT / "data/sample").returncode == 0
    return Report(sandbox.report.read_text()), duckdb.connect(sandbox.warehouse, read_only=True)


def same(shown: str, found: object) -> bool:
    """Whether a cell is this value: numbers to fifteen digits, months as such, no value as none."""
    if isinstance(found, date) and not isinstance(found, datetime):
        return shown == f"{found:%Y-%m}"
    if found is None:
        return shown in ("", "n/a")
    if isinstance(found, str):
        return shown == clean(found)
    return float(shown) == pytest.approx(float(found), rel=1e-14)


def test_every_table_of_the_report_is_traced(both):
    report, _ = both
    assert sorted(report.tables) == sorted([*QUERIES, *WIDE])


def test_every_column_of_the_warehouse_is_told_with_its_meaning(both):
    report, warehouse = both
    told = "SELECT column_name, column_type, description FROM quality.data_dictionary"
    columns = warehouse.execute(told).fetchall()
    assert len(columns) > 100
    assert [row for row in columns if " ".join(map(clean, row)) not in report.text] == []


@pytest.mark.parametrize("name", QUERIES)
def test_a_table_of_the_report_is_the_answer_to_a_query(both, name):
    report, warehouse = both
    _, *shown = report.tables[name]
    found = warehouse.execute(QUERIES[name]).fetchall()
    assert len(found) == len(shown) > 0
    wrong = [
        (row, answer)
        for row, answer in zip(shown, found, strict=True)
        if not all(same(*pair) for pair in zip(row, answer, strict=True))
    ]
    assert wrong == []


@pytest.mark.parametrize("name", WIDE)
def test_a_table_with_a_column_for_each_value_is_too(both, name):
    report, warehouse = both
    heading, *rows = report.tables[name]
    shown = {
        (row[0], column): value
        for row in rows
        for column, value in zip(heading[1:], row[1:], strict=True)
        if value not in ("", "0")
    }
    found = {}
    for key, column, value, *of in warehouse.execute(WIDE[name]).fetchall():
        key = f"{key:%Y-%m}" if isinstance(key, date) else key
        column = column.replace("Lost Lost", "Lost")
        if name.startswith("score"):
            column = column.replace("_", " ")
            value = rate(None if value is None else 100 * value)
            if of and None not in of:
                value += f" ({whole(of[0])} of {whole(of[1])})"
        if value:
            found[key, column] = value
    assert shown.keys() == found.keys()
    for place, value in found.items():
        assert shown[place] == value if isinstance(value, str) else float(shown[place]) == value


def test_the_figures_in_all_are_the_key_figures(both):
    report, warehouse = both
    key = warehouse.execute("SELECT * FROM marts.rep_key_figures").df().iloc[0]
    for said in (
        f"Deals {whole(key.deals)} known",
        f"Won {whole(key.deals_won)} won by",
        f"their last step; {whole(key.deals_lost_once_won)} of the lost were in a won step",
        f"Lost {whole(key.deals_lost)} lost by",
        f"Open {whole(key.deals_open)} neither",
        f"Stalled {whole(key.deals_stalled)} open",
        f"Win rate {rate(key.win_rate_pct)} won, of the deals that are",
        f"Median days to close {decimal(key.median_days_to_close)} from creation to",
        f"Activities completed {whole(key.activities_completed)} calls",
        f"Active reps {whole(key.active_reps)} users",
        f"the users table does not have {whole(key.active_unknown_reps)} of them",
        f"Months from {month(key.first_month)} to {month(key.last_month)}",
    ):
        assert said in report.text


FIGURES = {
    "New deals": ("deals_created", whole),
    "Won": ("deals_won", whole),
    "Lost": ("deals_lost", whole),
    "Win rate": ("win_rate_pct", rate),
    "Median days to close": ("median_days_to_close", decimal),
    "Open deals": ("open_deals", whole),
    "Stalled deals": ("stalled_deals", whole),
    "Completed calls": ("calls_completed", whole),
}


@pytest.mark.parametrize("name", FIGURES)
def test_the_figures_of_the_latest_month_and_their_changes(both, name):
    report, warehouse = both
    column, write = FIGURES[name]
    now, before, year_before = warehouse.execute(f"""
        SELECT {column} FROM marts.rep_monthly_figures
        WHERE month IN ({LATEST}, {LATEST} - INTERVAL 1 MONTH, {LATEST} - INTERVAL 1 YEAR)
        ORDER BY month DESC""").fetchall()
    changes = [_change(now[0], then[0], write) for then in (before, year_before)]
    said = f"{name} {write(now[0])} {changes[0]} since July 2026 {changes[1]} since August 2025"
    assert said in report.text


def test_the_steps_of_the_latest_month(both):
    report, warehouse = both
    steps = warehouse.execute(f"""
        SELECT replace(funnel_step || ' ' || kpi_name, 'Lost Lost', 'Lost'),
               sum(deals_count) FILTER (month = {LATEST}),
               sum(deals_count) FILTER (month = {LATEST} - INTERVAL 1 MONTH),
               sum(deals_count) FILTER (month = {LATEST} - INTERVAL 1 YEAR)
        FROM marts.rep_sales_funnel_monthly GROUP BY ALL""").fetchall()
    assert len(steps) == 12
    for name, now, before, year_before in steps:
        changes = " ".join(_change(now, then, whole) for then in (before, year_before))
        assert f"{name} {whole(now)} {changes}" in report.text


def test_the_conversions_from_step_to_step(both):
    report, warehouse = both
    steps = warehouse.execute("""
        WITH shares AS (
            SELECT month, step_order, funnel_step || ' ' || cohorts.kpi_name AS name,
                   lag(deals_reached) OVER of_month AS before,
                   CASE WHEN before >= 30 THEN 100.0 * deals_reached / before END AS share,
                   max(month) OVER () AS latest
            FROM marts.rep_cohorts AS cohorts JOIN staging.stg_funnel_steps USING (funnel_step)
            WHERE is_mature WINDOW of_month AS (PARTITION BY month ORDER BY step_order))
        SELECT name, any_value(share) FILTER (month = latest),
               any_value(share) FILTER (month = latest - INTERVAL 1 MONTH),
               any_value(share) FILTER (month = latest - INTERVAL 1 YEAR)
        FROM shares WHERE step_order > 1 GROUP BY name""").fetchall()
    assert len(steps) == 8
    for name, now, before, year_before in steps:
        changes = " ".join(_change(now, then, rate) for then in (before, year_before))
        assert f"{name} {rate(now)} {changes}" in report.text


def _change(now: float | None, then: float | None, write) -> str:
    if now is None or then is None:
        return "n/a"
    if now == then:
        return "the same"
    sign = "▲" if now > then else "▼"
    if write is rate:
        return f"{sign} {decimal(abs(now - then))} points"
    return f"{sign} {write(abs(now - then))} ({100 * (now - then) / then:+.0f}%)"


def test_the_exports_before_are_in_the_report_once_each_and_reruns_are_not(
    sandbox, small_export, tmp_path
):
    """So that a rerun gives the same report."""
    first, second = small_export(tmp_path / "first"), small_export(tmp_path / "second", **LATER)
    seen = []
    for source in (first, first, second, second):
        assert sandbox.run("--quiet", "--source", source).returncode == 0
        history = Report(sandbox.report.read_text()).tables["score_history"]
        seen.append([row[0] for row in history[1:]])
    assert seen == [["2024-02-08"]] * 2 + [["2024-03-02", "2024-02-08"]] * 2


LATER = {
    "deal_changes": """
        deal_id,change_time,changed_field_key,new_value
        7,2024-03-02 08:00:00,add_time,2024-03-02T08:00:00
        7,2024-03-02 08:00:00,stage_id,1
        """
}
