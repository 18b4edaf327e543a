"""Python and the packages that are installed, against the bounds of pyproject.toml."""

import platform
import tomllib
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet

from flows.doctor.finding import Told, ok, problem, warning
from flows.settings import Settings

PROJECT = Path(__file__).parents[2] / "pyproject.toml"


def versions(_: Settings) -> Iterator[Told]:
    """Newer releases than the bounds resolve together and then break (README, "Versions")."""
    try:
        project = tomllib.loads(PROJECT.read_text())["project"]
    except OSError:
        yield warning(f"{PROJECT}: is not there, so no version is compared", "put it there")
        return
    python = platform.python_version()
    wrong = [*_wrong_python(project["requires-python"], python)]
    needed = [Requirement(text) for text in project["dependencies"]]
    for requirement in needed:
        wrong += _wrong_package(requirement)
    yield from wrong or [ok(f"Python {python}, {len(needed)} packages within their bounds")]


def _wrong_python(bounds: str, python: str) -> Iterator[Told]:
    if not SpecifierSet(bounds).contains(python, prereleases=True):
        yield problem(
            f"this is Python {python}, and {bounds} is needed", "make clean run PYTHON=python3.12"
        )


def _wrong_package(requirement: Requirement) -> Iterator[Told]:
    fix = f"python -m pip install '{requirement}'"
    try:
        found = version(requirement.name)
    except PackageNotFoundError:
        yield problem(f"{requirement.name} is not installed", fix)
        return
    if not requirement.specifier.contains(found, prereleases=True):
        yield problem(
            f"{requirement.name} {found} is installed, and {requirement.specifier} is needed", fix
        )
