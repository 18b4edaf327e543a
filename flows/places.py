"""Where a run reads and writes, looked at before it does anything."""

from flows.errors import InputError
from flows.export_folder import check_folder
from flows.folders import check_no_folder
from flows.settings import Settings
from flows.warehouse.address import is_same_file
from flows.warehouse.export import check_export


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
    check_no_folder(settings.report)
    check_no_folder(settings.runs_index)
    check_folder(settings.export)


def check_warehouse(settings: Settings) -> None:
    """See whether the warehouse is another file than the export.

    Raises:
        InputError: it is the same.
    """
    if is_same_file(settings.source, settings.warehouse):
        raise InputError(
            f"{settings.warehouse}: the export is in this file, and nobody can write to one that a"
            " run reads; give the warehouse a file of its own"
        )
