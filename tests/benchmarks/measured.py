"""What processes took, and what is kept of it: `results.json` has the last measurement of each."""

import json
import os
import statistics
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import date
from pathlib import Path
from time import perf_counter

ROOT = Path(__file__).parents[2]
RESULTS = Path(__file__).with_name("results.json")
OURS = "this project"


@dataclass(frozen=True)
class Measured:
    """Finished processes: wall seconds, CPU seconds, and the largest peak memory in MiB."""

    wall: float
    cpu: float
    memory: float

    def __add__(self, later: "Measured") -> "Measured":
        """Both, one after the other."""
        memory = max(self.memory, later.memory)
        return Measured(self.wall + later.wall, self.cpu + later.cpu, memory)


def measure(
    module: str, *arguments: str, environment: Mapping[str, str], python: str = sys.executable
) -> Measured:
    """Run a module, of the project if not of another Python, as a process of its own.

    Raises:
        SystemExit: it failed.
    """
    started = perf_counter()
    process = subprocess.Popen(
        [python, "-m", module, *arguments],
        cwd=ROOT,
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"{module} failed with exit code {process.returncode}")
    wall = perf_counter() - started
    return Measured(wall, used.ru_utime + used.ru_stime, used.ru_maxrss / 1024)


@dataclass(frozen=True)
class Comparison:
    """What was done by several, in rounds: of each, what it took in each round.

    `all_here`: they do all the work themselves, none of it is a server's, with memory of its own.
    """

    what: str
    took: Mapping[str, list[Measured]]
    measured_on: str
    cores: int | None
    all_here: bool

    @property
    def rounds(self) -> int:
        """How often it was done."""
        return len(next(iter(self.took.values())))

    def ratios(self, one: str, other: str, of: str) -> list[float]:
        """How much of what the other took, in each round."""
        both = zip(self.took[one], self.took[other], strict=True)
        return [getattr(a, of) / getattr(b, of) for a, b in both]


def show(comparison: Comparison) -> None:
    """Print median, minimum and maximum of what each took, and of the ratios to the first."""
    first, *others = comparison.took
    print(f"{comparison.what}: {comparison.rounds} rounds")
    for of, unit in (("wall", "s"), ("cpu", "s"), ("memory", "MiB")):
        lines = {
            f"{name}, {of}": [getattr(one, of) for one in took]
            for name, took in comparison.took.items()
        }
        ratios = {
            f"{first} / {other}, {of}": comparison.ratios(first, other, of) for other in others
        }
        for name, values in (lines | ratios).items():
            spread = f"({min(values):.2f} to {max(values):.2f})"
            middle = statistics.median(values)
            print(f"  {name:<52} {middle:9.2f} {unit if name in lines else ' ':3} {spread}")
    sys.stdout.flush()


def keep(what: str, took: Mapping[str, list[Measured]], *, all_here: bool = True) -> None:
    """Print a comparison, and keep it in place of the last one of the same."""
    comparison = Comparison(what, took, date.today().isoformat(), os.cpu_count(), all_here)
    show(comparison)
    kept = {one.what: one for one in kept_results()} | {what: comparison}
    content = [asdict(one) for _, one in sorted(kept.items())]
    for one in content:
        for runs in one["took"].values():
            for run in runs:
                run.update({name: round(value, 2) for name, value in run.items()})
    RESULTS.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")


def kept_results() -> list[Comparison]:
    """The last measurement of each."""
    if not RESULTS.exists():
        return []
    return [
        Comparison(**one | {"took": _measured(one["took"])})
        for one in json.loads(RESULTS.read_text(encoding="utf-8"))
    ]


def _measured(took: Mapping[str, list[dict[str, float]]]) -> dict[str, list[Measured]]:
    return {name: [Measured(**run) for run in runs] for name, runs in took.items()}
