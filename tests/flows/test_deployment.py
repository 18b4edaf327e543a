"""The deployment of prefect.yaml: deployed, started, worked off, and what Prefect shows of it."""

import json
import re
import subprocess
import sys
import urllib.request
from pathlib import Path
from typing import Any

import pytest

from transforms.graph import load_models
from transforms.sources import SOURCES

ROOT = Path(__file__).parent.parent.parent
POOL = "sales-funnel"

Rows = list[dict[str, Any]]


class Deployed:
    """A run of the deployment by a worker, and what the API says of it."""

    def __init__(self, sandbox, api_url: str, source: Path) -> None:
        self.sandbox, self.api_url, self.source = sandbox, api_url, source
        sandbox.folder.mkdir(parents=True, exist_ok=True)
        self.prefect("work-pool", "create", "--type", "process", POOL)
        self.said = self.prefect("--no-prompt", "deploy", "--all")
        self.prefect("deployment", "run", "sales-funnel/local")
        self.worked = self.prefect("worker", "start", "--pool", POOL, "--run-once")
        [self.deployment] = self.api("deployments/filter", work_pools={"name": {"any_": [POOL]}})
        of_it = {"id": {"any_": [self.deployment["id"]]}}
        [self.flow_run] = self.api("flow_runs/filter", deployments=of_it)

    def prefect(self, *arguments: str) -> str:
        """Run a command of Prefect; what it printed."""
        done = subprocess.run(
            [sys.executable, "-m", "prefect", *arguments],
            cwd=ROOT,
            env=self.sandbox.environment(source=self.source) | {"PWD": str(ROOT)},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=120,
            check=False,
        )
        assert done.returncode == 0, done.stdout
        return done.stdout

    def api(self, path: str, **body: Any) -> Rows:
        """What the API answers."""
        request = urllib.request.Request(
            f"{self.api_url}/{path}",
            data=json.dumps(body).encode(),
            headers={"Content-Type": "application/json"},
        )
        with urllib.request.urlopen(request, timeout=20) as answer:
            return json.load(answer)

    def of_run(self, path: str, **body: Any) -> Rows:
        """What the API answers about the flow run; logs come with `logs=`, the rest without."""
        return self.api(path, flow_runs={"id": {"any_": [self.flow_run["id"]]}}, **body)

    def task_runs(self) -> dict[str, dict[str, Any]]:
        """The task runs by name."""
        rows = self.of_run("task_runs/filter", limit=200)
        assert len({row["name"] for row in rows}) == len(rows)
        return {row["name"]: row for row in rows}

    def logs(self) -> list[str]:
        """The log lines of the run, in order."""
        chosen = {"flow_run_id": {"any_": [self.flow_run["id"]]}}
        rows = self.api("logs/filter", logs=chosen, sort="TIMESTAMP_ASC", limit=200)
        return [row["message"] for row in rows]


@pytest.fixture(scope="module")
def deployed(tmp_path_factory, new_sandbox, prefect_server, small_export) -> Deployed:
    """The deployment, run once on a small export."""
    folder = tmp_path_factory.mktemp("deployment")
    sandbox = new_sandbox(folder / "sandbox", prefect_server)
    return Deployed(sandbox, prefect_server, small_export(folder / "export"))


def test_the_run_is_completed(deployed):
    assert (deployed.flow_run["state"]["name"], deployed.flow_run["work_pool_name"]) == (
        "Completed",
        POOL,
    )


def test_the_run_publishes(deployed):
    assert {*deployed.sandbox.published()} == {"sales.duckdb", "report.html"}


def test_the_deployment_says_what_it_is(deployed):
    assert deployed.deployment["name"] == "local"
    assert deployed.deployment["entrypoint"] == "flows/flow.py:sales_funnel"
    assert deployed.deployment["description"]


def test_the_parameters_of_the_flow_are_described(deployed):
    parameters = deployed.deployment["parameter_openapi_schema"]["properties"]
    assert {*parameters} == {
        *("source", "warehouse", "report", "export", "as_of", "dry_run", "rotate_key")
    }
    assert all(parameter.get("description") for parameter in parameters.values())


def test_nothing_of_the_environment_is_a_parameter(deployed):
    given = {name: value for name, value in deployed.flow_run["parameters"].items() if value}
    assert given == {}


def test_every_table_is_a_task_of_its_name(deployed):
    tables = {*load_models()} | {source.raw_name for source in SOURCES.values()}
    assert tables - {*deployed.task_runs()} == set()
    assert {*deployed.task_runs()} - tables == {"checks", "record", "report", "publish"}


def test_every_task_is_completed(deployed):
    runs = deployed.task_runs().items()
    assert {name: run["state_name"] for name, run in runs if run["state_name"] != "Completed"} == {}


def test_tasks_have_the_tag_of_their_layer(deployed):
    runs = deployed.task_runs()
    layers = {model.name: model.layer for model in load_models().values()}
    assert {name: runs[name]["tags"] for name in layers} == {
        name: [layer] for name, layer in layers.items()
    }
    assert {tuple(runs[source.raw_name]["tags"]) for source in SOURCES.values()} == {("ingest",)}


def test_the_lineage_of_a_model_is_that_of_its_task(deployed):
    runs = deployed.task_runs()
    names = {run["id"]: name for name, run in runs.items()}
    upstream = runs["stg_deals"]["task_inputs"]["wait_for"]
    assert {names[run["id"]] for run in upstream} == {*load_models()["stg_deals"].upstream}


def test_no_input_of_a_task_is_stored(deployed):
    stored = json.dumps([run["task_inputs"] for run in deployed.task_runs().values()])
    assert not re.search(r"Warehouse|\.csv|Ada|example", stored)


def test_each_step_is_a_line_of_the_log(deployed):
    steps = [line.split()[0] for line in deployed.logs() if re.search(r"\d s  \S", line)]
    assert {*load_models(), "record", "report", "publish"} <= {*steps}


def test_the_steps_are_in_the_output_of_the_worker(deployed):
    assert re.search(r"obt_deals +2 rows +[\d.]+ s  ok", deployed.worked)


def test_the_outcome_is_an_artifact(deployed):
    [summary] = deployed.of_run(
        "artifacts/filter", artifacts={"key": {"any_": ["sales-funnel-summary"]}}
    )
    assert summary["type"] == "markdown"
    assert "| status | published |" in summary["data"]


def test_the_scores_are_an_artifact(deployed):
    [scores] = deployed.of_run("artifacts/filter", artifacts={"key": {"any_": ["quality-scores"]}})
    assert scores["type"] == "table"
    rows = json.loads(scores["data"])
    assert {"table_name", "measure", "score"} <= {*rows[0]}
    assert {"activity", "deal_changes", "deals"} <= {row["table_name"] for row in rows}


def test_no_result_is_persisted(deployed):
    kept = [run["name"] for run in deployed.task_runs().values() if run["state"].get("data")]
    stored = list((deployed.sandbox.folder / "prefect").rglob("storage/*"))
    assert (kept, stored) == ([], [])


def test_no_process_is_left(deployed):
    assert deployed.sandbox.processes() == []
