"""Everything that differs between engines. Nothing outside this package names one.

This module is imported first: keep it light.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from flows.errors import FULL, InputError, SalesFunnelError, of_file
from flows.warehouse.address import WAREHOUSES, file_of, is_postgres, spark_places
from flows.warehouse.export_file import ExportFile
from flows.warehouse.limits import USUAL, Limits
from transforms.sources import Source

if TYPE_CHECKING:
    from ibis import Table

    from flows.warehouse.landing import Landed


SCHEMAS = ("staging", "intermediate", "marts", "snapshots", "quality")
SNAPSHOTS = "snapshots"  # its tables are made of what they were before
QUALITY = "quality"  # its tables keep the rows of earlier runs
LANDED = "landed"  # of an incremental run: the raw tables, for the next one; else it is not there

Entry = Mapping[str, str | None]  # about a run: its run_id and others


class Warehouse(Protocol):
    """One run on a warehouse: `with warehouse.held(), warehouse.run(): …; warehouse.publish()`.

    What the run makes is seen by nobody else until it is published, and then all at once.
    """

    def held(self) -> AbstractContextManager[None]:
        """Keep other runs away; raises WarehouseBusyError if one is there."""

    def looking(self) -> AbstractContextManager[str]:
        """Look at the warehouse, held or not, and change nothing; gives what it is.

        Raises what `held` and `run` would. In the meantime `kept` and `knows_zone` can be asked.
        """

    def knows_zone(self, name: str) -> bool:
        """Whether months can be cut in a time zone; to be asked while looking."""

    def run(self) -> AbstractContextManager[None]:
        """Work on the warehouse that is held; what is not published is gone at the end."""

    def begin(self, entry: Entry) -> list[Entry]:
        """Keep an entry about this run until the run is published, also if the process is killed;
        gives the entries of earlier runs that were never published.
        """

    def end(self, entry: Entry) -> None:
        """Put this entry in place of the one of `begin`, unless the run is published."""

    def masking(self, key: bytes) -> AbstractContextManager[None]:
        """Make pseudonyms with the key while it lasts."""

    def land(self, file: ExportFile, zone: str, forgotten: Collection[int] = ()) -> Landed:
        """Read a table of the export into its raw table, within `masking`; of the users whose ids
        are `forgotten`, nothing gets in.
        """

    def progress(self) -> float:
        """How much of the table at hand is landed, in percent; for another thread to ask."""

    def forget_raw(self, source: Source) -> None:
        """Give back the room of a raw table."""

    def table_of(self, rows: Iterable[Mapping[str, object]], columns: Mapping[str, str]) -> Table:
        """A few rows of Python, to be built or appended at once: the next ones take their place."""

    def start_anew(self, made_before: Collection[tuple[str, str]] = ()) -> None:
        """Every table is going to be made; those of the run before, which are given by schema and
        name, are not looked at any more.
        """

    def build(
        self,
        schema: str,
        name: str,
        rows: Table,
        key: Sequence[str] = (),
        replaced_by: Sequence[str] = (),
        more: Sequence[Table] = (),
    ) -> Table:
        """Make a table of the rows, in place of the one of that name.

        `key` identifies a row; `replaced_by`: columns by which later runs `replace` rows; `more`:
        the other parts of a table that is made in parts, one after the other.
        """

    @property
    def rows_at_once(self) -> int | None:
        """Of how many rows to make a table at once for which it takes much memory; None: of all."""

    def replace(
        self,
        schema: str,
        name: str,
        rows: Table,
        gone: Table,
        on: Sequence[str],
        key: Sequence[str] = (),
        more: Sequence[Table] = (),
    ) -> tuple[Table, Table]:
        """Put rows in place of those that agree with a row of `gone` (see `set_aside`) in columns.

        Gives the table as it is with them, and these rows alone. `more`: as in `build`.
        """

    def set_aside(self, name: str, rows: Table) -> Table:
        """A table of the rows for the time of the run."""

    def ask(self, question: Table) -> Callable[[], dict[str, Any]]:
        """The only row of a query about built tables, for when it is called; a warehouse that can
        works on it in the meantime, beside the run.
        """

    def kept(self, name: str, schema: str = QUALITY) -> Table | None:
        """The rows of a table as readers see it; None if there is no such table."""

    def give_up(self, schema: str, *names: str) -> None:
        """Publish without the tables of these names in the schema, where they are there."""

    def append(self, name: str, rows: Table) -> Table:
        """Add rows to a table of `quality`, which keeps those of earlier runs; gives the new ones,
        and maybe the others.
        """

    def write_files(
        self, rows: Table, columns: Sequence[str], order: Sequence[str], file: Path
    ) -> None:
        """Write columns of a table to FILE.csv and FILE.parquet, sorted.

        The same rows give the same bytes of CSV, which is safe for spreadsheets.
        """

    def write_months(self, rows: Table, order: Sequence[str], folder: Path) -> None:
        """Write a table, sorted, to FOLDER/month=YYYY-MM-01/rows.parquet, by its column `month`.

        These have the other columns. The same rows give the same bytes.
        """

    def comment(self, schema: str, name: str, text: str, columns: Mapping[str, str]) -> None:
        """Say in the warehouse what a table and its columns are."""

    def publish(self, *, afresh: bool = False) -> None:
        """Show the run to readers; the run is over.

        `afresh`: no row of a table that is replaced is left in unused room of the files either.
        """

    def publish_quality(self) -> None:
        """Show only what the run recorded in `quality`; the run is over."""


def room_for(warehouse: str, read: int) -> tuple[Path, int] | None:
    """The folder in which a run makes its tables, and how many bytes it may add; on a server, None.

    `read`: bytes of the export; a run may add as much.
    """
    if file := file_of(warehouse):  # it works on a copy
        return file.parent, read + (file.stat().st_size if file.is_file() else 0)
    if places := spark_places(warehouse):  # it makes another version of every table
        return places[1], read
    return None


def open_warehouse(url: str, limits: Limits = USUAL) -> Warehouse:
    """The warehouse a URL names; it is not touched yet.

    Raises:
        InputError: no engine has such URLs.
    """
    # Imported when needed: each engine takes its time.
    scheme, found, rest = url.partition("://")
    if scheme == "duckdb" and found and rest:
        if "?" in rest:  # else it would be the name of a file, and the source may have one
            raise InputError(
                f"{url}: a file as warehouse takes no options; leave out the ? and what follows it"
            )
        from flows.warehouse.duckdb import DuckDBWarehouse

        return DuckDBWarehouse(Path(rest), limits)
    if is_postgres(url) and rest:
        from flows.warehouse.postgres import PostgresWarehouse

        return PostgresWarehouse(url, limits)
    if places := spark_places(url):
        if find_spec("pyspark") is None:
            raise InputError("warehouse: pyspark is not installed; `make spark` does it")
        from flows.warehouse.spark import SparkWarehouse

        return SparkWarehouse(*places, limits)
    raise InputError(f"the warehouse must be written as {WAREHOUSES}")


def in_our_words(what: str, error: Exception) -> SalesFunnelError | None:
    """An engine's error that says what happened to `what`, if we know: its own can quote data."""
    engine = type(error).__module__
    if engine.startswith("psycopg"):
        from flows.warehouse.postgres.faults import in_our_words as of_postgres

        return of_postgres(what, error)
    if engine.startswith(("pyspark", "py4j")):
        from flows.warehouse.spark.faults import in_our_words as of_spark

        return of_spark(what, error)
    if isinstance(error, OSError) and (error.filename or error.errno in FULL):
        return of_file(error.filename or what, error)
    # Arrow hands on what DuckDB says.
    by_arrow = engine == "pyarrow.lib" or (type(error) is OSError and error.errno is None)
    if engine.endswith("duckdb") or by_arrow:
        from flows.warehouse.faults import in_our_words as of_duckdb

        return of_duckdb(what, error)
    return None
