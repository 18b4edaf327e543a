"""What the Dockerfile says, and a folder made by what it says, without a container engine.

ARG, ENV, WORKDIR and COPY are done as they stand, .dockerignore included. Of RUN, those commands
are that stay within the folder; packages are linked from the environment of the tests, if the lock
names them, in place of being downloaded again. No user is made and no mode is set.
"""

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from importlib.metadata import Distribution, distribution, distributions
from pathlib import Path, PurePosixPath

from packaging.requirements import Requirement

ROOT = Path(__file__).parent.parent.parent


@dataclass
class Step:
    """An instruction, and what comes after it."""

    keyword: str
    arguments: str

    @property
    def words(self) -> list[str]:
        """The arguments, as a list of JSON or divided at spaces."""
        if self.arguments.startswith("["):
            return list(json.loads(self.arguments))
        return shlex.split(self.arguments)


@dataclass
class Image:
    """A target, made in a folder: what it sets, and where its root is."""

    root: Path
    environment: dict[str, str] = field(default_factory=dict)
    folder: str = "/"
    command: list[str] = field(default_factory=list)
    health: list[str] = field(default_factory=list)
    user: str = "root"


def stages() -> dict[str, list[Step]]:
    """The steps of each stage, those that it begins with included."""
    found: dict[str, list[Step]] = {}
    steps: list[Step] = []
    for step in _steps((ROOT / "Dockerfile").read_text()):
        if step.keyword == "FROM":
            origin, _, name = step.words
            steps = found[name] = [*found.get(origin, [Step("FROM", origin)])]
        else:
            steps.append(step)
    return found


def _steps(text: str) -> Iterator[Step]:
    told = "\n".join(line for line in text.split("\n") if not line.lstrip().startswith("#"))
    for line in told.replace("\\\n", " ").split("\n"):
        if line.strip():
            keyword, arguments = line.strip().split(maxsplit=1)
            yield Step(keyword, arguments)


def build(root: Path, target: str) -> Image:
    """Make a target in a folder, or let one that is there become another one."""
    image = Image(root)
    for step in stages()[target]:
        _do(image, step)
    return image


def _do(image: Image, step: Step) -> None:
    match step.keyword:
        case "ENV":
            image.environment |= dict(word.split("=", 1) for word in step.words)
        case "WORKDIR":
            image.folder = step.arguments
        case "CMD":
            image.command = step.words
        case "HEALTHCHECK":
            image.health = json.loads((re.findall(r"\[.*\]", step.arguments) or ["[]"])[0])
        case "USER":
            image.user = step.arguments
        case "COPY":
            _copy(image, step.words)
        case "RUN":
            _run(image, step.arguments)


def _copy(image: Image, words: list[str]) -> None:
    options = [word for word in words if word.startswith("--")]
    *sources, target = [word for word in words if word not in options]
    for stage in [word.removeprefix("--from=") for word in options if word.startswith("--from=")]:
        for step in stages()[stage]:  # every stage is made in the same folder
            if step.keyword in ("RUN", "COPY"):
                _do(image, step)
        return
    place = image.root / PurePosixPath(image.folder, target).relative_to("/")
    for source in sources:
        is_file = (ROOT / source).is_file()
        for file in sent(source):
            copy = place / file.relative_to((ROOT / source).parent if is_file else ROOT / source)
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(file, copy)


def sent(source: str = ".") -> list[Path]:
    """The files below a path that .dockerignore lets into a build."""
    files = [ROOT / source] if (ROOT / source).is_file() else (ROOT / source).rglob("*")
    return [file for file in files if file.is_file() and not is_ignored(file.relative_to(ROOT))]


def is_ignored(path: Path) -> bool:
    """The last pattern that matches the path, or a folder that it is in, decides."""
    places = [str(place) for place in (path, *path.parents)]
    ignored = False
    for pattern, is_exception in _patterns():
        if any(pattern.fullmatch(place) for place in places):
            ignored = not is_exception
    return ignored


@cache
def _patterns() -> list[tuple[re.Pattern[str], bool]]:
    lines = (ROOT / ".dockerignore").read_text().split("\n")
    told = [line.strip() for line in lines if line.strip() and not line.startswith("#")]
    wild = {"**/": "(?:.*/)?", "**": ".*", "*": "[^/]*"}
    return [
        (
            re.compile(
                re.sub(
                    r"\*\*/|\*\*|\*|[^*]+",
                    lambda part: wild.get(part[0]) or re.escape(part[0]),
                    line.removeprefix("!"),
                )
            ),
            line.startswith("!"),
        )
        for line in told
    ]


def _run(image: Image, arguments: str) -> None:
    lock = re.search(r"pip .* --requirement (/locks/\S+)", arguments)
    if lock:
        link_packages(image.root / lock[1].lstrip("/"), image.root / "opt/venv")
    elif "--owner=" in arguments:
        made = re.findall(r"(?<=\s)/(?:app|var)/\S+", arguments)
        for folder in made:
            (image.root / folder.lstrip("/")).mkdir(parents=True, exist_ok=True)
    else:
        command = re.sub(r"(?<=\s)/(?=\w)", f"{image.root}/", arguments)
        command = re.sub(r"\bpython\b", shlex.quote(sys.executable), command)
        folder = image.root / image.folder.lstrip("/")
        subprocess.run(command, shell=True, check=True, cwd=folder)


def link_packages(lock: Path, venv: Path) -> None:
    """Let an environment have the packages of a lock, and no others."""
    lines = [line.rstrip(" \\") for line in lock.read_text().split("\n") if "==" in line]
    wanted = [Requirement(line) for line in lines if not line.startswith((" ", "#"))]
    for requirement in wanted:
        if requirement.marker is None or requirement.marker.evaluate():
            _link(distribution(requirement.name), venv)
    for folder in ("share", "etc"):  # of JupyterLab
        if not (venv / folder).exists() and (Path(sys.prefix) / folder).exists():
            (venv / folder).symlink_to(Path(sys.prefix) / folder)


def _link(package: Distribution, venv: Path) -> None:
    [site] = venv.glob("lib/python*/site-packages")
    files = [file for file in package.files or [] if file.parts[0] != ".."]
    for file in files:
        top = file.parts[0]
        whole = len(_owners()[top]) == 1
        link = site / (top if whole else file)
        if not os.path.lexists(link):
            link.parent.mkdir(parents=True, exist_ok=True)
            link.symlink_to(package.locate_file(top if whole else file))
    for entry in package.entry_points.select(group="console_scripts"):
        script = venv / "bin" / entry.name
        script.write_text(
            f"#!{venv}/bin/python\nimport sys\n"
            f"from {entry.module} import {entry.attr.partition('.')[0]}\nsys.exit({entry.attr}())\n"
        )
        script.chmod(0o755)


@cache
def _owners() -> dict[str, set[str]]:
    """Of each name in site-packages, the packages that have files in it."""
    owners = defaultdict(set)
    for package in distributions():
        for file in package.files or []:
            owners[file.parts[0]].add(package.metadata["Name"])
    return owners
