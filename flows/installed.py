"""Python and the packages that are installed, against the bounds of pyproject.toml.

Newer releases than these resolve together and then break (CONTRIBUTING.md). This module is there
for when nothing else can be imported: keep it to the standard library.
"""

import platform
from collections.abc import Iterator
from contextlib import suppress
from importlib.metadata import PackageNotFoundError, version

from flows import ROOT

NEWER_PYTHON = "make clean run PYTHON=python3.12"
PROJECT = ROOT / "pyproject.toml"
OURS = ("flows", "transforms", "reports")


def is_of_ours(error: ImportError) -> bool:
    """Whether it is a module of this project that cannot be imported."""
    return (error.name or "").partition(".")[0] in OURS


def does_not_fit(error: ImportError) -> str:
    """What it means that a package cannot be imported, in lines."""
    lines = [f"what is installed does not fit: {error}"]
    with suppress(OSError):  # there is no pyproject.toml beside the code
        lines += [f"  {said}. Fix: {fix}" for said, fix in misfits()]
    return "\n".join(lines)


def misfits() -> Iterator[tuple[str, str]]:
    """What is not as pyproject.toml wants it, and the command that mends it.

    Raises:
        OSError: there is no such file.
    """
    try:
        import tomllib
    except ImportError:  # it came with Python 3.11
        yield f"this is Python {platform.python_version()}, which is too old", NEWER_PYTHON
        return
    project = tomllib.loads(PROJECT.read_text(encoding="utf-8"))["project"]
    try:
        from packaging.requirements import Requirement
        from packaging.specifiers import SpecifierSet
    except ImportError:
        yield "nothing is installed for this Python", "make run, and then use .venv/bin/python"
        return
    bounds, python = project["requires-python"], platform.python_version()
    if not SpecifierSet(bounds).contains(python, prereleases=True):
        yield f"this is Python {python}, and {bounds} is needed", NEWER_PYTHON
    for text in project["dependencies"]:
        needed = Requirement(text)
        fix = f"python -m pip install '{needed}'"
        try:
            found = version(needed.name)
        except PackageNotFoundError:
            yield f"{needed.name} is not installed", fix
            continue
        if not needed.specifier.contains(found, prereleases=True):
            yield f"{needed.name} {found} is installed, and {needed.specifier} is needed", fix
