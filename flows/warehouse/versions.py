"""The folder of a warehouse on Spark: a version of all tables per run, and which one is current.

    FOLDER/current                                 a link to the version that readers are to read
    FOLDER/versions/000007/marts/TABLE/*.parquet   a table of a version

A reader has a whole version or another whole one. The version before stays until the next run, for
whoever is reading it. Whoever may look into FOLDER may read its tables.
"""

import os
import re
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from glob import escape
from pathlib import Path
from tempfile import mkdtemp
from typing import NoReturn

import ibis
import sqlglot.expressions as sge
from ibis.backends.duckdb import Backend

from flows.errors import InputError, of_file
from flows.files.folders import check_can_write

CURRENT, NEXT, VERSIONS, BUILDING = "current", ".current", "versions", ".building-"
FILES = "*.parquet"
_VERSION = re.compile(r"\d{6,}")


def check_folder(folder: Path) -> None:
    """See whether it is the folder of a warehouse, or can be made one.

    Raises:
        InputError: it is something else, or cannot be written to.
    """
    check_can_write(folder, "cannot make the warehouse")
    if folder.is_dir() and not (folder / CURRENT).is_symlink():
        left = (BUILDING, NEXT)  # of runs that were killed
        there = [each for each in folder.iterdir() if not each.name.startswith(left)]
        versions = {each for each in there if each.name == VERSIONS and not _others(each)}
        if {*there} - versions:
            raise InputError(f"{folder}: has other files in it; name a folder of its own")


@contextmanager
def building_in(folder: Path) -> Iterator[Path]:
    """A place beside the versions to make the next one in; what is left in it is gone at the end.

    What is left of killed runs goes too. Spark may be ending one still, in a place of its own.
    """
    with _told(folder):
        (folder / VERSIONS).mkdir(parents=True, exist_ok=True)
        for leftover in folder.glob(f"{BUILDING}*"):
            shutil.rmtree(leftover, ignore_errors=True)
        building = Path(mkdtemp(prefix=BUILDING, dir=folder))
    try:
        yield building
    finally:
        shutil.rmtree(building, ignore_errors=True)


def table_files(folder: Path, schema: str, name: str) -> Path | None:
    """The folder of the files of a table that readers see; None if there is no such table."""
    place = folder / CURRENT / schema / name
    return place if place.is_dir() else None


def tables(version: Path) -> list[tuple[str, str]]:
    """Schema and name of the tables of a version."""
    return sorted((place.parent.name, place.name) for place in version.glob("*/*"))


def put_in_place(
    folder: Path, finished: Path, stays: Callable[[str, str], bool], *, afresh: bool
) -> None:
    """Make a finished version the one that readers see.

    Args:
        folder: of the warehouse.
        finished: the tables that were made.
        stays: which of the others, by schema and name, it has from the version before.
        afresh: nothing of the versions before may be left.

    Raises:
        InputError: files cannot be written there, or not be deleted that have to go.
        RunFailedError: the disk is full.
    """
    with _told(folder):
        before, current = folder / VERSIONS, folder / CURRENT
        if afresh:  # once readers see the new one, it is too late to refuse
            _check_can_be_deleted(before)
        numbers = [int(each.name) for each in before.iterdir() if _VERSION.fullmatch(each.name)]
        shown = current.resolve().name if current.exists() else None
        for schema, name in tables(current):
            if not (finished / schema / name).exists() and stays(schema, name):
                shutil.copytree(
                    current / schema / name, finished / schema / name, copy_function=_link
                )
        _keep_on_disk(finished, folder.stat().st_mode & 0o777)
        version = before / f"{max(numbers, default=0) + 1:06}"
        finished.rename(version)
        link = folder / NEXT
        link.unlink(missing_ok=True)
        link.symlink_to(Path(VERSIONS, version.name))
        link.replace(current)
    for each in before.iterdir():
        if _VERSION.fullmatch(each.name) and each.name not in (version.name, not afresh and shown):
            shutil.rmtree(each, ignore_errors=True)


def open_to_look(folder: Path) -> Backend:
    """A DuckDB with the tables of the version that is current now, whatever runs do meanwhile."""
    backend = ibis.duckdb.connect()
    version = (folder / CURRENT).resolve()
    there = tables(version)
    for schema in {schema for schema, _ in there}:
        backend.create_database(schema)
    for schema, name in there:
        files = sge.convert(f"{escape(str(version / schema / name))}/{FILES}")
        view = sge.Create(
            this=sge.table_(name, db=schema, quoted=True),
            kind="VIEW",
            expression=sge.select("*").from_(sge.func("read_parquet", files)),
        )
        backend.raw_sql(view.sql("duckdb"))
    return backend


def _check_can_be_deleted(versions: Path) -> None:
    def refuse(folder: str) -> NoReturn:
        raise InputError(
            f"{folder}: may not be deleted, and nothing of the versions before is to stay;"
            " give it to the user of the run (chown)"
        )

    for folder, _, _ in os.walk(versions, onerror=lambda error: refuse(error.filename)):
        if not os.access(folder, os.W_OK | os.X_OK, effective_ids=True):
            refuse(folder)


def _others(versions: Path) -> list[Path]:
    """What is there beside versions."""
    return [each for each in versions.iterdir() if not _VERSION.fullmatch(each.name)]


def _link(file: str, to: str) -> None:
    """The same file under another name; a copy, where a disk knows no such thing."""
    try:
        os.link(file, to)
    except OSError:
        shutil.copy2(file, to)


def _keep_on_disk(version: Path, mode: int) -> None:
    for folder, _, files in os.walk(version):
        os.chmod(folder, mode)
        for name in files:
            file = os.path.join(folder, name)
            with suppress(PermissionError):  # of another user of the cluster
                os.chmod(file, mode & 0o666)
            descriptor = os.open(file, os.O_RDONLY)
            try:
                os.fsync(descriptor)
            finally:
                os.close(descriptor)


@contextmanager
def _told(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise of_file(folder, error, "cannot make the warehouse") from None
