"""`doctor`: what is said of a place where all is well, and of all that can be broken in one."""

import json
import os
import socket
import subprocess
import sys
import time
import zoneinfo
from collections.abc import Callable, Iterator
from contextlib import closing
from functools import partial
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from subprocess import CompletedProcess
from threading import Thread
from urllib.parse import urlsplit, urlunsplit

import psycopg2
import pytest

import flows.doctor
import flows.run
from flows.doctor import CHECKS, examine
from flows.doctor.finding import Finding
from flows.doctor.prefect_api import prefect_home
from flows.errors import RunFailedError
from flows.unforeseen import told_in_short
from flows.warehouse import open_warehouse
from flows.warehouse.postgres.server import TIMEOUT_SECONDS
from tests.stored import opened
from tests.whole_run import KEY, publish_run
from transforms.funnel import load_funnel

SECRET = "hunter2-canary-canary"
SAMPLE = Path(flows.__file__).parents[1] / "data/sample"

Examine = Callable[..., dict[str, list[Finding]]]


@pytest.fixture(scope="module", params=["duckdb", "postgres"])
def published(request, tmp_path_factory, small_export) -> str:
    """A warehouse on each engine, with a run in it."""
    folder = tmp_path_factory.mktemp("published")
    if request.param == "duckdb":
        url = f"duckdb://{folder}/sales.duckdb"
    else:
        url = request.getfixturevalue("new_database")("doctor")
    publish_run(open_warehouse(url), small_export(folder / "export"))
    return url


ON_POSTGRES = pytest.mark.parametrize("published", ["postgres"], indirect=True)


@pytest.fixture
def everything(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Examine:
    """What the doctor says in a folder of its own, by check: `everything(warehouse="…")`."""
    for name in [name for name in os.environ if name.startswith(("FUNNEL_", "PREFECT_"))]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("PREFECT_HOME", str(tmp_path / "prefect"))
    monkeypatch.chdir(tmp_path)
    prefect_home.cache_clear()

    def look(**settings: str) -> dict[str, list[Finding]]:
        given = {"source": str(SAMPLE)} | settings
        for name, value in given.items():
            monkeypatch.setenv(f"FUNNEL_{name.upper()}", value)
        found: dict[str, list[Finding]] = {}
        for each in examine():
            found.setdefault(each.check, []).append(each)
            assert (each.fix is None) == (each.status == "ok")
            assert "\n" not in each.said
        return found

    return look


@pytest.fixture
def looked(everything: Examine, monkeypatch: pytest.MonkeyPatch) -> Callable[..., list[Finding]]:
    """The same of one check only: `looked("warehouse", warehouse="…")`."""

    def look(check: str, **settings: str) -> list[Finding]:
        monkeypatch.setattr(flows.doctor, "CHECKS", [each for each in CHECKS if each.name == check])
        return everything(**settings)[check]

    return look


def only(found: list[Finding], status: str, *words: str) -> Finding:
    """The only finding, which has this status and says these words, or has them for its fix."""
    [one] = found
    assert one.status == status, one
    assert all(word in f"{one.said}; {one.fix}" for word in words), one
    return one


# Where all is well


def files(folder: Path) -> dict[str, tuple[int, bytes]]:
    """Every file below a folder: when it was written, and what is in it."""
    return {
        str(path): (path.stat().st_mtime_ns, path.read_bytes() if path.is_file() else b"")
        for path in folder.rglob("*")
    }


def test_where_all_is_well_every_line_says_so_and_nothing_is_written(
    published, new_sandbox, prefect_server, tmp_path
):
    place = new_sandbox(tmp_path / "sandbox", prefect_server)
    place.folder.mkdir()
    before = files(Path(published.partition("://")[2]).parent) if "duckdb" in published else {}
    done = place.run("doctor", "--json", "--warehouse", published, masking_key=KEY.decode())
    found = json.loads(done.stdout)
    assert (done.returncode, done.stderr, found["status"]) == (0, "", "ok"), done.stdout
    said = {each["check"]: each["said"] for each in found["findings"]}
    assert {*said} == {"settings", *(check.name for check in CHECKS)}
    assert said["warehouse"].startswith(("duckdb://", "postgresql://"))
    assert said["masking key"] == "from the variable FUNNEL_MASKING_KEY"
    assert said["Prefect"].startswith(f"{prefect_server}: Prefect 3.")
    assert [*place.folder.iterdir()] == []
    if before:
        assert files(Path(published.partition("://")[2]).parent) == before


def test_before_the_first_run_all_is_well_too(new_sandbox, tmp_path):
    place = new_sandbox(tmp_path / "sandbox")
    place.folder.mkdir()
    done = place.run("doctor")
    assert (done.returncode, done.stderr) == (0, "")
    assert {line.split()[0] for line in done.stdout.splitlines()} == {"ok"}
    assert "the first run makes it" in done.stdout
    assert [*place.folder.iterdir()] == []
    assert place.run("doctor", "--quiet").stdout == ""


# Where much is broken


@pytest.fixture(scope="module")
def broken(new_sandbox, tmp_path_factory) -> "CompletedProcess[str]":
    """The command in a place where hardly anything is as it should be."""
    place = new_sandbox(tmp_path_factory.mktemp("broken") / "sandbox", "http://127.0.0.1:1/api")
    place.folder.mkdir()
    key = place.folder / "masking_key"
    key.write_text("0123456789abcdef\n")
    key.chmod(0o644)
    return place.run(
        "doctor",
        "--source",
        place.folder / "nowhere",
        warehouse=f"postgresql://me:{SECRET}@127.0.0.1:1/sales",
        report=place.folder / "masking_key" / "report.html",
        timezone="Mars/Base",
        tiemzone="UTC",
    )


def test_each_thing_that_is_broken_is_a_line_with_a_fix(broken):
    assert (broken.returncode, broken.stderr) == (1, "")
    lines = [line.split(maxsplit=1) for line in broken.stdout.splitlines()]
    told = "\n".join(rest for status, rest in lines if status == "problem")
    assert "FUNNEL_TIMEZONE: " in told
    assert "nowhere: cannot read the source folder" in told
    assert "postgresql://me@127.0.0.1:1/sales: no server answers there" in told
    assert "masking_key: others can read the masking key. Fix: run: chmod 600" in told
    assert "cannot write the report" in told
    assert "the Prefect server does not answer" in told
    assert len(told.splitlines()) == 6
    assert all(" Fix: " in line for line in told.splitlines())
    [[_, unknown]] = [line for line in lines if line[0] == "warning"]
    assert "FUNNEL_TIEMZONE: there is no such setting. Fix: do you mean FUNNEL_TIMEZONE?" in unknown


def test_a_password_in_it_is_not_revealed(broken):
    assert SECRET not in broken.stdout + broken.stderr


def test_quiet_and_wrong_usage(new_sandbox, tmp_path):
    place = new_sandbox(tmp_path / "sandbox")
    place.folder.mkdir()
    quiet = place.run("doctor", "--quiet", source="nowhere", tiemzone="UTC")
    assert [line.split()[:2] for line in quiet.stdout.splitlines()] == [["problem", "source"]]
    assert place.run("doctor", "--dry-run").returncode == 2


# Settings and versions


def test_a_folder_of_secrets_that_is_not_there_leaves_what_needs_no_setting(everything):
    found = everything(secrets_dir="nowhere")
    only(found["settings"], "problem", "FUNNEL_SECRETS_DIR")
    assert {"versions", "funnel", "Prefect"} <= {*found}
    assert "warehouse" not in found


def test_a_newer_package_than_the_bound_is_told(looked, monkeypatch, tmp_path):
    (tmp_path / "sqlalchemy-2.1.0.dist-info").mkdir()
    (tmp_path / "sqlalchemy-2.1.0.dist-info/METADATA").write_text(
        "Metadata-Version: 2.1\nName: SQLAlchemy\nVersion: 2.1.0\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    one = only(
        looked("versions"),
        "problem",
        "sqlalchemy 2.1.0 is installed, and <2.1 is needed",
    )
    assert one.fix == "python -m pip install 'sqlalchemy<2.1'"


def test_a_package_that_is_missing_and_another_python_are_told(looked, monkeypatch, tmp_path):
    project = tmp_path / "pyproject.toml"
    project.write_text(
        '[project]\nrequires-python = ">=99"\ndependencies = ["no-such-package-here>=1"]\n'
    )
    monkeypatch.setattr("flows.installed.PROJECT", project)
    said = [each.said for each in looked("versions")]
    assert said[0].endswith("and >=99 is needed")
    assert said[1:] == ["no-such-package-here is not installed"]


def test_where_nothing_is_installed_the_way_out_is_told():
    done = run_python("-S", "-m", "flows.main", "doctor")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.splitlines() == [
        "Error: what is installed does not fit: No module named 'click'",
        "  nothing is installed for this Python. Fix: make run, and then use .venv/bin/python",
    ]


@pytest.mark.parametrize("arguments", ["doctor", "--quiet", "--known-at=2024-01-01"])
def test_a_package_that_breaks_all_is_named(tmp_path, arguments):
    (tmp_path / "sqlglot-99.dist-info").mkdir()
    (tmp_path / "sqlglot-99.dist-info/METADATA").write_text("Name: sqlglot\nVersion: 99\n")
    (tmp_path / "sqlglot.py").write_text("from sys import no_such_name")
    done = run_python("-m", "flows.main", arguments, PYTHONPATH=str(tmp_path))
    assert (done.returncode, done.stdout) == (1, "")
    said, *fixes = done.stderr.splitlines()
    assert said.startswith("Error: what is installed does not fit: cannot import name")
    assert fixes == [
        "  sqlglot 99 is installed, and <30.16 is needed."
        " Fix: python -m pip install 'sqlglot<30.16'"
    ]


@pytest.mark.parametrize("ours", ["flows.new", "transforms.checks", "reports"])
def test_a_mistake_in_this_project_is_no_package_that_does_not_fit(ours):
    told = pytest.raises(RunFailedError, match=r"^run: ImportError in test_doctor\.py:\d+$")
    with told, told_in_short("run"):
        raise ImportError("cannot import name 'x'", name=ours)


def run_python(*arguments: str, **environment: str) -> "CompletedProcess[str]":
    """Python in the folder of the project."""
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=SAMPLE.parents[1],
        env=os.environ | environment,
        capture_output=True,
        text=True,
        check=False,
    )


def test_a_funnel_that_is_wrong_is_told(looked, monkeypatch, tmp_path):
    funnel = tmp_path / "funnel.toml"
    funnel.write_text("steps = 1")
    monkeypatch.setattr(flows.run, "load_funnel", partial(load_funnel, funnel))
    assert only(looked("funnel"), "problem").fix == "correct transforms/funnel.toml"


def test_a_machine_without_time_zones_is_told(looked, monkeypatch):
    for name in [name for name in sys.modules if name.partition(".")[0] == "tzdata"]:
        monkeypatch.setitem(sys.modules, name, None)
    monkeypatch.setitem(sys.modules, "tzdata", None)
    zoneinfo.ZoneInfo.clear_cache()
    zoneinfo.reset_tzpath([])
    try:
        only(looked("time zones"), "warning", "only UTC is known")
    finally:
        zoneinfo.reset_tzpath()


def test_a_time_zone_that_the_engine_does_not_know_is_told(looked, published, tmp_path):
    with zoneinfo._common.load_tzdata("Europe/Berlin") as stream:
        (tmp_path / "Berlin_on_Mars").write_bytes(stream.read())
    zoneinfo.reset_tzpath([str(tmp_path)])
    try:
        found = looked("warehouse", warehouse=published, timezone="Berlin_on_Mars")
    finally:
        zoneinfo.reset_tzpath()
    assert [each.status for each in found] == ["ok", "problem"]
    assert "does not know the time zone Berlin_on_Mars" in found[1].said


# The source, and where to write


def test_every_table_that_is_missing_is_a_line(looked, export):
    found = looked("source", source=str(export(users=None, stages=None)))
    assert [each.status for each in found] == ["problem", "problem"]
    assert "the table stages is missing" in found[0].said


def test_an_export_without_deals_is_one(looked, export):
    only(looked("source", source=str(export())), "ok", "6 tables, without deals")


def test_a_disk_with_little_room_is_told(looked, tmp_path):
    warehouse = tmp_path / "sales.duckdb"
    with warehouse.open("wb") as file:
        file.truncate(8 << 40)  # of which nothing is on the disk
    found = looked("disk", warehouse=f"duckdb://{warehouse}", source=str(SAMPLE))
    assert [each.status for each in found if "for the warehouse" in each.said] == ["problem"]
    assert "a run can need 8,79" in found[0].said


def test_folders_that_must_not_be_written_to_are_told(everything, tmp_path, monkeypatch, request):
    for name in ("report", "export", "prefect", "tmp"):
        (tmp_path / name).mkdir(mode=0o555)
    monkeypatch.setenv("TMPDIR", str(tmp_path / "tmp"))
    ours = [folder for folder in tmp_path.parents if folder.stat().st_mode & 0o777 == 0o700]
    for folder in (tmp_path, *ours):  # of pytest, which lets nobody else in
        folder.chmod(0o755)
    request.getfixturevalue("without_privileges")
    found = everything(report="report/x.html", export="export", masking_key=SECRET)
    only(found["report"], "problem", "you cannot write to")
    only(found["export"], "problem", "you cannot write to")
    only(found["folders"], "problem", "you cannot write to")


# The warehouse


def test_a_warehouse_that_is_held_is_told_and_by_whom(everything, published):
    with open_warehouse(published).held():
        found = everything(warehouse=published)
        only(found["warehouse"], "warning", "another run holds", f"process {os.getpid()}, since")
        assert "people" not in found
    only(everything(warehouse=published)["warehouse"], "ok")


def test_the_doctor_holds_nothing(published):
    with open_warehouse(published).looking(), open_warehouse(published).held():
        pass


def test_a_run_that_was_killed_holds_nothing(looked, tmp_path):
    (tmp_path / ".sales.duckdb.lock").write_text("process 1, since 2024-01-01 00:00:00 UTC\n")
    only(looked("warehouse", warehouse="duckdb://sales.duckdb"), "ok", "not there yet")


def test_a_program_that_has_the_file_open_is_told(looked, tmp_path, start):
    start(
        """
        import duckdb, sys, time
        connection = duckdb.connect(sys.argv[1])
        print("ready", flush=True)
        time.sleep(60)
        """,
        tmp_path / "sales.duckdb",
    )
    found = looked("warehouse", warehouse="duckdb://sales.duckdb")
    only(found, "warning", "has it open for writing")


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("duckdb://notes.txt", "not a DuckDB file"),
        ("duckdb://notes.csv", "not a DuckDB file"),
        ("duckdb://.", "is a folder"),
        ("duckdb://notes.txt/sales.duckdb", "is no folder"),
        (f"mysql://me:{SECRET}@host/db", "must be written as duckdb://PATH"),
    ],
)
def test_a_warehouse_that_cannot_be_one_is_told(looked, tmp_path, url, said):
    for name in ("notes.txt", "notes.csv"):  # DuckDB would open the second as a view
        (tmp_path / name).write_text("These are notes. " * 1000)
    assert SECRET not in only(looked("warehouse", warehouse=url), "problem", said).said


@pytest.fixture
def as_stranger(published) -> Iterator[str]:
    """The published database, for a user who has no rights in it."""
    name = f"funnel_stranger_{os.getpid()}"
    parts = urlsplit(published)
    with closing(psycopg2.connect(published)) as session, session.cursor() as cursor:
        session.autocommit = True
        cursor.execute(f"CREATE ROLE {name} LOGIN")
        yield str(urlunsplit(parts._replace(netloc=f"{name}@{parts.netloc.rpartition('@')[2]}")))
        cursor.execute(f"DROP OWNED BY {name}; DROP ROLE {name}")


@ON_POSTGRES
def test_a_user_who_may_not_make_tables_is_told(looked, as_stranger, published):
    only(
        looked("warehouse", warehouse=as_stranger),
        "problem",
        "the user may not make tables in staging, intermediate, marts, snapshots, quality",
    )
    stranger = urlsplit(as_stranger).netloc.partition("@")[0]
    with closing(psycopg2.connect(published)) as session, session.cursor() as cursor:
        session.autocommit = True
        for schema in ("staging", "intermediate", "marts", "snapshots", "quality"):
            cursor.execute(f"GRANT ALL ON SCHEMA {schema} TO {stranger}")
    only(
        looked("warehouse", warehouse=as_stranger),
        "problem",
        "is the table of another user",
    )


@ON_POSTGRES
def test_a_server_that_is_read_only_is_told(looked, published):
    mark = "&" if "?" in published else "?"
    url = f"{published}{mark}options=-c%20default_transaction_read_only%3Don"
    only(looked("warehouse", warehouse=url), "problem", "the server is read-only")


def test_a_server_that_does_not_speak_is_told_in_time(looked, monkeypatch):
    monkeypatch.setattr(flows.doctor, "PATIENCE_SECONDS", 0.5)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        began = time.monotonic()
        url = f"postgresql://me@127.0.0.1:{silent.getsockname()[1]}/db"
        found = looked("warehouse", warehouse=url)
        seconds = time.monotonic() - began
    only(found, "problem", "no answer within")
    assert seconds < TIMEOUT_SECONDS


# The key


@pytest.mark.parametrize(
    ("content", "mode", "said"),
    [
        ("0123456789abcdef", 0o644, "others can read the masking key"),
        ("hunter2", 0o600, "shorter than 16 bytes"),
    ],
)
def test_a_key_file_that_cannot_be_used_is_told(looked, tmp_path, content, mode, said):
    file = tmp_path / "key"
    file.write_text(content)
    file.chmod(mode)
    assert content not in only(looked("masking key", masking_key_file="key"), "problem", said).said


def test_a_key_file_without_a_folder_is_told(looked):
    only(
        looked("masking key", masking_key_file="nowhere/key"),
        "problem",
        "its folder is not",
    )


def test_the_key_of_the_warehouse_is_known(looked, published):
    found = looked("people", warehouse=published, masking_key=KEY.decode())
    only(found, "ok", "the key is that of the warehouse")


def test_an_incremental_run_into_a_warehouse_that_keeps_no_rows_is_told(looked, published):
    only(looked("warehouse", warehouse=published), "ok")
    found = looked("warehouse", warehouse=published, incremental="true")
    only(found, "problem", "keeps no rows of earlier exports")


def test_kept_rows_that_an_incremental_run_cannot_go_on_with_are_told(
    looked, new_warehouse, small_export, tmp_path, monkeypatch
):
    url = new_warehouse()
    publish_run(open_warehouse(url), small_export(tmp_path / "export"), incremental=True)
    ours = {"warehouse": url, "incremental": "true", "masking_key": KEY.decode()}
    only(looked("warehouse", **ours), "ok")
    only(looked("people", **ours), "ok")
    others = looked("people", **ours | {"masking_key": SECRET})
    only(others, "problem", "kept under another masking key", "--full-refresh and a whole export")
    elsewhere = looked("warehouse", source_timezone="Europe/Berlin", **ours)
    only(elsewhere, "problem", "were read with FUNNEL_SOURCE_TIMEZONE=UTC; set it again, or run")
    monkeypatch.setattr("flows.refresh.READING_RULES", 0)
    monkeypatch.delenv("FUNNEL_SOURCE_TIMEZONE")
    only(looked("warehouse", **ours), "problem", "kept by another version of this")


def test_tables_of_others_in_the_place_of_ours_are_told(looked, new_warehouse):
    url = new_warehouse()
    with opened(url, read_only=False) as ask:
        ask("CREATE SCHEMA marts")
        ask("CREATE TABLE marts.obt_deals AS SELECT 42 AS mine")
    found = looked("warehouse", warehouse=url)
    assert only(found, "problem", "marts.obt_deals is there, and no run made it").fix


def test_another_key_than_that_of_the_warehouse_is_told(looked, published):
    found = looked("people", warehouse=published, masking_key=SECRET)
    assert SECRET not in only(found, "warning", "made with another masking key").said


def test_a_key_that_is_gone_while_its_warehouse_is_there_is_told(everything, published):
    found = everything(warehouse=published)
    only(found["masking key"], "ok", "not there yet")
    assert "restore the key" in (
        only(found["people"], "problem", "would give everybody another").fix or ""
    )


# Prefect


class OtherServer(BaseHTTPRequestHandler):
    """Answers as the API of another Prefect server, or refuses all but a look at its health."""

    version, code = "3.0.0", 200

    def do_GET(self) -> None:
        """Its health is well, its version this one."""
        is_health = self.path.endswith("/health")
        content = json.dumps(True if is_health else self.version).encode()
        self.send_response(200 if is_health else self.code)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.mark.parametrize(
    ("server_is", "status", "said"),
    [
        ({"version": "3.0.0"}, "warning", "Prefect 3.0.0 is older than Prefect 3."),
        ({"version": "4.0.0"}, "problem", "Prefect 4.0.0 does not fit Prefect 3."),
        ({"code": 401}, "problem", "the Prefect server refuses us (401)"),
        ({"code": 500}, "problem", "the Prefect server answers with an error (500)"),
    ],
    ids=str,
)
def test_a_server_that_a_run_would_not_get_along_with_is_told(
    new_sandbox, tmp_path, server_is, status, said
):
    handler = type("Server", (OtherServer,), server_is)
    with HTTPServer(("127.0.0.1", 0), handler) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        place = new_sandbox(tmp_path / "sandbox", f"http://127.0.0.1:{server.server_port}/api")
        place.folder.mkdir()
        found = json.loads(place.run("doctor", "--json").stdout)["findings"]
        server.shutdown()
    [one] = [each for each in found if each["check"] == "Prefect"]
    assert one["status"] == status
    assert said in one["said"]
