"""A cluster of Spark makes the tables that DuckDB makes, and readers see whole versions of them."""

import json
import os
import re
import signal
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import duckdb
import pytest

from flows.errors import InputError, WarehouseBusyError
from flows.files.export_folder import ROWS
from flows.warehouse import open_warehouse
from flows.warehouse.address import WAREHOUSES
from tests.flows.canaries import found_below, spellings
from tests.flows.sandbox import Process, Sandbox
from tests.flows.serving import free_port, wait_until
from tests.flows.warehouse.cluster import Cluster, running_cluster
from tests.flows.warehouse.test_same_on_postgres import OF_THE_RUN, TABLES, differing
from transforms.sources import SOURCES

SAMPLE = Path(__file__).parents[3] / "data/sample"
IN_FULL = bool(os.environ.get("FUNNEL_TEST_SPARK"))  # a run takes minutes
in_full = pytest.mark.skipif(not IN_FULL, reason="FUNNEL_TEST_SPARK=1 is not set")


@pytest.fixture(scope="module")
def cluster(tmp_path_factory) -> Iterator[Cluster]:
    with (
        running_cluster(tmp_path_factory.mktemp("spark") / "cluster") as started,
        pytest.MonkeyPatch.context() as patched,
    ):
        for name, value in started.environment.items():
            patched.setenv(name, value)
        yield started


def part_of_the_sample(folder: Path, begin: float, end: float) -> Path:
    """An export with the rows of the sample from one share of each large table to another."""
    folder.mkdir(parents=True)
    for name in SOURCES:
        header, *lines = (SAMPLE / f"{name}.csv").read_text().splitlines(keepends=True)
        if name in ("activity", "deal_changes"):
            lines = lines[int(len(lines) * begin) : int(len(lines) * end)]
        (folder / f"{name}.csv").write_text("".join([header, *lines]))
    return folder


@dataclass(frozen=True)
class Done:
    """What a run said, and its exit code."""

    code: int
    said: str


@dataclass(frozen=True)
class Runs:
    """The same exports, run into a folder by Spark and into a file by DuckDB."""

    sandbox: Sandbox
    url: str
    stopped: dict[str, Done]
    done: list[Done]

    @property
    def folder(self) -> Path:
        """The warehouse of Spark."""
        return self.sandbox.folder / "spark"

    @property
    def exports(self) -> tuple[Path, Path]:
        """What both wrote as files."""
        return self.sandbox.folder / "exports_of_spark", self.sandbox.folder / "exports_of_duckdb"


@pytest.fixture(scope="module")
def runs(cluster, tmp_path_factory, prefect_server) -> Runs:
    """A run that loses a worker. If FUNNEL_TEST_SPARK is set, it comes after two that are ended
    early, and adds rows to those of another.
    """
    sandbox = Sandbox(tmp_path_factory.mktemp("command") / "sandbox", prefect_server)
    runs = Runs(sandbox, cluster.url(sandbox.folder / "spark"), {}, [])
    settings = {"timezone": "America/New_York", "as_of": "2026-08-01", "incremental": True}
    ours, theirs = runs.exports
    parts = [(0, 0.9), (0.8, 1)] if IN_FULL else [(0, 1)]
    exports = [
        part_of_the_sample(sandbox.folder / f"export/{end}", *(begin, end)) for begin, end in parts
    ]

    def start(export: Path, *options: object) -> Process:
        return sandbox.start("--warehouse", runs.url, "--source", export, *options, **settings)

    def made() -> list[Path]:
        return [*runs.folder.glob(".building-*/tables/*/*")]

    for number in (signal.SIGTERM, signal.SIGKILL) if IN_FULL else ():
        with start(exports[0]) as process:
            for line in process.stderr:
                if line.startswith("stg_stages"):
                    break
            process.send_signal(number)
            _, rest = process.communicate(timeout=60)
            runs.stopped[number.name] = Done(process.returncode, rest)
    for export in exports:
        is_last = export == exports[-1]
        with start(export, *(("--export", ours) if is_last else ())) as process:
            if is_last:
                wait_until(lambda: len(made()) >= 4, seconds=300)
                cluster.kill_a_worker()
            _, said = process.communicate(timeout=900)
            runs.done.append(Done(process.returncode, said))
        on_duckdb = sandbox.run("--source", export, "--export", theirs, **settings)
        assert on_duckdb.returncode == 0, on_duckdb.stderr
    return runs


@in_full
def test_a_signal_ends_a_run_and_nothing_is_changed(runs):
    assert runs.stopped["SIGTERM"].code == 143
    assert runs.stopped["SIGTERM"].said.endswith("Stopped; nothing was changed.\n")


def test_runs_succeed_also_without_a_worker_that_was_there(runs):
    assert {done.code for done in runs.done} == {0}, runs.done
    assert not [done for done in runs.done if re.search("WARN|ERROR|Exception|log4j", done.said)]
    assert runs.sandbox.report.exists()


@pytest.fixture(scope="module")
def both(runs) -> Iterator[duckdb.DuckDBPyConnection]:
    """`spark`, and `duck` beside it."""
    with duckdb.connect() as connection:
        connection.execute(f"ATTACH '{runs.sandbox.warehouse}' AS duck (READ_ONLY)")
        connection.execute("ATTACH ':memory:' AS spark")
        for schema, table in TABLES:
            files = runs.folder / "current" / schema / table / "*.parquet"
            connection.execute(f"CREATE SCHEMA IF NOT EXISTS spark.{schema}")
            connection.execute(f"CREATE TABLE spark.{schema}.{table} AS FROM '{files}'")
        yield connection


@pytest.mark.parametrize(("schema", "table"), TABLES, ids=lambda value: value)
def test_every_table_has_the_columns_and_the_types_of_duckdb(both, schema, table):
    duck, spark = (both.table(f"{name}.{schema}.{table}") for name in ("duck", "spark"))
    assert [*zip(spark.columns, spark.types, strict=True)] == [
        *zip(duck.columns, duck.types, strict=True)
    ]


@pytest.mark.parametrize(
    ("schema", "table"), [each for each in TABLES if each[1] != "runs"], ids=lambda value: value
)
def test_every_table_has_the_rows_of_duckdb(both, schema, table):
    assert not differing(both, schema, table, (*OF_THE_RUN, "run_id"), ("duck", "spark"))


@in_full
def test_runs_that_were_ended_are_known(both):
    found = both.execute("SELECT status FROM spark.quality.runs ORDER BY started_at").fetchall()
    assert [status for (status,) in found] == ["interrupted", "crashed", "published", "published"]


def test_nothing_but_versions_is_left(runs):
    assert sorted(each.name for each in runs.folder.iterdir()) == ["current", "versions"]
    versions = ["000001", "000002"] if IN_FULL else ["000001"]
    assert sorted(each.name for each in (runs.folder / "versions").iterdir()) == versions
    assert {file.suffix for file in runs.folder.rglob("*.*") if file.is_file()} <= {
        ".parquet",
        ".crc",
    }


def test_no_name_or_address_gets_to_the_cluster(runs, cluster):
    users = duckdb.sql(f"SELECT Name, Email FROM '{SAMPLE}/users.csv' ORDER BY length(Name) DESC")
    words = [word for user in users.limit(3).fetchall() for word in user]
    needles = {name: data for word in words for name, data in spellings(word).items()}
    assert not found_below(runs.folder, needles)
    assert not found_below(cluster.folder, needles)


def test_exported_files_are_those_of_duckdb(runs):
    ours, theirs = runs.exports
    files = sorted(file.relative_to(theirs) for file in theirs.rglob("*.csv"))
    assert len(files) > 10
    assert files == sorted(file.relative_to(ours) for file in ours.rglob("*.csv"))
    for file in files:
        assert (ours / file).read_bytes() == (theirs / file).read_bytes(), file
    months = sorted(file.relative_to(theirs) for file in theirs.rglob(ROWS))
    assert months == sorted(file.relative_to(ours) for file in ours.rglob(ROWS))
    for file in months:
        one, other = (duckdb.read_parquet(str(each / file)).fetchall() for each in (ours, theirs))
        assert one == other, file


def test_the_funnel_as_it_was_known_is_told_without_the_cluster(runs):
    gone = f"spark://127.0.0.1:{free_port()}?catalog={runs.folder}"
    done = runs.sandbox.run("--warehouse", gone, "--known-at", f"{datetime.now(UTC):%FT%TZ}")
    assert done.returncode == 0, done.stderr


def test_a_check_that_fails_publishes_what_was_recorded_and_nothing_else(cluster, tmp_path):
    def run_and(publish: Callable) -> None:
        warehouse = open_warehouse(cluster.url(tmp_path / "sales"))
        with warehouse.held(), warehouse.run():
            warehouse.start_anew()
            rows = warehouse.table_of([{"id": 1, "said": None}], {"id": "int64", "said": "string"})
            warehouse.build("marts", f"mart_{publish.__name__}", rows)
            warehouse.append("checks", rows)
            publish(warehouse)

    def whole(warehouse) -> None:
        warehouse.publish()

    def only_quality(warehouse) -> None:
        warehouse.publish_quality()

    current = tmp_path / "sales/current"
    run_and(whole)
    run_and(only_quality)
    assert sorted(each.name for each in current.glob("*/*")) == ["checks", "mart_whole"]
    assert duckdb.sql(f"FROM '{current}/quality/checks/*.parquet'").fetchall() == [(1, None)] * 2


def test_one_run_at_a_time(cluster, tmp_path):
    one, other = (open_warehouse(cluster.url(tmp_path / "sales")) for _ in range(2))
    with one.held(), pytest.raises(WarehouseBusyError), other.held():
        pass


def test_a_dry_run_looks_at_the_folder_and_the_cluster(sandbox, cluster):
    url = cluster.url(sandbox.folder / "spark")
    done = sandbox.run("--warehouse", url, "--dry-run", "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["warehouse"] == url
    assert not (sandbox.folder / "spark").exists()


@pytest.mark.parametrize(
    "url",
    [
        "spark://host:7077",
        "spark://host:7077?catalog=",
        "spark://host:7077?folder=sales",
        "spark://host:7077?catalog=sales*",
        "spark://host:7077?catalog=s3://bucket/sales",
        "spark://user:pass@host:7077?catalog=sales",
    ],
)
def test_what_is_no_master_and_folder_is_refused(url):
    with pytest.raises(InputError, match="must be written as") as refused:
        open_warehouse(url)
    assert WAREHOUSES in str(refused.value)


def test_a_master_that_does_not_answer_is_told_before_anything_is_made(sandbox):
    url = f"spark://127.0.0.1:{free_port()}?catalog={sandbox.folder}/spark"
    done = sandbox.run("--warehouse", url)
    assert done.returncode == 2
    assert "no Spark master answers there; start it, or correct the address" in done.stderr
    assert not (sandbox.folder / "spark").exists()


def test_a_cluster_without_room_is_told(monkeypatch, tmp_path):
    monkeypatch.setattr("flows.warehouse.spark.session.PATIENCE_WITH_WORKERS", 3)
    with running_cluster(tmp_path / "cluster", workers=()) as empty:
        warehouse = open_warehouse(empty.url(tmp_path / "sales"))
        with (
            warehouse.held(),
            pytest.raises(WarehouseBusyError, match="no worker has room for a run"),
            warehouse.run(),
        ):
            pass
    assert [each.name for each in (tmp_path / "sales").iterdir()] == ["versions"]


def test_without_java_a_run_says_so(monkeypatch, tmp_path):
    monkeypatch.delenv("JAVA_HOME", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    warehouse = open_warehouse(f"spark://127.0.0.1:7077?catalog={tmp_path}/sales")
    with pytest.raises(InputError, match="Spark needs Java 17 or 21; install it"), warehouse.held():
        pass


def test_a_java_that_is_none_is_told(monkeypatch, sandbox, cluster):
    monkeypatch.setenv("JAVA_HOME", str(sandbox.folder))
    done = sandbox.run("--warehouse", cluster.url(sandbox.folder / "spark"))
    assert done.returncode == 2
    assert done.stderr.endswith("Java did not start; Spark needs Java 17 or 21 (JAVA_HOME)\n")


def test_without_pyspark_a_run_says_so(monkeypatch, tmp_path):
    monkeypatch.setattr("flows.warehouse.find_spec", lambda name: None)
    with pytest.raises(InputError, match="pyspark is not installed; `make spark` does it"):
        open_warehouse(f"spark://127.0.0.1:7077?catalog={tmp_path}/sales")
