"""Notebooks executed as an analyst executes them: in a kernel, and with no settings of ours."""

import os
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from html import unescape
from pathlib import Path
from re import DOTALL, findall, sub
from tempfile import TemporaryDirectory
from urllib.parse import urlsplit, urlunsplit

import duckdb
import nbformat
import psycopg2
import pytest
from nbclient import NotebookClient

import reports
from flows.warehouse import open_warehouse
from tests.whole_run import publish_run

ROOT = Path(reports.__file__).parent.parent
NOTEBOOKS = ROOT / "reports/notebooks"
ROLES = ROOT / "flows/warehouse/postgres/roles.sql"


@dataclass(frozen=True)
class Executed:
    """What a notebook shows, cell by cell."""

    notebook: nbformat.NotebookNode

    def outputs(self, kind: str) -> list[nbformat.NotebookNode]:
        """All outputs of a kind: "error", "stream", …."""
        cells = [cell for cell in self.notebook.cells if cell.cell_type == "code"]
        return [out for cell in cells for out in cell.outputs if out.output_type == kind]

    def html(self, cell_id: str) -> str:
        """What a cell shows, as a page."""
        [cell] = [cell for cell in self.notebook.cells if cell.id == cell_id]
        return "".join(out.data.get("text/html", "") for out in cell.outputs if "data" in out)

    def rows(self, cell_id: str) -> list[list[str]]:
        """The rows of the tables that a cell shows."""
        rows = findall("<tr.*?</tr>", self.html(cell_id), DOTALL)
        cells = [findall("<td>(.*?)</td>", row, DOTALL) for row in rows]
        return [[unescape(cell) for cell in row] for row in cells if row]

    def texts(self, cell_id: str) -> list[str]:
        """The texts of a picture."""
        drawn = findall("<text.*?</text>", self.html(cell_id), DOTALL)
        return [unescape(sub("<.*?>", "", text)).strip() for text in drawn]


Execute = Callable[..., Executed]


@pytest.fixture(scope="session")
def execute() -> Iterator[Execute]:
    """Executes a notebook: `execute("model_analysis", url, only=["open"], min_deals_per_rep=5)`."""
    with TemporaryDirectory(prefix="kernel") as folder, pytest.MonkeyPatch.context() as patch:
        patch.setenv("JUPYTER_RUNTIME_DIR", folder)
        kept = {name: value for name, value in os.environ.items() if name[:7] != "FUNNEL_"}

        def run(name: str, url: str, only: list[str] | None = None, **settings: object) -> Executed:
            notebook = nbformat.read(NOTEBOOKS / f"{name}.ipynb", as_version=4)
            if only:
                notebook.cells = [cell for cell in notebook.cells if cell.id in only]
            given = {f"FUNNEL_{key.upper()}": str(value) for key, value in settings.items()}
            client = NotebookClient(
                notebook,
                timeout=120,
                allow_errors=True,
                resources={"metadata": {"path": str(NOTEBOOKS)}},
            )
            client.execute(env=kept | {"IPYTHONDIR": folder, "FUNNEL_WAREHOUSE": url} | given)
            return Executed(notebook)

        yield run


@dataclass(frozen=True)
class Place:
    """A warehouse with the sample: its URL, and that of who may only read the results."""

    url: str
    reader: str

    def ask(self, statement: str) -> list[tuple[object, ...]]:
        """What is in it, by the engine's own client."""
        if self.url.startswith("duckdb"):
            with duckdb.connect(self.url.removeprefix("duckdb://"), read_only=True) as session:
                return session.execute(statement).fetchall()
        with closing(psycopg2.connect(self.url)) as session, session.cursor() as cursor:
            cursor.execute(statement)
            return cursor.fetchall()


@pytest.fixture(scope="session", params=["duckdb", "postgres"])
def sample(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Place]:
    """The sample on each engine; a file has no readers of its own."""
    if request.param == "duckdb":
        file = tmp_path_factory.mktemp("notebooks") / "sales.duckdb"
        place = Place(f"duckdb://{file}", f"duckdb://{file}")
        publish_run(open_warehouse(place.url), ROOT / "data/sample")
        yield place
        return
    url = request.getfixturevalue("new_database")("notebooks")
    writer, reader = (f"notebooks_{name}_{os.getpid()}" for name in ("writer", "reader"))
    roles = ROLES.read_text().replace("funnel_writer", writer).replace("funnel_reader", reader)
    with closing(psycopg2.connect(url)) as session, session.cursor() as cursor:
        session.autocommit = True
        cursor.execute(f"{roles}; ALTER ROLE {reader} LOGIN")
        place = Place(_as_user(url, writer), _as_user(url, reader))
        publish_run(open_warehouse(place.url), ROOT / "data/sample")
        yield place
        for role in (reader, writer):
            cursor.execute(f"DROP OWNED BY {role} CASCADE")
            cursor.execute(f"DROP ROLE {role}")


def _as_user(url: str, role: str) -> str:
    parts = urlsplit(url)
    place = parts.netloc.rpartition("@")[2]
    return str(urlunsplit(parts._replace(netloc=f"{role}@{place}")))
