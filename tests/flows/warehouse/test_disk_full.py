"""A disk that is full, at whatever step, ends the run with a message that names the place."""

import os
import re
import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from pathlib import Path
from tempfile import TemporaryDirectory

import duckdb
import psycopg2
import pytest
from psycopg2 import sql

from flows.errors import RunFailedError
from flows.files.page_file import write
from flows.people.masking_key import masking_key
from flows.settings import load_settings
from flows.warehouse import SCHEMAS
from flows.warehouse.address import shown
from flows.warehouse.duckdb import DuckDBWarehouse
from flows.warehouse.export import opened_export
from flows.warehouse.file import held
from flows.warehouse.postgres import PostgresWarehouse
from tests.flows.canaries import found_below, spellings
from tests.whole_run import KEY, publish_run

SAMPLE = Path(__file__).parents[3] / "data/sample"
# Of room, in KiB. A run on the sample needs more than the largest, and another step each time.
ROOM_FOR_DUCKDB = (0, 12, 200, 500, 900, 1300, 1700, 2200, 2800, 3500)
ROOM_FOR_POSTGRES = (0, 1000, 2000, 2700, 3500, 4300, 5000, 6000, 7000, 8000)

# The first people of the sample.
PEOPLE = SAMPLE.joinpath("users.csv").read_text().splitlines()[1:4]
WORDS = {
    name: needle
    for person in PEOPLE
    for word in person.split(",")[1:3]
    for name, needle in spellings(word).items()
}

Disk = Callable[[int], Path]


@pytest.fixture
def disk() -> Iterator[Disk]:
    """A file system of so many KiB, for every user; it is there until the end of the test."""
    with TemporaryDirectory(prefix="funnel_disk_") as name, ExitStack() as stack:
        folder = Path(name)
        folder.chmod(0o755)

        def make(size: int) -> Path:
            mount = ["mount", "-t", "tmpfs", "-o", f"size={size}k,mode=777", "none", folder]
            if subprocess.run(mount, stderr=subprocess.DEVNULL).returncode:
                pytest.skip("a file system can be mounted by root only")
            stack.callback(subprocess.run, ["umount", "--lazy", folder], check=True)
            return folder

        yield make


def fill(folder: Path, room: int) -> Path:
    """Leave so many KiB on the disk; gives the file to delete for more."""
    filler = folder / "filler"
    with filler.open("wb", buffering=0) as file:
        while (free := os.statvfs(folder).f_bavail * os.statvfs(folder).f_bsize - room * 1024) > 0:
            file.write(bytes(free))
    return filler


def marts_of(opened) -> dict[str, list[str]]:
    """All rows of all marts."""
    with closing(opened) as session, closing(session.cursor()) as cursor:
        cursor.execute(
            "SELECT table_name FROM information_schema.tables WHERE table_schema = 'marts'"
        )
        found = {}
        for (name,) in cursor.fetchall():
            cursor.execute(f"SELECT * FROM marts.{name}")
            found[name] = sorted(map(str, cursor.fetchall()))
        return found


# The warehouse


def test_a_full_disk_under_a_duckdb_file(disk):
    folder = disk(64 << 10)
    path = folder / "sales.duckdb"
    publish_run(DuckDBWarehouse(path), SAMPLE)
    before = path.read_bytes()
    told = set()
    for room in ROOM_FOR_DUCKDB:
        filler = fill(folder, room + len(before) // 1024)  # the copy of the file comes first
        with pytest.raises(RunFailedError, match="the disk is full") as raised:
            publish_run(DuckDBWarehouse(path), SAMPLE, run_id=f"with {room} KiB")
        told.add(str(raised.value))
        filler.unlink()
        assert path.read_bytes() == before
        assert {file.name for file in folder.iterdir()} == {path.name, f".{path.name}.lock"}
    assert found_below(folder, WORDS) == set()
    assert all(re.fullmatch(rf"{folder}/\S+: the disk is full", message) for message in told)
    with duckdb.connect(str(path), read_only=True) as connection:
        marts = marts_of(connection)
    publish_run(DuckDBWarehouse(path), SAMPLE, run_id="with room")
    assert marts_of(duckdb.connect(str(path), read_only=True)) == marts != {}


@pytest.fixture
def on_a_small_disk(disk, postgres, new_database) -> Iterator[tuple[str, Path]]:
    """A warehouse whose next tables are on a disk of their own, and that disk."""
    url, folder = new_database("full"), disk(64 << 10)
    publish_run(PostgresWarehouse(url), SAMPLE)
    place = folder / "tables"
    with closing(psycopg2.connect(url)) as session, closing(session.cursor()) as cursor:
        session.autocommit = True
        cursor.execute("SELECT current_setting('data_directory'), current_database()")
        data, name = cursor.fetchone()
        if not Path(data).is_dir():
            pytest.skip("your server is not on this machine")
        place.mkdir()
        os.chown(place, Path(data).stat().st_uid, -1)
        cursor.execute("CREATE TABLESPACE full_disk LOCATION %s", (str(place),))
        statement = sql.SQL("ALTER DATABASE {} SET default_tablespace = full_disk")
        cursor.execute(statement.format(sql.Identifier(name)))
        yield url, folder
        cursor.execute(f"DROP SCHEMA {', '.join(SCHEMAS)} CASCADE")
        cursor.execute("DROP TABLESPACE full_disk")


def test_a_full_disk_of_a_postgresql_server(on_a_small_disk):
    url, folder = on_a_small_disk
    marts = marts_of(psycopg2.connect(url))
    for room in ROOM_FOR_POSTGRES:
        filler = fill(folder, room)
        with pytest.raises(RunFailedError, match="the disk of the server is full") as raised:
            publish_run(PostgresWarehouse(url), SAMPLE, run_id=f"with {room} KiB")
        assert str(raised.value).startswith((f"{shown(url)}: raw_", *SCHEMAS))
        filler.unlink()
        assert marts_of(psycopg2.connect(url)) == marts
    assert found_below(folder / "tables", WORDS) == set()
    publish_run(PostgresWarehouse(url), SAMPLE, run_id="with room")
    assert marts_of(psycopg2.connect(url)) == marts != {}


# Other files


def test_a_full_disk_under_the_lock(disk):
    folder = disk(4)
    fill(folder, 0)
    with pytest.raises(RunFailedError) as raised, held(folder / "sales.duckdb"):
        pass
    assert str(raised.value) == f"{folder}/sales.duckdb: the disk is full"


def test_a_full_disk_under_the_masking_key(disk):
    folder = disk(4)
    fill(folder, 0)
    file = folder / "masking_key"
    with pytest.raises(RunFailedError) as raised:
        masking_key(load_settings(masking_key_file=file))
    assert str(raised.value) == f"{file}: the disk is full"
    assert [file.name for file in folder.iterdir()] == ["filler"]


def test_a_full_disk_under_the_report(disk):
    folder = disk(4)
    report = folder / "report.html"
    report.write_text("old")
    fill(folder, 0)
    with pytest.raises(RunFailedError) as raised:
        write(folder / ".report.html.1", b"x" * 9999, report)
    assert str(raised.value) == f"{report}: the disk is full"
    assert report.read_text() == "old"


@pytest.fixture
def tables(tmp_path: Path) -> Path:
    """The sample as tables of a DuckDB file."""
    path = tmp_path / "source.duckdb"
    with duckdb.connect(str(path)) as connection:
        for file in SAMPLE.glob("*.csv"):
            connection.execute(
                f"CREATE TABLE {file.stem} AS FROM read_csv(?, all_varchar = true)", [str(file)]
            )
    return path


def test_a_full_disk_under_the_copy_of_a_table(disk, tables):
    folder = disk(100)
    with (
        opened_export(f"duckdb://{tables}", KEY) as export,
        pytest.raises(RunFailedError) as raised,
    ):
        export["deal_changes"].on_disk(folder)
    assert str(raised.value) == f"{folder}/deal_changes.csv: the disk is full"
