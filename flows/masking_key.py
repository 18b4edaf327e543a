"""The key of the pseudonyms: from the environment, or from a file made on the first run."""

import contextlib
import os
import secrets
import stat
from pathlib import Path

from flows.errors import InputError, of_file
from flows.settings import Settings


def masking_key(settings: Settings) -> bytes:
    """The key. The same key gives the same pseudonyms; a lost key cannot be replaced.

    Raises:
        InputError: the key file cannot be read or made, is empty, or others can read it.
    """
    if settings.masking_key is not None:
        return settings.masking_key.get_secret_value().encode()
    file = settings.masking_key_file
    try:
        if not file.exists():
            _make(file)
        if stat.S_IMODE(file.stat().st_mode) & 0o077:
            raise InputError(f"{file}: others can read the masking key; run: chmod 600 {file}")
        key = file.read_bytes().strip()
    except OSError as error:
        raise of_file(file, error, "cannot use the masking key") from None
    if len(key) < 16:
        raise InputError(
            f"{file}: the masking key is shorter than 16 bytes; restore it, or delete"
            " the file to begin anew with other pseudonyms"
        )
    return key


def _make(file: Path) -> None:
    """Write a fresh key under another name first: the file is whole or not there."""
    fresh = file.with_name(f"{file.name}.{secrets.token_hex(8)}")
    handle = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with open(handle, "w", encoding="ascii") as stream:
            stream.write(secrets.token_hex(32) + "\n")
        with contextlib.suppress(FileExistsError):  # made by another run in the meantime
            os.link(fresh, file)
    finally:
        os.unlink(fresh)
