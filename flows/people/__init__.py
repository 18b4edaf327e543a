"""The people of the warehouse: who is forgotten, and when it shows others than before.

The ids of those who are forgotten are in a file, beside the masking key: without them, nobody could
tell whom the next export must not bring back.
"""

import hmac
from collections.abc import Collection, Mapping
from typing import Any

from flows.errors import InputError, of_file
from flows.files.private_file import alone_with, check_private, write_whole
from flows.settings import Settings

LONGEST_ID = 18
LARGEST_ID = 10**LONGEST_ID - 1


def forgotten_users(settings: Settings) -> frozenset[int]:
    """The ids of users of whom nothing is kept; without the file, there are none.

    Raises:
        InputError: the file cannot be read, others can read it, or a line of it is no id.
    """
    file = settings.forgotten_users_file
    try:
        if not file.exists():
            return frozenset()
        check_private(file, "who is forgotten")
        lines = file.read_text(encoding="ascii").splitlines()
    except OSError as error:
        raise of_file(file, error, "cannot read who is forgotten") from None
    except UnicodeError:
        raise InputError(f"{file}: not a list of user ids, one to a line") from None
    ids = [line.strip() for line in lines]
    for number, text in enumerate(ids, 1):
        if text and (not text.isdecimal() or len(text) > LONGEST_ID):
            raise InputError(f"{file}: line {number}: not a user id, a whole number")
    return frozenset(int(text) for text in ids if text)


def forget(settings: Settings, user_id: int) -> None:
    """Let every run from now on keep nothing of a user.

    Raises:
        InputError: the file cannot be used.
    """
    file = settings.forgotten_users_file
    try:
        with alone_with(file.resolve()):  # runs into other warehouses can share the file
            ids = sorted(forgotten_users(settings) | {user_id})
            write_whole(file.resolve(), "".join(f"{each}\n" for each in ids).encode())
    except OSError as error:
        raise of_file(file, error, "cannot write who is forgotten") from None


def fingerprint(key: bytes, forgotten: Collection[int]) -> str:
    """Another one means that people have other pseudonyms, or that others are forgotten."""
    text = " ".join(["forgotten users:", *map(str, sorted(forgotten))])
    return hmac.new(key, text.encode(), "sha256").hexdigest()


def are_others_than_before(
    before: Mapping[str, Any] | None, people: str, settings: Settings, forgotten: Collection[int]
) -> bool:
    """Whether the run `before`, if there was one, was of people of another fingerprint.

    Raises:
        InputError: users are forgotten there, and the file that says who is missing.
    """
    if before is None:
        return False
    count, file = before["users_forgotten"], settings.forgotten_users_file
    if count and not forgotten and not file.exists():
        users = "1 user" if count == 1 else f"{count} users"
        raise InputError(
            f"{file}: is missing, and {users} must stay forgotten; restore it (an empty file, with"
            " mode 600, would bring them back)"
        )
    return bool(before["people_fingerprint"] != people)
