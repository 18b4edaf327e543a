"""Sessions on a PostgreSQL server: how one is opened, and which one works on the warehouse."""

import os
import re
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from typing import TypeVar
from urllib.parse import parse_qsl, urlsplit

import ibis
import psycopg
import psycopg2
from ibis.backends.postgres import Backend
from psycopg2.extensions import connection as Session

from flows.errors import InputError, of_held
from flows.warehouse.address import shown
from flows.warehouse.postgres.faults import told_in_short

OLDEST = 130_000  # 13.0, as the server says it
TIMEOUT_SECONDS = 10
PAUSES_SECONDS = (0.5, 1, 2)
# Any number will do, as long as every run takes the same.
LOCK = int.from_bytes(b"sfunnel")

Opened = TypeVar("Opened")

# What libpq says -> what is wrong, and whether it may be better in a moment.
_REFUSALS = (
    (
        r"translate host name|not known|resolve",
        "the host is not known; look at its name",
        False,
    ),
    (
        r"password|no role|role .* does not exist|authentication",
        "the user or the password is wrong; give it by PGPASSWORD or ~/.pgpass",
        False,
    ),
    (r"database .* does not exist", "the server has no such database; create it", False),
    (r"pg_hba\.conf", "the server does not let this user in from here (pg_hba.conf)", False),
    (r"SSL|certificate", "no agreement on TLS; look at sslmode", False),
    (r"permission denied for database", "the user may not connect to this database", False),
    (r"too many|connection slots", "the server has no connection left", True),
    (r"timeout expired|timed out", "no answer in time", True),
    (r"", "no server answers there; is it running, and the port right?", True),
)
# Of a session that reads millions of rows: large sorts, and plans that use more than one process.
# An export is nearly in the order of its deals: to sort it is quicker than to hash it.
_SETTINGS = {
    "work_mem": "256MB",
    "enable_hashagg": "off",
    "parallel_setup_cost": "10",
    "parallel_tuple_cost": "0.001",
    "min_parallel_table_scan_size": "1MB",
    "jit": "off",
    "synchronous_commit": "off",
    "client_min_messages": "warning",
}
# Or else the server works on for a run that was killed, until its statement is done. Not every
# system can; PostgreSQL has it from 14 on.
_END_WITH_THE_CLIENT = """
    SELECT set_config('client_connection_check_interval', '5s', false)
    WHERE current_setting('client_connection_check_interval', true) IS NOT NULL
    """
# Whatever the database is set to: a backslash in a statement is one, a number is written in full.
_AS_WRITTEN = {"standard_conforming_strings": "on", "extra_float_digits": "1"}


def connect(url: str, settings: Mapping[str, str] | None = None) -> Session:
    """A session for copying and publishing; every statement is a transaction unless it begins one.

    Args:
        url: of the database.
        settings: of the session, from its beginning.

    Raises:
        InputError: the server cannot be reached, is too old, or the database is not Unicode.
    """
    session = _opened(psycopg2.connect, url, {**_AS_WRITTEN, **(settings or {})})
    session.autocommit = True
    try:
        with told_in_short(shown(url)):
            _check_fitness(session, shown(url))
        with session.cursor() as cursor, suppress(psycopg2.Error):
            cursor.execute(_END_WITH_THE_CLIENT)
    except BaseException:
        session.close()
        raise
    return session


def _check_fitness(session: Session, name: str) -> None:
    if session.server_version < OLDEST:
        raise InputError(f"{name}: the server is too old; PostgreSQL 13 or newer is needed")
    with session.cursor() as cursor:
        cursor.execute("SHOW server_encoding")
        is_utf8 = cursor.fetchone() == ("UTF8",)
        if is_utf8:
            cursor.execute("SELECT lower('ÄI')")  # "ı" in Turkish
            is_utf8 = cursor.fetchone() == ("äi",)
    if not is_utf8:
        raise InputError(
            f"{name}: the database has other small letters than we have, or knows those of ASCII"
            " only; make it with ENCODING 'UTF8' and a locale such as C.UTF-8"
        )


@contextmanager
def connect_ibis(url: str) -> Iterator[Backend]:
    """A session for the models."""
    with _opened(psycopg.connect, url, _SETTINGS | _AS_WRITTEN, autocommit=True) as session:
        with told_in_short(shown(url)):
            with suppress(psycopg.Error):
                session.execute(_END_WITH_THE_CLIENT)
            backend = ibis.postgres.from_connection(session)
        yield backend


def connect_to_read(url: str) -> Backend:
    """A session for somebody who reads the results: the server lets it change nothing.

    What is read in a transaction is read as it was when that began.
    """
    settings = {
        **_AS_WRITTEN,
        "default_transaction_read_only": "on",
        "default_transaction_isolation": "repeatable read",
        "jit": "off",
    }
    return ibis.postgres.from_connection(_opened(psycopg.connect, url, settings, autocommit=True))


@contextmanager
def held(session: Session, name: str) -> Iterator[None]:
    """Hold the database for one run; the server lets go of it whenever the session ends.

    Raises:
        WarehouseBusyError: another run holds it; says which, and since when.
    """
    with session.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_lock(%s)", (LOCK,))
        if cursor.fetchone() != (True,):
            raise of_held(name, _holder(session) or "it has just ended")
    try:
        yield
    finally:
        # The server takes a moment to notice that a session is closed; the next run need not wait.
        with suppress(psycopg2.Error), session.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_unlock(%s)", (LOCK,))


def check_free(session: Session, name: str) -> None:
    """See, without holding it, whether anybody holds the database.

    Raises:
        WarehouseBusyError: another run does; says which, and since when.
    """
    if holder := _holder(session):
        raise of_held(name, holder)


def _holder(session: Session) -> str | None:
    with session.cursor() as cursor:
        cursor.execute(
            """
            SELECT application_name FROM pg_locks JOIN pg_stat_activity USING (pid)
            WHERE locktype = 'advisory' AND granted AND objsubid = 1
              AND classid = %s AND objid = %s
              AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
            """,
            (LOCK >> 32, LOCK & 0xFFFFFFFF),
        )
        found = cursor.fetchone()
    return str(found[0]).removeprefix("sales-funnel ") if found else None


def _opened(
    open_session: Callable[..., Opened], url: str, settings: Mapping[str, str], **given: object
) -> Opened:
    """Open a session; where a second attempt may help, there are up to four."""
    asked = dict(parse_qsl(urlsplit(url).query))  # what we give would replace it
    ours = [f"-c {name}=" + value.replace(" ", r"\ ") for name, value in settings.items()]
    since = f"{datetime.now(UTC):%Y-%m-%d %H:%M:%S} UTC"
    for pause in (*PAUSES_SECONDS, None):
        try:
            return open_session(
                url,
                connect_timeout=asked.get("connect_timeout", TIMEOUT_SECONDS),
                client_encoding="utf8",
                application_name=f"sales-funnel process {os.getpid()}, since {since}",
                options=" ".join([asked.get("options", ""), *ours]),
                **given,
            )
        except (psycopg.OperationalError, psycopg2.OperationalError) as error:
            why, is_passing = next(
                (why, is_passing)
                for pattern, why, is_passing in _REFUSALS
                if re.search(pattern, str(error), re.IGNORECASE)
            )
        except (psycopg.Error, psycopg2.Error):  # its text holds the whole URL
            why, is_passing = "not a URL that PostgreSQL's client reads; look at its options", False
        if pause is None or not is_passing:
            break
        time.sleep(pause)
    raise InputError(f"{shown(url)}: {why}")
