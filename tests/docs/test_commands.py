"""Commands in the pages can be given as they are written."""

import importlib
import re
import shlex
from importlib.util import find_spec
from itertools import dropwhile, pairwise

import click
import pytest
import yaml

from tests.docs.pages import PAGES, ROOT, name, shell_lines

COMMANDS = [
    pytest.param(shlex.split(command, comments=True), id=f"{name(page)}: {command}")
    for page in PAGES
    for line in shell_lines(page)
    for command in re.sub(r" [<>] \S+", "", line.partition(" #")[0].strip()).split(" && ")
]
OF_OTHERS = ("git", "sudo", "tar", "pg_dump", "pg_restore")
TARGETS = set(re.findall(r"^(\w+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
DEPLOYED = yaml.safe_load((ROOT / "prefect.yaml").read_text())
DEPLOYMENTS = [deployment["name"] for deployment in DEPLOYED["deployments"]]


def parsed(module: str, arguments: list[str]) -> None:
    """Let a command of the project, or one of Python, look at its arguments."""
    if module == "pytest":
        assert [path for path in arguments if not (ROOT / path).exists()] == []
        return
    assert find_spec(module), module
    found = vars(importlib.import_module(module)).get("command")
    if isinstance(found, click.Command):
        given = ["1" if argument == "N" else argument for argument in arguments]
        found.make_context(module, given)


def prefect(arguments: list[str]) -> None:
    """Names of deployments and pools are those of prefect.yaml."""
    text = " ".join(arguments)
    for deployment in re.findall(r"(?:--name |deployment run sales-funnel/)(\S+)", text):
        assert deployment in DEPLOYMENTS
    for pool in re.findall(r"--pool (\S+)|work-pool create .*?(\S+)$", text):
        assert "".join(pool) in {each["work_pool"]["name"] for each in DEPLOYED["deployments"]}


def docker(arguments: list[str]) -> None:
    """Services are those of compose.yaml; what is done in one can be given there."""
    compose, verb, *rest = arguments
    assert compose == "compose"
    services = yaml.safe_load((ROOT / "compose.yaml").read_text())["services"]
    named = [word.partition(":")[0] for word in rest if not word.startswith("-")]
    if verb in ("run", "exec", "cp"):
        service, *inside = named
        assert service in services
        if inside and verb != "cp":
            given(rest[rest.index(service) + 1 :])
    else:
        assert [service for service in named if service not in services] == []


def given(words: list[str]) -> None:
    """A command of ours names what is there; that of somebody else is theirs to know."""
    program, *arguments = words
    program = program.removeprefix(".venv/bin/")
    if program == "python" and arguments[0] == "-m":
        parsed(arguments[1], arguments[2:])
    elif program == "python" and arguments[0] == "-c":
        compile(arguments[1], "-c", "exec")
    elif program == "make":
        assert [word for word in arguments if "=" not in word and word not in TARGETS] == []
    elif program == "prefect":
        prefect(arguments)
    elif program == "psql":
        files = [file for flag, file in pairwise(arguments) if flag == "-f"]
        assert [file for file in files if not (ROOT / file).is_file()] == []
    elif program == "jupyter":
        assert [path for path in arguments if "/" in path and not [*ROOT.glob(path)]] == []
    elif program == "docker":
        docker(arguments)
    else:
        assert program in OF_OTHERS, f"no test knows {program}"


@pytest.mark.parametrize("words", COMMANDS)
def test_a_command_can_be_given(words):
    variables = re.compile(r"export|[A-Z_]+=.*")
    command = list(dropwhile(variables.fullmatch, words))
    if command:
        given(command)


def test_there_are_commands_of_each_kind():
    programs = {words.values[0][0].removeprefix(".venv/bin/") for words in COMMANDS}
    assert {"python", "make", "prefect", "psql"} <= programs


def test_the_targets_of_the_makefile_are_all_told_to_be_no_files():
    [phony] = re.findall(r"^\.PHONY: (.+)$", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert set(phony.split()) == TARGETS
