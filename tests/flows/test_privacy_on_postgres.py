"""No personal value, no password and no key is in anything that runs into PostgreSQL leave.

As in `test_privacy`, words are planted, and everything is searched: here also the files, the
write-ahead log and the log of a server that logs every statement.
"""

import signal
from contextlib import closing
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import psycopg2
import pytest

from tests.flows.canaries import found_below, found_in, in_base64, postgres_cells, spellings

CANARIES = {
    "first name": "Zebulonius",
    "last name": "Quixotemountain",
    "address": "zq.heron@quixote-mail.example",
    "free text": "Ruritanian",
    "phone number": "4917055501884",
    "rejected": "Wobblyduck",
}
USERS = """
    id,name,email,modified
    1,Zebulonius Quixotemountain,zq.heron@quixote-mail.example,2024-01-01 00:00:00
    2,Bo Li,bo@example.com,2024-01-01 00:00:00
    Wobblyduck,Zebulonius,zq.heron@quixote-mail.example,Wobblyduck
    """
CHANGES = """
    deal_id,change_time,changed_field_key,new_value
    7,2024-01-02 08:00:00,add_time,2024-01-02T08:00:00
    7,2024-01-02 08:00:00,user_id,Zebulonius
    7,2024-01-02 08:00:00,stage_id,1
    7,2024-01-02 08:00:00,title,Ruritanian
    7,2024-02-01 08:00:00,lost_reason,4917055501884
    Wobblyduck,Ruritanian,user_id,Zebulonius
    """
KEY = "canary-key-0123456789"
PASSWORD = "Tr0ub4dor-canary"
ENDED = {
    "published": 0,
    "stopped by a check": 1,
    "too many rejected": 2,
    "no memory": 1,
    "incremental": 0,
    "incremental again": 0,
    "killed when it had read": -signal.SIGKILL,
    "killed when it was reading": -signal.SIGKILL,
    "no such user": 2,
}


class Runs:
    """Runs that end in each of these ways, with a Prefect server; it is stopped when they are."""

    def __init__(self, folder: Path, server, prefect_server_in, new_sandbox, export) -> None:
        self.server, self.folder = server, folder / "left"  # the export is beside it, not in it
        source = export(folder / "export", users=USERS, deal_changes=CHANGES)
        parts = urlsplit(server.url)
        user, _, host = parts.netloc.rpartition("@")
        place = f"{user.rstrip(':')}:{PASSWORD}@{host}"
        nobody = f"nobody:{PASSWORD}@{host}"
        with prefect_server_in(self.folder / "prefect_server") as api_url:
            self.sandbox = new_sandbox(self.folder / "runs", api_url)
            given = {
                "source": source,
                "masking_key": KEY,
                "warehouse": urlunsplit(parts._replace(netloc=place)),
                "max_rejected_pct": 50,
                "export": self.sandbox.exports,
            }
            self.codes = {
                "published": self.run("published", **given),
                "stopped by a check": self.run_to_a_broken_rule(**given),
                "too many rejected": self.run("rejected", **given | {"max_rejected_pct": 0.1}),
                "no memory": self.run("no memory", **given, memory_limit="30MB"),
                "incremental": self.run("incremental", "--full-refresh", **given, incremental=True),
                "incremental again": self.run("again", **given, incremental=True),
                "killed when it had read": self.kill("stg_deal", **given, incremental=True),
                "killed when it was reading": self.kill("raw_", **given, incremental=True),
                "no such user": self.run(
                    "nobody", **given | {"warehouse": urlunsplit(parts._replace(netloc=nobody))}
                ),
            }

    def run(self, name: str, *options: str, **settings: object) -> int:
        """The exit code of a run."""
        return self.keep(name, self.sandbox.run(*options, **settings))

    def run_to_a_broken_rule(self, **settings: object) -> int:
        """The exit code of a run that a check stops."""
        return self.keep("stopped", self.sandbox.run_with_a_broken_rule(**settings))

    def keep(self, name: str, done: CompletedProcess[str]) -> int:
        """Keep what was printed, as a file."""
        (self.folder / f"output of {name}.txt").write_text(done.stdout + done.stderr)
        return done.returncode

    def kill(self, after: str, **settings: object) -> int:
        """The exit code of a run that is killed when a step is over."""
        with self.sandbox.start(**settings) as process:
            assert any(line.startswith(after) for line in process.stderr)
            process.send_signal(signal.SIGKILL)
        return process.returncode


@pytest.fixture(scope="module")
def runs(tmp_path_factory, own_postgres, prefect_server_in, new_sandbox, small_export) -> Runs:
    """What the runs have left; the server has written it to its files."""
    folder = tmp_path_factory.mktemp("privacy_on_postgres")
    made = Runs(folder, own_postgres, prefect_server_in, new_sandbox, small_export)
    query(own_postgres.url, "CHECKPOINT")
    return made


def query(url: str, statement: str) -> list[Any]:
    """The first column of what a statement gives."""
    with closing(psycopg2.connect(url)) as session, closing(session.cursor()) as cursor:
        session.autocommit = True
        cursor.execute(statement)
        return [row[0] for row in cursor.fetchall()] if cursor.description else []


@pytest.fixture(scope="module")
def found(runs) -> set[str]:
    """What is found in all that the runs left: of which kind, how it is written, in which file."""
    needles = {
        f"{kind}, {how}": needle
        for kind, word in (CANARIES | {"password": PASSWORD, "key": KEY}).items()
        for how, needle in spellings(word).items()
    }
    for name, mask in (("inner pad", 0x36), ("outer pad", 0x5C)):
        pad = bytes(byte ^ mask for byte in KEY.encode())
        needles |= {f"key, {name}": pad, f"key, {name} hex": pad.hex().encode()}
        needles |= {f"key, {name} {how}": text for how, text in in_base64(pad).items()}
    server = runs.server
    told = server.log.read_bytes() + b"\n".join(postgres_cells(server.url))
    of_files = [
        found_below(folder, needles)
        for folder in (runs.folder, server.tables, server.data / "pg_wal")
    ]
    return found_in(told, needles).union(*of_files)


def test_the_runs_ended_as_they_should(runs):
    assert runs.codes == ENDED


def test_the_planted_values_were_read(runs):
    url = runs.server.url
    assert "Z*** Q***" in query(url, "SELECT name_masked FROM staging.stg_users")
    masked = "SELECT new_value FROM staging.stg_deal_changes WHERE new_value LIKE '~%'"
    assert len(query(url, masked)) == 3
    assert len(query(url, "SELECT reason FROM quality.rejected_rows")) >= 4


def test_the_server_has_logged_what_it_was_told(runs):
    assert runs.server.log.read_bytes().count(b"statement: ") > 1000


def test_the_killed_runs_left_tables_to_search(runs):
    waiting = "SELECT tablename FROM pg_tables WHERE starts_with(tablename, '_building_')"
    assert query(runs.server.url, waiting) != []


@pytest.mark.parametrize("kind", [*CANARIES, "password", "key"])
def test_no_such_value_is_left_anywhere(found, kind):
    assert [name for name in found if f"{kind}, " in name] == []
