"""A plausible set of marts and quality tables, shaped like the real ones."""

from collections.abc import Iterator
from pathlib import Path

import pandas
import pytest
from playwright.sync_api import Browser

from reports.render import render
from tests.reports.chromium import CHROMIUM, chromium

STEPS = {
    "1": ("Lead Generation", 2000),
    "2": ("Qualified Lead", 1483),
    "2.1": ("Sales Call 1", 568),
    "3": ("Needs Assessment", 1308),
    "3.1": ("Sales Call 2", 560),
    "4": ("Proposal/Quote Preparation", 1087),
    "5": ("Negotiation", 895),
    "6": ("Closing", 741),
    "7": ("Implementation/Onboarding", 588),
    "8": ("Follow-up/Customer Success", 479),
    "9": ("Renewal/Expansion", 324),
    "Lost": ("Lost", 2000),
}
STAGES = [step for step in STEPS if step.isdigit()]
REASONS = [
    "Customer Not Ready",
    "Pricing Issues",
    "Unreachable Customer",
    "Product Mismatch",
    "Duplicate Entry",
    "Unknown reason",
]
MONTHS = pandas.date_range("2024-01-01", periods=15, freq="MS")
INTAKE_ENDS = 9


def funnel_monthly(months: pandas.DatetimeIndex) -> pandas.DataFrame:
    """Entries that rise, and fade step by step after the intake has ended."""
    rows = []
    for number, month in enumerate(months):
        for place, (step, (name, volume)) in enumerate(STEPS.items()):
            reached = number + 1 >= place / 3
            late = max(0, number - INTAKE_ENDS + 1 - place // 3)
            wave = (number * 7 + place * 3) % 5 * volume // 90
            entries = max(0, volume // 10 + wave - late * volume // 15) if reached else 0
            rows.append((month, name, step, 0 if late and step == "1" else entries))
    return pandas.DataFrame(rows, columns=["month", "kpi_name", "funnel_step", "deals_count"])


def funnel_dropoff() -> pandas.DataFrame:
    """Volumes and conversions; the calls belong to deals that are not in the change log."""
    mart = pandas.DataFrame(
        [(step, name, volume) for step, (name, volume) in STEPS.items()],
        columns=["funnel_step", "kpi_name", "total_volume"],
    )
    volume, is_main = mart["total_volume"], mart["funnel_step"].isin(STAGES)
    reached = volume + 90
    kinds = [
        "loss" if step == "Lost" else "stage" if step in STAGES else "activity" for step in STEPS
    ]
    return mart.assign(
        kind=kinds,
        retention_rate_pct=(100 * volume / volume.shift()).where(mart["funnel_step"] != "Lost"),
        deals_entered=volume,
        deals_reached=reached.where(is_main, volume),
        conversion_from_previous_pct=100 * reached[is_main] / reached[is_main].shift(),
        conversion_from_first_pct=100 * reached[is_main] / reached[0],
        deals_not_lost=pandas.Series(0, index=mart.index).where(is_main),
        decided_conversion_pct=100 * reached[is_main] / reached[is_main].shift(),
    )


def rep_monthly(reps: int) -> pandas.DataFrame:
    """Monthly activities of some reps, fewer for each next one."""
    rows = []
    for rep in range(reps):
        for number, month in enumerate(MONTHS):
            first, second, other = (
                max(0, 12 - rep // 3 - (rep + number + kind) % 11) for kind in range(3)
            )
            done = first + second + other
            name = f"J*** D*** #{rep * 4129 + 700000:06x}"
            rows.append((month, 1000 + rep, name, done // 2, done, first, second, other))
    columns = ["month", "user_id", "sales_rep_name", "deals_worked", "activities_completed"]
    columns += ["sales_call_1_completed", "sales_call_2_completed", "other_activities"]
    return pandas.DataFrame(rows, columns=columns)


def rep_totals(monthly: pandas.DataFrame) -> pandas.DataFrame:
    """The same activities, over all months."""
    reps = monthly.groupby(["user_id", "sales_rep_name"]).sum(numeric_only=True).reset_index()
    deals = reps["deals_worked"].where(reps["deals_worked"] > 0)
    return reps.assign(activities_per_deal=reps["activities_completed"] / deals)


def monthly_figures(months: pandas.DatetimeIndex) -> pandas.DataFrame:
    """Deals that come in until the intake ends, and are closed later."""
    rows = [
        (
            month,
            130 + 5 * (number % 4) if number < INTAKE_ENDS else 0,
            8 + number % 3 if number else 0,
            110 + 7 * (number % 5) if number else 0,
            7.5 - number / 10 if number else None,
            90.5 + number if number else None,
            75 + number,
            9 + number % 4,
            150 + 3 * (number % 6),
            110 + 2 * (number % 6),
        )
        for number, month in enumerate(months)
    ]
    columns = ["month", "deals_created", "deals_won", "deals_lost", "win_rate_pct"]
    columns += ["median_days_to_close", "open_deals", "stalled_deals"]
    columns += ["activities_completed", "calls_completed"]
    return pandas.DataFrame(rows, columns=columns)


def month_cohorts(months: pandas.DatetimeIndex) -> pandas.DataFrame:
    """Deals of each month of the intake, of which fewer reach each next stage."""
    rows = []
    for number, month in enumerate(months[:INTAKE_ENDS]):
        created = 200 + 10 * (number % 3)
        for place, step in enumerate(STAGES):
            reached = created - 20 * place - number
            share = 100 * reached / created
            is_mature = number < INTAKE_ENDS - 3
            rows.append((month, step, STEPS[step][0], created, reached, share, is_mature))
    columns = ["month", "funnel_step", "kpi_name", "deals_created", "deals_reached"]
    return pandas.DataFrame(rows, columns=[*columns, "reached_pct", "is_mature"])


def source_mix() -> pandas.DataFrame:
    """What the export holds."""
    first, last = pandas.Timestamp("2024-01-01 08:00"), pandas.Timestamp("2025-03-30 17:00")
    mix = {
        "changes by field": {"stage_id": 8906, "user_id": 2500, "add_time": 2000, None: 1},
        "activities by type": {"meeting": 2400, "sc_2": 1900, "follow_up": 279},
        "deals by status": {"lost": 1800, "won": 120, "open": 75},
        "stages outside the funnel": {"Limbo": 19},
        "deals by stages entered": {"1": 400, "10": 20, "2": 300},
    }
    rows = [
        (category, value, rows, first, last)
        for category, values in mix.items()
        for value, rows in values.items()
    ]
    columns = ["category", "value", "rows_count", "first_at", "last_at"]
    return pandas.DataFrame(rows, columns=columns)


def quality() -> dict[str, pandas.DataFrame]:
    """What a run records about its data."""
    sources = {
        "activity": (4579, 4566, 2, 11),
        "activity_types": (4, 4, 0, 0),
        "deal_changes": (15406, 15405, 1, 0),
        "users": (1787, 1787, 0, 0),
    }
    scores = [
        ("r1", "stg_activities", "completeness", 4566, 4566, 1.0),
        ("r1", "stg_activities", "deal_link_validity", 8, 4566, 8 / 4566),
        ("r1", "stg_activities", "consistency", 4560, 4566, 4560 / 4566),
        ("r1", "stg_activities", "uniqueness", 4555, 4566, 4555 / 4566),
        ("r1", "stg_activities", "overall", None, None, 0.749),
        ("r1", "stg_users", "uniqueness", 0, 0, None),
        ("r1", "stg_users", "overall", None, None, None),
    ]
    checks = [
        ("r1", f"mart_{n}", "not_null(month)", "error", "pass", 0, 9, None) for n in range(40)
    ]
    checks += [
        ("r1", "stg_activities", "references(deal_id)", "warn", "warn", 4558, 4566, "deal_id 7"),
        ("r1", "stg_activities", "unique(activity_id)", "warn", "warn", 22, 4566, "activity_id 8"),
    ]
    rejected = [
        ("r1", "activity", 17, "due_to", "not a timestamp"),
        ("r1", "activity", 1204, "due_to", "not a timestamp"),
        ("r1", "deal_changes", 88, "deal_id", "missing"),
    ]
    rows = ["failing_rows", "total_rows", "example"]
    counts = ["rows_read", "rows_loaded", "rows_rejected", "duplicates_collapsed"]
    return {
        "reconciliation": pandas.DataFrame(
            [("r1", table, *numbers, 0) for table, numbers in sources.items()],
            columns=["run_id", "table_name", *counts, "earlier_rows_replaced"],
        ),
        "score_history": pandas.DataFrame(
            [
                (0, pandas.Timestamp("2025-02-28"), "stg_activities", 0.74),
                (0, pandas.Timestamp("2025-02-28"), "stg_deals", 0.98),
                (1, pandas.Timestamp("2025-01-31"), "stg_activities", None),
            ],
            columns=["place", "as_of", "table_name", "score"],
        ),
        "scores": pandas.DataFrame(
            scores,
            columns=["run_id", "table_name", "measure", "passing_rows", "total_rows", "score"],
        ),
        "check_results": pandas.DataFrame(
            checks,
            columns=["run_id", "model", "check_name", "severity", "status", *rows],
        ),
        "rejected_rows": pandas.DataFrame(
            rejected, columns=["run_id", "table_name", "line", "column_name", "reason"]
        ),
    }


def documented() -> dict[str, pandas.DataFrame]:
    """What a few tables mean, and what they are made from."""
    text, count = "string", "int64"
    described = [
        ("staging", "stg_activities", "activity_id", count, "activity", "id in Pipedrive"),
        ("staging", "stg_activities", "activity_type", text, "activity", "a code"),
        ("staging", "stg_users", "user_id", count, "user", "id in Pipedrive"),
        ("intermediate", "int_deal_activities", "deal_id", count, "deal and step", "the deal"),
        ("marts", "rep_sales_rep_totals", "user_id", count, "user & no other", "who <did> it"),
        ("marts", "rep_key_figures", "active_reps", count, "export", "users at work"),
        ("quality", "scores", "score", "float64", "table", "0 to 1"),
        ("quality", "runs", "run_id", text, "run", "the run"),
    ]
    columns = ["schema_name", "table_name", "column_name", "column_type", "grain", "description"]
    made_from = [
        ("stg_activities", "raw_activity"),
        ("stg_users", "raw_users"),
        ("int_deal_activities", "stg_activities"),
        ("rep_sales_rep_totals", "stg_activities"),
        ("rep_sales_rep_totals", "stg_users"),
        ("rep_key_figures", "rep_sales_rep_totals"),
        ("scores", "stg_activities"),
    ]
    dictionary = pandas.DataFrame(described, columns=columns)
    return {
        "data_dictionary": dictionary.assign(grain="One row per " + dictionary["grain"] + "."),
        "lineage": pandas.DataFrame(made_from, columns=["table_name", "upstream_table"]),
    }


def typical_tables() -> dict[str, pandas.DataFrame]:
    """Every table that the report reads, of a typical run."""
    losses = [
        (month, reason, step, 1 + (number + 3 * place) % 5)
        for number, month in enumerate(MONTHS)
        for place, reason in enumerate(REASONS)
        for step in [*STAGES[place:], "none"]
    ]
    dwell = [
        (
            step,
            STEPS[step][0],
            900 - 90 * place,
            median * 1.4,
            median,
            median * 1.9,
            median * 3.2,
            place,
            median * 2.5 if place else None,
        )
        for place, (step, median) in enumerate(zip(STAGES, range(4, 31, 3), strict=True))
    ]
    figures = {
        "deals": 1995,
        "deals_won": 120,
        "deals_lost": 1800,
        "deals_lost_once_won": 1081,
        "deals_open": 75,
        "deals_stalled": 21,
        "win_rate_pct": 6.25,
        "median_days_to_close": 97.4,
        "activities_completed": 2290,
        "active_reps": 1120,
        "active_unknown_reps": 26,
        "first_month": MONTHS[0],
        "last_month": MONTHS[-1],
    }
    stays = ["completed_stays", "mean_days", "median_days", "p75_days", "p90_days"]
    stays += ["open_stays", "open_median_days"]
    closing = [("lost", 1800, 57.2, 90.4, 130.9), ("open", 75, 210.0, 260.5, 300.1)]
    closing += [("won", 120, 97.4, 120.6, 188.2)]
    return {
        "rep_sales_funnel_monthly": funnel_monthly(MONTHS),
        "rep_funnel_dropoff": funnel_dropoff(),
        "rep_losses_monthly": pandas.DataFrame(
            losses, columns=["month", "lost_reason_label", "funnel_step", "deals_count"]
        ),
        "rep_stage_dwell": pandas.DataFrame(dwell, columns=["funnel_step", "kpi_name", *stays]),
        "rep_sales_rep_totals": rep_totals(rep_monthly(reps=40)),
        "rep_monthly_figures": monthly_figures(MONTHS),
        "rep_cohorts": month_cohorts(MONTHS),
        "rep_days_to_close": pandas.DataFrame(
            closing, columns=["status", "deals", "median_days", "p75_days", "p90_days"]
        ),
        "rep_source_mix": source_mix(),
        "rep_key_figures": pandas.DataFrame([figures]),
        **quality(),
        **documented(),
    }


RUN: dict[str, str | int | None] = {
    "as_of": "2025-03-31 12:00:00",
    "timezone": "UTC",
    "source": "data/sample",
    "code_version": "abc1234",
    "source_fingerprint": "f1e2d3",
}


@pytest.fixture
def tables() -> dict[str, pandas.DataFrame]:
    """The tables, for a test that may change them."""
    return typical_tables()


@pytest.fixture
def run() -> dict[str, str | int | None]:
    """What the caller tells about the run."""
    return dict(RUN)


@pytest.fixture(scope="session")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The file with the report of a typical run."""
    file = tmp_path_factory.mktemp("report") / "report.html"
    file.write_text(render(typical_tables(), RUN), encoding="utf-8")
    return file


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """A Chromium; it ends with the module, for no event loop may run beside it."""
    if CHROMIUM is None:
        pytest.skip("no Chromium found")
    with chromium() as browser:
        yield browser
