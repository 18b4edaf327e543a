"""The services of compose.yaml, run as they stand, but without containers.

In commands, health checks and variables, and nowhere else,
- a path of the container becomes one in a folder: that of the image (dockerfile.py), which the
  volumes are parts of, or, for /tmp, secrets, configs and mounted folders, the service's own;
- the name of another service becomes 127.0.0.1, as 0.0.0.0 does, and a port becomes a free one.
Users, limits, networks and the rest of what an engine does are not there.
"""

import os
import re
import signal
import socket
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from tests.containers.dockerfile import ROOT, Image

Definition = dict[str, Any]
LONGEST_GRACE = 60  # seconds, of any service
PORTS = ("4200", "8080", "8888", "5432")


@cache
def compose() -> Definition:
    """The file, its anchors followed and its variables at their defaults."""
    text = (ROOT / "compose.yaml").read_text()
    return yaml.safe_load(re.sub(r"\$\{\w+:-(.*?)\}", r"\1", text))


@dataclass
class Scratch:
    """Where services run: a folder, a free port for each that they name, and who runs."""

    folder: Path
    ports: dict[str, str] = field(default_factory=dict)
    running: dict[str, "subprocess.Popen[str]"] = field(default_factory=dict)

    def __post_init__(self) -> None:
        sockets = [socket.socket() for _ in PORTS]
        for port, free in zip(PORTS, sockets, strict=True):
            free.bind(("127.0.0.1", 0))
            self.ports[port] = str(free.getsockname()[1])
        for free in sockets:
            free.close()

    @property
    def secrets(self) -> Path:
        """The folder of the secrets."""
        return self.folder / "secrets"

    def service(self, name: str, image: Image) -> "Service":
        """A service, and the folder with what is mounted into it alone."""
        return Service(name, compose()["services"][name], image, self)

    def stop(self) -> dict[str, int]:
        """Stop what runs, the latest first; gives the exit codes."""
        codes = {}
        for name, process in reversed(self.running.items()):
            process.terminate()
            try:
                codes[name] = process.wait(LONGEST_GRACE)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                codes[name] = process.wait()
        self.running.clear()
        return codes


@dataclass
class Service:
    """A service of the file in a scratch place."""

    name: str
    definition: Definition
    image: Image
    scratch: Scratch

    def __post_init__(self) -> None:
        self.folder = self.scratch.folder / "services" / self.name
        (self.folder / "tmp").mkdir(parents=True, exist_ok=True)
        self.places = {"/tmp": self.folder / "tmp"} | self._mounts()

    def _mounts(self) -> dict[str, Path]:
        """What the file mounts from the machine, by its path in the container."""
        mounts = {}
        for kind, usual in (("secrets", "/run/secrets"), ("configs", "")):
            for mount in self.definition.get(kind, []):
                long = mount if isinstance(mount, dict) else {"source": mount}
                target = long.get("target", f"{usual}/{long['source']}")
                mounts[target] = self._on_machine(compose()[kind][long["source"]]["file"])
        for mount in self.definition.get("volumes", []):
            if isinstance(mount, dict):
                mounts[mount["target"]] = self._on_machine(mount["source"])
            elif mount.startswith("."):
                source, target = mount.split(":")
                mounts[target] = self._on_machine(source)
        return mounts

    def _on_machine(self, source: str) -> Path:
        path = source.removeprefix("./")
        if path.startswith(".secrets"):
            return self.scratch.secrets / path.removeprefix(".secrets").lstrip("/")
        return ROOT / path

    def mapped(self, text: str) -> str:
        """Text of the file with the paths, names and ports of the scratch place."""
        image = self.image.root
        roots = {f"/{part}": image / part for part in ("app", "opt/venv", "var/lib", "usr/share")}
        places = {path: str(place) for path, place in (roots | self.places).items()}
        longest_first = "|".join(sorted(map(re.escape, places), key=len, reverse=True))
        text = re.sub(
            rf"(?<![\w./])({longest_first})(?![\w.-])", lambda found: places[found[1]], text
        )
        names = "|".join(compose()["services"])
        text = re.sub(rf"(?<=//)({names})(?=:)|\b0\.0\.0\.0\b|^postgres$", "127.0.0.1", text)
        ports = "|".join(PORTS)
        return re.sub(rf"(?<=[:=])({ports})\b|^({ports})$", self._port, text)

    def _port(self, found: re.Match[str]) -> str:
        return self.scratch.ports[found[0]]

    @property
    def environment(self) -> dict[str, str]:
        """What the container would have, and how the database is reached here."""
        given = self.image.environment | self.definition.get("environment", {})
        mapped = {name: self.mapped(value) for name, value in given.items()}
        path = mapped.get("PATH", "$PATH").replace("$PATH", os.environ["PATH"])
        return mapped | {"PATH": path, "PGPORT": self.scratch.ports["5432"]}

    def arguments(self, words: list[str]) -> list[str]:
        """A command of the file as it is run here; a dollar is written twice there."""
        return [self.mapped(word.replace("$$", "$")) for word in words]

    def run(self, *words: str, seconds: float = 180) -> "subprocess.CompletedProcess[str]":
        """Run the service's command, or another one in its place, to its end."""
        return subprocess.run(
            self.arguments([*(words or self.definition.get("command", self.image.command))]),
            **self._process(),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=seconds,
            check=False,
        )

    def start(self) -> None:
        """Start the service's command; its output goes into a file."""
        with (self.folder / "log").open("w") as log:
            self.scratch.running[self.name] = subprocess.Popen(
                self.arguments(self.definition.get("command", self.image.command)),
                **self._process(),
                stdout=log,
                stderr=log,
            )

    @property
    def log(self) -> str:
        """What the service has said since it was started."""
        return (self.folder / "log").read_text()

    def is_healthy(self) -> bool:
        """What its health check says."""
        test = self.definition.get("healthcheck", {}).get("test", ["CMD", *self.image.health])
        assert test[0] == "CMD"
        return self.run(*test[1:], seconds=30).returncode == 0

    def _process(self) -> Mapping[str, Any]:
        return {
            "cwd": self.image.root / self.image.folder.lstrip("/"),
            "env": self.environment,
            "stdin": subprocess.DEVNULL,
            "text": True,
            "start_new_session": True,
            "preexec_fn": _with_usual_signals,
        }


def _with_usual_signals() -> None:
    """As in a container: what a shell starts in the background does not hear SIGINT, which a worker
    that is told to stop sends to itself.
    """
    signal.signal(signal.SIGINT, signal.SIG_DFL)
