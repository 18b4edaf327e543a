"""`quality.runs` knows every run, however it ended, and `quality` answers for all of them."""

import json
import re
import signal
import sqlite3
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb
import pytest

import flows

RUNS = "SELECT status, reason FROM quality.runs ORDER BY started_at"
OF_EVERY_RUN = ("runs", "check_results", "scores", "reconciliation")
UNLINKED = """
    activity_id,type,assigned_to_user,deal_id,done,due_to
    1,meeting,1,,True,2024-01-08 09:00:00
    """

# As the UI does it: the run keeps its id.
BEGUN_OR_RETRIED = """
    import sys
    from uuid import UUID

    from prefect.client.orchestration import get_client
    from prefect.flow_engine import run_flow
    from prefect.states import AwaitingRetry

    from flows.flow import sales_funnel

    source, *again = sys.argv[1:]
    with get_client(sync_client=True) as client:
        if again:
            client.set_flow_run_state(UUID(again[0]), AwaitingRetry(), force=True)
            run = client.read_flow_run(UUID(again[0]))
        else:
            run = client.create_flow_run(sales_funnel, parameters={"source": source})
            print(run.id, flush=True)
    run_flow(sales_funnel, flow_run=run, parameters={"source": source})
    """

Rows = list[tuple[Any, ...]]


@dataclass
class History:
    """A warehouse after one run of each kind; `codes`: how the runs ended, the first is the oldest.

    `first`: what quality knew of the first run as soon as it had ended. `killed`, `bad`: the
    exports of a run that was killed, and of the one that was refused.
    """

    query: Callable[[str], Rows]
    codes: list[int]
    first_id: str
    first: dict[str, Rows]
    killed: Path
    bad: Path


def of_run(query: Callable[[str], Rows], run_id: str) -> dict[str, Rows]:
    """What quality knows of a run."""
    return {
        name: query(f"SELECT * FROM quality.{name} WHERE run_id = '{run_id}' ORDER BY 1, 2, 3")
        for name in OF_EVERY_RUN
    }


@pytest.fixture(scope="module", params=["duckdb", "postgres"])
def history(request, new_place, small_export, tmp_path_factory) -> History:
    """Nine runs that follow one another, on each engine."""
    folder = tmp_path_factory.mktemp("ledger")
    linked = small_export(folder / "linked")
    unlinked = small_export(folder / "unlinked", activity=UNLINKED)
    bad = small_export(folder / "bad", stages="stage_id,stage_name\nx,Lead\n")
    place = new_place(request.param, folder / "sandbox")

    def stopped_by(number: signal.Signals, source: Path) -> int:
        with place.start("--source", source) as process:
            assert any(line.startswith("raw_") for line in process.stderr)
            process.send_signal(number)
            process.communicate(timeout=60)
        return process.returncode

    published = place.run("--json", "--source", linked)
    first_id = json.loads(published.stdout)["run_id"]
    first = of_run(place.query, first_id)
    codes = [
        published.returncode,
        stopped_by(signal.SIGKILL, linked),
        place.run("--source", unlinked).returncode,
        stopped_by(signal.SIGTERM, linked),
        place.run("--source", bad).returncode,
        *[stopped_by(signal.SIGKILL, linked) for _ in range(2)],
        place.run("--source", unlinked).returncode,
        place.sandbox.run_with_a_broken_rule(
            "--warehouse", place.url, "--source", unlinked
        ).returncode,
    ]
    return History(place.query, codes, first_id, first, linked, bad)


def test_prefect_is_told_of_a_run_that_was_killed(
    new_sandbox, prefect_server_in, small_export, tmp_path
):
    export = small_export(tmp_path / "export")
    states = "SELECT state_type FROM flow_run ORDER BY created"
    with prefect_server_in(tmp_path / "server") as api_url:
        sandbox = new_sandbox(tmp_path / "run", api_url)
        with closing(sqlite3.connect(tmp_path / "server/prefect.db")) as records:
            with sandbox.start("--source", export) as run:
                assert run.stderr.readline()
                run.kill()
            assert records.execute(states).fetchall() == [("RUNNING",)]
            sandbox.run("--source", export)
            assert records.execute(states).fetchall() == [("CRASHED",), ("COMPLETED",)]


def test_a_run_that_was_killed_and_is_retried_is_another_run_to_the_warehouse_alone(
    new_sandbox, prefect_server_in, small_export, tmp_path
):
    export = small_export(tmp_path / "export")
    with prefect_server_in(tmp_path / "server") as api_url:
        sandbox = new_sandbox(tmp_path / "run", api_url)
        with sandbox.start(export, code=BEGUN_OR_RETRIED) as run:
            run_id = run.stdout.readline().strip()
            assert any("stg_stages" in line for line in run.stderr)
            run.kill()
        with sandbox.start(export, run_id, code=BEGUN_OR_RETRIED) as run:
            run.communicate(timeout=120)
        with closing(sqlite3.connect(tmp_path / "server/prefect.db")) as records:
            states = records.execute("SELECT name FROM flow_run_state ORDER BY timestamp")
            told = [name for (name,) in states]
    assert told == ["Pending", "Running", "AwaitingRetry", "Running", "Completed"]
    with duckdb.connect(sandbox.warehouse, read_only=True) as warehouse:
        runs = warehouse.sql("SELECT run_id, status FROM quality.runs ORDER BY run_id").fetchall()
    assert runs == [(run_id, "crashed"), (f"{run_id}-2", "published")]
    [index] = sandbox.report.parent.glob("*_runs/index.html")
    assert f"_{run_id}-2_" in index.read_text()


def test_every_run_is_told_once_by_how_it_ended(history):
    assert history.codes == [0, -signal.SIGKILL, 0, 143, 2, *[-signal.SIGKILL] * 2, 0, 1]
    crashed = ("crashed", "it was killed, or the machine stopped")
    *told, (refused, _), two, three, last, stopped = history.query(RUNS)
    assert told == [("published", None), crashed, ("published", None), ("interrupted", "a signal")]
    assert (refused, two, three, last) == ("refused", crashed, crashed, ("published", None))
    assert stopped == ("stopped", "stg_stages: fail: never 2 of 2 rows, such as stage_id 1")


def test_what_is_known_of_a_run_that_was_killed(history):
    killed = history.query(
        "SELECT started_at IS NULL, finished_at, source, rows_read FROM quality.runs"
        " WHERE status = 'crashed'"
    )
    assert killed == [(False, None, str(history.killed), None)] * 3


def test_of_a_run_that_was_refused_the_reason_is_told(history):
    [(reason,)] = history.query("SELECT reason FROM quality.runs WHERE status = 'refused'")
    assert reason.startswith(f"{history.bad}/stages.csv: 1 of 1 rows cannot be read")


def test_what_was_known_of_a_run_outlives_all_others(history):
    assert all(history.first.values())
    assert of_run(history.query, history.first_id) == history.first


def test_the_questions_of_the_history_page_are_answered(history):
    page = (Path(flows.__file__).parents[1] / "docs/history.md").read_text()
    questions = re.findall(r"^-- (.+)\n([^;]+);", page, flags=re.MULTILINE)
    since, score, loads, *_ = (question for _, question in questions)
    runs = history.query("SELECT started_at, status FROM quality.runs ORDER BY started_at")
    first, second, last = [began for began, status in runs if status == "published"]
    [refused] = [began for began, status in runs if status == "refused"]
    *_, (stopped, _) = runs

    began = {(model, check): at for model, check, _, at in history.query(since)}
    assert began["stg_activities", "not_null(deal_id)"] == second
    assert began["stg_deal_changes", "newest_within_45_days(changed_at)"] == first
    scores = history.query(score)
    assert [at for at, _ in scores] == [first, second, last, stopped]
    all_linked, *none_linked = [found for _, found in scores]
    assert {all_linked > found for found in none_linked} == {True}
    assert len({*none_linked}) == 1
    loaded = {(row[0], row[3]): row[5] for row in history.query(loads)}
    assert loaded[first, "activity"] == 3
    assert loaded[last, "activity"] == 1
    assert loaded[refused, None] is None


KILLED_WHEN_PUBLISHED = """
    import os
    import signal
    from flows.main import command
    from flows.warehouse.file import Lock

    Lock.forget_entries = lambda _: os.kill(os.getpid(), signal.SIGKILL)
    command()
    """


def test_a_run_that_was_killed_once_it_was_published_did_not_crash_and_its_page_is_swept(
    sandbox, export
):
    killed = sandbox.run("--source", export(), code=KILLED_WHEN_PUBLISHED)
    assert killed.returncode == -signal.SIGKILL
    assert any(name.startswith(".report.html.") for name in sandbox.leftovers())
    assert sandbox.run("--source", export()).returncode == 0
    assert sandbox.leftovers() == []
    with duckdb.connect(str(sandbox.warehouse), read_only=True) as connection:
        assert connection.sql(RUNS).fetchall() == [("published", None), ("published", None)]
