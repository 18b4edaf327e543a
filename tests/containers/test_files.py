"""The files for containers and CI, looked at: nothing is started but what checks them."""

import re
import subprocess
import sys
import tomllib
from pathlib import Path, PurePosixPath
from typing import Any

import check_jsonschema
import pytest
import yaml
from click.testing import CliRunner

from tests.containers.dockerfile import ROOT, is_ignored, stages
from tests.containers.services import compose

PROGRAMS = Path(sys.prefix) / "bin"
WORKFLOW = ROOT / ".github/workflows/ci.yml"
TARGETS = ("runtime", "notebooks")
VERSION = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]


def services() -> dict[str, dict[str, Any]]:
    return compose()["services"]


def of_ours() -> dict[str, dict[str, Any]]:
    return {name: service for name, service in services().items() if "build" in service}


def that_stay() -> dict[str, dict[str, Any]]:
    return {name: service for name, service in services().items() if service["restart"] != "no"}


def test_the_server_writes_its_pages_where_it_may():
    """As it starts; where it may not, it has none, and goes on without."""
    server = services()["prefect"]
    pages = PurePosixPath(server["environment"]["PREFECT_SERVER_UI_STATIC_DIRECTORY"])
    in_memory = [mount.partition(":")[0] for mount in server["tmpfs"]]
    assert server["read_only"]
    assert any(pages.is_relative_to(folder) for folder in in_memory)


@pytest.mark.parametrize(
    ("schema", "file"),
    [
        ("compose-spec", "compose.yaml"),
        ("github-workflows", ".github/workflows/ci.yml"),
        ("dependabot", ".github/dependabot.yml"),
    ],
)
def test_a_file_keeps_to_its_schema(schema, file):
    arguments = ["--builtin-schema", f"vendor.{schema}", str(ROOT / file)]
    checked = CliRunner().invoke(check_jsonschema.main, arguments)
    assert checked.exit_code == 0, checked.output


@pytest.mark.parametrize(
    "command",
    [
        "hadolint Dockerfile",
        "zizmor --offline --quiet --persona=pedantic .github",
        "pre-commit validate-config",
        "bash -n .docker/smoke.sh",
    ],
)
def test_a_linter_has_nothing_to_say(command):
    program, *arguments = command.split()
    done = subprocess.run(
        [PROGRAMS / program if (PROGRAMS / program).exists() else program, *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_hooks_are_programs_of_the_environment():
    [local] = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())["repos"]
    entries = {PurePosixPath(hook["entry"].split()[0]) for hook in local["hooks"]}
    assert {str(entry.parent) for entry in entries} == {".venv/bin"}
    assert [entry.name for entry in entries if not (PROGRAMS / entry.name).exists()] == []


def test_each_test_is_in_one_part_of_the_workflow():
    jobs = yaml.safe_load(WORKFLOW.read_text())["jobs"]
    files = {path.relative_to(ROOT) for path in (ROOT / "tests").rglob("test_*.py")}
    for job in ("test", "test-between"):
        parts = [part["paths"].split() for part in jobs[job]["strategy"]["matrix"]["part"]]
        taken = [file for paths in parts for file in files if is_in(file, paths)]
        assert sorted(taken) == sorted(files), job


def is_in(file: Path, paths: list[str]) -> bool:
    """Whether a file is in a part, as the shell and pytest read it."""
    left_out = [path.removeprefix("--ignore=") for path in paths if path.startswith("--ignore=")]
    named = [path for path in paths if not path.startswith("--")]
    return any(
        file.match(path) if "*" in path else file.is_relative_to(path) for path in named
    ) and not any(file.is_relative_to(path) for path in left_out)


def test_versions_are_pinned_and_those_of_the_project():
    images = {service["image"] for service in services().values()}
    assert all(re.fullmatch(r"[\w-]+:\d+\.\d+[\w.-]*", image) for image in images)
    ours = {service["image"].partition(":")[2] for service in of_ours().values()}
    text = (ROOT / "Dockerfile").read_text()
    assert (ours, re.findall(r"ARG VERSION=(.*)", text)) == ({VERSION}, [VERSION])
    [base] = re.findall(r"ARG PYTHON_IMAGE=(.*)", text)
    assert re.fullmatch(r"python:3\.\d+\.\d+-slim-\w+", base)
    assert f'base.name="docker.io/library/{base}"' in text


def test_nothing_is_reached_from_another_machine():
    ports = [port for service in services().values() for port in service.get("ports", [])]
    assert ports
    assert all(port.startswith("127.0.0.1:") for port in ports)


def test_containers_of_ours_may_do_nothing():
    for name, service in of_ours().items():
        assert (service["read_only"], service["cap_drop"]) == (True, ["ALL"]), name
        assert service["security_opt"] == ["no-new-privileges:true"], name
    assert [name for name, service in services().items() if "user" in service] == ["secrets"]
    assert [name for name, service in services().items() if service.get("privileged")] == []


def test_what_stays_comes_back_is_limited_and_is_asked_for_its_health():
    assert {*that_stay()} == {"postgres", "prefect", "worker", "jupyter"}
    for name, service in that_stay().items():
        limits = service["deploy"]["resources"]["limits"]
        assert (service["restart"], {*limits}) == ("unless-stopped", {"cpus", "memory", "pids"})
        assert "healthcheck" in service or name == "jupyter"
    assert "HEALTHCHECK" in {step.keyword for step in stages()["notebooks"]}


def test_each_secret_has_a_reader_and_none_is_a_variable():
    read = [
        secret["source"] if isinstance(secret, dict) else secret
        for service in services().values()
        for secret in service.get("secrets", [])
    ]
    assert {*read} == {*compose()["secrets"]}
    variables = {
        name: value
        for service in services().values()
        for name, value in service.get("environment", {}).items()
        if re.search("PASS|KEY|TOKEN|SECRET", name)
    }
    assert variables
    assert all(value.startswith("/run/secrets/") for value in variables.values())


@pytest.mark.parametrize("target", TARGETS)
def test_a_target_is_for_a_user_without_rights(target):
    assert [step.arguments for step in stages()[target] if step.keyword == "USER"] == [
        "10001:10001"
    ]


def test_packages_are_those_of_the_locks():
    steps = [step.arguments for name in stages() for step in stages()[name]]
    installing = {step for step in steps if re.search(r"\bpip .*(?<!un)install .*txt", step)}
    assert len(installing) == 2
    for step in installing:
        assert {"--no-deps", "--require-hashes", "--only-binary"} <= {*step.split()}


def test_the_notebooks_have_the_packages_of_the_runs():
    runs, notebooks = (
        dict(re.findall(r"^([\w.-]+)(?:\[.*\])?==(\S+)", (ROOT / lock).read_text(), re.MULTILINE))
        for lock in ("requirements.txt", "requirements-notebooks.txt")
    )
    assert runs.items() - notebooks.items() == set()
    assert "jupyterlab" in notebooks


@pytest.mark.parametrize(
    "path",
    [
        ".git/config",
        ".masking_key",
        ".secrets/funnel_masking_key",
        ".venv/bin/python",
        ".env",
        "README.md",
        "data/.warehouse.duckdb.lock",
        "data/warehouse.duckdb",
        "data/sample/.forgotten_users",
        "flows/.masking_key.next",
        "flows/warehouse/__pycache__/file.cpython-311.pyc",
        "reports/notebooks/.ipynb_checkpoints/model_analysis.ipynb",
        "reports/out/sales_funnel.html",
        "tests/conftest.py",
    ],
)
def test_what_is_not_of_the_program_stays_out_of_a_build(path):
    assert is_ignored(Path(path))


@pytest.mark.parametrize(
    "path",
    [
        "requirements-notebooks.txt",
        "data/sample/users.csv",
        "flows/main.py",
        "flows/warehouse/postgres/roles.sql",
        "prefect.yaml",
        "reports/notebooks/model_analysis.ipynb",
        "reports/report.html.j2",
        "requirements.txt",
        "transforms/funnel.toml",
    ],
)
def test_the_program_gets_into_a_build(path):
    assert not is_ignored(Path(path))


def test_half_of_a_password_is_not_made_up_for(tmp_path):
    (tmp_path / "funnel_writer.pgpass").write_text("*:*:*:funnel_writer:known to the server\n")
    done = subprocess.run(
        [sys.executable, ROOT / ".docker/make_secrets.py", tmp_path],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, "funnel_writer.pgpass without the others" in done.stderr) == (1, True)
    assert not (tmp_path / "passwords.sql").exists()


def test_each_service_is_told_of():
    told = (ROOT / "docs/containers.md").read_text()
    assert [name for name in services() if f"| `{name}` |" not in told] == []


def test_each_service_that_is_told_of_is_there():
    told = (ROOT / "docs/containers.md").read_text()
    commands = re.findall(
        r"docker compose (?:--profile \S+ )?(?:exec|run|cp|restart) [^\n`]*", told
    )
    assert commands
    for command in commands:
        words = re.sub(r"--[\w-]+(=\S+)?", "", command).replace(":", " ").split()
        assert words[3] in services(), command
