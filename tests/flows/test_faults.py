"""Every fault of an export ends as it is documented, on DuckDB and on PostgreSQL.

The runs of an engine follow one another on one warehouse, in one process, those of the engines side
by side. A fault is run when the first test asks for it, and the canaries in it are looked for at
the end.
"""

import json
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import psycopg2
import pytest

from flows.warehouse.postgres.candidate import BUILDING
from tests.flows.canaries import found_below, found_in, spellings
from tests.flows.faults import CASES, EXPORT, OTHERS, PLANTED, README, TABLE, Case, table
from transforms.graph import load_models
from transforms.sources import SOURCES

ENGINES = ("duckdb", "postgres")
ROOT = README.parent
NO_FAULT = Case("no fault")
KEY = "planted: the masking key"
PUBLISHED = [case for case in CASES if case.outcome != "refused"]
REFUSED = [case for case in CASES if case.outcome == "refused"]
WORDS = {name: data for word in (*PLANTED, KEY) for name, data in spellings(word).items()}
RECORDS = ("runs", "rejected_rows", "check_results", "reconciliation", "scores")

Rows = list[tuple[Any, ...]]


@dataclass
class Shown:
    """What readers have: the rows of marts and quality, and the report."""

    marts: dict[str, list[str]]
    quality: dict[str, list[str]]
    report: bytes


@dataclass
class Run:
    """How a run ended, and what readers have after it."""

    code: int
    said: str
    shown: Shown
    rejected: Rows = field(default_factory=list)
    warns: set[str] = field(default_factory=set)
    reconciliation: Rows = field(default_factory=list)
    found: Rows = field(default_factory=list)


class Engine:
    """The runs on one engine."""

    def __init__(self, stack: ExitStack, folder: Path, place) -> None:
        self.folder, self.place = folder, place
        for part in ("tmp", "output", "sandbox"):
            (folder / part).mkdir(parents=True)
        self.errors = stack.enter_context((folder / "output" / "stderr").open("w"))
        self.process = stack.enter_context(
            subprocess.Popen(
                [sys.executable, "-m", "tests.flows.many_runs"],
                cwd=ROOT,
                env=place.sandbox.environment(masking_key=KEY) | {"TMPDIR": str(folder / "tmp")},
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=self.errors,
                text=True,
            )
        )
        stack.callback(self.process.kill)
        self.last = self.run(NO_FAULT)

    def run(self, case: Case) -> Run:
        """A run on the export of the case."""
        asked = {
            "options": [
                "--json",
                "--source",
                str(self.export(case)),
                "--warehouse",
                self.place.url,
            ],
            "settings": {"FUNNEL_MAX_REJECTED_PCT": "100" if case.rejected else "0.1"},
            "privileged": case.unreadable is None,
        }
        self.process.stdin.write(json.dumps(asked) + "\n")
        self.process.stdin.flush()
        answer = json.loads(self.process.stdout.readline())
        output = self.folder / "output"
        (output / str(len([*output.iterdir()]))).write_text(answer["out"] + answer["err"])
        run = Run(answer["code"], answer["err"], self.shown())
        if run.code == 0:
            self.look_up(run, json.loads(answer["out"])["run_id"], case)
        self.last = run
        return run

    def look_up(self, run: Run, run_id: str, case: Case) -> None:
        """Read what quality knows of the run, and what the case asks for."""
        of_run = f"WHERE run_id = '{run_id}'"
        run.rejected = self.place.query(
            f"SELECT table_name, line, column_name, reason FROM quality.rejected_rows {of_run}"
        )
        warned = self.place.query(
            f"SELECT model, check_name FROM quality.check_results {of_run} AND status = 'warn'"
        )
        run.warns = {f"{model}: {check}" for model, check in warned}
        run.reconciliation = self.place.query(
            "SELECT table_name, rows_read, rows_loaded, rows_rejected, duplicates_collapsed"
            f" FROM quality.reconciliation {of_run}"
        )
        run.found = self.place.query(case.query) if case.query else []

    def export(self, case: Case) -> Path:
        """The export of the case; it is beside what is searched."""
        exports = self.folder.parent.with_name("exports") / self.folder.name
        folder = exports / re.sub(r"\W+", "_", case.name)
        folder.mkdir(parents=True)
        for name, content in case.all_files.items():
            file = folder / name
            file.write_bytes(content if isinstance(content, bytes) else content.encode())
            file.chmod(0 if name == case.unreadable else 0o600)
        return folder / case.source

    def shown(self) -> Shown:
        """What readers have now."""
        if not self.place.sandbox.report.exists():
            return Shown({}, {}, b"")
        quality = {
            name: sorted(map(str, self.place.query(f"SELECT * FROM quality.{name}")))
            for name in RECORDS
        }
        return Shown(self.place.marts(), quality, self.place.sandbox.report.read_bytes())


@dataclass
class Matrix:
    """The runs on all engines, by case."""

    exports: Path
    left: Path
    engines: dict[str, Engine]
    undisturbed: dict[str, Run]
    # What readers had before and after the run of a case, by engine.
    run: Callable[[Case], dict[str, tuple[Run, Run]]]


@pytest.fixture(scope="module")
def matrix(
    tmp_path_factory, prefect_server_in, new_sandbox, place_at, own_postgres
) -> Iterator[Matrix]:
    """Both engines, after a run on an export without a fault."""
    folder = tmp_path_factory.mktemp("faults")
    with ExitStack() as stack:
        api_url = stack.enter_context(prefect_server_in(folder / "left" / "prefect_server"))
        pool = stack.enter_context(ThreadPoolExecutor())

        def engine(name: str) -> Engine:
            sandbox = new_sandbox(folder / "left" / name / "sandbox", api_url)
            on_duckdb = f"duckdb://{sandbox.warehouse}"
            url = on_duckdb if name == "duckdb" else own_postgres.url
            return Engine(stack, sandbox.folder.parent, place_at(sandbox, url))

        engines = dict(zip(ENGINES, pool.map(engine, ENGINES), strict=True))

        @cache
        def run_case(name: str) -> dict[str, tuple[Run, Run]]:
            case = next(case for case in CASES if case.name == name)
            on_each = pool.map(lambda one: (one.last, one.run(case)), engines.values())
            return dict(zip(ENGINES, on_each, strict=True))

        undisturbed = {name: engine.last for name, engine in engines.items()}
        yield Matrix(
            folder / "exports",
            folder / "left",
            engines,
            undisturbed,
            lambda case: run_case(case.name),
        )


def on_each_engine(cases: list[Case]) -> pytest.MarkDecorator:
    """The test, with each of the cases on each engine."""
    return pytest.mark.parametrize(
        ("case", "engine"),
        [
            pytest.param(case, engine, id=f"{case.name}-{engine}")
            for case in cases
            for engine in ENGINES
        ],
    )


def told(case: Case) -> list[tuple[Any, ...]]:
    """The rejected rows of the case, as `quality` tells them."""
    return [(name, *fault) for name, faults in case.rejected.items() for fault in faults]


def test_without_a_fault_nothing_is_rejected_or_collapsed(matrix):
    for run in matrix.undisturbed.values():
        assert run.code == 0, run.said
        assert sorted(run.reconciliation) == [
            (name, rows, rows, 0, 0)
            for name in sorted(SOURCES)
            for rows in [NO_FAULT.rows_of(name)]
        ]


@on_each_engine(PUBLISHED)
def test_a_run_that_can_be_published_is(matrix, case, engine):
    _, run = matrix.run(case)[engine]
    assert run.code == 0, run.said


@on_each_engine(CASES)
def test_nobody_is_shown_a_traceback(matrix, case, engine):
    _, run = matrix.run(case)[engine]
    assert "Traceback" not in run.said
    assert "Traceback" not in Path(matrix.engines[engine].errors.name).read_text()


@on_each_engine([case for case in PUBLISHED if not case.changes_marts])
def test_the_marts_are_those_without_the_fault(matrix, case, engine):
    _, run = matrix.run(case)[engine]
    found, expected = run.shown.marts, matrix.undisturbed[engine].shown.marts
    changed = {name for name in expected if found[name] != expected[name]}
    assert changed == ({"rep_source_mix"} if case.is_in_the_mix else set())


@on_each_engine([case for case in PUBLISHED if case.query])
def test_the_tables_show_what_became_of_it(matrix, case, engine):
    _, run = matrix.run(case)[engine]
    assert run.found == case.finds


@on_each_engine(PUBLISHED)
def test_the_rejected_rows_are_these_and_no_others(matrix, case, engine):
    _, run = matrix.run(case)[engine]
    assert sorted(run.rejected, key=str) == sorted(told(case), key=str)


@on_each_engine(PUBLISHED)
def test_the_warnings_are_these_and_no_others(matrix, case, engine):
    _, run = matrix.run(case)[engine]
    assert run.warns - matrix.undisturbed[engine].warns == case.all_warns
    shown = [line for line in run.said.splitlines() if line.startswith("check ")]
    for warning in case.all_warns:
        model, _, check = warning.partition(": ")
        assert any(line.startswith(f"check {model} ") and check in line for line in shown)


@on_each_engine(PUBLISHED)
def test_every_row_is_accounted_for(matrix, case, engine):
    _, run = matrix.run(case)[engine]
    expected = []
    for name in SOURCES:
        if (read := case.rows_of(name)) is not None:
            rejected = len({line for line, *_ in case.rejected.get(name, ())})
            collapsed = case.duplicates.get(name, 0)
            expected.append((name, read, read - rejected - collapsed, rejected, collapsed))
    assert sorted(run.reconciliation) == sorted(expected)


@pytest.mark.parametrize("case", PUBLISHED, ids=lambda case: case.name)
def test_both_engines_have_the_same_marts(matrix, case):
    one, other = (run.shown.marts for _, run in matrix.run(case).values())
    assert one == other


@on_each_engine(REFUSED)
def test_a_refusal_says_where_and_what_and_ends_with_2(matrix, case, engine):
    _, run = matrix.run(case)[engine]
    *steps, said = re.split("^(?=Error: )", run.said, flags=re.MULTILINE)
    assert (run.code, len(steps)) == (2, 1)
    lines = said.splitlines()
    assert len(lines) <= len(EXPORT)
    assert all(case.refused in line and "/exports/" in line for line in lines)


@on_each_engine(REFUSED)
def test_a_refusal_changes_nothing(matrix, case, engine):
    before, run = matrix.run(case)[engine]
    assert run.shown == before.shown
    assert run.shown.marts.keys() == {
        name for name, model in load_models().items() if model.schema == "marts"
    }


# What is left behind


@pytest.fixture(scope="module")
def all_runs(matrix) -> Matrix:
    """The matrix, once every fault was run."""
    for case in CASES:
        matrix.run(case)
    return matrix


def test_the_planted_words_are_in_the_exports(all_runs):
    found = {name.rpartition(": ")[2] for name in found_below(all_runs.exports, WORDS)}
    assert {f"{word} utf-8" for word in PLANTED} <= found


def test_no_planted_word_is_left_in_any_file(all_runs):
    assert found_below(all_runs.left, WORDS) == set()


def test_no_planted_word_is_left_in_any_table_of_postgres(all_runs):
    place = all_runs.engines["postgres"].place
    tables = place.query(
        "SELECT schemaname, tablename FROM pg_tables"
        " WHERE schemaname NOT IN ('pg_catalog', 'information_schema')"
    )
    assert len(tables) > len(load_models())
    for schema, name in tables:
        content = str(place.query(f'SELECT * FROM "{schema}"."{name}"')).encode()
        assert found_in(content, WORDS) == set()


def test_no_planted_word_is_left_in_the_files_of_the_server(all_runs, own_postgres):
    with closing(psycopg2.connect(own_postgres.url)) as session, session.cursor() as cursor:
        session.autocommit = True
        cursor.execute("CHECKPOINT")
    for place in (own_postgres.tables, own_postgres.data / "pg_wal"):
        assert found_below(place, WORDS) == set()
    assert found_in(own_postgres.log.read_bytes(), WORDS) == set()


@pytest.mark.parametrize("engine", ENGINES)
def test_no_file_is_left_but_the_results(all_runs, engine):
    left = all_runs.engines[engine]
    assert [*(left.folder / "tmp").iterdir()] == []
    assert left.place.sandbox.leftovers() == []


def test_no_table_that_waits_to_be_published_is_left_in_postgres(all_runs):
    waiting = f"SELECT * FROM pg_tables WHERE starts_with(tablename, '{BUILDING}')"
    assert all_runs.engines["postgres"].place.query(waiting) == []


# The table of the README


def test_the_table_of_the_readme_is_the_one_of_the_cases():
    assert TABLE.findall(README.read_text()) == [table()], "run: python -m tests.flows.faults"


@pytest.mark.parametrize("fault", OTHERS, ids=lambda fault: fault.name)
def test_the_test_that_proves_another_fault_is_there(fault):
    file, _, name = fault.test.partition("::")
    assert f"\ndef {name}(" in (ROOT / file).read_text()
