"""Deployments as they are operated: schedules, runs too many, automations, and what is killed.

On a Prefect server with nothing in it, with a worker and a PostgreSQL, all of them real.
"""

import json
import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, closing, suppress
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import psycopg2
import pytest
from prefect.blocks.notifications import CustomWebhookNotificationBlock
from prefect.blocks.system import Secret
from prefect.client.orchestration import get_client
from prefect.settings import PREFECT_API_URL, temporary_settings

from flows.automations import STALE_AFTER, notifications, set_up, zombie_runs
from flows.warehouse.file import held
from tests.flows.operated import POOL, Operated, copy_of_the_project

DEPLOYMENTS = ("daily-duckdb", "hourly-postgres", "ad-hoc")
ARTIFACTS = {"sales-funnel-summary", "quality-scores", "lineage", "sales-funnel-report"}
SECRETS = {"PGPASSWORD": "Planted-password-1", "FUNNEL_MASKING_KEY": "planted key, not a secret"}
REPORT_URL = "https://reports.example/sales.html"
SILENT_FOR = 40  # seconds; heartbeats come every 30
QUICK_SERVICES = {
    "PREFECT_SERVER_SERVICES_SCHEDULER_LOOP_SECONDS": "5",
    "PREFECT_SERVER_EVENTS_PROACTIVE_GRANULARITY": "PT1S",
    "PREFECT_UI_URL": "https://prefect.example",
}


class Told:
    """A webhook, and what it was told."""

    def __init__(self) -> None:
        told = self.messages = []

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                told.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
                self.send_response(200)
                self.end_headers()

            def log_message(self, *_: object) -> None:
                """Nothing is to be said of it."""

        self._server = HTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}/told"
        self._thread = threading.Thread(target=self._server.serve_forever)

    def __enter__(self) -> "Told":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def of(self, subject: str) -> list[str]:
        """The messages with a subject."""
        return [told["body"] for told in self.messages if told["subject"] == subject]


@pytest.fixture(scope="module")
def told() -> Iterator[Told]:
    """Whoever is to be told."""
    with Told() as webhook:
        yield webhook


class Server:
    """A Prefect server that can be killed, and started again with the records that it had."""

    def __init__(self, serve: Callable[..., AbstractContextManager[str]], home: Path) -> None:
        self._serve, self._home = serve, home
        self.api_url = self.start()

    def start(self, port: int | None = None) -> str:
        """Start it; gives its API."""
        self._running = ExitStack()
        return self._running.enter_context(self._serve(self._home, port, **QUICK_SERVICES))

    def start_again(self) -> None:
        """Start it where it was."""
        self.start(urlsplit(self.api_url).port)

    def kill(self) -> None:
        """End it as if its machine were gone."""
        here = f"PREFECT_HOME={self._home}\0".encode()
        for process in Path("/proc").glob("[0-9]*"):
            with suppress(OSError):
                if here in (process / "environ").read_bytes():
                    os.kill(int(process.name), signal.SIGKILL)
        self.stop()

    def stop(self) -> None:
        """Let it end."""
        self._running.close()


@pytest.fixture(scope="module")
def server(tmp_path_factory, prefect_server_in) -> Iterator[Server]:
    """A server with nothing in it."""
    home = tmp_path_factory.mktemp("operated") / "server"
    served = Server(prefect_server_in, home)
    yield served
    served.stop()


@pytest.fixture(scope="module")
def operated(server, own_postgres, tmp_path_factory, new_sandbox, small_export) -> Operated:
    """All deployments of prefect.yaml on the server, and PostgreSQL where the hourly one looks."""
    folder = tmp_path_factory.mktemp("operations")
    project = copy_of_the_project(folder / "project")
    small_export(project / "data/sample")
    postgres = urlsplit(own_postgres.url)
    variables = {"PGHOST": parse_qs(postgres.query)["host"][0], "PGUSER": str(postgres.username)}
    variables |= SECRETS | {"FUNNEL_REPORT_URL": REPORT_URL}
    made = Operated(new_sandbox(folder / "sandbox", server.api_url), project, **variables)
    made.prefect("work-pool", "create", "--type", "process", POOL)
    made.prefect("--no-prompt", "deploy", "--all")
    return made


@pytest.fixture(scope="module")
def automations(operated, told) -> list[dict[str, Any]]:
    """What is there after the command was refused, at first, and when it was called again."""
    with pytest.raises(AssertionError, match="there is no block custom-webhook/nobody"):
        operated.command("flows.automations", "--notify", "custom-webhook/nobody")
    found = [operated.api("automations/filter", {})]
    with temporary_settings({PREFECT_API_URL: operated.sandbox.api_url}):
        template = {"subject": "{{subject}}", "body": "{{body}}"}
        block = CustomWebhookNotificationBlock(name="told", url=told.url, json_data=template)
        block.save("told")
    for _ in range(2):
        operated.command("flows.automations", "--notify", "custom-webhook/told")
        found.append(operated.api("automations/filter", {}))
    return found


@pytest.fixture(scope="module")
def worker(operated, automations) -> Iterator[None]:
    """A worker that takes up what is due."""
    with operated.worker():
        yield


@pytest.fixture(scope="module")
def ran(operated, worker) -> dict[str, dict[str, Any]]:
    """A run of each deployment, all started at the same moment, with parameters."""
    report = operated.sandbox.folder / "ad-hoc.html"
    started = {
        "daily-duckdb": operated.start("daily-duckdb"),
        "hourly-postgres": operated.start("hourly-postgres", as_of="2024-03-01T00:00:00Z"),
        "ad-hoc": operated.start("ad-hoc", report=str(report)),
    }
    return {name: operated.ended(run_id) for name, run_id in started.items()}


# What is deployed


def test_the_schedules_are_those_of_the_file(operated):
    found = {
        name: [
            (schedule["schedule"]["cron"], schedule["schedule"]["timezone"], schedule["active"])
            for schedule in operated.deployment(name)["schedules"]
        ]
        for name in DEPLOYMENTS
    }
    assert found == {
        "daily-duckdb": [("0 6 * * *", "Europe/Berlin", True)],
        "hourly-postgres": [("15 * * * *", "Europe/Berlin", True)],
        "ad-hoc": [],
    }


@pytest.mark.parametrize("name", DEPLOYMENTS)
def test_of_a_deployment_one_run_at_a_time_is_let_in(operated, name):
    found = operated.deployment(name)
    assert found["global_concurrency_limit"]["limit"] == 1
    assert found["concurrency_options"]["collision_strategy"] == "CANCEL_NEW"


def test_no_secret_of_the_environment_is_stored(ran, operated):
    stored = json.dumps([operated.deployment(name) for name in DEPLOYMENTS] + [*ran.values()])
    assert "hourly-postgres" in stored
    assert not [name for name, secret in SECRETS.items() if secret in stored]


# What runs


@pytest.mark.parametrize("name", DEPLOYMENTS)
def test_a_deployment_that_is_started_completes(ran, name):
    assert (ran[name]["state_type"], ran[name]["work_pool_name"]) == ("COMPLETED", POOL)


@pytest.mark.parametrize("name", DEPLOYMENTS)
def test_it_leaves_its_artifacts(ran, operated, name):
    assert {*operated.artifacts(ran[name]["id"])} == ARTIFACTS


def test_the_report_is_linked_to_where_people_open_it(ran, operated):
    link = operated.artifacts(ran["daily-duckdb"]["id"])["sales-funnel-report"]
    assert f"({REPORT_URL})" in link["data"]


def test_each_publishes_where_its_parameters_say(ran, operated, own_postgres):
    assert (operated.project / "data/warehouse.duckdb").exists()
    assert (operated.sandbox.folder / "ad-hoc.html").exists()
    with closing(psycopg2.connect(own_postgres.url)) as session, session.cursor() as cursor:
        cursor.execute("SELECT as_of FROM quality.runs WHERE status = 'published'")
        assert cursor.fetchall() == [(datetime(2024, 3, 1),)]


def test_a_run_of_a_past_day_is_named_after_it(ran):
    assert ran["hourly-postgres"]["name"] == "sample as of 2024-03-01 00:00"


def test_what_is_scheduled_runs_by_itself(ran, operated, eventually):
    soon = (datetime.now(UTC) + timedelta(seconds=8)).isoformat()
    hourly = {"schedule": {"interval": 3600, "anchor_date": soon}, "active": True}
    there = operated.deployment("ad-hoc")
    path = f"deployments/{there['id']}/schedules"
    [made] = operated.api(path, [hourly])
    chosen = {"id": {"any_": [there["id"]]}}

    def scheduled() -> list[dict[str, Any]]:
        runs = operated.api("flow_runs/filter", deployments=chosen, sort="EXPECTED_START_TIME_ASC")
        return [run for run in runs if run["auto_scheduled"]]

    eventually(scheduled, seconds=60)
    assert operated.ended(scheduled()[0]["id"])["state_type"] == "COMPLETED"
    operated.api(f"{path}/{made['id']}", method="DELETE")


# Runs too many


def test_runs_that_came_late_do_not_pile_up(ran, operated):
    late = [operated.start("ad-hoc") for _ in range(4)]
    ended = [operated.ended(run_id) for run_id in late]
    assert sorted(run["state_type"] for run in ended) == ["CANCELLED"] * 3 + ["COMPLETED"]
    said = {run["state"]["message"] for run in ended if run["state_type"] == "CANCELLED"}
    assert said == {"Deployment concurrency limit reached."}


def test_a_run_whose_warehouse_is_held_is_cancelled_and_a_later_one_completes(ran, operated):
    """Also by a run of another deployment, which the limit of its own does not know."""
    file = operated.sandbox.folder / "held.duckdb"
    with held(file):
        run = operated.ended(operated.start("ad-hoc", warehouse=f"duckdb://{file}"))
    assert run["state_type"] == "CANCELLED"
    assert "another run holds" in run["state"]["message"]
    run = operated.ended(operated.start("daily-duckdb", warehouse=f"duckdb://{file}"))
    assert run["state_type"] == "COMPLETED"


# Who is told


def test_the_automations_are_there_once(automations):
    none, first, again = [sorted(found["name"] for found in each) for each in automations]
    assert none == []
    assert first == again
    assert len(first) == len({*first}) == 5


def test_of_a_run_that_fails_somebody_is_told(ran, operated, told, eventually):
    run = operated.ended(operated.start("ad-hoc", source="nowhere"))
    assert run["state_type"] == "FAILED"
    eventually(lambda: told.of("The sales funnel failed"), seconds=60)
    [message] = told.of("The sales funnel failed")
    assert "nowhere as of the newest event so far: " in message
    assert "cannot read the source folder" in message
    assert f"https://prefect.example/runs/flow-run/{run['id']}" in message


def test_what_it_logs_of_it_is_short(ran, operated, eventually):
    run = operated.ended(operated.start("ad-hoc", source="nowhere"))
    chosen = {"flow_run_id": {"any_": [run["id"]]}}

    def logged(words):
        rows = operated.api("logs/filter", logs=chosen, limit=200)
        return [row["message"] for row in rows if words in row["message"]]

    eventually(lambda: len(logged("nowhere: cannot read the source folder")) == 2, seconds=60)
    assert logged("Traceback") == []


def test_of_a_run_that_a_check_stops_somebody_else_may_be_told(
    ran, operated, told, eventually, tmp_path
):
    project = copy_of_the_project(tmp_path / "project")
    model = project / "transforms/marts/obt_deals.py"
    never = 'rule("never", lambda table: table.deal_id < 0)'
    code = model.read_text().replace("    checks=[", f"    checks=[{never}, ")
    model.write_text(code.replace("checks import ", "checks import rule, "))
    failures = len(told.of("The sales funnel failed"))
    source = str(operated.project / "data/sample")
    operated.prefect("--no-prompt", "deploy", "--name", "ad-hoc", project=project)
    try:
        run = operated.ended(operated.start("ad-hoc", source=source))
    finally:
        operated.prefect("--no-prompt", "deploy", "--name", "ad-hoc")
    assert run["state_type"] == "FAILED"
    gate = "Quality gate: nothing was published: obt_deals: fail: never 2 of 2 rows"
    assert run["state"]["message"].startswith(gate)
    assert {*operated.artifacts(run["id"])} == ARTIFACTS - {"sales-funnel-report"}
    eventually(lambda: told.of("The sales funnel was not published"), seconds=60)
    assert gate in told.of("The sales funnel was not published")[0]
    assert len(told.of("The sales funnel failed")) == failures


def test_somebody_is_told_of_results_that_are_stale(ran, operated, told, eventually):
    """So long after the last run that completed, and not after one or two times more."""
    seldom, patience = 30, 15  # seconds
    with (
        temporary_settings({PREFECT_API_URL: operated.sandbox.api_url}),
        get_client(sync_client=True) as client,
    ):
        block = client.read_block_document_by_name("told", "custom-webhook")
        set_up(client, notifications(block.id, {"daily-duckdb": timedelta(seconds=seldom)}))
        run = operated.ended(operated.start("daily-duckdb"))
        assert run["state_type"] == "COMPLETED"
        eventually(lambda: told.of("The sales funnel is stale"), seconds=seldom + patience)
        set_up(client, notifications(block.id, STALE_AFTER))
    assert "No run of daily-duckdb completed for " in told.of("The sales funnel is stale")[0]


def test_a_block_that_tells_nobody_is_refused(operated, automations):
    with temporary_settings({PREFECT_API_URL: operated.sandbox.api_url}):
        Secret(value="x").save("no-notification")
    with pytest.raises(AssertionError, match="name a notification block"):
        operated.command("flows.automations", "--notify", "secret/no-notification")


# What is killed


def test_a_run_whose_machine_is_gone_has_crashed_and_the_next_one_succeeds(
    ran, operated, told, eventually
):
    with (
        temporary_settings({PREFECT_API_URL: operated.sandbox.api_url}),
        get_client(sync_client=True) as client,
    ):
        set_up(client, [zombie_runs(timedelta(seconds=SILENT_FOR))])
    run_id = operated.start("ad-hoc")
    operated.awaited(run_id, {"RUNNING"})
    eventually(lambda: operated.of_run(run_id, "task_runs/filter"), seconds=120)
    operated.kill_everything()
    assert operated.flow_run(run_id)["state_type"] == "RUNNING"
    with operated.worker():
        crashed = operated.ended(run_id)
        assert crashed["state_type"] == "CRASHED"
        assert operated.ended(operated.start("ad-hoc"))["state_type"] == "COMPLETED"
    eventually(lambda: run_id in "".join(told.of("The sales funnel failed")), seconds=60)


def test_a_run_whose_server_is_killed_does_not_run_for_ever(ran, operated, server):
    with operated.worker():
        run_id = operated.start("ad-hoc")
        operated.awaited(run_id, {"RUNNING"})
        server.kill()
        server.start_again()
        operated.ended(run_id)  # as whatever it could report, or else as crashed
        assert operated.ended(operated.start("ad-hoc"))["state_type"] == "COMPLETED"
