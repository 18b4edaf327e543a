"""A DuckDB file as warehouse: pseudonyms, and what readers see whenever a run is killed."""

import hmac
import re
import sqlite3
import struct
import subprocess
from collections.abc import Collection, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from subprocess import Popen
from tempfile import TemporaryDirectory
from typing import Any

import duckdb
import ibis
import pyarrow as pa
import pytest

from flows.errors import InputError, RunFailedError, WarehouseBusyError
from flows.warehouse import open_warehouse
from flows.warehouse.duckdb import DuckDBWarehouse
from flows.warehouse.masking import pseudonym

KEY = b"a key that is in no table and no text"

# Another run, in the middle of its work.
RUN = """
    import sys, time
    from pathlib import Path
    import pyarrow as pa
    from flows.warehouse.duckdb import DuckDBWarehouse

    warehouse = DuckDBWarehouse(Path(sys.argv[1]))
    with warehouse.held(), warehouse.run():
        warehouse.build("marts", "numbers", pa.table({"n": [2]}))
        print("ready", flush=True)
        time.sleep(60)
    """
# A reader that keeps its connection, and says what it sees: once now, once for each line it gets.
READER = """
    import sys
    import duckdb

    def seen(connection):
        return connection.sql("SELECT n FROM marts.numbers").fetchall()

    opened = duckdb.connect(sys.argv[1], read_only=True)
    print("ready", flush=True)
    for line in sys.stdin:
        print(seen(opened), flush=True)
    """
# Somebody who has the file open for writing.
WRITER = """
    import sys, time
    import duckdb

    connection = duckdb.connect(sys.argv[1])
    print("ready", flush=True)
    time.sleep(60)
    """
# Somebody who wrote and was killed: what was written is in the write-ahead log only.
KILLED_WRITER = """
    import os, sys
    import duckdb

    connection = duckdb.connect(sys.argv[1])
    connection.sql("CREATE TABLE notes AS SELECT 'kept' AS note")
    print("ready", flush=True)
    os._exit(1)
    """


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where the warehouse is."""
    return tmp_path / "sales.duckdb"


@pytest.fixture
def published(path: Path) -> Path:
    """A warehouse with a mart that holds 1."""
    publish(path, n=1)
    return path


def publish(path: Path, n: int, run_id: str = "first") -> None:
    """A run that publishes a mart and a row of quality."""
    with running(path) as warehouse:
        warehouse.build("marts", "numbers", pa.table({"n": [n]}))
        warehouse.append("runs", ibis.memtable(pa.table({"run_id": [run_id]})))
        warehouse.publish()


@contextmanager
def working(path: Path) -> Iterator[DuckDBWarehouse]:
    """A run on the warehouse."""
    warehouse = DuckDBWarehouse(path)
    with warehouse.held(), warehouse.run():
        yield warehouse


@contextmanager
def running(path: Path, made_before: Collection[tuple[str, str]] = ()) -> Iterator[DuckDBWarehouse]:
    """A run on the warehouse that makes everything anew."""
    with working(path) as warehouse:
        warehouse.start_anew(made_before)
        yield warehouse


def query(path: Path, sql: str) -> list[Any]:
    """The first column of what a reader finds."""
    with duckdb.connect(str(path), read_only=True) as connection:
        return [row[0] for row in connection.sql(sql).fetchall()]


def change(path: Path, *statements: str) -> None:
    """What people do in the file between two runs."""
    with duckdb.connect(str(path)) as connection:
        for statement in statements:
            connection.execute(statement)


def files(path: Path) -> list[str]:
    """What lies beside the warehouse, the lock aside."""
    return sorted(file.name for file in path.parent.iterdir() if not file.name.endswith(".lock"))


# Pseudonyms


@pytest.mark.parametrize(
    "key",
    [b"sixteen bytes...", b"k" * 64, b"k" * 65, bytes(range(256)), b"\0" * 32],
    ids=["short", "a block", "more than a block", "every byte", "zeros"],
)
def test_a_pseudonym_is_the_hmac_of_the_text(path, key):
    texts = ["", "ada@example.com", "Łukasz Żółć 🙂", "x" * 1000, "'; --"]
    with running(path) as warehouse, warehouse.masking(key):
        made = ibis.memtable(pa.table({"text": texts})).mutate(made=lambda t: pseudonym(t.text))
        found = warehouse.backend.to_pyarrow(made.made).to_pylist()
    assert found == [hmac.new(key, text.encode(), "sha256").hexdigest() for text in texts]


def test_nothing_has_no_pseudonym(path):
    with running(path) as warehouse, warehouse.masking(KEY):
        assert warehouse.backend.to_pyarrow(pseudonym(ibis.null("string"))).as_py() is None


def test_the_key_is_in_no_sql(path):
    with running(path) as warehouse, warehouse.masking(KEY):
        sql = str(ibis.to_sql(pseudonym(ibis.literal("x")), dialect="duckdb"))
    pads = [bytes(byte ^ mask for byte in KEY) for mask in (0, 0x36, 0x5C)]
    traces = [trace for pad in pads for trace in (str(pad)[2:-1], pad.hex(), pad.hex().upper())]
    assert "inner_pad" in sql
    assert not [trace for trace in traces if trace in sql]


def test_without_a_key_there_are_no_pseudonyms(path):
    with running(path) as warehouse:
        with warehouse.masking(KEY):
            pass
        made = warehouse.backend.to_pyarrow(pseudonym(ibis.literal("x"))).as_py()
    assert made is None


def test_the_key_is_in_no_file(path):
    with running(path) as warehouse:
        with warehouse.masking(KEY):
            names = ibis.memtable(pa.table({"name": ["Ada"]}))
            warehouse.build("staging", "people", names.select(of=pseudonym(names.name)))
        warehouse.publish()
    assert query(path, "SELECT of FROM staging.people") == [
        hmac.new(KEY, b"Ada", "sha256").hexdigest()
    ]
    assert not [file for file in path.parent.iterdir() if KEY in file.read_bytes()]


# Publishing


def test_the_first_run_makes_the_warehouse_and_its_folder(tmp_path):
    path = tmp_path / "new" / "folder" / "sales.duckdb"
    publish(path, n=1)
    assert query(path, "SELECT n FROM marts.numbers") == [1]


def test_a_run_takes_the_place_of_the_one_before(published):
    publish(published, n=2)
    assert query(published, "SELECT n FROM marts.numbers") == [2]
    assert files(published) == ["sales.duckdb"]


def test_a_reader_keeps_the_old_run_and_the_next_one_sees_the_new(published, start):
    reader = start(READER, published)
    assert ask(reader) == "[(1,)]"
    publish(published, n=2)
    assert ask(reader) == "[(1,)]"
    assert ask(start(READER, published)) == "[(2,)]"


def ask(reader: "Popen[str]") -> str:
    """What a reader sees now."""
    assert reader.stdin is not None
    assert reader.stdout is not None
    reader.stdin.write("\n")
    reader.stdin.flush()
    return reader.stdout.readline().strip()


def test_a_run_that_does_not_publish_changes_nothing(published):
    before = published.read_bytes()
    with running(published) as warehouse:
        warehouse.build("marts", "numbers", pa.table({"n": [2]}))
    assert published.read_bytes() == before
    assert files(published) == ["sales.duckdb"]


def test_a_run_that_fails_changes_nothing(published):
    before = published.read_bytes()
    with pytest.raises(ZeroDivisionError), running(published) as warehouse:
        warehouse.build("marts", "numbers", pa.table({"n": [1 // 0]}))
    assert published.read_bytes() == before
    assert files(published) == ["sales.duckdb"]


def test_a_run_that_is_killed_leaves_the_old_file(published, start):
    before = published.read_bytes()
    killed = start(RUN, published)
    killed.kill()
    killed.wait()
    assert published.read_bytes() == before


def test_the_run_after_one_that_was_killed_cleans_up(published, start):
    killed = start(RUN, published)
    killed.kill()
    killed.wait()
    assert len(files(published)) > 1
    publish(published, n=3)
    assert query(published, "SELECT n FROM marts.numbers") == [3]
    assert files(published) == ["sales.duckdb"]


def test_so_it_does_where_the_name_of_the_warehouse_is_a_pattern_of_names(tmp_path, start):
    path = tmp_path / "sales[1].duckdb"
    publish(path, n=1)
    killed = start(RUN, path)
    killed.kill()
    killed.wait()
    publish(path, n=3)
    assert files(path) == ["sales[1].duckdb"]


def test_the_first_run_can_be_killed(path, start):
    killed = start(RUN, path)
    killed.kill()
    killed.wait()
    publish(path, n=1)
    assert files(path) == ["sales.duckdb"]


def test_files_with_names_like_that_of_the_warehouse_stay(published):
    others = [published.with_name(name) for name in ("sales.duckdb.bak", ".sales.duckdb2.building")]
    for other in others:
        other.write_text("mine")
    publish(published, n=2)
    assert [other.read_text() for other in others] == ["mine", "mine"]


def test_a_warehouse_behind_a_link_is_published_behind_the_link(published, tmp_path):
    link = tmp_path / "elsewhere" / "link.duckdb"
    link.parent.mkdir()
    link.symlink_to(published)
    publish(link, n=2)
    assert link.is_symlink()
    assert query(published, "SELECT n FROM marts.numbers") == [2]


def test_the_mode_of_the_file_stays(published):
    published.chmod(0o640)
    publish(published, n=2)
    assert published.stat().st_mode & 0o777 == 0o640


def test_the_file_does_not_grow_with_every_run(published):
    sizes = []
    for n in range(6):
        with running(published) as warehouse:
            warehouse.build("marts", "numbers", pa.table({"n": [n] * 200_000}))
            warehouse.publish()
        sizes.append(published.stat().st_size)
    assert sizes[-1] <= sizes[1]


# Who holds it


def test_a_second_run_is_told_who_holds_the_warehouse(published, start):
    other = start(RUN, published)
    with pytest.raises(WarehouseBusyError) as caught, running(published):
        pass
    assert re.fullmatch(
        rf"{published}: another run holds the warehouse \(process {other.pid},"
        r" since \d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC\); try again later",
        str(caught.value),
    )


def test_a_second_run_does_not_disturb_the_first(published):
    with running(published) as warehouse:
        with pytest.raises(WarehouseBusyError), running(published):
            pass
        warehouse.build("marts", "numbers", pa.table({"n": [2]}))
        warehouse.publish()
    assert query(published, "SELECT n FROM marts.numbers") == [2]


def test_a_run_that_was_killed_holds_nothing(published, start):
    killed = start(RUN, published)
    killed.kill()
    killed.wait()
    publish(published, n=2)
    assert query(published, "SELECT n FROM marts.numbers") == [2]


def test_runs_on_two_warehouses_do_not_disturb_each_other(published):
    other = published.with_name("other.duckdb")
    with running(published) as warehouse:
        publish(other, n=2)
        warehouse.publish()
    assert files(published) == ["other.duckdb", "sales.duckdb"]


def test_a_process_that_writes_is_named(published, start):
    writer = start(WRITER, published)
    with pytest.raises(WarehouseBusyError) as caught, running(published):
        pass
    assert str(caught.value) == (
        f"{published}: process {writer.pid} has it open for writing; close it"
    )


def test_a_process_that_begins_to_write_during_the_run_is_not_overwritten(published, start):
    with running(published) as warehouse:
        warehouse.build("marts", "numbers", pa.table({"n": [2]}))
        writer = start(WRITER, published)
        with pytest.raises(WarehouseBusyError, match=f"process {writer.pid}"):
            warehouse.publish()
    writer.kill()
    writer.wait()
    assert query(published, "SELECT n FROM marts.numbers") == [1]


def test_what_was_written_during_the_run_is_not_overwritten(published):
    with running(published) as warehouse:
        warehouse.build("marts", "numbers", pa.table({"n": [2]}))
        change(published, "CREATE TABLE notes AS SELECT 'mine' AS note")
        with pytest.raises(WarehouseBusyError):
            warehouse.publish()
    assert query(published, "SELECT note FROM notes") == ["mine"]


# What people keep in the file


def test_a_write_ahead_log_beside_the_file_is_folded_in(published, start):
    start(KILLED_WRITER, published).wait()
    assert "sales.duckdb.wal" in files(published)
    publish(published, n=2)
    assert query(published, "SELECT note FROM notes") == ["kept"]
    assert query(published, "SELECT n FROM marts.numbers") == [2]
    assert files(published) == ["sales.duckdb"]


def test_a_write_ahead_log_that_comes_during_the_run_is_not_lost(published, start):
    with running(published) as warehouse:
        warehouse.build("marts", "numbers", pa.table({"n": [2]}))
        start(KILLED_WRITER, published).wait()
        with pytest.raises(WarehouseBusyError):
            warehouse.publish()
    assert query(published, "SELECT note FROM notes") == ["kept"]
    assert query(published, "SELECT n FROM marts.numbers") == [1]


def test_tables_and_views_of_people_survive(published):
    change(
        published,
        "CREATE SCHEMA mine",
        "CREATE TABLE mine.notes AS SELECT 'a note' AS note",
        "CREATE VIEW mine.doubled AS SELECT 2 * n AS n FROM marts.numbers",
        "CREATE VIEW marts.tripled AS SELECT 3 * n AS n FROM marts.numbers",
        "CREATE MACRO twice(x) AS 2 * x",
    )
    publish(published, n=2)
    assert query(published, "SELECT note FROM mine.notes") == ["a note"]
    assert query(published, "SELECT n FROM mine.doubled") == [4]
    assert query(published, "SELECT n FROM marts.tripled") == [6]
    assert query(published, "SELECT twice(4)") == [8]


def in_new_file(path: Path, *, afresh: bool) -> bytes:
    """The file after a run that leaves out a large table of the run before."""
    with running(path) as warehouse:
        # Stored as they are, so that they can be found.
        warehouse.backend.raw_sql("PRAGMA force_compression = 'uncompressed'")
        names = [f"Zebulonius {n}" for n in range(100_000)]
        warehouse.build("staging", "stg_users", pa.table({"name": names}))
        warehouse.publish()
    assert b"Zebulonius" in path.read_bytes()
    change(path, "CREATE TABLE behind_it AS SELECT random() FROM range(300_000)")
    with running(path, {("staging", "stg_users")}) as warehouse:
        warehouse.build("marts", "numbers", pa.table({"n": [3]}))
        warehouse.publish(afresh=afresh)
    assert query(path, "SELECT n FROM marts.numbers") == [3]
    return path.read_bytes()


def test_what_was_in_a_table_stays_in_unused_blocks(published):
    assert b"Zebulonius" in in_new_file(published, afresh=False)


def test_of_what_was_in_a_table_nothing_is_in_a_file_that_is_made_afresh(published):
    assert b"Zebulonius" not in in_new_file(published, afresh=True)


def test_what_people_keep_is_in_a_file_that_is_made_afresh(published):
    change(
        published,
        "CREATE SCHEMA mine",
        "CREATE TABLE mine.notes AS SELECT 'kept' AS note",
        "COMMENT ON TABLE mine.notes IS 'said'",
        "CREATE UNIQUE INDEX one ON mine.notes (note)",
        "CREATE VIEW mine.doubled AS SELECT n * 2 AS n FROM marts.numbers",
        "CREATE VIEW mine.broken AS SELECT n FROM marts.numbers",
        "CREATE MACRO mine.tripled(n) AS n * 3",
    )
    with running(published) as warehouse:
        warehouse.build("marts", "numbers", pa.table({"n": [2]}))
        warehouse.publish(afresh=True)
    assert query(published, "SELECT note FROM mine.notes") == ["kept"]
    assert query(published, "SELECT mine.tripled(n) FROM mine.doubled") == [12]
    assert query(published, "SELECT index_name FROM duckdb_indexes()") == ["one"]
    said = "SELECT comment FROM duckdb_tables() WHERE table_name = 'notes'"
    assert query(published, said) == ["said"]
    assert query(published, "SELECT run_id FROM quality.runs") == ["first"]
    assert files(published) == ["sales.duckdb"]


@pytest.mark.parametrize("name", ["it's.duckdb", "afresh.duckdb", 'a "b".duckdb'])
@pytest.mark.parametrize("how", ["publish", "publish_quality"])
def test_the_name_of_a_file_is_any(tmp_path, name, how):
    path = tmp_path / name
    publish(path, n=1, run_id="first")
    with running(path) as warehouse:
        warehouse.append("runs", ibis.memtable(pa.table({"run_id": ["second"]})))
        if how == "publish":
            warehouse.publish(afresh=True)
        else:
            warehouse.publish_quality()
    assert query(path, "SELECT run_id FROM quality.runs ORDER BY 1") == ["first", "second"]


@pytest.mark.parametrize("name", ["marts.duckdb", "Staging.w.duckdb", ".landed"])
def test_the_name_of_a_schema_is_refused(tmp_path, name):
    with (
        pytest.raises(InputError, match="is the name of a schema in it; give the file another"),
        working(tmp_path / name),
    ):
        pass


def test_foreign_keys_of_people_are_named_as_what_stands_in_the_way(published):
    change(
        published,
        "CREATE TABLE parent (n INTEGER PRIMARY KEY)",
        "CREATE TABLE child (n INTEGER REFERENCES parent (n))",
        "INSERT INTO parent VALUES (1)",
        "INSERT INTO child VALUES (1)",
    )
    before = published.read_bytes()
    with running(published) as warehouse, pytest.raises(RunFailedError, match="foreign keys"):
        warehouse.publish(afresh=True)
    assert published.read_bytes() == before
    assert files(published) == ["sales.duckdb"]


def test_earlier_runs_stay_in_quality(published):
    publish(published, n=2, run_id="second")
    assert query(published, "SELECT run_id FROM quality.runs ORDER BY 1") == ["first", "second"]


def test_tables_of_runs_before_vanish_and_those_of_others_stay(published):
    change(published, "CREATE TABLE marts.mine AS SELECT 1 AS n")
    with running(published, {("marts", "numbers")}) as warehouse:
        warehouse.build("marts", "other_numbers", pa.table({"n": [2]}))
        warehouse.publish()
    names = "SELECT table_name FROM duckdb_tables() WHERE schema_name = 'marts' ORDER BY 1"
    assert query(published, names) == ["mine", "other_numbers"]


def test_a_table_can_be_given_up(published):
    with working(published) as warehouse:
        warehouse.build("marts", "other_numbers", pa.table({"n": [2]}))
        warehouse.give_up("marts", "numbers")
        warehouse.publish()
    names = "SELECT table_name FROM duckdb_tables() WHERE schema_name = 'marts'"
    assert query(published, names) == ["other_numbers"]


def test_raw_tables_are_not_in_the_warehouse(published):
    names = query(published, "SELECT table_name FROM duckdb_tables() ORDER BY 1")
    assert names == ["numbers", "runs"]


# Files that are no warehouse


@pytest.mark.parametrize("content", [b"id,name\n1,Ada\n", b"\0" * 5000, b"x", b""])
def test_a_file_that_is_not_duckdb_is_left_alone(path, content):
    path.write_bytes(content)
    with pytest.raises(InputError) as caught, running(path):
        pass
    assert str(caught.value) == f"{path}: not a DuckDB file; name another file"
    assert path.read_bytes() == content
    assert files(path) == ["sales.duckdb"]


def test_a_database_of_another_program_is_left_alone(path):
    """DuckDB would open it, if it could load what it needs for that."""
    with closing(sqlite3.connect(path)) as other:
        other.execute("CREATE TABLE notes (text)")
    content = path.read_bytes()
    with pytest.raises(InputError, match="not a DuckDB file"), running(path):
        pass
    assert path.read_bytes() == content
    assert [each.name for each in path.parent.iterdir()] == [path.name]


def test_memory_is_no_warehouse(path):
    with (
        pytest.raises(InputError, match="opens no file of this name"),
        running(path.with_name(":memory:")),
    ):
        pass


def test_a_folder_is_no_warehouse(path):
    path.mkdir()
    with pytest.raises(InputError), running(path):
        pass
    assert files(path) == ["sales.duckdb"]


def test_a_folder_that_cannot_be_made(path):
    path.write_text("a file")
    with pytest.raises(InputError, match="cannot be used"), running(path / "sales.duckdb"):
        pass


def of_version(content: bytes, version: int) -> bytes:
    """As a DuckDB writes it whose format has this version, which is in the first of its headers."""
    header = content[8:12] + struct.pack("<Q", version) + content[20:4096]
    checksum = 5381
    for (number,) in struct.iter_unpack("<Q", header):
        checksum ^= number * 0xBF58476D1CE4E5B9 % 2**64
    return struct.pack("<Q", checksum) + header + content[4096:]


@pytest.mark.parametrize(
    ("change_content", "said"),
    [
        (lambda content: content[:12] + b"?" + content[13:], "the file is damaged"),
        (lambda content: content[:4100] + b"?" * 30 + content[4130:], "the file is damaged"),
        (lambda content: content[:12288] + b"?" * len(content[12288:]), "the file is damaged"),
        (lambda content: content[:20_000], "the file was cut off"),
        (lambda content: of_version(content, 70), "made by a newer DuckDB than this one"),
    ],
    ids=["main header", "header", "blocks", "cut off", "newer version"],
)
def test_a_file_that_duckdb_cannot_read_is_left_alone(published, change_content, said):
    content = change_content(published.read_bytes())
    published.write_bytes(content)
    with pytest.raises(InputError) as caught, running(published):
        pass
    assert str(caught.value).startswith(f"{published}: {said}; ")
    assert published.read_bytes() == content
    assert files(published) == ["sales.duckdb"]


def test_a_file_of_this_version_is_read(published):
    published.write_bytes(of_version(published.read_bytes(), 68))
    publish(published, n=2)
    assert query(published, "SELECT n FROM marts.numbers") == [2]


def test_damage_that_shows_late_stops_the_run(published):
    change(published, "INSERT INTO quality.runs SELECT hash(i)::VARCHAR FROM range(500000) t(i)")
    content = published.read_bytes()
    place = content.index(b"\0" * 64, len(content) // 2) - 4096
    content = content[:place] + b"?" * 64 + content[place + 64 :]
    published.write_bytes(content)
    with pytest.raises(InputError, match="the file is damaged"), running(published) as warehouse:
        warehouse.begin({"run_id": "second"})
    assert published.read_bytes() == content
    assert files(published) == ["sales.duckdb"]


def test_a_file_to_read_only_is_refused_and_not_replaced(without_privileges):
    with TemporaryDirectory() as folder:
        path = Path(folder) / "sales.duckdb"
        publish(path, n=1)
        path.chmod(0o444)
        with pytest.raises(InputError) as caught, running(path):
            pass
        assert str(caught.value) == f"{path}: is read-only; let yourself write to it"
        assert query(path, "SELECT n FROM marts.numbers") == [1]
        assert files(path) == ["sales.duckdb"]


@pytest.fixture
def in_a_folder_to_read_only(published: Path) -> Iterator[Path]:
    """The warehouse, in a folder where nobody may write, not even root."""
    folder = published.parent
    if subprocess.run(["mount", "--bind", folder, folder], stderr=subprocess.DEVNULL).returncode:
        pytest.skip("a file system can be mounted by root only")
    subprocess.run(["mount", "-o", "remount,bind,ro", folder], check=True)
    yield published
    subprocess.run(["umount", folder], check=True)


def test_a_folder_to_read_only_is_refused(in_a_folder_to_read_only):
    before = in_a_folder_to_read_only.read_bytes()
    with pytest.raises(InputError) as caught, running(in_a_folder_to_read_only):
        pass
    assert str(caught.value) == (
        f"{in_a_folder_to_read_only}: is read-only; let yourself write to it"
    )
    assert in_a_folder_to_read_only.read_bytes() == before


# A run that a check stopped


@pytest.fixture
def stopped(published: Path) -> Path:
    """A warehouse after a run that made marts, was stopped, and left its records only."""
    with running(published) as warehouse:
        warehouse.build("marts", "numbers", pa.table({"n": [2]}))
        warehouse.append("runs", ibis.memtable(pa.table({"run_id": ["stopped"]})))
        warehouse.append("faults", ibis.memtable(pa.table({"line": [7]})))
        warehouse.publish_quality()
    return published


def test_a_stopped_run_leaves_the_marts(stopped):
    assert query(stopped, "SELECT n FROM marts.numbers") == [1]


def test_a_stopped_run_is_recorded_beside_those_before(stopped):
    assert query(stopped, "SELECT run_id FROM quality.runs ORDER BY 1") == ["first", "stopped"]
    assert query(stopped, "SELECT line FROM quality.faults") == [7]


def test_after_a_stopped_run_the_tables_in_quality_say_what_they_are(published):
    change(published, "COMMENT ON TABLE marts.numbers IS 'One row.'")
    with running(published) as warehouse:
        warehouse.append("runs", ibis.memtable(pa.table({"run_id": ["stopped"]})))
        warehouse.comment("quality", "runs", "One row per run.", {"run_id": "the run"})
        warehouse.publish_quality()
    comments = "SELECT comment FROM duckdb_{}() WHERE comment IS NOT NULL ORDER BY 1"
    assert query(published, comments.format("tables")) == ["One row per run.", "One row."]
    assert query(published, comments.format("columns")) == ["the run"]


def test_a_stopped_run_leaves_no_other_file(stopped):
    assert files(stopped) == ["sales.duckdb"]


def test_a_stopped_run_leaves_what_people_keep(published):
    change(
        published,
        "CREATE TABLE notes AS SELECT 'a note' AS note",
        "CREATE VIEW quality.recent AS SELECT run_id FROM quality.runs",
    )
    with running(published) as warehouse:
        warehouse.append("runs", ibis.memtable(pa.table({"run_id": ["stopped"]})))
        warehouse.publish_quality()
    assert query(published, "SELECT note FROM notes") == ["a note"]
    assert query(published, "SELECT run_id FROM quality.recent ORDER BY 1") == ["first", "stopped"]


def test_a_first_run_that_is_stopped_is_recorded(path):
    with running(path) as warehouse:
        warehouse.build("marts", "numbers", pa.table({"n": [2]}))
        warehouse.append("runs", ibis.memtable(pa.table({"run_id": ["stopped"]})))
        warehouse.publish_quality()
    assert query(path, "SELECT table_name FROM duckdb_tables()") == ["runs"]


def test_the_run_after_a_stopped_one_publishes(stopped):
    publish(stopped, n=3, run_id="third")
    assert query(stopped, "SELECT n FROM marts.numbers") == [3]
    assert query(stopped, "SELECT count(*) FROM quality.runs") == [3]


# What the tables mean


def test_a_table_and_its_columns_are_commented(path):
    with running(path) as warehouse:
        warehouse.build("marts", "numbers", pa.table({"n": [1]}))
        warehouse.comment(
            "marts", "numbers", "One row; it's 'quoted'.", {"n": "a number; its size"}
        )
        warehouse.publish()
    assert query(path, "SELECT comment FROM duckdb_tables()") == ["One row; it's 'quoted'."]
    assert query(path, "SELECT comment FROM duckdb_columns() WHERE table_name = 'numbers'") == [
        "a number; its size"
    ]


# URLs


def test_a_url_names_the_file():
    assert open_warehouse("duckdb://data/a.duckdb").path == Path("data/a.duckdb").resolve()
    assert open_warehouse("duckdb:///var/sales.duckdb").path == Path("/var/sales.duckdb")


@pytest.mark.parametrize("url", ["", "sales.duckdb", "duckdb:", "duckdb://", "x://me:secret@h/db"])
def test_other_urls_are_refused_and_not_quoted(url):
    with pytest.raises(InputError, match=r"duckdb://PATH") as caught:
        open_warehouse(url)
    assert "secret" not in str(caught.value)
