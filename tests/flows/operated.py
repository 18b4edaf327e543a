"""The deployments of prefect.yaml as somebody operates them: a copy of the project, a worker."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

ROOT = Path(__file__).parent.parent.parent
POOL = "sales-funnel"
BUSY = 503  # a server on SQLite, now and then: the same again in a moment
FINAL = {"COMPLETED", "FAILED", "CANCELLED", "CRASHED"}
PARTS = ("flows", "transforms", "reports", "prefect.yaml")

Row = dict[str, Any]


def copy_of_the_project(folder: Path) -> Path:
    """What a deployment needs, so that what runs write by default is not in this project."""
    folder.mkdir(parents=True)
    for name in PARTS:
        if (ROOT / name).is_dir():
            unwanted = shutil.ignore_patterns("__pycache__", "out")
            shutil.copytree(ROOT / name, folder / name, ignore=unwanted)
        else:
            shutil.copy(ROOT / name, folder)
    return folder


class Operated:
    """A copy of the project, whose runs find the settings of a sandbox and the variables given."""

    def __init__(self, sandbox: Any, project: Path, **variables: str) -> None:
        self.sandbox, self.project, self.variables = sandbox, project, variables
        sandbox.folder.mkdir(parents=True, exist_ok=True)

    def environment(self, project: Path | None = None) -> dict[str, str]:
        """What a command of Prefect finds."""
        folder = str(project or self.project)
        return self.sandbox.environment() | {"PWD": folder} | self.variables

    def command(self, *command: str, project: Path | None = None) -> str:
        """Run a Python module with its arguments in the project; what it printed."""
        done = subprocess.run(
            [sys.executable, "-m", *command],
            cwd=project or self.project,
            env=self.environment(project),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=120,
            check=False,
        )
        assert done.returncode == 0, done.stdout
        return done.stdout

    def prefect(self, *arguments: str, project: Path | None = None) -> str:
        """Run a command of Prefect; what it printed."""
        return self.command("prefect", *arguments, project=project)

    def api(self, path: str, body: Any = None, method: str | None = None, **fields: Any) -> Any:
        """What the API answers: to a POST with a body, or of these fields; else to a GET."""
        sent = fields or body
        request = urllib.request.Request(
            f"{self.sandbox.api_url}/{path}",
            data=None if sent is None else json.dumps(sent).encode(),
            headers={"Content-Type": "application/json"},
            method=method,
        )
        for patience in (*range(1, 6), None):
            try:
                with urllib.request.urlopen(request, timeout=30) as answer:
                    return json.loads(answer.read() or "null")
            except urllib.error.HTTPError as error:
                if error.code != BUSY or patience is None:
                    raise
            except TimeoutError:  # Prefect's own client asks again, too
                if patience is None:
                    raise
            time.sleep(patience)

    def deployment(self, name: str) -> Row:
        """A deployment as the server has it."""
        return self.api(f"deployments/name/sales-funnel/{name}")

    def start(self, deployment: str, **parameters: Any) -> str:
        """Ask for a run of a deployment, as the button in the UI does; its id."""
        there = self.deployment(deployment)
        asked = {"state": {"type": "SCHEDULED"}, "tags": there["tags"], "parameters": parameters}
        once = {"idempotency_key": str(uuid4())}  # also when it is asked for again
        return self.api(f"deployments/{there['id']}/create_flow_run", **asked, **once)["id"]

    def flow_run(self, run_id: str) -> Row:
        """A run as the server has it."""
        return self.api(f"flow_runs/{run_id}")

    def ended(self, run_id: str, seconds: float = 240) -> Row:
        """A run once it has ended, however."""
        return self.awaited(run_id, FINAL, seconds)

    def awaited(self, run_id: str, states: set[str], seconds: float = 240) -> Row:
        """A run once it is in one of these states."""
        deadline = time.monotonic() + seconds
        while (run := self.flow_run(run_id))["state_type"] not in states:
            assert time.monotonic() < deadline, (run["name"], run["state"])
            time.sleep(0.2)
        return run

    def of_run(self, run_id: str, path: str, **body: Any) -> list[Row]:
        """What the API answers about a run; logs come with `logs=`, the rest without."""
        return self.api(path, flow_runs={"id": {"any_": [run_id]}}, **body)

    def artifacts(self, run_id: str) -> dict[str, Row]:
        """The artifacts of a run, by key."""
        return {row["key"]: row for row in self.of_run(run_id, "artifacts/filter", limit=200)}

    @contextmanager
    def worker(self) -> Iterator["subprocess.Popen[bytes]"]:
        """A worker, which takes runs up within two seconds."""
        environment = self.environment() | {"PREFECT_WORKER_QUERY_SECONDS": "1"}
        with (self.sandbox.folder / "worker.log").open("ab") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", "prefect", "worker", "start", "--pool", POOL],
                cwd=self.project,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        try:
            yield process
        finally:
            process.terminate()
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                self.kill_everything()
                process.wait()

    def kill_everything(self) -> None:
        """What happens to processes when their machine is gone."""
        for process in Path("/proc").glob("[0-9]*"):
            try:
                if self.sandbox.mark.encode() in (process / "environ").read_bytes():
                    os.kill(int(process.name), signal.SIGKILL)
            except OSError:
                continue
