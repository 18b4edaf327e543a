"""Where a page is put: written beside its place, and moved there in one step."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from flows.errors import of_file
from flows.warehouse.address import mark


@contextmanager
def beside(file: Path, warehouse: str) -> Iterator[Path]:
    """A place next to where the report belongs, so that moving it there is one step.

    The warehouse is held, so the place is this run's own; what a killed run left there is written
    over.
    """
    page = file.resolve().with_name(f".{file.name}.{mark(warehouse)}")
    try:
        yield page
    finally:
        with suppress(OSError):  # it was moved
            page.unlink()


def write(page: Path, content: bytes, file: Path) -> None:
    """Write the page of the report that belongs at `file`."""
    try:
        page.parent.mkdir(parents=True, exist_ok=True)
        with page.open("wb") as stream:
            stream.write(content)
            stream.flush()
            os.fsync(stream.fileno())
        if file.exists():
            shutil.copymode(file, page)
    except OSError as error:
        raise of_file(file, error, "cannot write the report") from None


def put_in_place(page: Path, file: Path) -> None:
    """Show the new page to readers, in one step."""
    try:
        os.replace(page, file.resolve())  # a link stays: what it names is replaced
    except OSError as error:
        raise of_file(file, error, "cannot write the report") from None
