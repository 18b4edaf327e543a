"""The key of the pseudonyms: given as a setting, or in a file made on the first run."""

import contextlib
import os
import secrets
from collections.abc import Callable, Iterator
from pathlib import Path

from flows.errors import InputError, RunFailedError, of_file
from flows.private_file import check_private, write_whole
from flows.settings import SHORTEST_KEY, Settings, origins

CANNOT_USE = "cannot use the masking key"


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
            " the file to begin anew with other pseudonyms"
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

    Until then it is beside the file, so that hardly anything can go wrong at that moment. A run
    that is killed leaves the old key in its place; so does one that is killed right between
    publishing and that moment, and then the next run makes the warehouse with the old key again.

    Raises:
        InputError: the key is given as a setting, or the file cannot be written.
    """
    check_can_rotate(settings)
    file = settings.masking_key_file.resolve()
    beside = _beside(file)

    def put_in_place() -> None:
        try:
            os.replace(beside, file)
        except OSError as error:
            raise RunFailedError(
                f"{file}: the warehouse is published with a new key, which could not take the"
                f" place of the old one: {error.strerror}; run rotate-key again"
            ) from None

    key = _new_key()
    try:
        write_whole(beside, key)
    except OSError as error:
        raise of_file(beside, error, "cannot write the masking key") from None
    try:
        yield key.strip(), put_in_place
    finally:
        sweep_fresh_key(settings)


def sweep_fresh_key(settings: Settings) -> None:
    """Remove the new key of a run that was killed: no warehouse will be made with it."""
    with contextlib.suppress(OSError):  # the next run does it
        _beside(settings.masking_key_file.resolve()).unlink()


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
        with contextlib.suppress(FileExistsError):  # made by another run in the meantime
            os.link(fresh, file)
    finally:
        os.unlink(fresh)
