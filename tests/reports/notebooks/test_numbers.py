"""The notebooks run, and each number that they show is the answer to a query on the warehouse."""

import csv

import pytest

from reports.text import whole

from .conftest import ROOT

EXPLORATORY, MODEL = "exploratory_analysis", "model_analysis"
WON = "('7', '8', '9')"

# Cell -> the query that gives its rows, in any order.
QUERIES = {
    EXPLORATORY: {
        "row-counts": """
            SELECT table_name, rows_read, rows_loaded, rows_rejected, duplicates_collapsed
            FROM quality.reconciliation""",
        "rejected": """
            SELECT table_name, column_name, reason, count(*), min(line)
            FROM quality.rejected_rows GROUP BY 1, 2, 3""",
        "checks": """
            SELECT model, check_name, severity, failing_rows, total_rows,
                   100.0 * failing_rows / total_rows
            FROM quality.check_results WHERE status <> 'pass'""",
        "links": """
            SELECT model, check_name, failing_rows, total_rows, 100.0 * failing_rows / total_rows
            FROM quality.check_results WHERE check_name LIKE 'references(%'""",
        "scores": """
            SELECT table_name, measure, passing_rows, total_rows, 100 * score
            FROM quality.scores""",
        "field-ranges": """
            SELECT changed_field_key, count(*), 100.0 * count(*) / sum(count(*)) OVER (),
                   min(changed_at), max(changed_at)
            FROM staging.stg_deal_changes GROUP BY 1""",
        "activities": """
            SELECT activity_type, count(*), 100.0 * count(*) / sum(count(*)) OVER (),
                   min(due_at), max(due_at), count(*) FILTER (WHERE is_done),
                   100.0 * count(*) FILTER (WHERE is_done) / count(*)
            FROM staging.stg_activities GROUP BY 1""",
        "repeated": """
            SELECT count(*), sum(used), 'stg_activities' FROM
                (SELECT count(*) AS used FROM staging.stg_activities
                 GROUP BY activity_id HAVING count(*) > 1) AS shared
            UNION ALL SELECT count(*), coalesce(sum(used), 0), 'stg_deal_changes' FROM
                (SELECT count(*) AS used FROM staging.stg_deal_changes
                 GROUP BY deal_id, changed_at, changed_field_key HAVING count(*) > 1) AS shared""",
    },
    MODEL: {
        "drop-off": """
            SELECT mart.funnel_step, mart.kpi_name, deals_reached,
                   lag(deals_reached) OVER (ORDER BY step_order) - deals_reached,
                   conversion_from_previous_pct
            FROM marts.rep_funnel_dropoff AS mart JOIN staging.stg_funnel_steps USING (funnel_step)
            WHERE mart.kind = 'stage'""",
        "goal": f"""
            SELECT status, count(*),
                   100.0 * count(*) FILTER (WHERE furthest_step IN {WON}) / count(*)
            FROM marts.obt_deals WHERE status <> 'open' GROUP BY 1""",
        "calls": " UNION ALL ".join(
            f"""
            SELECT CASE WHEN {call} IS NULL THEN 'False' ELSE 'True' END, count(*),
                   100.0 * count(*) FILTER (WHERE furthest_step IN {WON}) / count(*)
            FROM marts.obt_deals WHERE status <> 'open' GROUP BY 1"""
            for call in ("step_2_1_entered_at", "step_3_1_entered_at")
        ),
        "spread": """
            SELECT tenth, count(*), sum(activities_completed),
                   100.0 * sum(activities_completed) / sum(sum(activities_completed)) OVER ()
            FROM (SELECT *, ntile(10) OVER (ORDER BY activities_completed DESC, user_id) AS tenth
                  FROM marts.rep_sales_rep_totals WHERE user_id IS NOT NULL) AS ranked
            GROUP BY tenth""",
        "rep-cohorts": f"""
            SELECT CAST(date_trunc('quarter', since) AS date), count(DISTINCT user_id), count(*),
                   100.0 * count(*) FILTER (WHERE furthest_step IN {WON}) / count(*)
            FROM (SELECT *, min(created_at) OVER (PARTITION BY user_id) AS since
                  FROM marts.obt_deals) AS deals
            WHERE status <> 'open' AND user_id IS NOT NULL AND created_at IS NOT NULL
            GROUP BY 1 HAVING count(DISTINCT user_id) > 1""",
    },
}
# Cell -> the query that gives numbers which its picture writes out.
PICTURES = {
    "funnel": "SELECT total_volume FROM marts.rep_funnel_dropoff",
    "days-in-stage": "SELECT completed_stays FROM marts.rep_stage_dwell",
    "days-to-close": "SELECT deals FROM marts.rep_days_to_close",
    "most-active-reps": "SELECT max(activities_completed) FROM marts.rep_sales_rep_totals",
}


MISSING = ("<NA>", "NaN", "None")


@pytest.fixture(scope="module")
def exploratory(sample, execute):
    return execute(EXPLORATORY, sample.url)


@pytest.fixture(scope="module")
def model(sample, execute):
    """With the rights of `funnel_reader`, which are enough for it."""
    return execute(MODEL, sample.reader)


@pytest.fixture(scope="module")
def executed(exploratory, model):
    return {EXPLORATORY: exploratory, MODEL: model}


def test_they_run_without_an_error_or_a_warning(executed):
    for notebook in executed.values():
        assert notebook.outputs("error") == []
        assert [out.text for out in notebook.outputs("stream") if out.name == "stderr"] == []


def same(shown: str, found: object) -> bool:
    """Whether a cell shows this value, to the tenth that is shown."""
    if found is None or shown in MISSING:
        return found is None and shown in MISSING
    if isinstance(found, str) or not hasattr(found, "__float__"):
        return shown == str(found)
    return float(shown.replace(",", "")) == pytest.approx(float(found), abs=0.0501)


def test_what_they_show_is_the_answer_to_a_query(executed, sample):
    for name, queries in QUERIES.items():
        for cell, query in queries.items():
            shown = executed[name].rows(cell)
            found = sample.ask(query)
            assert len(shown) == len(found) > 0, cell
            for answer in found:
                assert any(all(map(same, row, answer)) for row in shown), (cell, answer, shown)


def test_the_key_figures(model, sample):
    [found] = sample.ask("SELECT * FROM marts.rep_key_figures")
    shown = [cell for [cell] in model.rows("key-figures")]
    numbers = [(cell, value) for cell, value in zip(shown, found, strict=True) if value is not None]
    assert all(cell.startswith(str(value)) or same(cell, value) for cell, value in numbers)


def test_columns_with_missing_values(exploratory, sample):
    [found] = sample.ask("""
        SELECT count(*) - count(deal_id), count(*), 100 - 100.0 * count(deal_id) / count(*)
        FROM staging.stg_activities""")
    [shown] = [r for r in exploratory.rows("nulls") if r[:2] == ["stg_activities", "deal_id"]]
    assert all(map(same, shown[2:], found))


def test_the_pictures_are_those_of_the_report(model, sample):
    for cell, query in PICTURES.items():
        texts = model.texts(cell)
        assert [n for (n,) in sample.ask(query) if whole(float(n)) not in texts] == []


def test_no_name_of_a_person_is_shown(executed):
    with (ROOT / "data/sample/users.csv").open() as file:
        users = [{key.lower(): cell for key, cell in row.items()} for row in csv.DictReader(file)]
    names = {user["name"].strip() for user in users} - {""}
    shown = "".join(str(notebook.notebook) for notebook in executed.values())
    assert names
    assert [name for name in names if name in shown] == []
