"""Another masking key: all pseudonyms are new, and warehouse and key fit each other, whatever
happens on the way.
"""

import signal
from pathlib import Path
from subprocess import CompletedProcess
from typing import NamedTuple

import pytest

from tests.stored import cells, stored, unused_blocks

# The moment at which the warehouse has the new key, and the file still the old one.
KILLED_WHEN_PUBLISHED = """
    import os
    import signal
    from flows.main import command
    from flows.warehouse.duckdb import DuckDBWarehouse
    from flows.warehouse.postgres import PostgresWarehouse

    def killed_after(publish):
        def publish_and_die(self, **options):
            publish(self, **options)
            os.kill(os.getpid(), signal.SIGKILL)
        return publish_and_die

    for warehouse in (DuckDBWarehouse, PostgresWarehouse):
        warehouse.publish = killed_after(warehouse.publish)
    command()
    """


class Seen(NamedTuple):
    """What there is after a run: its exit code, the key, the pseudonyms, all cells, all bytes."""

    code: int
    key: bytes
    pseudonyms: frozenset[str]
    cells: set[str]
    stored: bytes
    unused: int
    report: str
    kept: dict[str, str]
    marts: dict[str, list[str]]
    leftovers: list[str]


def seen(place, code: int) -> Seen:
    """What there is now."""
    users = place.query("SELECT sales_rep_name, email_hash FROM staging.stg_users")
    return Seen(
        code,
        (place.sandbox.folder / "masking_key").read_bytes(),
        frozenset(name for row in users for name in row),
        cells(place.url),
        stored(place.url),
        unused_blocks(place.url),
        place.sandbox.report.read_text(),
        {file.name: file.read_text() for file in place.sandbox.kept()},
        place.marts(),
        place.sandbox.leftovers(),
    )


class Told(NamedTuple):
    """One after the other."""

    first: Seen
    stopped: Seen
    killed: Seen
    rotated: Seen
    half_done: Seen
    healed: Seen
    folder: Path


def killed(place, *options: object) -> int:
    """The exit code of a run that is killed after its first table."""
    with place.start(*options) as process:
        assert any(line.startswith("raw_") for line in process.stderr)
        process.send_signal(signal.SIGKILL)
    return process.returncode


@pytest.fixture(scope="module", params=["duckdb", "postgres"])
def told(request, tmp_path_factory, new_place, small_export) -> Told:
    """Rotations of the key that are stopped, killed, done, and killed at the very end."""
    folder = tmp_path_factory.mktemp("rotation")
    source = small_export(folder / "export")
    place = new_place(request.param, folder / "sandbox")
    options = ("rotate-key", "--source", source)

    first = seen(place, place.run("--source", source).returncode)
    done = place.sandbox.run_with_a_broken_rule("--warehouse", place.url, *options)
    stopped = seen(place, done.returncode)
    died = seen(place, killed(place, *options))
    rotated = seen(place, place.run(*options).returncode)
    died_late = place.run(*options, code=KILLED_WHEN_PUBLISHED)
    half_done = seen(place, died_late.returncode)
    healed = seen(place, place.run("--source", source).returncode)
    return Told(first, stopped, died, rotated, half_done, healed, place.sandbox.folder)


def test_the_runs_ended_as_they_should(told):
    codes = [step.code for step in told[:-1]]
    assert codes == [0, 1, -signal.SIGKILL, 0, -signal.SIGKILL, 0]


def test_a_new_key_is_in_the_file_and_nothing_of_the_old_one(told):
    assert told.rotated.key != told.first.key
    assert len(bytes.fromhex(told.rotated.key.decode())) == 32
    old = told.first.key.strip()
    kept = [file for file in told.folder.rglob("*") if file.is_file() and old in file.read_bytes()]
    assert kept == []


def test_the_file_of_the_new_key_is_for_its_owner_only(told):
    assert (told.folder / "masking_key").stat().st_mode & 0o777 == 0o600


def test_every_pseudonym_is_new(told):
    assert len(told.first.pseudonyms) == len(told.rotated.pseudonyms) == 4
    assert not told.rotated.pseudonyms & told.first.pseudonyms
    assert not told.first.pseudonyms & told.rotated.cells


def test_no_old_pseudonym_is_in_the_bytes_of_the_files(told):
    for name in told.first.pseudonyms:
        assert name.encode() in told.first.stored
        assert name.encode() not in told.rotated.stored


def test_no_room_of_the_file_is_left_unused(told):
    assert (told.rotated.unused, told.healed.unused) == (0, 0)


def test_the_report_has_the_new_pseudonyms(told):
    for name in (name for name in told.first.pseudonyms if "***" in name):
        suffix = name.partition("#")[2]
        assert suffix in told.first.report
        assert suffix not in told.rotated.report


@pytest.mark.parametrize("step", ["stopped", "killed"])
def test_a_rotation_that_does_not_get_to_its_end_leaves_the_key_and_the_tables(told, step):
    then = getattr(told, step)
    assert (then.key, then.marts) == (told.first.key, told.first.marts)


def test_one_that_is_killed_between_warehouse_and_key_leaves_the_old_key(told):
    assert told.half_done.key == told.rotated.key
    assert not told.half_done.pseudonyms & told.rotated.pseudonyms


def test_and_the_next_run_makes_the_warehouse_with_the_old_key_again(told):
    assert (told.healed.key, told.healed.marts) == (told.rotated.key, told.rotated.marts)
    for pseudonym in told.half_done.pseudonyms:
        assert pseudonym.encode() not in told.healed.stored


def test_no_new_key_is_left_beside(told):
    assert "masking_key.next" in told.half_done.leftovers
    for step in (told.stopped, told.rotated, told.healed):
        assert "masking_key.next" not in step.leftovers


def test_a_key_of_the_environment_is_not_ours_to_change(sandbox):
    done: CompletedProcess[str] = sandbox.run("rotate-key", masking_key="0123456789abcdef")
    assert done.returncode == 2
    assert done.stderr == (
        "Error: the masking key comes from the variable FUNNEL_MASKING_KEY; change it there and run"
        " again, without rotate-key\n"
    )


def test_no_kept_report_shows_people_under_the_old_key(told):
    [(old_name, old)], [(name, kept)] = told.first.kept.items(), told.rotated.kept.items()
    suffixes = {text.partition("#")[2] for text in told.first.pseudonyms if "#" in text}
    assert any(suffix in old for suffix in suffixes)
    assert not any(suffix in kept for suffix in suffixes)
    assert name != old_name
    assert told.killed.kept == told.first.kept


def test_a_key_that_is_lost_is_not_replaced_unasked(place, export):
    source = export()
    assert place.run("--source", source).returncode == 0
    key, before = place.sandbox.folder / "masking_key", place.marts()
    key.unlink()
    refused = place.run("--source", source)
    assert refused.returncode == 2
    assert refused.stderr.startswith(f"Error: {key}: is missing, and the pseudonyms in ")
    assert refused.stderr.endswith("or run rotate-key to give everybody another pseudonym\n")
    assert not key.exists()
    assert place.marts() == before
    assert place.run("rotate-key", "--source", source).returncode == 0
    assert key.exists()
    assert place.marts() != before
