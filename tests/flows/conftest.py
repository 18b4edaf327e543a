"""What tests of the flow ask for: exports, places for runs, warehouses, and a Prefect server."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest
from ibis.backends.duckdb import Backend

from flows.run import Run
from flows.warehouse import open_warehouse
from tests.flows.batches import Batch, write_batch
from tests.flows.exports import Content, write_export
from tests.flows.sandbox import ROOT, Place, Sandbox
from tests.flows.serving import serving, wait_until
from tests.whole_run import publish_run

Export = Callable[..., Path]
Start = Callable[..., "subprocess.Popen[str]"]


@pytest.fixture
def export(tmp_path: Path) -> Export:
    """Writes an export and gives its folder: `export({"Deals.CSV": "…"}, stages="…", users=None)`.

    What is not given is as in `exports.TABLES`; None leaves a table out.
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


@pytest.fixture
def put_in(monkeypatch) -> list[str]:
    """The names of the tables into which Ibis puts rows on DuckDB, each time it does."""
    names: list[str] = []
    insert = Backend.insert

    def noting(self: Backend, name: str, *rest: Any, **named: Any) -> None:
        names.append(name)
        insert(self, name, *rest, **named)

    monkeypatch.setattr(Backend, "insert", noting)
    return names
