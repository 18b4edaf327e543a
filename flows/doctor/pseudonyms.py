"""The masking key and the forgotten users, and whether they are those of the warehouse."""

from collections.abc import Iterator
from contextlib import ExitStack

from flows.doctor.finding import Told, ok, problem, warning
from flows.errors import InputError, SalesFunnelError
from flows.files.folders import check_can_write
from flows.people import are_others_than_before, fingerprint, forgotten_users
from flows.people.masking_key import CANNOT_USE, existing_key
from flows.records.record import last_published
from flows.refresh import check_kept_people
from flows.settings import Settings, origins
from flows.warehouse import open_warehouse


def masking_key(settings: Settings) -> Iterator[Told]:
    """The key: there, and for its owner only; or still to be made."""
    file = settings.masking_key_file
    if existing_key(settings) is None:
        if not file.absolute().parent.is_dir():
            raise InputError(f"{file}: {CANNOT_USE}: its folder is not there")
        check_can_write(file.parent, CANNOT_USE)
        yield ok(f"{file}: not there yet; the first run makes it")
    elif block := settings.blocks.get("masking_key"):
        yield ok(f"from the Secret block {block}")
    elif settings.masking_key is not None:
        yield ok(f"from {origins()['masking_key']}")
    else:
        yield ok(f"{file}: there, and for its owner only")


def people(settings: Settings) -> Iterator[Told]:
    """Whether a run would give everybody another pseudonym, or bring back who is forgotten."""
    forgotten = forgotten_users(settings)
    with ExitStack() as stack:
        try:
            key = existing_key(settings)
            target = open_warehouse(settings.warehouse_with_password, settings.limits)
            stack.enter_context(target.looking())
        except SalesFunnelError:  # key and warehouse have lines of their own
            return
        found = fingerprint(key or b"", forgotten)
        are_others = are_others_than_before(last_published(target), found, settings, forgotten)
        if key is not None:
            check_kept_people(target, settings, are_others=are_others)
    if key is None and are_others:
        yield problem(
            f"the warehouse was made with a masking key, and {settings.masking_key_file} is not"
            " there: a new one would give everybody another pseudonym, so runs are refused",
            f"restore the key (mode 600) as {settings.masking_key_file}, give it as"
            " FUNNEL_MASKING_KEY, or run rotate-key",
        )
    elif are_others:
        yield warning(
            "the warehouse was made with another masking key, with other forgotten users, or by an"
            " older version: the"
            " next run makes it anew, with other pseudonyms or other people",
            "if that is not what you want, restore the key and the file of forgotten users",
        )
    else:
        yield ok(f"forgotten users: {len(forgotten)}; the key is that of the warehouse, if any")
