"""The key of the pseudonyms: given as a setting, or in a file made on the first run."""

import contextlib
import fcntl
import os
import re
import secrets
from collections.abc import Callable, Iterator
from glob import escape
from pathlib import Path
from typing import IO

from flows.errors import InputError, RunFailedError, WarehouseBusyError, of_file
from flows.files.private_file import check_private
from flows.settings import Settings, origins
from flows.settings.forms import SHORTEST_KEY

CANNOT_USE = "cannot use the masking key"
_COPY = re.compile(r"\.[0-9a-f]{16}")  # of a first run that was killed while it made the key


def masking_key(settings: Settings) -> bytes:
    """The key. The same key gives the same pseudonyms; a lost key cannot be replaced.

    Raises:
        InputError: the key file cannot be read or made, is empty, or others can read it.
    """
    key = existing_key(settings)
    if key is None:
        file = settings.masking_key_file
        try:
            _make(file)
        except OSError as error:
            raise of_file(file, error, CANNOT_USE) from None
        key = _read(file)
    return key


def existing_key(settings: Settings) -> bytes | None:
    """The key, if there is one yet.

    Raises:
        InputError: the key file cannot be read, is empty, or others can read it.
    """
    if settings.masking_key is not None:
        return settings.masking_key.get_secret_value().encode()
    file = settings.masking_key_file
    try:
        is_there = file.exists()
    except OSError as error:
        raise of_file(file, error, CANNOT_USE) from None
    return _read(file) if is_there else None


def _read(file: Path) -> bytes:
    try:
        check_private(file, "the masking key")
        key = file.read_bytes().strip()
    except OSError as error:
        raise of_file(file, error, CANNOT_USE) from None
    if len(key) < SHORTEST_KEY:
        raise InputError(
            f"{file}: the masking key is shorter than {SHORTEST_KEY} bytes; restore it, or delete"
            " the file and run rotate-key to begin anew with other pseudonyms"
        )
    return key


def check_can_rotate(settings: Settings) -> None:
    """See whether the key is ours to change.

    Raises:
        InputError: it is given as a setting.
    """
    block = settings.blocks.get("masking_key")
    if settings.masking_key is None and block is None:
        return
    place = f"the Secret block {block}" if block else origins()["masking_key"]
    raise InputError(
        f"the masking key comes from {place}; change it there and run again, without rotate-key"
    )


@contextlib.contextmanager
def fresh_key(settings: Settings) -> Iterator[tuple[bytes, Callable[[], None]]]:
    """A new key, and what puts it into the file once the warehouse is made with it.

    Until then it is beside the file, so that hardly anything can go wrong at that moment, and held
    there: runs into other warehouses can share the key. A run that is killed leaves the old key in
    its place; so does one that is killed right between publishing and that moment, and then the
    next run makes the warehouse with the old key again.

    Raises:
        InputError: the key is given as a setting, or the file cannot be written.
        WarehouseBusyError: another run is about to change the key.
    """
    check_can_rotate(settings)
    file = settings.masking_key_file.resolve()
    beside = _beside(file)

    def put_in_place() -> None:
        try:
            os.replace(beside, file)
        except OSError as error:
            raise RunFailedError(
                f"{file}: their pseudonyms are by the new key, which could not take the place of"
                f" the old one: {error.strerror}; run rotate-key again"
            ) from None
        for copy in file.parent.glob(f"{escape(file.name)}.*"):
            if _COPY.fullmatch(copy.name.removeprefix(file.name)):
                copy.unlink(missing_ok=True)

    sweep_fresh_key(settings)
    key = _new_key()
    with contextlib.ExitStack() as stack:
        try:
            stream = stack.enter_context(_made_and_held(beside))
            stack.callback(_remove, beside, stream)
            stream.write(key)
            stream.flush()
            os.fsync(stream.fileno())
        except OSError as error:
            if isinstance(error, FileExistsError) and beside.is_file():
                raise WarehouseBusyError(
                    f"{file}: another run is about to change the masking key; try again later, or"
                    f" delete {beside} if there is none"
                ) from None
            raise of_file(beside, error, "cannot write the masking key") from None
        yield key.strip(), put_in_place


def sweep_fresh_key(settings: Settings) -> None:
    """Remove the new key of a run that was killed: no warehouse will be made with it."""
    beside = _beside(settings.masking_key_file.resolve())
    with contextlib.suppress(OSError), beside.open("rb") as stream:  # the next run does it
        fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)  # unless a run holds it
        _remove(beside, stream)


def _made_and_held(file: Path) -> IO[bytes]:
    """A new file, held before anybody swept it away."""
    while True:
        stream = os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb")
        try:
            fcntl.flock(stream, fcntl.LOCK_EX)
        except OSError:  # no such thing on this disk
            stream.close()
            file.unlink()
            raise
        if _is_in_place(file, stream):
            return stream
        stream.close()


def _remove(file: Path, stream: IO[bytes]) -> None:
    """Remove an open file, unless it was moved."""
    if _is_in_place(file, stream):
        file.unlink()


def _is_in_place(file: Path, stream: IO[bytes]) -> bool:
    with contextlib.suppress(FileNotFoundError):
        return os.path.samestat(file.stat(), os.fstat(stream.fileno()))
    return False


def _beside(file: Path) -> Path:
    return file.with_name(f"{file.name}.next")


def _new_key() -> bytes:
    return f"{secrets.token_hex(32)}\n".encode()


def _make(file: Path) -> None:
    """Write a fresh key under another name first: the file is whole or not there."""
    fresh = file.with_name(f"{file.name}.{secrets.token_hex(8)}")
    handle = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with open(handle, "wb") as stream:
            stream.write(_new_key())
            stream.flush()
            os.fsync(stream.fileno())
        with contextlib.suppress(FileExistsError):  # made by another run in the meantime
            os.link(fresh, file)
    finally:
        os.unlink(fresh)
