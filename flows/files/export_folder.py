"""The folder of `--export DIR`: can it be written to, and how files get there whole."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from filecmp import cmp
from pathlib import Path

from flows.errors import RunFailedError
from flows.warehouse.address import mark

FAULT = "cannot export to it"
ROWS = "rows.parquet"  # of a month


@contextmanager
def place_for_files(folder: Path, warehouse: str) -> Iterator[Path]:
    """A place for new files in the folder where they belong; what is in there at the end is gone.

    The warehouse is held, so the place is this run's own; what a killed run left there is removed.
    """
    place = folder / f".sales_funnel.{mark(warehouse)}"
    is_new = not folder.exists()
    shutil.rmtree(place, ignore_errors=True)
    try:
        yield place
    finally:
        shutil.rmtree(place, ignore_errors=True)
        if is_new:
            with suppress(OSError):  # files are in it
                folder.rmdir()


def put_files_in_place(place: Path) -> None:
    """Show the new files to readers, each in one step.

    Of a table that is filed by month, the months that are as they were are left alone, and those
    that it does not have any more go.

    Raises:
        RunFailedError: one of them cannot be put there.
    """
    for made in sorted(place.iterdir()):
        belongs = place.parent / made.name
        try:
            if made.is_dir():
                _put_months_in_place(made, belongs)
            else:
                os.replace(made, belongs)
        except OSError as error:
            raise RunFailedError(
                f"{belongs}: cannot write the exported files: {error.strerror}; run again"
            ) from None


def _put_months_in_place(made: Path, belongs: Path) -> None:
    months = {month.name for month in made.iterdir()}
    for month in sorted(months):
        new, old = made / month / ROWS, belongs / month / ROWS
        if not (old.exists() and cmp(new, old, shallow=False)):
            old.parent.mkdir(parents=True, exist_ok=True)
            os.replace(new, old)
    for old in belongs.glob(f"month=*/{ROWS}"):
        if old.parent.name not in months:
            old.unlink()
            with suppress(OSError):  # somebody keeps files in it
                old.parent.rmdir()
