"""How settings are written: what is said of a value that is not, without repeating it."""

import os
import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated
from zoneinfo import ZoneInfo

from pydantic import (
    AfterValidator,
    BeforeValidator,
    ByteSize,
    SecretStr,
    ValidationError,
    ValidatorFunctionWrapHandler,
    WrapValidator,
)

from flows.warehouse.address import DUCKDB, has_password

SHORTEST_KEY = 16
# What is there beside the zones: that of the machine, and zones that count leap seconds.
NO_ZONES = ("localtime", "posixrules", "posix/", "right/")
SIZE = re.compile(r"(?=.*[1-9])[0-9]+([.][0-9]+)?\s*[KMGT]i?B", re.IGNORECASE)
NO_TIME = "not a time; write it like 2024-06-30 or 2024-06-30T12:00:00+02:00"


def _known_zone(name: str) -> str:
    try:
        if name != "UTC":  # known to everybody, also where no time zone data is installed
            ZoneInfo(name)
        if name.startswith(NO_ZONES):
            raise ValueError
    except (OSError, ValueError, KeyError):
        raise ValueError("not a time zone; write it like Europe/Berlin") from None
    return name


def _written_out(moment: object) -> object:
    """Pydantic would take a plain number for seconds since 1970."""
    if moment == "":  # an empty variable is none
        return None
    if isinstance(moment, str) and not re.match(r"\d{4}-\d{2}-\d{2}", moment):
        raise ValueError(NO_TIME)
    return moment


def _parsed_as_time(moment: object, parse: ValidatorFunctionWrapHandler) -> object:
    """Told in our words."""
    try:
        return parse(moment)
    except ValidationError:
        raise ValueError(NO_TIME) from None


def _with_a_unit(size: object) -> object:
    if isinstance(size, str) and not SIZE.fullmatch(size):
        raise ValueError("not a size; write it like 2GB")
    return size


def _long_enough(key: SecretStr | None) -> SecretStr | None:
    if key is not None and len(key.get_secret_value().strip()) < SHORTEST_KEY:
        raise ValueError(f"too short; give {SHORTEST_KEY} characters or more")
    return key


def _of_the_web(address: str | None) -> str | None:
    if address is not None and not re.match(r"https?://[^/@\s]+(/|$)", address):
        raise ValueError("not a web address; write it like https://reports.example/sales.html")
    return address


def _in_utc(moment: datetime | None) -> datetime | None:
    """Without its offset, as the warehouse has it; a moment without an offset is UTC."""
    if moment is None:
        return None
    # Events are of 1970 to 2199; within these, no offset and no time zone leads out of the years.
    if not 1970 < moment.year < 2199:
        raise ValueError("out of range: after 1970 and before 2199")
    return moment if moment.tzinfo is None else moment.astimezone(UTC).replace(tzinfo=None)


def _none_if_empty(given: object) -> object:
    """An empty variable is none; as a folder it would be the one in which the run is."""
    return given or None


def _not_empty(place: object) -> object:
    if place == "":
        raise ValueError("is empty; name a place, or leave it out")
    return _nameable(place)


def _nameable(place: object) -> object:
    """Prefect stores it, and the report names it, as text. A shell need not have read a `~`."""
    try:
        str(place).encode()
    except UnicodeEncodeError:
        raise ValueError("holds bytes that are not UTF-8") from None
    if isinstance(place, str):
        scheme = DUCKDB if place.startswith(DUCKDB) else ""
        return scheme + os.path.expanduser(place.removeprefix(scheme))
    return place


def _no_other_password(place: str) -> str:
    if "://" not in place and has_password(place):
        raise ValueError(
            "holds a password, and is no URL; write it like postgresql://USER@HOST:PORT/DATABASE,"
            " with the password in PGPASSWORD"
        )
    return place


def is_elsewhere(place: str) -> bool:
    """Whether it is an address, or was meant to be one, and no path."""
    return "://" in place or has_password(place)


def _on_this_machine(place: object) -> object:
    if is_elsewhere(str(place)):
        raise ValueError("not a place on this machine; give the path of one")
    return place


def _no_folder(place: object) -> object:
    if str(place).endswith(os.sep):
        raise ValueError("is written as a folder; name a file")
    return place


Place = Annotated[str, BeforeValidator(_not_empty), AfterValidator(_no_other_password)]
File = Annotated[
    Path,
    BeforeValidator(_no_folder),
    BeforeValidator(_not_empty),
    BeforeValidator(_on_this_machine),
]
TimeZone = Annotated[str, AfterValidator(_known_zone)]
Moment = Annotated[
    datetime | None,
    WrapValidator(_parsed_as_time),
    BeforeValidator(_written_out),
    AfterValidator(_in_utc),
]
Size = Annotated[ByteSize | None, BeforeValidator(_with_a_unit), BeforeValidator(_none_if_empty)]
Key = Annotated[SecretStr | None, AfterValidator(_long_enough)]
WebAddress = Annotated[str | None, BeforeValidator(_none_if_empty), AfterValidator(_of_the_web)]
Folder = Annotated[
    Path | None,
    BeforeValidator(_nameable),
    BeforeValidator(_on_this_machine),
    BeforeValidator(_none_if_empty),
]
