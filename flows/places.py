"""Where a run reads and writes, looked at before it does anything."""

from collections.abc import Iterator
from pathlib import Path

from flows.errors import InputError
from flows.files.export_folder import FAULT
from flows.files.folders import check_can_write, check_is_file
from flows.settings import Settings
from flows.warehouse import open_warehouse
from flows.warehouse.address import file_of
from flows.warehouse.export import check_export, is_database
from flows.warehouse.folder import tables_in


def check_places(settings: Settings, *, full_refresh: bool) -> None:
    """See whether a run can read the export, and write what it makes.

    Args:
        settings: of the run.
        full_refresh: the export is all there is, also to a run that is incremental.

    Raises:
        InputError: it cannot.
    """
    check_export(settings.source, is_partial=settings.is_partial(full_refresh=full_refresh))
    check_warehouse(settings)
    check_report(settings)
    check_export_folder(settings)


def check_warehouse(settings: Settings) -> None:
    """See whether the warehouse is one, and another file than the export.

    Raises:
        InputError: no engine has such URLs, or it is the same.
    """
    open_warehouse(settings.warehouse, settings.limits)
    source, warehouse = file_of(settings.source), file_of(settings.warehouse)
    if source and warehouse and _is_same(source, warehouse):
        raise InputError(
            f"{settings.warehouse}: the export is in this file, and a run cannot write to the one"
            " that it reads; give the warehouse a file of its own"
        )


def check_report(settings: Settings) -> None:
    """See whether the report can be put where it belongs, and what is there is no other file.

    Raises:
        InputError: it cannot, or is.
    """
    for page in (settings.report, settings.runs_index):
        check_is_file(page)
        check_can_write(page.resolve().parent, "cannot write the report")
        for file, what in _other_files(settings):
            if _is_same(page, file):
                raise InputError(f"{page}: is {what}; give the report a file of its own")


def check_export_folder(settings: Settings) -> None:
    """See whether tables can be written to the folder to export to.

    Raises:
        InputError: they cannot, or the next run would read them.
    """
    if settings.export is None:
        return
    check_can_write(settings.export, FAULT)
    source = settings.source
    if not is_database(source) and _is_same(settings.export, Path(source)):
        raise InputError(
            f"{settings.export}: the export is read from this folder; name another to write to"
        )


def _other_files(settings: Settings) -> Iterator[tuple[Path, str]]:
    """Files that a run reads or writes beside the report, and what each is."""
    if warehouse := file_of(settings.warehouse):
        yield warehouse, "the warehouse"
    if source := file_of(settings.source):
        yield source, "the source"
    yield settings.masking_key_file, "the file of the masking key"
    yield settings.forgotten_users_file, "the file of the forgotten users"
    if not is_database(settings.source):
        yield from ((file, "a table of the export") for file in tables_in(Path(settings.source)))


def _is_same(one: Path, other: Path) -> bool:
    try:
        return one.resolve() == other.resolve() or one.samefile(other)
    except OSError:  # one of them is not there
        return False
