"""What a run may take: memory, and disk for what does not fit into it."""

import ibis
import pytest

from flows.errors import RunFailedError
from flows.warehouse import reader
from flows.warehouse.duckdb import DuckDBWarehouse
from flows.warehouse.faults import told_in_short
from flows.warehouse.limits import Limits
from flows.warehouse.read_only import open_to_look
from flows.warehouse.rows import read_scalar

MANY = "SELECT i, hash(i)::VARCHAR || hash(i + 1)::VARCHAR AS text FROM range(3000000) t(i)"

TIGHT = Limits(memory=50_000_000, temp=5_000_000)
NO_DISK = "not enough disk to spill to in {}; raise FUNNEL_TEMP_LIMIT (now 4.7 MiB)"


def test_a_run_that_needs_more_memory_names_the_setting_and_changes_nothing(place, export):
    assert place.run("--source", export()).returncode == 0
    before = place.marts()
    run = place.run("--quiet", "--source", export(), memory_limit="30MB")
    assert (run.returncode, run.stdout, run.stderr) == (
        1,
        "",
        "Error: sales-funnel: not enough memory; raise FUNNEL_MEMORY_LIMIT (now 28.6 MiB)\n",
    )
    assert (place.marts(), place.sandbox.leftovers()) == (before, [])


OF_SMALL_FILES = """
    import resource
    from flows.main import command

    resource.setrlimit(resource.RLIMIT_FSIZE, ({size}, {size}))
    command()
    """


@pytest.mark.parametrize(
    ("place", "size", "written"),
    [("duckdb", 1 << 19, "warehouse"), ("postgres", 1 << 17, "report")],
    indirect=["place"],
    ids=["duckdb", "postgres"],
)
def test_a_file_that_would_be_larger_than_is_allowed_is_named(place, export, size, written):
    assert place.run("--source", export()).returncode == 0
    before, files = place.marts(), place.sandbox.published()
    code = OF_SMALL_FILES.format(size=size)
    run = place.run("--quiet", "--source", export(), code=code)
    assert (run.returncode, run.stderr) == (
        1,
        f"Error: {getattr(place.sandbox, written)}: a file would be larger than is allowed"
        " (ulimit -f)\n",
    )
    assert (place.marts(), place.sandbox.published()) == (before, files)
    assert place.sandbox.leftovers() == []


def test_a_run_that_needs_more_disk_names_the_folder_and_the_setting(tmp_path):
    warehouse = DuckDBWarehouse(tmp_path / "sales.duckdb", TIGHT)
    with warehouse.held(), warehouse.run():
        warehouse.backend.raw_sql("SET threads = 1")
        rows = warehouse.backend.sql(MANY).order_by("text")
        with pytest.raises(RunFailedError) as raised:
            warehouse.build("marts", "many", rows)
    assert str(raised.value) == f"marts.many: {NO_DISK.format(tmp_path)}"
    assert [file.name for file in tmp_path.iterdir()] == [".sales.duckdb.lock"]


def test_rows_of_large_tables_are_replaced_within_the_memory(tmp_path):
    warehouse = DuckDBWarehouse(tmp_path / "sales.duckdb", Limits(memory=40_000_000))
    with warehouse.held(), warehouse.run():
        for name in ("stg_deals", "stg_activities"):
            ids = ibis.range(2_000_000).unnest().name("deal_id").as_table()
            table = warehouse.build("staging", name, ids)
            few = table.filter(table.deal_id % 100 == 7)
            replaced, _ = warehouse.replace("staging", name, few, few, ["deal_id"])
            assert read_scalar(replaced.deal_id.nunique()) == 2_000_000


def test_who_looks_at_results_keeps_to_the_limits(tmp_path):
    file = tmp_path / "sales.duckdb"
    published = ibis.duckdb.connect(file)
    published.create_database("marts")
    published.create_database("quality")
    published.create_table("obt_deals", schema={"deal_id": "int64"}, database="marts")
    published.disconnect()
    backend = open_to_look(f"duckdb://{file}", TIGHT)
    assert memory_limit(backend) == pytest.approx(TIGHT.memory, rel=0.01)
    backend.disconnect()


def test_what_reads_for_postgresql_keeps_to_the_limits(tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    with (
        reader.opened(TIGHT) as backend,
        pytest.raises(RunFailedError) as raised,
        told_in_short("users", backend),
    ):
        backend.create_table("many", backend.sql(MANY), temp=True)
    assert str(raised.value) == f"users: {NO_DISK.format(tmp_path)}"


def memory_limit(backend) -> int:
    """In bytes."""
    query = "SELECT parse_formatted_bytes(current_setting('memory_limit'))"
    return backend.raw_sql(query).fetchall()[0][0]


def test_unless_told_a_run_takes_five_eighths_of_what_duckdb_would_or_2_8_gb(tmp_path):
    warehouse = DuckDBWarehouse(tmp_path / "sales.duckdb")
    with warehouse.held(), warehouse.run():
        taken = memory_limit(warehouse.backend)
        warehouse.backend.raw_sql("RESET memory_limit")
        usual = memory_limit(warehouse.backend)
    assert taken == pytest.approx(min(2.8e9, usual * 5 / 8), rel=0.02)


def test_unless_told_a_reader_takes_128_mb():
    with reader.opened() as backend:
        assert memory_limit(backend) == pytest.approx(128e6, rel=0.01)
