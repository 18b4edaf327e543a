"""A cluster of Spark makes the tables that DuckDB makes, and readers see whole versions of them."""

import csv
import json
import signal
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path
from threading import Thread

import duckdb
import pytest

from flows.errors import InputError, WarehouseBusyError
from flows.export_folder import ROWS
from flows.warehouse import open_warehouse
from flows.warehouse.address import WAREHOUSES
from flows.warehouse.duckdb import DuckDBWarehouse
from tests.flows.canaries import found_below, spellings
from tests.flows.conftest import Sandbox, free_port, wait_until
from tests.flows.warehouse.cluster import Cluster, running_cluster
from tests.flows.warehouse.test_same_on_postgres import OF_THE_RUN, TABLES, differing
from tests.whole_run import publish_run
from transforms.sources import SOURCES

SAMPLE = Path(__file__).parents[3] / "data/sample"
ZONE, AS_OF = "America/New_York", datetime(2026, 8, 1)


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
    folder.mkdir()
    for name in SOURCES:
        header, *lines = (SAMPLE / f"{name}.csv").read_text().splitlines(keepends=True)
        if name in ("activity", "deal_changes"):
            lines = lines[int(len(lines) * begin) : int(len(lines) * end)]
        (folder / f"{name}.csv").write_text("".join([header, *lines]))
    return folder


def lose_a_worker(cluster: Cluster, folder: Path, made: int) -> Thread:
    """End a worker of the cluster as soon as the next run has made some tables."""

    def wait_and_kill() -> None:
        wait_until(lambda: len([*folder.glob(".building-*/tables/*/*")]) >= made, seconds=300)
        cluster.kill_a_worker()

    thread = Thread(target=wait_and_kill)
    thread.start()
    return thread


@pytest.fixture(scope="module")
def folder(cluster, tmp_path_factory) -> Path:
    """A warehouse after two runs: the second one adds to the first, and loses a worker."""
    place = tmp_path_factory.mktemp("spark_runs")
    exports = [part_of_the_sample(place / "a", 0, 0.9), part_of_the_sample(place / "b", 0.8, 1)]
    folder = place / "sales"
    publish_run(open_warehouse(cluster.url(folder)), exports[0], ZONE, AS_OF, incremental=True)
    loss = lose_a_worker(cluster, folder, made=4)
    warehouse = open_warehouse(cluster.url(folder))
    publish_run(warehouse, exports[1], ZONE, AS_OF, "again", incremental=True)
    loss.join()
    assert len(cluster.workers) == 1
    return folder


@pytest.fixture(scope="module")
def both(folder, tmp_path_factory) -> Iterator[duckdb.DuckDBPyConnection]:
    """`spark`, and `duck` beside it, after the same runs, and `whole` after one with all rows."""
    place = tmp_path_factory.mktemp("same")
    for name, run_id in (("a", "test"), ("b", "again")):
        warehouse, export = DuckDBWarehouse(place / "duck.duckdb"), folder.with_name(name)
        publish_run(warehouse, export, ZONE, AS_OF, run_id, incremental=True)
    with duckdb.connect() as connection:
        connection.execute(f"ATTACH '{place}/duck.duckdb' AS duck (READ_ONLY)")
        connection.execute("ATTACH ':memory:' AS spark")
        for schema, table in TABLES:
            files = folder / "current" / schema / table / "*.parquet"
            connection.execute(f"CREATE SCHEMA IF NOT EXISTS spark.{schema}")
            connection.execute(f"CREATE TABLE spark.{schema}.{table} AS FROM '{files}'")
        yield connection


@pytest.mark.parametrize(("schema", "table"), TABLES, ids=lambda value: value)
def test_every_table_has_the_rows_and_the_types_of_duckdb(both, schema, table):
    duck, spark = (both.table(f"{name}.{schema}.{table}") for name in ("duck", "spark"))
    assert list(zip(spark.columns, spark.types, strict=True)) == list(
        zip(duck.columns, duck.types, strict=True)
    )
    assert not differing(both, schema, table, OF_THE_RUN, ("duck", "spark"))


def test_there_is_nothing_but_versions(folder):
    assert sorted(each.name for each in folder.iterdir()) == ["current", "versions"]
    assert sorted(each.name for each in (folder / "versions").iterdir()) == ["000001", "000002"]
    assert not [file for file in folder.rglob("*") if file.name == "_SUCCESS"]


def test_no_name_or_address_gets_to_the_cluster(folder, cluster, tmp_path_factory):
    with (SAMPLE / "users.csv").open() as file:
        users = sorted(csv.DictReader(file), key=lambda user: -len(user["name"]))[:3]
    words = [word for user in users for word in (user["name"], user["email"])]
    needles = {name: data for word in words for name, data in spellings(word).items()}
    assert not found_below(folder, needles)
    for log in cluster.logs():
        assert not {name for name, data in needles.items() if data in log.read_bytes()}


@pytest.fixture(scope="module")
def sandbox_on_spark(cluster, tmp_path_factory, prefect_server) -> Sandbox:
    """A place for runs of the command, in which one was published by DuckDB, too."""
    sandbox = Sandbox(tmp_path_factory.mktemp("command") / "sandbox", prefect_server)
    done = sandbox.run("--export", sandbox.folder / "exports_of_duckdb")
    assert done.returncode == 0, done.stderr
    return sandbox


@pytest.fixture(scope="module")
def stopped(sandbox_on_spark, cluster) -> dict[str, tuple[int, str]]:
    """Exit code and last words of runs that were ended in the middle."""
    url = cluster.url(sandbox_on_spark.folder / "spark")
    ended = {}
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGKILL):
        with sandbox_on_spark.start("--warehouse", url) as process:
            for line in process.stderr:
                if line.startswith("stg_stages"):
                    break
            process.send_signal(number)
            _, rest = process.communicate(timeout=60)
            ended[number.name] = process.returncode, rest
    return ended


@pytest.mark.parametrize(("name", "code"), [("SIGINT", 130), ("SIGTERM", 143)])
def test_a_signal_ends_a_run_and_nothing_is_changed(stopped, name, code):
    returned, said = stopped[name]
    assert returned == code
    assert said.endswith("Stopped; nothing was changed.\n")


@pytest.fixture(scope="module")
def exported(stopped, sandbox_on_spark, cluster) -> Sandbox:
    """After those runs, one to the end."""
    url = cluster.url(sandbox_on_spark.folder / "spark")
    done = sandbox_on_spark.run("--warehouse", url, "--export", sandbox_on_spark.exports)
    assert done.returncode == 0, done.stderr
    assert "WARN" not in done.stderr
    return sandbox_on_spark


def test_the_next_run_knows_of_those_that_were_ended_and_tidies_up(exported):
    folder = exported.folder / "spark"
    files = folder / "current/quality/runs/*.parquet"
    statuses = duckdb.sql(f"SELECT status FROM '{files}' ORDER BY started_at").fetchall()
    assert statuses == [("interrupted",), ("interrupted",), ("crashed",), ("published",)]
    assert sorted(each.name for each in folder.iterdir()) == ["current", "versions"]


def test_exported_files_are_those_of_duckdb(exported):
    ours, theirs = exported.exports, exported.folder / "exports_of_duckdb"
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


def test_the_funnel_as_it_was_known_is_told_without_the_cluster(exported):
    gone = f"spark://127.0.0.1:{free_port()}?catalog={exported.folder}/spark"
    now = "2099-01-01"
    done = exported.run("--warehouse", gone, "--known-at", now)
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


def test_without_pyspark_a_run_says_so(monkeypatch, tmp_path):
    monkeypatch.setattr("flows.warehouse.find_spec", lambda name: None)
    with pytest.raises(InputError, match="pyspark is not installed; `make spark` does it"):
        open_warehouse(f"spark://127.0.0.1:7077?catalog={tmp_path}/sales")
