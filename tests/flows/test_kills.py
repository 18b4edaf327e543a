"""Whenever a run is ended, readers have a whole run, and the next one goes on as if nothing was.

Runs on two exports take turns, whole or incremental, and get a signal at a random moment, while a
reader polls. How many of each signal is FUNNEL_TEST_KILLS, in any order; with `-s`, each is told
with its moment and its last step.
Moments are counted from the start, which takes most of the time, from the first step, or from the
last one before the run is published.
"""

import os
import random
import signal
import sqlite3
import threading
import time
from collections import Counter
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import duckdb
import psycopg2
import pytest

KILLS = int(os.environ.get("FUNNEL_TEST_KILLS", "1"))
SEED = int(os.environ.get("FUNNEL_TEST_SEED", random.SystemRandom().randrange(10**6)))
FIRST = {}
SECOND = {
    "deal_changes": """
        deal_id,change_time,changed_field_key,new_value
        8,2024-02-02 08:00:00,stage_id,2
        7,2024-03-02 08:00:00,add_time,2024-03-02T08:00:00
        7,2024-03-02 08:00:00,user_id,2
        7,2024-03-02 08:00:00,stage_id,1
        9,2024-04-02 08:00:00,add_time,2024-04-02T08:00:00
        9,2024-04-02 08:00:00,user_id,1
        9,2024-04-02 08:00:00,stage_id,2
        9,2024-04-20 08:00:00,lost_reason,1
        """
}
ENDS = {signal.SIGKILL: "crashed", signal.SIGTERM: "interrupted", signal.SIGINT: "interrupted"}
OUR_SESSIONS = """
    SELECT pid FROM pg_stat_activity
    WHERE application_name LIKE 'sales-funnel %' AND datname = current_database()
    """
CANDIDATES = "SELECT table_name FROM information_schema.tables WHERE table_name ~ '^_building_'"
PUBLISHING = 1.0  # seconds, about
KEY = "the same key for every run of these tests"

Marts = dict[str, list[str]]


def marts(url: str) -> Marts:
    """All rows of all marts, as a reader finds them at one moment."""
    names = "SELECT table_name FROM information_schema.tables WHERE table_schema = 'marts'"
    if url.startswith("duckdb"):
        opened = duckdb.connect(url.partition("://")[2], read_only=True)
    else:
        opened = psycopg2.connect(url)
        opened.set_session(isolation_level="REPEATABLE READ", readonly=True)
    with closing(opened) as session, closing(session.cursor()) as cursor:
        cursor.execute(names)
        found = {}
        for (name,) in cursor.fetchall():
            cursor.execute(f"SELECT * FROM marts.{name}")
            found[name] = sorted(map(str, cursor.fetchall()))
        return found


class PollingReader:
    """Reads all marts again and again, and keeps what was no whole run."""

    def __init__(self, url: str, whole: list[Marts]) -> None:
        self.reads, self.torn = 0, []
        self._url, self._whole, self._over = url, whole, threading.Event()
        self._thread = threading.Thread(target=self._poll)

    def _poll(self) -> None:
        while not self._over.wait(0.1):
            found = marts(self._url)
            self.reads += 1
            if found not in self._whole:
                self.torn.append(found)

    def __enter__(self) -> "PollingReader":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()


@dataclass
class Undisturbed:
    """Whole runs on both exports: what each publishes, and the seconds that one takes.

    `options` of them all; `beginning`: what is read before they take turns. `starting`, `stepping`:
    up to the first step of a run, and from there to its end.
    """

    options: tuple[str, ...]
    sources: list[Path]
    beginning: list[Path]
    contents: list[Marts]
    starting: float = 0
    stepping: float = 0


@pytest.fixture(scope="module", params=["whole", "incremental"])
def undisturbed(
    request, new_sandbox, prefect_server, small_export, tmp_path_factory
) -> Undisturbed:
    """What both exports give if nobody is in the way; on each engine it is the same.

    Of what both say, an incremental run has what the latest one says, beside what only one says.
    """
    folder = tmp_path_factory.mktemp("undisturbed")
    sources = [small_export(folder / "first", **FIRST), small_export(folder / "second", **SECOND)]
    options, beginning = (), sources[:1]
    if request.param == "incremental":
        options, beginning = ("--incremental",), [*sources, sources[0]]
    found = Undisturbed(options, sources, beginning, [])
    sandbox = new_sandbox(folder / "sandbox", prefect_server)
    for source in [*beginning, sources[1]]:
        started = time.monotonic()
        with sandbox.start("--source", source, *options, masking_key=KEY) as process:
            assert process.stderr.readline().startswith("raw_")
            first_step = time.monotonic()
            process.communicate(timeout=120)
        assert process.returncode == 0
        found.starting = first_step - started
        found.stepping = time.monotonic() - first_step
        found.contents.append(marts(f"duckdb://{sandbox.warehouse}"))
    found.contents = found.contents[-2:]
    assert found.contents[0] != found.contents[1]
    return found


def unfinished(records: Path) -> set[tuple[str, str]]:
    """The runs that Prefect believes to go on; a server that had just begun has no tables yet."""
    query = "SELECT id, state_type FROM flow_run WHERE state_type IN ('RUNNING', 'PENDING')"
    there = "SELECT name FROM sqlite_master WHERE name = 'flow_run'"
    if not records.exists():
        return set()
    with closing(sqlite3.connect(records)) as connection:
        return {row for _ in connection.execute(there) for row in connection.execute(query)}


def test_whenever_runs_are_ended_there_is_a_whole_run_and_the_next_one_succeeds(
    place, undisturbed, prefect_server, prefect_records, eventually
):
    rng = random.Random(SEED)
    numbers = rng.sample([*ENDS] * KILLS, k=len(ENDS) * KILLS)
    sources, contents, sandbox = undisturbed.sources, undisturbed.contents, place.sandbox
    options = undisturbed.options
    for source in undisturbed.beginning:
        assert place.run("--source", source, *options, masking_key=KEY).returncode == 0
    shown, published, begun = 0, len(undisturbed.beginning), Counter()
    with PollingReader(place.url, contents) as reader:
        for turn, number in enumerate(numbers, start=1):
            sandbox.api_url = rng.choice([None, *[prefect_server] * 3])
            moment, after = rng.choice(
                [
                    (rng.uniform(0, undisturbed.starting), ""),
                    (rng.uniform(0, undisturbed.stepping), "raw_"),
                    (rng.uniform(0, PUBLISHING), "report"),
                ]
            )
            # Of tests that share the server, and of runs that were killed.
            others, left = unfinished(prefect_records(sandbox)), {*sandbox.leftovers()}
            code, said = ended(place, sources[not shown], options, number, moment, after)
            eventually(lambda: not sandbox.processes())
            is_published = marts(place.url) == contents[not shown]
            told = (
                f"{number.name} {turn}, seed {SEED}: {moment:.2f} s after {after or 'its start'},"
                f" {'a server' if sandbox.api_url else 'no server'}, {last_step(said)!r}:"
                f" exit {code}, {'published' if is_published else 'not published'}"
            )
            print(told)
            assert code in exit_codes(number, is_published), told
            if number != signal.SIGKILL:
                going_on = unfinished(prefect_records(sandbox)) - others
                assert ({*sandbox.leftovers()} - left, going_on) == (set(), set()), told
            if code == 128 + number:
                assert_says_what_became_of_it(said, is_published)
            shown = int(not shown) if is_published else shown
            published += is_published
            begun[ENDS[number]] += "raw_" in said and not is_published
    assert reader.torn == []
    print(f"{reader.reads} reads")
    assert reader.reads > len(numbers)
    sandbox.api_url = prefect_server
    assert place.run("--source", sources[not shown], *options, masking_key=KEY).returncode == 0
    assert marts(place.url) == contents[not shown]
    assert_nothing_is_left(place, eventually)
    known = dict(place.query("SELECT status, count(*) FROM quality.runs GROUP BY status"))
    assert known.pop("published") == published + 1
    most = Counter(ENDS[number] for number in numbers)
    assert begun <= Counter(known) <= most


def ended(
    place,
    source: Path,
    options: tuple[str, ...],
    number: signal.Signals,
    moment: float,
    after: str,
) -> tuple[int, str]:
    """A run that gets the signal so many seconds after that: how it ended, and what it said."""
    with place.start("--source", source, *options, masking_key=KEY) as process:
        said = "" if after else "\n"
        while not any(line.startswith(after) for line in said.splitlines()):
            if not (line := process.stderr.readline()):
                break  # it ended before
            said += line
        time.sleep(moment)
        process.send_signal(number)
        _, err = process.communicate(timeout=60)
    return process.returncode, said.lstrip() + err


def last_step(said: str) -> str:
    """The name of the last step that was over."""
    lines = [line for line in said.splitlines() if " s  " in line]
    return lines[-1].split("  ")[0] if lines else "no step yet"


def exit_codes(number: signal.Signals, is_published: bool) -> set[int]:
    """How a run can end: a Python that is still starting has no say (a shell shows 143, 130)."""
    if is_published:
        return {0, -number} if number == signal.SIGKILL else {0, 128 + number}
    return {-number} if number == signal.SIGKILL else {-number, 128 + number}


def assert_says_what_became_of_it(said: str, is_published: bool) -> None:
    """In one line, if it had come as far as that it could."""
    done = "the results are published" if is_published else "nothing was changed"
    assert said.splitlines()[-1:] in ([], [f"Stopped; {done}."])
    assert "Traceback" not in said


def assert_nothing_is_left(place, eventually) -> None:
    """No file, no process, no table that waits to be published, no session."""
    assert (place.sandbox.leftovers(), place.sandbox.processes()) == ([], [])
    if place.url.startswith("postgres"):
        assert place.query(CANDIDATES) == []
        eventually(lambda: not place.query(OUR_SESSIONS))
