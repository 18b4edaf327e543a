"""The deployment of prefect.yaml: deployed, started, worked off, and what Prefect shows of it."""

import json
import re
from pathlib import Path

import pytest

from tests.flows.operated import POOL, Operated, Row, copy_of_the_project
from transforms.graph import load_models
from transforms.sources import SOURCES


class Deployed(Operated):
    """A run of a deployment by a worker that ends after it, and what the API says of it."""

    def __init__(self, sandbox, project: Path) -> None:
        super().__init__(sandbox, project)
        self.prefect("work-pool", "create", "--type", "process", POOL)
        self.prefect("--no-prompt", "deploy", "--name", "ad-hoc")
        self.prefect("deployment", "run", "sales-funnel/ad-hoc")
        self.worked = self.prefect("worker", "start", "--pool", POOL, "--run-once")
        self.deployed = self.deployment("ad-hoc")
        of_it = {"id": {"any_": [self.deployed["id"]]}}
        [self.run] = self.api("flow_runs/filter", deployments=of_it)

    def task_runs(self) -> dict[str, Row]:
        """The task runs by name."""
        rows = self.of_run(self.run["id"], "task_runs/filter", limit=200)
        assert len({row["name"] for row in rows}) == len(rows)
        return {row["name"]: row for row in rows}

    def logs(self) -> list[str]:
        """The log lines of the run, in order."""
        chosen = {"flow_run_id": {"any_": [self.run["id"]]}}
        rows = self.api("logs/filter", logs=chosen, sort="TIMESTAMP_ASC", limit=200)
        return [row["message"] for row in rows]


@pytest.fixture(scope="module")
def deployed(tmp_path_factory, new_sandbox, prefect_server, small_export) -> Deployed:
    """The deployment, run once on a small export."""
    folder = tmp_path_factory.mktemp("deployment")
    project = copy_of_the_project(folder / "project")
    small_export(project / "data/sample")
    return Deployed(new_sandbox(folder / "sandbox", prefect_server), project)


def test_the_run_is_completed(deployed):
    assert (deployed.run["state"]["name"], deployed.run["work_pool_name"]) == (
        "Completed",
        POOL,
    )


def test_the_run_publishes(deployed):
    assert {*deployed.sandbox.published()} == {"sales.duckdb", "report.html"}


def test_the_deployment_says_what_it_is(deployed):
    assert deployed.deployed["name"] == "ad-hoc"
    assert deployed.deployed["entrypoint"] == "flows/flow.py:sales_funnel"
    assert deployed.deployed["description"]


def test_the_parameters_of_the_flow_are_described(deployed):
    parameters = deployed.deployed["parameter_openapi_schema"]["properties"]
    assert {*parameters} == {
        *("source", "warehouse", "report", "export", "as_of", "incremental", "full_refresh"),
        *("dry_run", "rotate_key"),
    }
    assert all(parameter.get("description") for parameter in parameters.values())


def test_nothing_of_the_environment_is_a_parameter(deployed):
    given = {name: value for name, value in deployed.run["parameters"].items() if value}
    assert given == {}


def test_every_table_is_a_task_of_its_name(deployed):
    tables = {*load_models()} | {source.raw_name for source in SOURCES.values()}
    assert tables - {*deployed.task_runs()} == set()
    assert {*deployed.task_runs()} - tables == {"checks", "record", "report", "publish"}


def test_every_task_is_completed(deployed):
    runs = deployed.task_runs().items()
    assert {name: run["state_name"] for name, run in runs if run["state_name"] != "Completed"} == {}


def test_the_rows_of_a_table_are_what_its_task_says(deployed):
    said = {name: run["state"]["message"] for name, run in deployed.task_runs().items()}
    assert (said["obt_deals"], said["raw_activity"]) == ("2 rows", "3 rows")
    assert said["raw_deals"] == "0 rows, not in the export"


def test_the_run_is_named_after_its_source_and_its_as_of(deployed):
    assert deployed.run["name"] == "sample as of 2024-02-08 09:00"


def test_a_run_that_warns_is_completed_says_so_and_is_tagged(deployed):
    assert deployed.run["state"]["message"] == "Published with 2 warnings"
    assert {*deployed.run["tags"]} == {"sales", "ad-hoc", "warnings"}


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
    summary = deployed.artifacts(deployed.run["id"])["sales-funnel-summary"]
    assert summary["type"] == "markdown"
    assert "| status | published |" in summary["data"]


def test_the_scores_are_an_artifact(deployed):
    scores = deployed.artifacts(deployed.run["id"])["quality-scores"]
    assert scores["type"] == "table"
    rows = json.loads(scores["data"])
    assert {"table_name", "measure", "score"} <= {*rows[0]}
    assert {"activity", "deal_changes", "deals"} <= {row["table_name"] for row in rows}


def test_the_lineage_is_an_artifact(deployed):
    rows = json.loads(deployed.artifacts(deployed.run["id"])["lineage"]["data"])
    assert {row["table"]: row["made from"] for row in rows} == {
        name: ", ".join(model.upstream) for name, model in load_models().items()
    }


def test_the_report_is_linked(deployed):
    link = deployed.artifacts(deployed.run["id"])["sales-funnel-report"]
    assert deployed.sandbox.report.as_uri() in link["data"]


def test_no_result_is_persisted(deployed):
    kept = [run["name"] for run in deployed.task_runs().values() if run["state"].get("data")]
    stored = list((deployed.sandbox.folder / "prefect").rglob("storage/*"))
    assert (kept, stored) == ([], [])


def test_no_process_is_left(deployed):
    assert deployed.sandbox.processes() == []
