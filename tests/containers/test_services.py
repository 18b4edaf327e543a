"""Every command of every service of compose.yaml, run against real servers."""

import json
import os
import re
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from http import HTTPStatus
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from urllib.error import HTTPError

import psycopg2
import pytest

from tests.containers.dockerfile import Image, build
from tests.containers.postgres import PROGRAMS, set_up
from tests.containers.services import Scratch, Service, compose

SECONDS = 300  # for whatever is waited for
DEPLOYED = ("daily-duckdb", "hourly-postgres")


@dataclass
class Started:
    """What was started, and what came of it."""

    scratch: Scratch
    runtime: Image
    said: dict[str, str] = field(default_factory=dict)
    codes: dict[str, int] = field(default_factory=dict)
    socket: Path = Path()
    before: dict[Path, int] = field(default_factory=dict)

    def service(self, name: str) -> Service:
        """A service that runs in the image of the target `runtime`."""
        return self.scratch.service(name, self.runtime)

    def run(self, name: str, *words: str, called: str | None = None) -> None:
        """Run a service that ends, or another command in its place."""
        done = self.service(name).run(*words, seconds=SECONDS)
        self.said[called or name], self.codes[called or name] = done.stdout, done.returncode

    def rows(self, query: str, user: str = "postgres", **more: str) -> list[tuple[object, ...]]:
        """What the database answers: on its socket, where nobody is asked for a password."""
        place = {"host": str(self.socket), "port": self.scratch.ports["5432"]} | more
        with closing(psycopg2.connect(dbname="sales", user=user, **place)) as session:
            cursor = session.cursor()
            cursor.execute(query)
            return cursor.fetchall()

    def api(self, path: str, method: str = "POST", **body: Any) -> list[dict[str, Any]]:
        """What Prefect's API answers; while its SQLite is busy, ask again, as its client does."""
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.scratch.ports['4200']}/api/{path}",
            data=json.dumps(body).encode(),
            headers={"Content-Type": "application/json"},
            method=method,
        )
        deadline = time.monotonic() + SECONDS
        while True:
            try:
                with urllib.request.urlopen(request, timeout=SECONDS) as answer:
                    return json.loads(answer.read() or "[]")
            except HTTPError as error:
                if error.code != HTTPStatus.SERVICE_UNAVAILABLE or time.monotonic() > deadline:
                    raise
                time.sleep(1)

    def code_files(self) -> dict[Path, int]:
        """The files of the image that no volume covers, and when they were changed."""
        app = self.runtime.root / "app"
        volumes = [app / "data", app / "reports/out"]
        return {
            file: file.stat().st_mtime_ns
            for file in app.rglob("*")
            if not any(file.is_relative_to(volume) for volume in volumes)
        }


@pytest.fixture(scope="module")
def started() -> Iterator[Started]:
    """All services but JupyterLab: up, the sample loaded, and two deployments run."""
    with TemporaryDirectory(prefix="funnel_compose_") as folder:
        scratch = Scratch(Path(folder))
        scratch.secrets.mkdir()
        here = Started(scratch, build(Path(folder) / "image", "runtime"))
        here.before = here.code_files()
        here.run("secrets")
        here.run("secrets", called="secrets again")
        postgres = here.service("postgres")
        postgres.image = Image(here.runtime.root, {"PATH": f"{PROGRAMS}:$PATH"})
        try:
            with set_up(postgres) as here.socket:
                assert postgres.is_healthy()
                _up(here, here.service("prefect"))
                here.run("deployments")
                _let_nothing_start_by_itself(here)
                here.run("load-sample")
                _up(here, here.service("worker"))
                for name in DEPLOYED:
                    command = ["prefect", "deployment", "run", f"sales-funnel/{name}"]
                    here.run("worker", *command, called=name)
                _wait_until(lambda: all(run["end_time"] for run in _runs(here)))
                yield here
        finally:
            scratch.stop()


def _wait_until(holds: Callable[[], bool]) -> None:
    """Ask now and then: each health check is a process of its own."""
    deadline = time.monotonic() + SECONDS
    while not holds():
        assert time.monotonic() < deadline, f"not within {SECONDS} s"
        time.sleep(1)


def _up(here: Started, service: Service) -> None:
    service.start()
    process = here.scratch.running[service.name]
    _wait_until(lambda: process.poll() is not None or service.is_healthy())
    assert process.poll() is None, service.log


def _let_nothing_start_by_itself(here: Started) -> None:
    """The hour may strike while the tests run."""
    for deployment in here.api("deployments/filter"):
        for schedule in deployment["schedules"]:
            path = f"deployments/{deployment['id']}/schedules/{schedule['id']}"
            here.api(path, "PATCH", active=False)


def _runs(here: Started) -> list[dict[str, Any]]:
    """Of the deployments."""
    return here.api("flow_runs/filter", deployments={"name": {"any_": DEPLOYED}})


def test_every_command_that_ends_ends_well(started):
    assert started.codes == dict.fromkeys(started.codes, 0), started.said


def test_every_service_is_tried(started):
    tried = {*started.codes, *started.scratch.running, "postgres", "jupyter"}
    assert {*compose()["services"]} - tried == set()


def test_secrets_are_made_once_and_for_their_readers(started):
    files = {file.name: file.stat() for file in started.scratch.secrets.iterdir()}
    declared = {Path(secret["file"]).name for secret in compose()["secrets"].values()}
    assert {*files} == declared
    assert {stat.st_mode & 0o777 for stat in files.values()} == {0o400}
    assert started.said["secrets again"] == "All secrets are there; nothing was changed.\n"
    if os.geteuid() == 0:
        assert {name: stat.st_uid for name, stat in files.items() if stat.st_uid != 10001} == {
            "postgres_password": 0,
            "passwords.sql": 999,
        }


def test_the_sample_is_in_postgres(started):
    [(months, deals)] = started.rows(
        "SELECT count(DISTINCT month), sum(deals_count) FROM marts.rep_sales_funnel_monthly"
    )
    assert (months, deals > 0) == (24, True)
    assert started.rows("SELECT DISTINCT status FROM quality.runs") == [("published",)]


def test_the_worker_runs_the_deployments_in_both_warehouses(started):
    runs = _runs(started)
    assert [run["state_type"] for run in runs] == ["COMPLETED"] * len(DEPLOYED), started.service(
        "worker"
    ).log
    app = started.runtime.root / "app"
    assert (app / "data/warehouse.duckdb").stat().st_size > 0
    assert {file.parent.name for file in (app / "reports/out").rglob("sales_funnel.html")} == {
        "out",
        "hourly",
    }


def test_nothing_is_written_where_no_volume_is(started):
    """The root file system of the containers is read-only."""
    assert started.code_files() == started.before


def test_the_database_asks_for_the_passwords(started):
    with pytest.raises(psycopg2.OperationalError, match="password"):
        started.rows("SELECT 1", user="funnel_writer", host="127.0.0.1", password="guessed")


def test_who_writes_is_no_superuser(started):
    assert started.rows("SELECT rolname FROM pg_roles WHERE rolsuper") == [("postgres",)]


def test_no_secret_is_in_a_variable_a_command_or_a_record(started):
    text = " ".join(file.read_text() for file in started.scratch.secrets.iterdir())
    secrets = set(re.findall(r"[\w-]{32,}", text))
    assert len(secrets) == 5
    services = [started.service(name) for name in compose()["services"] if name != "jupyter"]
    told = [str(service.environment) + str(service.definition) for service in services]
    told += started.said.values()
    told += [started.service(name).log for name in started.scratch.running]
    records = (started.runtime.root / "var/lib/prefect/prefect.db").read_bytes()
    for secret in secrets:
        assert not any(secret in text for text in told)
        assert secret.encode() not in records


def test_the_services_can_be_started_again(started):
    started.run("deployments", called="deployments again")
    assert started.codes["deployments again"] == 0, started.said["deployments again"]
    pools = started.api("work_pools/filter")
    assert [(pool["name"], pool["type"]) for pool in pools] == [("sales-funnel", "process")]


def test_jupyter_reads_the_warehouse_and_cannot_write(started):
    jupyter = started.scratch.service("jupyter", build(started.runtime.root, "notebooks"))
    if os.geteuid() == 0:
        settings = jupyter.folder / "tmp/.jupyter/jupyter_server_config.json"
        settings.parent.mkdir()
        settings.write_text(json.dumps({"ServerApp": {"allow_root": True}}))
    _up(started, jupyter)
    contents = f"http://127.0.0.1:{started.scratch.ports['8888']}/api/contents"
    token = (started.scratch.secrets / "jupyter_token").read_text()
    with pytest.raises(HTTPError, match="403"):
        urllib.request.urlopen(contents, timeout=20)
    authorized = urllib.request.Request(contents, headers={"Authorization": f"token {token}"})
    with urllib.request.urlopen(authorized, timeout=20) as answer:
        assert json.load(answer)["type"] == "directory"
    read = """
        import ibis, os, psycopg
        import reports.charts
        session = psycopg.connect(os.environ["FUNNEL_WAREHOUSE"], autocommit=True)
        sales = ibis.postgres.from_connection(session)
        print(sales.table("rep_sales_funnel_monthly", database="marts").count().execute())
        try:
            sales.raw_sql("CREATE TABLE marts.mine AS SELECT 1")
        except Exception as error:
            print(error)
        """
    done = jupyter.run("python", "-c", re.sub(r"^ {8}", "", read, flags=re.MULTILINE))
    assert re.match(r"288\n.*(read-only|permission denied)", done.stdout), done.stdout


def test_the_services_stop_when_they_are_told(started):
    """Last of all: a worker and a server that hang would be killed after their time."""
    codes = started.scratch.stop()
    assert set(codes.values()) <= {0, -15, 143}, codes
