"""Where a run reads and writes: the source, the warehouse, folders, and room on the disks."""

import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from flows.doctor.finding import Told, ok, problem, warning
from flows.doctor.prefect_api import prefect_home
from flows.errors import InputError
from flows.files.folders import check_can_write, nearest
from flows.places import check_export_folder, check_report, check_warehouse
from flows.records.record import last_published
from flows.refresh import check_kept, check_no_tables_of_others
from flows.settings import Settings
from flows.warehouse import open_warehouse, room_for
from flows.warehouse.address import file_of, shown
from flows.warehouse.export import is_database, opened_export
from transforms.graph import GraphError, load_models
from transforms.sources import SOURCES

LEAST = 100_000_000  # bytes
COMFORTABLE = 1_000_000_000


def source(settings: Settings) -> Iterator[Told]:
    """The export: what a run would refuse before it reads a row."""
    key = secrets.token_bytes(32)  # no value is read
    with opened_export(
        settings.source_with_password, key, limits=settings.limits, is_partial=settings.incremental
    ) as export:
        missing = [name for name in SOURCES if name not in export]
    without = f", without {', '.join(missing)}" if missing else ""
    yield ok(f"{shown(settings.source)}: {len(SOURCES) - len(missing)} tables{without}")


def warehouse(settings: Settings) -> Iterator[Told]:
    """The warehouse: can it be reached and written to, and is nobody at work on it."""
    check_warehouse(settings)
    name = shown(settings.warehouse)
    target = open_warehouse(settings.warehouse_with_password, settings.limits)
    with target.looking() as what:
        before = last_published(target)
        check_kept(target, settings, before)
        if before is None:
            with suppress(GraphError):  # told as what it is
                check_no_tables_of_others(target, settings, load_models().values())
        yield ok(f"{name}: {what}")
        if not target.knows_zone(settings.timezone):
            yield problem(
                f"{name}: does not know the time zone {settings.timezone}",
                "give FUNNEL_TIMEZONE an older name of it, or renew the time zones of the server",
            )


def report(settings: Settings) -> Iterator[Told]:
    """The report, and the folder of the reports that are kept."""
    check_report(settings)
    yield ok(str(settings.report))


def export(settings: Settings) -> Iterator[Told]:
    """The folder to export to."""
    check_export_folder(settings)
    yield ok(str(settings.export or "nothing is exported"))


def disk(settings: Settings) -> Iterator[Told]:
    """Room on every disk that a run writes to."""
    places = {
        "the report": (settings.report.parent, 0),
        "TMPDIR": (Path(os.environ.get("TMPDIR") or "/tmp"), 0),
        "PREFECT_HOME": (prefect_home(), 0),
    }
    if room := room_for(settings.warehouse, _size(settings.source)):
        places = {"the warehouse": room} | places
    for what, (folder, more) in places.items():
        free = shutil.disk_usage(nearest(folder)).free
        said = f"{folder}: {free / 1e9:,.1f} GB free for {what}"
        fix = f"make room there, or let {what} be elsewhere"
        if free < LEAST + more:
            yield problem(f"{said}, and a run can need {(LEAST + more) / 1e9:,.1f} GB", fix)
        elif free < COMFORTABLE + more:
            yield warning(said, fix)
        else:
            yield ok(said)


def temporary(_: Settings) -> Iterator[Told]:
    """The folders that are made on the way."""
    home = prefect_home()
    if not home.exists() and not home.parent.is_dir():
        raise InputError(f"{home}: cannot be PREFECT_HOME: {home.parent} is not there; make it")
    check_can_write(home, "cannot be PREFECT_HOME")
    folder = Path(os.environ.get("TMPDIR") or "/tmp")
    if not folder.is_dir():
        yield warning(f"{folder}: TMPDIR is not there, and another folder is used", "make it")
        return
    check_can_write(folder, "cannot be TMPDIR")
    yield ok(f"PREFECT_HOME {home}, TMPDIR {folder}")


def _size(url: str) -> int:
    """Of a file, or of the files of a folder; of a database elsewhere, nothing is known."""
    path = file_of(url) or Path(url)
    if path.is_dir() and not is_database(url):
        return sum(file.stat().st_size for file in path.iterdir() if file.is_file())
    return path.stat().st_size if path.is_file() else 0
