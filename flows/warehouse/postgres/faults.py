"""Errors of PostgreSQL in our words: the server's own can quote the data, and the password."""

from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
import psycopg2

from flows.errors import InputError, RunFailedError, SalesFunnelError

# By SQLSTATE, or its class: what happened, and what to do.
USAGE = {
    "25006": "the server is read-only; name the primary, not a standby",
    "42501": "the user lacks a privilege; see docs/postgresql.md for the two roles",
    "3F000": "a schema is missing",
}
FAILURES = {
    "53100": "the disk of the server is full",
    "53200": "the server has not enough memory",
    "23503": "a foreign key of yours refers to rows that go; drop it, run again, and add it again",
    "2BP01": "a view of yours uses a column that is gone; drop it, run again, make it anew",
    "42809": "a view of yours has the name of a table of ours; drop or rename it, and run again",
    "55000": "a publication FOR ALL TABLES covers ours, which have no primary key; name its tables",
    "57P": "the connection to the server was lost; run again",
    "57014": "the server cancelled a statement (statement_timeout?)",
    "08": "the connection to the server was lost; run again",
}


@contextmanager
def told_in_short(what: str) -> Iterator[None]:
    """Errors of the server in our words.

    Raises:
        InputError: the server does not let us do it.
        RunFailedError: anything else.
    """
    try:
        yield
    except (psycopg.Error, psycopg2.Error) as error:
        raise in_our_words(what, error) from None


def in_our_words(what: str, error: Exception) -> SalesFunnelError:
    """What an error of psycopg or psycopg2 means."""
    state = _state(error)
    for code, said in USAGE.items():
        if state.startswith(code):
            return InputError(f"{what}: {said}")
    for code, said in FAILURES.items():
        if state.startswith(code):
            return RunFailedError(f"{what}: {said}")
    return RunFailedError(f"{what}: PostgreSQL failed ({state})")


def _state(error: Exception) -> str:
    """The SQLSTATE; a connection that broke has none."""
    state = getattr(error, "sqlstate", None) or getattr(error, "pgcode", None)
    lost = (psycopg.OperationalError, psycopg2.OperationalError, psycopg2.InterfaceError)
    return state or ("08" if isinstance(error, lost) else type(error).__name__)
