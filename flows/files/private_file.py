"""Files that are for their owner only."""

import fcntl
import os
import stat
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from flows.errors import InputError


def check_private(file: Path, what: str) -> None:
    """See that nobody else can read a file.

    Raises:
        InputError: others can, or it is a folder.
    """
    if file.is_dir():
        raise InputError(f"{file}: is a folder; name a file")
    if stat.S_IMODE(file.stat().st_mode) & 0o077:
        raise InputError(f"{file}: others can read {what}; run: chmod 600 {file}")


@contextmanager
def alone_with(file: Path) -> Iterator[None]:
    """Wait until no other process is in here with the file; a file beside it says so."""
    handle = os.open(file.with_name(f"{file.name}.lock"), os.O_WRONLY | os.O_CREAT, 0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


_masks: list[int] = []  # that of the process before it was ours, and ours for each run after that
_of_masks = threading.Lock()


@contextmanager
def for_the_owner_only() -> Iterator[None]:
    """What is made meanwhile is for its owner; runs in several threads share the mask for that."""
    with _of_masks:
        _masks.append(os.umask(0o077))
    try:
        yield
    finally:
        with _of_masks:
            os.umask(_masks.pop())


def write_whole(file: Path, content: bytes) -> None:
    """Write a file for its owner only: whenever this is stopped, it is the old or the new one.

    Of what was being written, the next time leaves nothing; so be alone with the file.
    """
    fresh = file.with_name(f"{file.name}.next")
    fresh.unlink(missing_ok=True)
    handle = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with open(handle, "wb") as stream:
            stream.write(content)
            stream.flush()
            os.fsync(stream.fileno())
        os.replace(fresh, file)
    except BaseException:
        fresh.unlink(missing_ok=True)
        raise
