"""Folders to write to: whether one can, seen without writing."""

import os
from pathlib import Path

from flows.errors import InputError, of_file


def nearest(folder: Path) -> Path:
    """The folder, or the first one above it that is there."""
    return next(each for each in (folder, *folder.absolute().parents) if each.exists())


def check_is_file(file: Path) -> None:
    """See whether there is a file that can be replaced, or nothing.

    Raises:
        InputError: it is a folder, or a device, which all of this machine would lose.
    """
    if file.is_dir():
        raise InputError(f"{file}: is a folder; name a file")
    if file.exists() and not file.is_file():
        raise InputError(f"{file}: is a device or a pipe; name a file")


def check_can_write(folder: Path, fault: str) -> None:
    """Find what is wrong at first sight, before anything is begun.

    Args:
        folder: where files are to go; it need not be there yet.
        fault: what to call it if they cannot.

    Raises:
        InputError: files cannot be written there.
    """
    try:
        there = nearest(folder)
    except OSError as error:
        raise of_file(folder, error, fault) from None
    if not there.is_dir():
        raise InputError(f"{folder}: {fault}: {there} is no folder; name a folder")
    if not os.access(there, os.W_OK | os.X_OK, effective_ids=True):
        raise InputError(f"{folder}: {fault}: you cannot write to {there}")
