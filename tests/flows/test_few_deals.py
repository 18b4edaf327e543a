"""FUNNEL_MIN_DEALS_PER_REP: of whom the report says nothing alone."""

import duckdb


def test_the_report_shows_them_together_and_the_marts_keep_their_pseudonyms(sandbox, export):
    users = "id,name,email,modified\n" + "".join(f"{n},Al {n},{n}@b.c,\n" for n in range(1, 5))
    activity = "activity_id,type,assigned_to_user,deal_id,done,due_to\n" + "".join(
        f"{n},meeting,{n % 4 + 1},{n if n % 4 == 0 else 7},True,2024-01-08\n" for n in range(40)
    )
    source = export(users=users, activity=activity)
    assert sandbox.run("--source", source).returncode == 0
    alone = sandbox.report.read_text()
    assert sandbox.run("--source", source, min_deals_per_rep=5).returncode == 0
    together = sandbox.report.read_text()
    with duckdb.connect(str(sandbox.warehouse), read_only=True) as connection:
        names = connection.sql(
            "SELECT DISTINCT sales_rep_name FROM marts.rep_sales_rep_performance_monthly"
            " ORDER BY user_id"
        ).fetchall()
    [first, *others] = [name for (name,) in names]
    assert len(others) == 3
    assert first in alone
    assert first in together
    assert all(name in alone and name not in together for name in others)
    assert "3 other reps" in together
    assert "3 other reps" not in alone
