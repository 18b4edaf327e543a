"""`quality.runs` knows every run, however it ended, and `quality` answers for all of them."""

import json
import re
import signal
from pathlib import Path

import duckdb

import flows

RUNS = "SELECT status, reason FROM quality.runs ORDER BY started_at"


def stopped_by(place, number: signal.Signals, source) -> int:
    """The exit code of a run that gets a signal after its first table."""
    with place.start("--source", source) as process:
        assert any(line.startswith("raw_") for line in process.stderr)
        process.send_signal(number)
        process.communicate(timeout=60)
    return process.returncode


def test_a_run_that_was_killed_is_marked_by_the_next(place, export):
    assert place.run("--source", export()).returncode == 0
    assert stopped_by(place, signal.SIGKILL, export()) == -signal.SIGKILL
    assert place.run("--source", export()).returncode == 0
    assert place.query(RUNS) == [
        ("published", None),
        ("crashed", "it was killed, or the machine stopped"),
        ("published", None),
    ]


def test_what_is_known_of_a_run_that_was_killed(place, export):
    source = export()
    stopped_by(place, signal.SIGKILL, source)
    place.run("--source", source)
    [(began, ended, said, read)] = place.query(
        "SELECT started_at, finished_at, source, rows_read FROM quality.runs"
        " WHERE status = 'crashed'"
    )
    assert (began is None, ended, said, read) == (False, None, str(source), None)


def test_a_run_that_was_interrupted_is_told(place, export):
    assert stopped_by(place, signal.SIGTERM, export()) == 143
    place.run("--source", export())
    assert place.query(RUNS) == [("interrupted", "a signal"), ("published", None)]


def test_a_run_that_was_refused_is_told_with_the_reason(place, export):
    bad = export(stages="stage_id,stage_name\nx,Lead\n", folder="bad")
    assert place.run("--source", bad).returncode == 2
    place.run("--source", export())
    [(status, reason), published] = place.query(RUNS)
    assert (status, published) == ("refused", ("published", None))
    assert reason.startswith(f"{bad}/stages.csv: 1 of 1 rows cannot be read")


def test_a_run_that_a_check_stopped_is_told_with_the_check(place, export):
    stopped = place.sandbox.run_with_a_broken_rule("--warehouse", place.url, "--source", export())
    assert stopped.returncode == 1
    assert place.query(RUNS) == [("stopped", "fail: never 2 of 2 rows")]


def test_every_such_run_is_told_once(place, export):
    source = export()
    for _ in range(2):
        stopped_by(place, signal.SIGKILL, source)
    for _ in range(2):
        place.run("--source", source)
    statuses = [status for status, _ in place.query(RUNS)]
    assert statuses == ["crashed", "crashed", "published", "published"]


KILLED_WHEN_PUBLISHED = """
    import os
    import signal
    from flows.main import command
    from flows.warehouse.file import Lock

    Lock.forget_entries = lambda _: os.kill(os.getpid(), signal.SIGKILL)
    command()
    """


def test_a_run_that_was_killed_once_it_was_published_did_not_crash(sandbox, export):
    with sandbox.start("--source", export(), code=KILLED_WHEN_PUBLISHED) as process:
        process.communicate(timeout=60)
    assert process.returncode == -signal.SIGKILL
    assert sandbox.run("--source", export()).returncode == 0
    with duckdb.connect(str(sandbox.warehouse), read_only=True) as connection:
        assert connection.sql(RUNS).fetchall() == [("published", None), ("published", None)]


def test_history_survives_refreshes_and_failures(place, export):
    first = json.loads(place.run("--json", "--source", export()).stdout)["run_id"]
    of_first = {
        name: place.query(f"SELECT * FROM quality.{name} WHERE run_id = '{first}' ORDER BY 1, 2, 3")
        for name in ("runs", "check_results", "scores", "reconciliation")
    }
    stopped_by(place, signal.SIGKILL, export())
    place.run("--source", export(stages="stage_id,stage_name\nx,Lead\n", folder="bad"))
    place.run("--source", export())
    for name, rows in of_first.items():
        assert rows
        kept = place.query(
            f"SELECT * FROM quality.{name} WHERE run_id = '{first}' ORDER BY 1, 2, 3"
        )
        assert kept == rows, name


def test_the_questions_of_the_history_page_are_answered(place, export):
    page = (Path(flows.__file__).parents[1] / "docs/history.md").read_text()
    questions = re.findall(r"^-- (.+)\n([^;]+);", page, flags=re.MULTILINE)
    since, score, loads, *_ = (question for _, question in questions)
    unlinked = """
        activity_id,type,assigned_to_user,deal_id,done,due_to
        1,meeting,1,,True,2024-01-08 09:00:00
        """
    for source in (
        export(),
        export(folder="unlinked", activity=unlinked),
        export(folder="bad", stages="stage_id,stage_name\nx,Lead\n"),
        export(folder="unlinked", activity=unlinked),
    ):
        place.run("--source", source)
    runs = dict(place.query("SELECT started_at, status FROM quality.runs"))
    first, second, refused, last = sorted(runs)
    assert [runs[run] for run in sorted(runs)] == [*["published"] * 2, "refused", "published"]

    began = {(model, check): at for model, check, _, at in place.query(since)}
    assert began["stg_activities", "not_null(deal_id)"] == second
    assert began["stg_deal_changes", "newest_within_45_days(changed_at)"] == first
    assert [at for at, _ in place.query(score)] == [first, second, last]
    (_, all_linked), (_, none_linked), (_, as_before) = place.query(score)
    assert all_linked > none_linked == as_before
    loaded = {(row[0], row[3]): row[5] for row in place.query(loads)}
    assert loaded[first, "activity"] == 3
    assert loaded[last, "activity"] == 1
    assert loaded[refused, None] is None
