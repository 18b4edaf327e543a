"""Small exports drawn as CSV text, the command in a folder of its own, and a Prefect server."""

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from textwrap import dedent
from typing import Any
from uuid import uuid4

import duckdb
import psycopg2
import pytest

import flows
from flows.run import Run
from flows.warehouse import open_warehouse
from tests.flows.batches import Batch, write_batch
from tests.flows.forked import run_python
from tests.whole_run import publish_run

ROOT = Path(flows.__file__).parent.parent

# A whole export: two deals, of which one is lost, with a call each.
TABLES = {
    "activity": """
        activity_id,type,assigned_to_user,deal_id,done,due_to
        1,meeting,1,7,True,2024-01-08 09:00:00
        2,sc_2,2,8,True,2024-02-08 09:00:00
        3,meeting,2,8,False,2024-02-09 09:00:00
        """,
    "activity_types": """
        id,name,active,type
        1,Sales Call 1,Yes,meeting
        2,Sales Call 2,Yes,sc_2
        """,
    "deal_changes": """
        deal_id,change_time,changed_field_key,new_value
        7,2024-01-02 08:00:00,add_time,2024-01-02T08:00:00
        7,2024-01-02 08:00:00,user_id,1
        7,2024-01-02 08:00:00,stage_id,1
        7,2024-01-20 08:00:00,stage_id,2
        7,2024-02-01 08:00:00,lost_reason,1
        8,2024-02-02 08:00:00,add_time,2024-02-02T08:00:00
        8,2024-02-02 08:00:00,user_id,2
        8,2024-02-02 08:00:00,stage_id,1
        """,
    "fields": """
        id,field_key,name,field_value_options
        1,add_time,Created,
        2,user_id,Owner,
        3,stage_id,Stage,
        4,lost_reason,Lost reason,"[{""id"": 1, ""label"": ""Price""}]"
        """,
    "stages": """
        stage_id,stage_name
        1,Lead Generation
        2,Qualified Lead
        """,
    "users": """
        id,name,email,modified
        1,Ada Byron,ada@example.com,2024-01-01 00:00:00
        2,Bo Li,bo@example.com,2024-01-01 00:00:00
        """,
}

Content = str | bytes | None
Export = Callable[..., Path]
Start = Callable[..., "subprocess.Popen[str]"]


def as_bytes(content: str | bytes) -> bytes:
    """Drawn text without its indentation; bytes as they are."""
    return content if isinstance(content, bytes) else dedent(content).lstrip("\n").encode()


def write_export(folder: Path, files: dict[str, Content], tables: dict[str, Content]) -> Path:
    """Write a whole export: a table by its name, a file by its name, None for none."""
    folder.mkdir(parents=True, exist_ok=True)
    named = {f"{name}.csv": content for name, content in (TABLES | tables).items()}
    for name, content in (named | files).items():
        if content is not None:
            (folder / name).write_bytes(as_bytes(content))
    return folder


@pytest.fixture
def export(tmp_path: Path) -> Export:
    """Writes an export and gives its folder: `export({"Deals.CSV": "…"}, stages="…", users=None)`.

    What is not given is as in TABLES; None leaves a table out.
    """

    def write(
        files: dict[str, Content] | None = None, /, *, folder: str = "export", **tables: Content
    ) -> Path:
        return write_export(tmp_path / folder, files or {}, tables)

    return write


@pytest.fixture
def start() -> Iterator[Start]:
    """Runs Python code in another process, up to where it prints "ready": `start("…", path)`."""
    running = []

    def start_code(code: str, *arguments: object) -> "subprocess.Popen[str]":
        process = subprocess.Popen(
            [sys.executable, "-c", dedent(code), *map(str, arguments)],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        running.append(process)
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n", "the other process did not get ready"
        return process

    yield start_code
    for process in running:
        process.kill()
        process.communicate()


@pytest.fixture
def without_privileges() -> Iterator[None]:
    """Root may read everything: be somebody else for the test."""
    user = os.geteuid()
    if user == 0:
        os.seteuid(65534)
    yield
    if user == 0:
        os.seteuid(0)


# Prefect


@contextmanager
def serving(home: Path, port: int | None = None, **settings: str) -> Iterator[str]:
    """A Prefect server with its records in `home`; gives the URL of its API.

    `settings`: variables of its environment, over those that a server has in the tests.
    """
    port = port or free_port()
    home.mkdir(parents=True, exist_ok=True)
    with (home / "server.log").open("wb") as log:
        process = subprocess.Popen(
            [*PREFECT, "server", "start", "--no-ui", "--port", str(port)],
            env=clean_environment() | {"PREFECT_HOME": str(home)} | settings,
            cwd=home,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    try:
        wait_until(lambda: answers(f"http://127.0.0.1:{port}/api/health"), seconds=90)
        yield f"http://127.0.0.1:{port}/api"
    finally:
        process.terminate()
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def free_port() -> int:
    """A port of this machine that nobody listens at."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


PREFECT = (sys.executable, "-m", "prefect")


def clean_environment() -> dict[str, str]:
    """The environment without settings of whoever runs the tests."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("FUNNEL_", "PREFECT_"))
    }
    return kept | {"DO_NOT_TRACK": "1", "PREFECT_SERVER_ANALYTICS_ENABLED": "false"}


def answers(url: str) -> bool:
    """Whether a URL can be read."""
    try:
        with urllib.request.urlopen(url, timeout=5):
            return True
    except OSError:
        return False


def wait_until(holds: Callable[[], bool], seconds: float = 20) -> None:
    """Wait until something holds; fails if it does not in time."""
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, f"not within {seconds} s"
        time.sleep(0.05)


@pytest.fixture(scope="session")
def prefect_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The API of a Prefect server that most runs share."""
    with serving(tmp_path_factory.mktemp("prefect_server")) as api_url:
        yield api_url


@pytest.fixture(scope="session")
def prefect_records(
    prefect_server: str, tmp_path_factory: pytest.TempPathFactory
) -> Callable[["Sandbox"], Path]:
    """The database with the records of a sandbox's runs, with a server or without."""
    shared = next(tmp_path_factory.getbasetemp().glob("prefect_server*")) / "prefect.db"
    return lambda sandbox: shared if sandbox.api_url else sandbox.folder / "prefect/prefect.db"


@pytest.fixture(scope="session")
def prefect_server_in() -> Callable[..., AbstractContextManager[str]]:
    """Serves Prefect from a folder, for tests that look at its records: `with … as api_url`."""
    return serving


# The command


# No export breaks a rule of severity error, so one is added that no row keeps.
BROKEN_RULE = """
    from dataclasses import replace
    from flows.main import command
    from transforms.checks import rule
    from transforms.graph import MODELS, load_models

    stages = load_models()["stg_stages"]
    never = rule("never", lambda table: table.stage_id < 0)
    MODELS["stg_stages"] = replace(stages, checks=(*stages.checks, never))
    command()
    """


# As `python -m` does it, where it is imported by then.
RUN = """
    import runpy
    import sys

    sys.modules.pop("flows.main", None)
    runpy.run_module("flows.main", run_name="__main__", alter_sys=True)
    """


KEPT_REPORT = re.compile(r"\d{8}T\d{6}Z_[0-9a-f-]{36}_[0-9a-f]{12}\.html")


class Process(subprocess.Popen[str]):
    """A run in a `with` block, which does not wait for one that is found to hang."""

    def __exit__(self, *error: Any) -> None:
        if error[0] is not None:
            self.kill()
        super().__exit__(*error)


@dataclass
class Sandbox:
    """`python -m flows.main` with everything that it writes in one folder.

    Without `api_url` each run starts a server of its own. `imports`: those that run to the end
    import what they need, as people's do; others find it imported.
    """

    folder: Path
    api_url: str | None = None
    imports: bool = False
    mark: str = field(default_factory=lambda: uuid4().hex)

    @property
    def warehouse(self) -> Path:
        """The warehouse file."""
        return self.folder / "sales.duckdb"

    @property
    def report(self) -> Path:
        """The report."""
        return self.folder / "report.html"

    def environment(self, **settings: object) -> dict[str, str]:
        """What a run finds; `mark` is how its processes are told from others."""
        found = clean_environment() | {
            "HOME": str(self.folder / "home"),
            "PREFECT_HOME": str(self.folder / "prefect"),
            "FUNNEL_WAREHOUSE": f"duckdb://{self.warehouse}",
            "FUNNEL_REPORT": str(self.report),
            "FUNNEL_MASKING_KEY_FILE": str(self.folder / "masking_key"),
            "FUNNEL_FORGOTTEN_USERS_FILE": str(self.folder / "forgotten_users"),
            "TEST_MARK": self.mark,
        }
        if self.api_url:
            found["PREFECT_API_URL"] = self.api_url
        return found | {f"FUNNEL_{name.upper()}": str(value) for name, value in settings.items()}

    def start(self, *options: object, code: str | None = None, **settings: object) -> Process:
        """Start a run; with `code`, by Python code that calls the command."""
        self.folder.mkdir(parents=True, exist_ok=True)
        command = ["-c", dedent(code)] if code else ["-m", "flows.main"]
        return Process(
            [sys.executable, *command, *map(str, options)],
            cwd=ROOT,
            env=self.environment(**settings),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            umask=0o022,  # as usual: a run has one of its own
            # A shell that runs tests in the background lets them ignore Ctrl-C.
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
        )

    def run(
        self, *options: object, code: str | None = None, **settings: object
    ) -> "subprocess.CompletedProcess[str]":
        """Run to the end. Whatever happens, nobody is shown a traceback."""
        if self.imports:
            with self.start(*options, code=code, **settings) as process:
                out, err = process.communicate(timeout=120)
            done = subprocess.CompletedProcess(process.args, process.returncode, out, err)
        else:
            self.folder.mkdir(parents=True, exist_ok=True)
            done = run_python(
                [*map(str, options)], self.environment(**settings), dedent(code or RUN), seconds=120
            )
        assert "Traceback" not in done.stdout + done.stderr, done.stderr
        return done

    def run_with_a_broken_rule(
        self, *options: object, **settings: object
    ) -> "subprocess.CompletedProcess[str]":
        """Run to where a check of severity error fails."""
        return self.run(*options, code=BROKEN_RULE, **settings)

    def published(self) -> dict[str, bytes]:
        """What readers have: the warehouse and the report, byte by byte, if they are there."""
        return {file.name: file.read_bytes() for file in self.outputs() if file.exists()}

    def outputs(self) -> tuple[Path, ...]:
        """The files that readers have."""
        return self.warehouse, self.warehouse.with_name("sales.duckdb.wal"), self.report

    @property
    def runs(self) -> Path:
        """The folder with the reports of the runs, and the page that lists them."""
        return self.folder / "report_runs"

    @property
    def exports(self) -> Path:
        """The folder that runs export to, if they are told to."""
        return self.folder / "exports"

    def kept(self) -> list[Path]:
        """The reports that are kept, oldest first."""
        return sorted(file for file in self.runs.glob("*") if KEPT_REPORT.fullmatch(file.name))

    def leftovers(self) -> list[str]:
        """Files of a run that should be gone after it."""
        known = {"home", "prefect", "masking_key", "export", ".sales.duckdb.lock"}
        known |= {
            "forgotten_users",
            "forgotten_users.lock",
            self.runs.name,
            self.exports.name,
            "index.html",
        }
        known |= {file.name for file in (*self.outputs(), *self.kept())}
        known |= {file.name for file in self.exports.glob("[!.]*")}
        found = [*self.folder.iterdir(), *self.runs.glob("*"), *self.exports.glob("*")]
        return sorted({file.name for file in found} - known)

    def processes(self) -> list[str]:
        """The processes that runs have left."""
        found = []
        for process in Path("/proc").glob("[0-9]*"):
            try:
                if self.mark.encode() in (process / "environ").read_bytes():
                    found.append((process / "cmdline").read_text().replace("\0", " "))
            except OSError:
                continue
        return found

    def copy(self, folder: Path) -> "Sandbox":
        """The same in another folder, for a test that changes it."""
        shutil.copytree(self.folder, folder)
        return Sandbox(folder, self.api_url, self.imports)


@pytest.fixture(scope="session")
def new_sandbox() -> type[Sandbox]:
    """Makes a place for runs that tests share: `new_sandbox(folder, api_url)`."""
    return Sandbox


@pytest.fixture(scope="session")
def small_export() -> Callable[..., Path]:
    """Writes an export for tests that share it: `small_export(folder, stages="…")`."""
    return lambda folder, /, **tables: write_export(folder, {}, tables)


@pytest.fixture
def sandbox(tmp_path: Path, prefect_server: str) -> Sandbox:
    """A place for the runs of one test, with nothing in it yet."""
    return Sandbox(tmp_path / "sandbox", prefect_server)


@dataclass
class Place:
    """A sandbox with a warehouse on one of the engines, as its URL."""

    sandbox: Sandbox
    url: str

    def run(self, *options: object, **settings: object) -> "subprocess.CompletedProcess[str]":
        """A run into the warehouse, to the end."""
        return self.sandbox.run("--warehouse", self.url, *options, **settings)

    def start(self, *options: object, **settings: object) -> Process:
        """A run into the warehouse."""
        return self.sandbox.start("--warehouse", self.url, *options, **settings)

    def query(self, statement: str) -> list[tuple[Any, ...]]:
        """What a reader finds."""
        if self.url.startswith("duckdb"):
            with duckdb.connect(self.url.partition("://")[2], read_only=True) as connection:
                return connection.sql(statement).fetchall()
        with closing(psycopg2.connect(self.url)) as session, session.cursor() as cursor:
            session.set_session(isolation_level="REPEATABLE READ", readonly=True)
            cursor.execute(statement)
            return cursor.fetchall()

    def marts(self) -> dict[str, list[str]]:
        """All rows of all marts."""
        names = self.query(
            "SELECT table_name FROM information_schema.tables WHERE table_schema = 'marts'"
        )
        return {
            name: sorted(map(str, self.query(f"SELECT * FROM marts.{name}"))) for (name,) in names
        }


@pytest.fixture(scope="session")
def place_at() -> type[Place]:
    """Makes a place of a sandbox and the URL of a warehouse: `place_at(sandbox, url)`."""
    return Place


@pytest.fixture(scope="session")
def new_place(request: pytest.FixtureRequest, prefect_server: str) -> Callable[[str, Path], Place]:
    """Makes a place for runs that tests share: `new_place("duckdb", folder)`."""

    def make(engine: str, folder: Path) -> Place:
        sandbox = Sandbox(folder, prefect_server)
        if engine == "duckdb":
            return Place(sandbox, f"duckdb://{sandbox.warehouse}")
        return Place(sandbox, request.getfixturevalue("new_database")("shared"))

    return make


@pytest.fixture(params=["duckdb", "postgres"])
def place(request: pytest.FixtureRequest, sandbox: Sandbox) -> Place:
    """A place for the runs of one test, on each engine."""
    if request.param == "duckdb":
        return Place(sandbox, f"duckdb://{sandbox.warehouse}")
    return Place(sandbox, request.getfixturevalue("new_database")("place"))


@pytest.fixture(params=["duckdb", "postgres"])
def new_warehouse(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[..., str]:
    """Makes a warehouse, on each engine, and gives its URL: an empty one, or a copy of another."""
    if request.param == "postgres":
        database = request.getfixturevalue("new_database")
        return lambda like=None: database("incremental", like)
    numbers = iter(range(10**6))

    def make(like: str | None = None) -> str:
        file = tmp_path / f"{next(numbers)}.duckdb"
        if like is not None:
            shutil.copy(like.removeprefix("duckdb://"), file)
        return f"duckdb://{file}"

    return make


@pytest.fixture
def tell(tmp_path: Path) -> Callable[..., Run]:
    """Runs a batch into a warehouse."""
    numbers = iter(range(10**6))

    def run(url: str, batch: Batch, run_id: str = "test", **options: Any) -> Run:
        folder = write_batch(tmp_path / f"batch_{next(numbers)}", batch)
        return publish_run(open_warehouse(url), folder, run_id=run_id, **options)

    return run


@pytest.fixture
def eventually() -> Callable[..., None]:
    """Waits until something holds, and fails if it does not in time."""
    return wait_until
