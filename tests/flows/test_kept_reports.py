"""Each run keeps its report, beside the latest, and a page lists the runs."""

import json
import re
import signal
from pathlib import Path

import pytest

from tests.flows.test_rotation import KILLED_WHEN_PUBLISHED

# What is about files only, on one engine.
about_files = pytest.mark.parametrize("place", ["duckdb"], indirect=True)


def links(place) -> list[str]:
    """Where the rows of the page lead, newest first."""
    page = (place.sandbox.runs / "index.html").read_text()
    return re.findall(r'<td><a href="([^"]+)">', page)


def rows(place) -> int:
    """How many runs are listed."""
    return (place.sandbox.runs / "index.html").read_text().count("<tr><td>")


def run(place, source: Path, **settings: object) -> str:
    """A run that is published; its id."""
    done = place.run("--json", "--source", source, **settings)
    assert done.returncode == 0, done.stderr
    return str(json.loads(done.stdout)["run_id"])


def test_each_run_keeps_its_report_and_is_listed(place, export):
    first = run(place, export())
    report = place.sandbox.report.read_bytes()
    other = export(folder="other", stages="stage_id,stage_name\n1,Lead Generation\n")
    second = run(place, other)
    one, two = place.sandbox.kept()
    assert (first in one.name, second in two.name) == (True, True)
    assert one.read_bytes() == report != two.read_bytes()
    assert two.read_bytes() == place.sandbox.report.read_bytes()
    assert links(place) == [two.name, one.name]
    assert {file.stat().st_mode & 0o777 for file in place.sandbox.runs.iterdir()} == {0o600}
    assert place.sandbox.leftovers() == []


def test_the_id_of_the_run_is_in_no_report(sandbox, export):
    done = sandbox.run("--json", "--source", export())
    [kept] = sandbox.kept()
    assert json.loads(done.stdout)["run_id"].encode() not in kept.read_bytes()


@about_files
def test_the_oldest_go_and_files_of_others_stay(place, export):
    source = export()
    ids = [run(place, source, keep_reports=2) for _ in range(3)]
    notes = [
        place.sandbox.runs / name
        for name in ("notes.html", f"20000101T000000Z_{ids[0]}.html", "20000101T000000Z.html")
    ]
    for file in notes:
        file.write_text("mine")
    ids.append(run(place, source, keep_reports=2))
    kept = place.sandbox.kept()
    assert [name for file in kept for name in ids if name in file.name] == ids[2:]
    assert links(place) == [file.name for file in reversed(kept)]
    assert rows(place) == 4
    assert all(file.read_text() == "mine" for file in notes)


@about_files
def test_none_is_kept_if_none_is_wanted(place, export):
    source = export()
    run(place, source)
    run(place, source, keep_reports=0)
    assert place.sandbox.kept() == []
    assert (links(place), rows(place)) == ([], 2)


def test_a_report_that_is_gone_is_listed_without_a_link(sandbox, place_at, export):
    place = place_at(sandbox, f"duckdb://{sandbox.warehouse}")
    source = export()
    run(place, source)
    sandbox.kept()[0].unlink()
    run(place, source)
    assert (len(links(place)), rows(place)) == (1, 2)


@about_files
def test_a_run_that_is_not_published_is_not_listed_and_keeps_nothing(place, export):
    source = export()
    done = place.sandbox.run_with_a_broken_rule("--warehouse", place.url, "--source", source)
    assert done.returncode == 1
    assert not place.sandbox.runs.exists()
    run(place, source)
    assert rows(place) == 1


@about_files
def test_what_a_killed_run_could_not_delete_the_next_one_does(place, export):
    source = export()
    run(place, source)
    [old] = place.sandbox.kept()
    forget = ("forget", "--user-id", "2", "--source", source)
    killed = place.run(*forget, code=KILLED_WHEN_PUBLISHED)
    assert killed.returncode == -signal.SIGKILL
    assert place.sandbox.kept() == [old]
    run(place, source)
    [kept] = place.sandbox.kept()
    assert kept != old
    assert place.sandbox.leftovers() == []
    assert (links(place), rows(place)) == ([kept.name], 3)


def test_two_warehouses_with_one_report_leave_each_other_theirs(sandbox, place_at, export):
    source = export()
    for name in ("one", "two", "one"):
        run(place_at(sandbox, f"duckdb://{sandbox.folder}/export/{name}.duckdb"), source)
    assert len(sandbox.kept()) == 3
