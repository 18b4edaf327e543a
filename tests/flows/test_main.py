"""The command, run as people run it: what it prints, writes, leaves alone, and ends with."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any, NamedTuple

import duckdb
import pytest

from flows.warehouse.duckdb import DuckDBWarehouse
from tests.flows.sandbox import ROOT

Done = CompletedProcess[str]

LAYERS = "('staging', 'intermediate', 'marts')"
STEP = re.compile(r"\S.{35,} .{16} .{8} s  \S.*")


class SampleRuns(NamedTuple):
    """Two runs on the sample, one after the other, and what readers had after each."""

    first: Done
    first_published: dict[str, bytes]
    second: Done
    second_published: dict[str, bytes]


@pytest.fixture
def sandbox(sandbox):
    """A place for the runs of one test: the whole command, imports and all."""
    return replace(sandbox, imports=True)


@pytest.fixture(scope="module")
def shared(new_sandbox, prefect_server, tmp_path_factory):
    """The place of the runs on the sample; tests that run there work on a copy of it."""
    return new_sandbox(tmp_path_factory.mktemp("sample"), prefect_server, imports=True)


@pytest.fixture(scope="module")
def sample(shared) -> SampleRuns:
    """A run that is talkative, and then one that is not."""
    first, published = shared.run(), shared.published()
    return SampleRuns(first, published, shared.run("--quiet", "--json"), shared.published())


@pytest.fixture
def published(shared, sample, tmp_path):
    """A place with a warehouse and a report in it, for this test only."""
    assert sample.first.returncode == sample.second.returncode == 0, sample.first.stderr
    return shared.copy(tmp_path / "sandbox")


def written(folder: Path, content: bytes) -> Path:
    """The content as a file."""
    file = folder / f"copy_{len([*folder.iterdir()])}.duckdb"
    file.write_bytes(content)
    return file


def tables(file: Path) -> list[str]:
    """The tables of the models, with their schema."""
    with duckdb.connect(str(file), read_only=True) as connection:
        rows = connection.sql(
            "SELECT schema_name || '.' || table_name FROM duckdb_tables()"
            f" WHERE schema_name IN {LAYERS} ORDER BY 1"
        ).fetchall()
    return [name for (name,) in rows]


def differing(one: Path, other: Path) -> list[str]:
    """The tables of the models whose rows are not the same in both files."""
    assert tables(one) == tables(other)
    found = []
    with duckdb.connect() as connection:
        connection.execute(
            f"ATTACH '{one}' AS one (READ_ONLY); ATTACH '{other}' AS other (READ_ONLY)"
        )
        for name in tables(one):
            for here, there in (("one", "other"), ("other", "one")):
                rows = connection.sql(f"FROM {here}.{name} EXCEPT ALL FROM {there}.{name} LIMIT 1")
                found += [name] * len(rows.fetchall())
    return found


def query(sandbox, sql: str) -> list[tuple[Any, ...]]:
    """What a reader of the warehouse finds."""
    with duckdb.connect(str(sandbox.warehouse), read_only=True) as connection:
        return connection.sql(sql).fetchall()


# The sample


def test_a_run_ends_with_0(sample):
    assert (sample.first.returncode, sample.first.stdout) == (0, "")


def test_a_run_fills_every_mart(published):
    with duckdb.connect(str(published.warehouse), read_only=True) as connection:
        marts = [name for name in tables(published.warehouse) if name.startswith("marts.")]
        empty = [name for name in marts if not connection.sql(f"FROM {name} LIMIT 1").fetchall()]
    assert {"marts.rep_sales_funnel_monthly", "marts.obt_deals"} <= {*marts}
    assert empty == []


def test_a_run_writes_a_report(sample):
    assert sample.first_published["report.html"].lower().startswith(b"<!doctype html>")


def test_a_run_says_each_step_in_a_line_and_then_the_totals(sample, shared):
    *steps, rows, end, warehouse, report, runs = sample.first.stderr.splitlines()
    assert [line for line in steps if not STEP.fullmatch(line)] == []
    assert [line.split()[0] for line in steps][-3:] == ["record", "report", "publish"]
    assert {"raw_activity", "stg_deals", "obt_deals"} <= {line.split()[0] for line in steps}
    assert re.match(r"24,690 rows read: [\d,]+ loaded, [\d,]+ rejected, [\d,]+ duplicates", rows)
    assert re.fullmatch(r"Published in [\d.]+ s, as of 2026-[\dT:-]+\.", end)
    assert warehouse == f"Warehouse: duckdb://{shared.warehouse}"
    assert report == f"Report: {shared.report}"
    assert runs == f"Runs: {shared.runs}/index.html"


def test_lines_fit_their_columns(sample):
    names = [line[:40] for line in sample.first.stderr.splitlines()[:-5]]
    assert [name for name in names if not name.endswith(" ")] == []


def test_a_quiet_run_says_nothing(sample):
    assert sample.second.stderr == ""


def test_a_run_waits_for_no_import_of_pandas(published, export):
    """A third of a second; the process that draws needs it, and is begun first."""
    code = """
        import sys
        from flows.main import command

        command(standalone_mode=False)
        print(sorted({"pandas", "pyarrow"} & {*sys.modules}))
        """
    run = published.run("--quiet", "--source", export(), code=code)
    assert run.stdout == "['pyarrow']\n", run.stderr


def test_the_command_begins_without_what_takes_a_while():
    """Its help, too, would wait for it: half a second."""
    code = (
        "import flows.main, sys; print({'duckdb', 'ibis', 'prefect', 'pyarrow'} & {*sys.modules})"
    )
    said = subprocess.check_output([sys.executable, "-c", code], cwd=ROOT, text=True)
    assert said == "set()\n"


def test_json_is_the_outcome(sample, shared):
    outcome = json.loads(sample.second.stdout)
    assert outcome["status"] == "published"
    assert outcome["warehouse"] == f"duckdb://{shared.warehouse}"
    assert outcome["report"] == str(shared.report)
    assert outcome["rows_read"] == sum(
        outcome[name] for name in ("rows_loaded", "rows_rejected", "duplicates_collapsed")
    )


def test_a_second_run_gives_the_same_tables(sample, tmp_path):
    one = written(tmp_path, sample.first_published["sales.duckdb"])
    other = written(tmp_path, sample.second_published["sales.duckdb"])
    assert differing(one, other) == []


def test_a_second_run_gives_the_same_report_byte_for_byte(sample):
    one, other = (run["report.html"] for run in (sample.first_published, sample.second_published))
    assert one == other


def test_every_run_is_recorded(published, sample):
    runs = query(published, "SELECT run_id, status FROM quality.runs ORDER BY started_at")
    assert [status for _, status in runs] == ["published", "published"]
    assert runs[-1][0] == json.loads(sample.second.stdout)["run_id"]


def test_the_rows_of_every_table_are_accounted_for(published):
    assert (
        query(
            published,
            "FROM quality.reconciliation"
            " WHERE rows_read != rows_loaded + rows_rejected + duplicates_collapsed",
        )
        == []
    )


def test_every_rejected_row_is_told(published):
    counted, told = (
        query(published, f"SELECT run_id, table_name, {rows} ORDER BY ALL")
        for rows in (
            "rows_rejected FROM quality.reconciliation WHERE rows_rejected > 0",
            "count(DISTINCT line) FROM quality.rejected_rows GROUP BY ALL",
        )
    )
    assert counted == told != []


def test_a_run_leaves_nothing_but_its_results(sample, shared):
    assert (shared.leftovers(), shared.processes()) == ([], [])


def test_what_a_run_writes_is_for_its_owner_only(sample, shared):
    written = [file for file in shared.folder.rglob("*") if file.is_file()]
    assert {shared.warehouse, shared.report, *shared.kept()} < {*written}
    assert [file.name for file in written if file.stat().st_mode & 0o077] == []


# The plan of a run


def test_a_dry_run_writes_nothing_at_all(sandbox, export):
    run = sandbox.run("--dry-run", "--source", export())
    assert run.returncode == 0
    assert [*sandbox.folder.iterdir()] == []


def test_a_dry_run_says_what_would_be_read_and_made(sandbox, export):
    folder = export(stages="stage_id,colour,stage_name\n1,red,Lead\n", deals=None)
    run = sandbox.run("--dry-run", "--source", folder)
    lines = [" ".join(line.split()) for line in run.stderr.splitlines()]
    assert lines[0] == f"Source: {folder}"
    assert f"raw_stages {folder}/stages.csv; not read: colour" in lines
    assert "raw_deals not in the export" in lines
    assert "staging.stg_users from raw_users" in lines
    assert lines[-1] == "Dry run: nothing was written, and the warehouse was not looked at."


def test_a_dry_run_as_json(sandbox, export):
    planned = json.loads(sandbox.run("--dry-run", "--json", "--source", export()).stdout)
    assert planned["status"] == "dry run"
    made = [model["name"] for model in planned["models"]]
    for model in planned["models"]:
        read = [name for name in model["reads"] if not name.startswith("raw_")]
        assert all(made.index(name) < made.index(model["name"]) for name in read)


def test_a_dry_run_refuses_a_bad_export(sandbox, export):
    run = sandbox.run("--dry-run", "--source", export(stages=None, users=""))
    assert_refused(sandbox, {}, run, "the table stages is missing")
    assert "users.csv: the file is empty" in run.stderr


@pytest.mark.parametrize(
    ("option", "place", "said"),
    [
        ("--warehouse", "mysql://here", "the warehouse must be written as duckdb://PATH"),
        ("--warehouse", "duckdb://x.duckdb?schema=mine", "a file as warehouse takes no options"),
        ("--report", "README.md/x.html", "README.md is no folder"),
    ],
)
def test_a_dry_run_refuses_a_place_for_results_that_is_none(sandbox, export, option, place, said):
    run = sandbox.run("--dry-run", "--source", export(), option, place)
    assert run.returncode == 2
    assert said in run.stderr


# Nobody reads what is said


def test_a_run_goes_on_where_nobody_reads_any_more(sandbox, export):
    with sandbox.start("--source", export()) as run:
        run.stderr.readline()
        run.stderr.close()
        assert run.wait(120) == 0
    with duckdb.connect(str(sandbox.warehouse), read_only=True) as warehouse:
        assert warehouse.sql("SELECT status FROM quality.runs").fetchall() == [("published",)]


def test_who_calls_the_flow_keeps_the_modes_of_new_files(sandbox, export):
    code = """
        import os, sys
        from flows.flow import sales_funnel

        before = os.umask(0o022)
        sales_funnel(source=sys.argv[1])
        print(oct(os.umask(before)))
        """
    run = sandbox.run(export(), code=code)
    assert run.stdout.splitlines()[-1] == "0o22"
    assert sandbox.report.stat().st_mode & 0o077 == 0


def test_what_cannot_be_printed_is_told_in_short(sandbox, export):
    code = """
        import os, runpy
        os.dup2(os.open("/dev/full", os.O_WRONLY), 1)
        runpy.run_module("flows.main", run_name="__main__", alter_sys=True)
        """
    run = sandbox.run("--source", export(), "--quiet", "--json", code=code)
    assert run.returncode == 1
    assert run.stderr == (
        "Error: the results are published, but this cannot be printed: No space left on device\n"
    )


# Help and usage


def test_help_begins_with_an_example(sandbox):
    run = sandbox.run("--help")
    assert run.returncode == 0
    assert re.match(
        r"Usage: .*\n\n\s*Example:\n\s*python -m flows\.main --source .* --warehouse .*\n",
        run.stdout,
    )


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--sauce", "x"], "--sauce"),
        (["x"], "x"),
        (["--warehouse", "sales.duckdb"], "duckdb://PATH"),
        (["--warehouse", "mysql://me:hunter2@host/db"], "duckdb://PATH"),
        (["--as-of", "yesterday"], "--as-of"),
    ],
    ids=["option", "argument", "no URL", "another engine", "no time"],
)
def test_wrong_usage_ends_with_2(published, options, said):
    before = published.published()
    run = published.run(*options)
    assert (run.returncode, run.stdout) == (2, "")
    assert said in run.stderr
    assert "hunter2" not in run.stderr
    assert len(run.stderr.splitlines()) <= 5
    assert published.published() == before


def test_a_wrong_setting_ends_with_2(published):
    run = published.run(timezone="Mars/Base")
    assert run.returncode == 2
    assert "FUNNEL_TIMEZONE" in run.stderr


# Bad input: see test_faults.py for more


def assert_refused(sandbox, before: dict[str, bytes], run: Done, said: str) -> None:
    """One short message, exit code 2, and nothing changed."""
    assert said in run.stderr
    assert (run.returncode, run.stdout) == (2, "")
    assert run.stderr.startswith("Error: ")
    assert len(run.stderr.splitlines()) <= 5
    assert sandbox.published() == before
    assert (sandbox.leftovers(), sandbox.processes()) == ([], [])


def test_a_folder_that_is_not_there_is_refused(published, tmp_path):
    before = published.published()
    run = published.run("--source", tmp_path / "nowhere")
    assert_refused(published, before, run, f"{tmp_path}/nowhere: cannot read the source folder")


@pytest.mark.parametrize("page", ["report.html", "report_runs/index.html"])
def test_a_folder_in_place_of_a_page_is_refused_before_anything_is_changed(
    published, tmp_path, page
):
    before = published.published()
    folder = tmp_path / page
    folder.mkdir(parents=True)
    run = published.run("--quiet", "--report", tmp_path / "report.html")
    assert_refused(published, before, run, f"{folder}: is a folder; name a file")


def test_a_device_in_place_of_the_report_is_refused_and_stays_one(published, tmp_path):
    before, pipe = published.published(), tmp_path / "pipe"
    os.mkfifo(pipe)
    run = published.run("--quiet", "--report", pipe)
    assert_refused(published, before, run, f"{pipe}: is a device or a pipe; name a file")
    assert pipe.is_fifo()


def test_an_export_in_the_file_of_the_warehouse_is_refused(published):
    before = published.published()
    run = published.run("--quiet", "--source", f"duckdb://{published.warehouse}?schema=raw")
    assert_refused(published, before, run, "give the warehouse a file of its own")


def test_an_export_with_too_many_rejected_rows_is_refused(published, export):
    before = published.published()
    run = published.run("--quiet", "--source", export(stages="stage_id,stage_name\n1,a\nx,b\n"))
    assert_refused(published, before, run, "1 of 2 rows cannot be read, more than 0.1 %")


def test_all_that_shows_only_while_files_are_read_is_told_at_once(published, export):
    before = published.published()
    source = export(
        stages="stage_id,stage_name\n1,a\nx,b\n",
        users='id,name,email,modified\n1,"Ann,,\n',
        activity_types="id,name,active,type\r\n1,Call,Yes,meeting\n2,Call 2,Yes,sc_2\r\n",
    )
    run = published.run("--quiet", "--source", source)
    assert_refused(published, before, run, "a quote is opened and not closed")
    named = re.findall(r"/(\w+)\.csv: ", run.stderr)
    assert sorted(named) == ["activity_types", "stages", "users"]


def test_a_bad_export_makes_no_warehouse(sandbox, export):
    run = sandbox.run("--source", export(stages=None))
    assert run.returncode == 2
    assert sandbox.published() == {}


def test_a_file_that_is_not_a_warehouse_is_left_alone(sandbox, export):
    sandbox.folder.mkdir()
    sandbox.warehouse.write_text("my notes")
    run = sandbox.run("--quiet", "--source", export())
    assert_refused(sandbox, {"sales.duckdb": b"my notes"}, run, "not a DuckDB file")


# Others at work


def test_a_busy_warehouse_ends_with_75(published, export):
    before = published.published()
    with DuckDBWarehouse(published.warehouse).held():
        run = published.run("--quiet", "--source", export())
    assert run.returncode == 75
    assert re.fullmatch(
        rf"Error: {published.warehouse}: another run holds the warehouse"
        r" \(process \d+, since .* UTC\); try again later\n",
        run.stderr,
    )
    assert published.published() == before


def test_a_report_that_cannot_be_written_is_named_and_nothing_is_published(
    sandbox, export, tmp_path
):
    (tmp_path / "file").write_text("no folder")
    report = tmp_path / "file" / "report.html"
    run = sandbox.run("--quiet", "--source", export(), "--report", report)
    assert run.returncode == 2
    assert re.fullmatch(rf"Error: {report.parent}: cannot write the report: .+\n", run.stderr)
    assert (sandbox.published(), sandbox.leftovers()) == ({}, [])


# A check of severity error that fails


@pytest.fixture(scope="module")
def stopped(shared, sample, tmp_path_factory):
    """A place where a check stopped the last run, and that run."""
    folder = tmp_path_factory.mktemp("stopped")
    place = shared.copy(folder / "sandbox")
    shutil.copytree(Path(shared.folder), folder / "before")
    return place, place.run_with_a_broken_rule(), folder / "before"


# As where somebody mounted the file of the report alone.
WITH_A_REPORT_THAT_NOTHING_TAKES_THE_PLACE_OF = """
    from flows import flow
    from flows.errors import InputError
    from flows.main import command

    def put_in_place(page, file):
        raise InputError(f"{file}: cannot write the report: Device or resource busy")

    flow.put_in_place = put_in_place
    command()
    """


def test_what_cannot_be_put_in_place_once_the_results_are_published_is_told(sandbox, export):
    wrapper = WITH_A_REPORT_THAT_NOTHING_TAKES_THE_PLACE_OF
    with sandbox.start("--source", export(), code=wrapper) as process:
        _, err = process.communicate(timeout=60)
    assert (process.returncode, err.splitlines()[-1]) == (
        1,
        f"Error: the results are published, but {sandbox.report}: cannot write the report: Device"
        " or resource busy",
    )
    assert [*sandbox.published()] == ["sales.duckdb"]
    assert len(sandbox.kept()) == 1
    assert (sandbox.leftovers(), sandbox.processes()) == ([], [])


def test_a_failing_check_ends_with_1_and_is_named(stopped):
    _, run, _ = stopped
    assert run.returncode == 1
    assert run.stderr.endswith(
        "Error: checks failed, nothing was published:\n"
        "  stg_stages: fail: never 9 of 9 rows, such as stage_id 1\n"
    )


def test_a_failing_check_leaves_tables_and_report(stopped):
    place, _, before = stopped
    assert differing(place.warehouse, before / "sales.duckdb") == []
    assert place.report.read_bytes() == (before / "report.html").read_bytes()


def test_a_failing_check_is_recorded_beside_the_runs_before(stopped):
    place, *_ = stopped
    statuses = query(place, "SELECT status FROM quality.runs ORDER BY started_at")
    assert statuses == [("published",), ("published",), ("stopped",)]
    assert query(
        place,
        "SELECT model, check_name, failing_rows FROM quality.check_results"
        " JOIN quality.runs USING (run_id)"
        " WHERE runs.status = 'stopped' AND check_results.status = 'fail'",
    ) == [("stg_stages", "never", 9)]


def test_a_failing_check_leaves_no_other_file(stopped):
    place, *_ = stopped
    assert (place.leftovers(), place.processes()) == ([], [])


# Signals


def interrupted(
    sandbox, source: Path, number: signal.Signals, *, after: str, seconds: float = 0
) -> Done:
    """A run that gets a signal so many seconds after the line of a step."""
    with sandbox.start("--source", source) as process:
        assert any(line.startswith(after) for line in process.stderr), f"no step {after}"
        time.sleep(seconds)
        process.send_signal(number)
        out, err = process.communicate(timeout=60)
    assert "Traceback" not in out + err, err
    return CompletedProcess(process.args, process.returncode, out, err)


def assert_stopped(sandbox, before: dict[str, bytes], run: Done, code: int) -> None:
    """It says that it was stopped, and nothing has changed."""
    assert run.stderr.splitlines()[-1:] == ["Stopped; nothing was changed."]
    assert run.returncode == code
    assert sandbox.published() == before
    assert (sandbox.leftovers(), sandbox.processes()) == ([], [])


@pytest.mark.parametrize(
    ("number", "code", "after"), [(signal.SIGINT, 130, "raw_"), (signal.SIGTERM, 143, "record")]
)
def test_a_signal_ends_the_run_and_changes_nothing(published, export, number, code, after):
    before = published.published()
    run = interrupted(published, export(), number, after=after)
    assert_stopped(published, before, run, code)


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_in_the_middle_of_a_query_does_so_too(published, export, number, code):
    before = published.published()
    many = "\n".join(f"{n},meeting,1,7,True,2024-01-08 09:00:00" for n in range(1_000_000))
    source = export(activity="activity_id,type,assigned_to_user,deal_id,done,due_to\n" + many)
    run = interrupted(published, source, number, after="stg_users", seconds=0.3)
    assert_stopped(published, before, run, code)


# Python drops what a signal raises within a destructor: "Exception ignored in …".
IN_A_DESTRUCTOR = """
    import signal
    import flows.watching.steps
    from flows.main import command

    class Dying:
        def __del__(self):
            signal.raise_signal(signal.SIGINT)

    announce = flows.watching.steps.announce
    flows.watching.steps.announce = lambda name: (announce(name), name == "stg_users" and Dying())
    command()
    """


def test_a_signal_in_the_middle_of_a_destructor_is_not_lost(published, export, eventually):
    before = published.published()
    with published.start("--source", export(), code=IN_A_DESTRUCTOR) as process:
        _, err = process.communicate(timeout=60)
    assert (err.splitlines()[-1], "Traceback" in err) == ("Stopped; nothing was changed.", False)
    assert (process.returncode, published.published()) == (130, before)
    eventually(lambda: not published.processes())


# Python can raise between taking a lock and knowing that it has to let go of it.
WITH_A_LOCK_OF_LOGGING = """
    import logging
    import signal
    import threading
    import flows.signals
    from flows.main import command

    flows.signals.PATIENCE = 300  # a process that hangs is to be seen

    class Locking(logging.Handler):
        turn = threading.Lock()

        def emit(self, record):
            self.turn.acquire()
            if record.getMessage().startswith("raw_deal_changes"):
                signal.raise_signal(signal.SIGTERM)
            self.turn.release()

    from prefect.logging.configuration import setup_logging
    setup_logging()
    logging.getLogger("prefect.task_runs").addHandler(Locking())
    command()
    """


def test_a_signal_waits_until_a_line_is_logged(published, export):
    before = published.published()
    with published.start("--source", export(), code=WITH_A_LOCK_OF_LOGGING) as process:
        out, err = process.communicate(timeout=60)
    assert_stopped(
        published, before, CompletedProcess(process.args, process.returncode, out, err), 143
    )


DEAF = """
    import time
    import flows.signals
    import flows.watching.steps
    from flows.main import command

    def hang(name):
        print(name, flush=True)
        while True:
            try:
                time.sleep(60)
            except BaseException:
                pass

    flows.signals.PATIENCE = 0.5
    flows.watching.steps.announce = hang
    command()
    """


def test_a_run_that_does_not_heed_a_signal_is_ended_nevertheless(published, export, eventually):
    before = published.published()
    with published.start("--source", export(), code=DEAF) as process:
        assert process.stdout.readline()
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=60)
    assert err.splitlines()[-1:] == ["Stopped; nothing was changed."]
    assert (process.returncode, published.published()) == (130, before)
    eventually(lambda: not published.processes())


def test_even_if_nobody_listens_any_more(published, export, eventually):
    with published.start("--source", export(), code=DEAF) as process:
        assert process.stdout.readline()
        process.stderr.close()
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=60) == 143
    eventually(lambda: not published.processes())


WITH_STEPS_ON_STDOUT = """
    import flows.watching.steps
    from flows.main import command

    flows.watching.steps.announce = lambda name: print(name, flush=True)
    command()
    """


def test_a_signal_ends_a_run_whose_last_words_nobody_hears(published, export):
    before = published.published()
    with published.start("--quiet", "--source", export(), code=WITH_STEPS_ON_STDOUT) as process:
        assert process.stdout.readline()
        process.stderr.close()
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=60) == 143
    assert published.published() == before


WHILE_PUBLISHING = """
    import signal
    import flows.flow
    from flows.main import command

    put_in_place = flows.flow.put_in_place
    flows.flow.put_in_place = lambda *given: (
        signal.raise_signal(signal.SIGTERM), put_in_place(*given)
    )
    command()
    """


def test_a_signal_while_the_results_are_put_in_place_comes_too_late(sandbox, export):
    with sandbox.start("--source", export(), code=WHILE_PUBLISHING) as process:
        _, err = process.communicate(timeout=60)
    assert process.returncode == 0, err
    assert sandbox.report.exists()
    assert (sandbox.leftovers(), sandbox.processes()) == ([], [])


AFTER_PUBLISHING = """
    import signal
    import flows.flow
    from flows.main import command

    flows.flow.show_outcome = lambda *given: signal.raise_signal(signal.SIGINT)
    command()
    """


def test_a_signal_after_that_does_not_say_that_nothing_was_changed(sandbox, export):
    with sandbox.start("--source", export(), code=AFTER_PUBLISHING) as process:
        _, err = process.communicate(timeout=60)
    assert err.splitlines()[-1] == "Stopped; the results are published."
    assert process.returncode == 130
    assert sandbox.report.exists()


WHEN_ALL_IS_OVER = """
    import signal
    import flows.main

    words, end = flows.main._in_words, signal.SIGINT
    flows.main._in_words = lambda outcome: (signal.raise_signal(end), words(outcome))[1]
    flows.main.command()
    """


def test_a_signal_when_all_is_over_has_no_effect(sandbox, export):
    with sandbox.start("--source", export(), code=WHEN_ALL_IS_OVER) as process:
        _, err = process.communicate(timeout=60)
    assert (process.returncode, err.splitlines()[-1]) == (0, f"Runs: {sandbox.runs}/index.html")


IN_A_PROCESS_THAT_GOT_A_SIGNAL_BEFORE = """
    from flows import signals
    from flows.main import command

    signals.received.append(2)
    signals.published.set()
    command()
    """


def test_a_signal_ends_one_run_and_not_the_next_in_the_same_process(sandbox, export):
    wrapper = IN_A_PROCESS_THAT_GOT_A_SIGNAL_BEFORE
    with sandbox.start("--quiet", "--source", export(), code=wrapper) as process:
        _, err = process.communicate(timeout=60)
    assert (process.returncode, err) == (0, "")


def test_ctrl_c_while_the_command_is_loading(sandbox, export, eventually):
    with sandbox.start("--source", export()) as process:
        loaded = Path(f"/proc/{process.pid}/maps")
        eventually(lambda: "_duckdb" in loaded.read_text())
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=60)
    assert "Traceback" not in err
    assert (process.returncode, out) == (130, "")


# Without a server


def test_a_server_that_does_not_answer_is_one_short_message(sandbox, export):
    sandbox.api_url = "http://127.0.0.1:1/api"
    run = sandbox.run("--source", export())
    assert run.returncode == 1
    assert run.stderr == (
        "Error: the Prefect server does not answer; start it, or unset PREFECT_API_URL"
        " and the run starts one for itself\n"
    )


@pytest.fixture
def alone(sandbox):
    """A place for runs that start a server of their own."""
    sandbox.api_url = None
    return sandbox


def test_a_run_without_a_server_starts_one_and_ends_it(alone, export, eventually):
    run = alone.run("--quiet", "--source", export())
    assert (run.returncode, run.stderr) == (0, "")
    eventually(lambda: not alone.processes())
    assert (alone.folder / "prefect" / "prefect.db").stat().st_mode & 0o077 == 0


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGTERM, 143), (signal.SIGKILL, -signal.SIGKILL)]
)
def test_a_run_that_is_ended_leaves_no_process(alone, export, eventually, number, code):
    run = interrupted(alone, export(), number, after="raw_")
    assert (run.returncode, alone.published()) == (code, {})
    eventually(lambda: not alone.processes())


@pytest.mark.parametrize(
    ("as_of", "said"),
    [
        ("2024-01-31", ["the data goes on to 2024-02-08 09:00:00, after --as-of 2024-01-31"]),
        ("2190-01-01", ["--as-of 2190-01-01 00:00:00 is yet to come"]),
        ("2024-02-08T09:00:00", []),
    ],
)
def test_an_as_of_that_the_data_does_not_end_at_is_told(sandbox, export, as_of, said):
    done = sandbox.run("--source", export(), "--as-of", as_of)
    told = [line for line in done.stderr.splitlines() if line.startswith("Warning: ")]
    assert done.returncode == 0
    assert len(told) == len(said)
    assert all(found.startswith(f"Warning: {each}") for found, each in zip(told, said, strict=True))


@pytest.mark.parametrize(
    ("options", "code"), [((), 0), (("--dry-run",), 0), (("--known-at", "2024-01-01"), 2)]
)
def test_a_variable_that_is_no_setting_is_told_first(sandbox, export, options, code):
    done = sandbox.run("--source", export(), *options, sorce="x")
    first, *_ = done.stderr.splitlines()
    assert first == "Warning: FUNNEL_SORCE: there is no such setting; do you mean FUNNEL_SOURCE?"
    assert done.returncode == code
