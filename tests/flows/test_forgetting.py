"""A person who is forgotten: nothing in the warehouse links to them, and no later run brings it
back; whatever the export says.
"""

import re
import signal
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any, NamedTuple

import pytest

from tests.stored import cells, old_rows_are_kept, stored, unused_blocks

GONE = 987_654_321_012
TABLES = {
    "users": f"""
        id,name,email,modified
        1,Ada Byron,ada@example.com,2024-01-01 00:00:00
        {GONE},Zebulon Quist,zq@example.com,2024-01-01 00:00:00
        """,
    "activity": f"""
        activity_id,type,assigned_to_user,deal_id,done,due_to
        1,meeting,1,7,True,2024-01-08 09:00:00
        2,sc_2,{GONE},7,True,2024-02-08 09:00:00
        """,
    "deal_changes": f"""
        deal_id,change_time,changed_field_key,new_value
        7,2024-01-02 08:00:00,add_time,2024-01-02T08:00:00
        7,2024-01-02 08:00:00,user_id,1
        7,2024-01-02 08:00:00,stage_id,1
        7,2024-01-10 08:00:00,user_id,{GONE}
        7,2024-01-20 08:00:00,stage_id,2
        7,2024-01-21 08:00:00,creator_user_id,{GONE}
        8,2024-02-02 08:00:00,add_time,2024-02-02T08:00:00
        8,2024-02-02 08:00:00,user_id,{GONE}.0
        8,2024-02-02 08:00:00,stage_id,1
        8,2024-02-03 08:00:00,user_id,1
        9,2024-02-02 08:00:00,user_id,1
        9,2024-02-02 08:00:00,stage_id,1
        """,
    "deals": f"""
        deal_id,status,user_id
        9,open,{GONE}
        """,
}


class Seen(NamedTuple):
    """What a reader finds after a run, and what the run said."""

    code: int
    cells: set[str]
    stored: bytes
    unused: int
    report: str
    kept: dict[str, str]
    owners: list[tuple[Any, ...]]
    entered_under: list[tuple[Any, ...]]
    checks: dict[tuple[str, str], str]
    rows: list[tuple[Any, ...]]


def seen(place, code: int) -> Seen:
    """What a reader finds now."""
    last = (
        "(SELECT run_id FROM quality.runs WHERE status = 'published'"
        " ORDER BY finished_at DESC LIMIT 1)"
    )
    checks = place.query(
        f"SELECT model, check_name, status FROM quality.check_results WHERE run_id = {last}"
    )
    return Seen(
        code,
        cells(place.url),
        stored(place.url),
        unused_blocks(place.url),
        place.sandbox.report.read_text(),
        {file.name: file.read_text() for file in place.sandbox.kept()},
        place.query("SELECT deal_id, user_id FROM marts.obt_deals ORDER BY 1"),
        place.query(
            "SELECT deal_id, stage_id, user_id FROM intermediate.int_deal_stage_transitions"
            " ORDER BY 1, 2"
        ),
        {(model, check): status for model, check, status in checks},
        place.query(
            "SELECT table_name, rows_read, rows_loaded, rows_rejected, duplicates_collapsed"
            f" FROM quality.reconciliation WHERE run_id = {last} ORDER BY 1"
        ),
    )


class Told(NamedTuple):
    """Before a person is forgotten; when the command was killed; after the next run, which does
    it; after the command once more; and what is said when the list of those forgotten is lost.
    """

    before: Seen
    killed: Seen
    after: Seen
    later: Seen
    folder: Path
    pseudonyms: list[str]
    lost: CompletedProcess[str]


@pytest.fixture(scope="module", params=["duckdb", "postgres"])
def told(request, tmp_path_factory, new_place, small_export) -> Told:
    """One person is forgotten, on each engine."""
    folder = tmp_path_factory.mktemp("forgetting")
    source = small_export(folder / "export", **TABLES)
    place = new_place(request.param, folder / "sandbox")
    before = seen(place, place.run("--source", source).returncode)
    [pseudonyms] = place.query(
        f"SELECT sales_rep_name, email_hash FROM staging.stg_users WHERE user_id = {GONE}"
    )
    [[text]] = place.query(
        "SELECT new_value FROM staging.stg_deal_changes WHERE changed_field_key = 'creator_user_id'"
    )
    forget = ("forget", "--user-id", GONE, "--source", source)
    with place.start(*forget) as process:
        assert any(line.startswith("stg_users") for line in process.stderr)
        process.send_signal(signal.SIGKILL)
    killed = seen(place, process.returncode)
    with old_rows_are_kept(place.url):
        next_run = place.run("--source", source)
    after = seen(place, next_run.returncode)
    later = seen(place, place.run(*forget).returncode)
    nowhere = place.sandbox.folder / "nowhere"
    lost = place.run("--source", source, forgotten_users_file=nowhere)
    folder = place.sandbox.folder
    return Told(before, killed, after, later, folder, [*pseudonyms, text], lost)


@pytest.fixture(params=["after", "later"])
def then(request, told) -> Seen:
    """What there is after the next run, and after the command once more."""
    return getattr(told, request.param)


def test_the_runs_ended_well(told):
    assert (told.before.code, told.after.code, told.later.code) == (0, 0, 0)


def test_a_command_that_is_killed_leaves_the_old_tables_and_the_next_run_forgets(told):
    assert told.killed.code == -signal.SIGKILL
    assert (told.killed.owners, told.killed.report) == (told.before.owners, told.before.report)
    assert told.after.owners != told.before.owners


def test_the_id_is_in_no_cell(told, then):
    assert any(str(GONE) in cell for cell in told.before.cells)
    assert not any(str(GONE) in cell for cell in then.cells)


def test_no_pseudonym_is_in_any_cell(told, then):
    assert set(told.pseudonyms) <= told.before.cells
    assert not set(told.pseudonyms) & then.cells


def test_no_pseudonym_is_in_the_bytes_of_the_files(told, then):
    for pseudonym in told.pseudonyms:
        assert pseudonym.encode() in told.before.stored
        assert pseudonym.encode() not in then.stored


def test_the_id_is_not_in_the_bytes_of_the_files(told, then):
    assert str(GONE).encode() in told.before.stored
    assert str(GONE).encode() not in then.stored


def test_no_room_of_the_file_is_left_unused_when_they_are_forgotten(told):
    assert told.after.unused == 0


def test_the_report_does_not_name_them(told, then):
    [suffix] = re.findall("#[0-9a-f]{6}", told.pseudonyms[0])
    assert suffix in told.before.report
    assert suffix not in then.report


def test_their_deals_have_no_owner_and_not_the_one_before(told, then):
    assert told.before.owners == [(7, GONE), (8, 1), (9, GONE)]
    assert then.owners == [(7, None), (8, 1), (9, None)]


def test_while_they_owned_a_deal_nobody_did(told, then):
    assert told.before.entered_under == [(7, 1, 1), (7, 2, GONE), (8, 1, GONE), (9, 1, 1)]
    assert then.entered_under == [(7, 1, 1), (7, 2, None), (8, 1, None), (9, 1, 1)]


def test_all_rows_are_accounted_for_as_before(told, then):
    assert then.rows == told.before.rows
    assert all(read == sum(counts) for _, read, *counts in then.rows)


def test_no_check_fails_and_no_link_to_a_user_is_called_unknown(told, then):
    assert "fail" not in then.checks.values()
    links = {check: status for check, status in then.checks.items() if "stg_users" in check[1]}
    assert set(links.values()) == {"pass"}
    assert then.checks["stg_deal_changes", "id_changes_hold_an_id"] == "pass"


def test_the_list_of_those_forgotten_is_for_its_owner_only(told):
    file = told.folder / "forgotten_users"
    assert file.read_text() == f"{GONE}\n"
    assert file.stat().st_mode & 0o777 == 0o600


def test_nothing_else_is_left_behind(told, new_sandbox):
    assert new_sandbox(told.folder).leftovers() == []


def test_without_the_list_no_run_brings_them_back(told):
    assert told.lost.returncode == 2
    assert told.lost.stderr.splitlines()[-1] == (
        f"Error: {told.folder}/nowhere: is missing, and 1 user must stay forgotten;"
        " restore it (an empty file, with mode 600, would bring them back)"
    )


def test_no_kept_report_shows_who_is_forgotten(told):
    suffix = told.pseudonyms[0].partition("#")[2]
    [old] = told.before.kept.values()
    assert suffix in old
    assert told.killed.kept == told.before.kept
    assert not {*told.after.kept} & {*told.before.kept}
    assert not any(suffix in kept for kept in told.after.kept.values())
