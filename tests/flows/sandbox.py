"""The command in a folder of its own, with a warehouse on either engine."""

import re
import shutil
import signal
import subprocess
import sys
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from textwrap import dedent
from typing import Any
from uuid import uuid4

import duckdb
import psycopg2

import flows
from tests.flows.forked import run_python
from tests.flows.serving import clean_environment

ROOT = Path(flows.__file__).parent.parent
KEPT_REPORT = re.compile(r"\d{8}T\d{6}Z_[0-9a-f-]{36}_[0-9a-f]{12}\.html")

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
