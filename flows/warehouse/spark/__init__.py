"""Parquet files in a folder as warehouse, made by a Spark cluster.

The run is the driver; the cluster, this machine and whoever reads have the folder in common. A run
makes a version of all tables; publishing shows it to readers at once (`versions`). Files are read,
typed and masked by a DuckDB in memory and handed over as Parquet: no unmasked value gets to the
cluster.
"""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import contextmanager
from glob import escape
from pathlib import Path
from typing import Any

import ibis
import ibis.expr.datatypes as dt
import pyspark
from ibis import Table
from ibis.backends.duckdb import Backend as DuckDB
from ibis.backends.pyspark import Backend as Spark
from ibis.backends.pyspark.datatypes import PySparkType

from flows.warehouse import QUALITY, Entry, reader, versions
from flows.warehouse.elsewhere import Elsewhere
from flows.warehouse.file import Lock, check_free, held
from flows.warehouse.limits import USUAL, Limits
from flows.warehouse.rows import recorded_run_ids, with_columns
from flows.warehouse.spark.faults import told_in_short
from flows.warehouse.spark.session import check_reachable, connected
from flows.warehouse.writing import copy_to
from transforms.sources import Source

TIME, MICROSECONDS = dt.Timestamp(), dt.Timestamp(scale=6)


class SparkWarehouse(Elsewhere):
    """One run on a folder: `with warehouse.held(), warehouse.run(): …; warehouse.publish()`.

    `backend` is the Ibis connection of the run.
    """

    backend: DuckDB | Spark
    rows_at_once = None  # what does not fit into memory goes to disk
    _lock: Lock
    _asking: Executor
    _building: Path

    def __init__(self, master: str, folder: Path, limits: Limits = USUAL) -> None:
        self.master, self.folder = master, folder.resolve()
        self._limits = limits
        self._places = 0  # that were given out
        self._given_up: set[tuple[str, str]] = set()

    @contextmanager
    def held(self) -> Iterator[None]:
        """Keep other runs away.

        Raises:
            WarehouseBusyError: another run holds it.
            InputError: the folder cannot be used, or the cluster not be reached.
        """
        versions.check_folder(self.folder)
        with held(self.folder) as self._lock:
            check_reachable(self.master)
            yield

    @contextmanager
    def looking(self) -> Iterator[str]:
        """Look at the folder, or at none if it is not there yet.

        Raises:
            WarehouseBusyError: another run holds it.
            InputError: the folder cannot be used, or the cluster not be reached.
        """
        versions.check_folder(self.folder)
        if not hasattr(self, "_lock"):
            check_free(self.folder)
        check_reachable(self.master)
        self.backend = ibis.duckdb.connect()
        try:
            there = (self.folder / versions.CURRENT).exists()
            yield f"Spark {pyspark.__version__}" + ("" if there else ", nothing there yet")
        finally:
            self.backend.disconnect()

    def knows_zone(self, name: str) -> bool:
        """Whether months can be cut in a time zone."""
        return reader.knows_zone(self.backend, name)

    @contextmanager
    def run(self) -> Iterator[None]:
        """Work beside the version that is there; what is not published is gone at the end.

        Raises:
            InputError: the folder cannot be used.
        """
        with (
            told_in_short(self.folder),
            versions.building_in(self.folder) as self._building,
            reader.opened(self._limits) as self._reader,
            connected(self.master) as self.backend,
            ThreadPoolExecutor(1) as self._asking,
        ):
            try:
                yield
            finally:
                self._asking.shutdown(wait=False, cancel_futures=True)

    def begin(self, entry: Entry) -> list[Entry]:
        """Keep an entry about this run, in the file of the lock; gives those of earlier ones."""
        return self._lock.begin(entry, recorded_run_ids(self.kept("runs")))

    def end(self, entry: Entry) -> None:
        """Put this entry in place of the one of `begin`, unless the run is published."""
        self._lock.end(entry)

    def start_anew(self, made_before: Collection[tuple[str, str]] = ()) -> None:
        """The tables of the run are in a place of their own anyway."""

    def build(
        self,
        schema: str,
        name: str,
        rows: Table,
        key: Sequence[str] = (),
        replaced_by: Sequence[str] = (),
        more: Sequence[Table] = (),
    ) -> Table:
        """Make a table of the rows, in place of the one of that name once it is published."""
        place = self._building / "tables" / schema / name
        return self._make(place, ibis.union(rows, *more) if more else rows)

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
        """Put rows in place of those that agree with a row of `gone`, once it is published.

        The table is written anew: its files are not changed where they are.
        """
        before = self.kept(name, schema)
        assert before is not None
        all_rows = ibis.union(rows, *more) if more else rows
        new = self.set_aside(f"new_{name}", all_rows.select(*before.columns))
        return self.build(schema, name, before.anti_join(gone, on).union(new)), new

    def set_aside(self, name: str, rows: Table) -> Table:
        """A table of the rows for the time of the run."""
        return self._make(self._place(name), rows)

    def ask(self, question: Table) -> Callable[[], dict[str, Any]]:
        """The only row of a query, which the cluster works on beside the run."""
        query = self.backend.compile(question)

        def answer() -> dict[str, Any]:
            with told_in_short(self.folder):
                [row] = self.backend.raw_sql(query).toArrow().to_pylist()
                return row

        return self._asking.submit(answer).result

    def kept(self, name: str, schema: str = QUALITY) -> Table | None:
        """The rows of a table that readers see."""
        place = versions.table_files(self.folder, schema, name)
        if place is None or (schema, name) in self._given_up:
            return None
        kept = self._read(place, f"kept_{schema}_{name}")
        # Ibis takes no notice that these are in microseconds.
        times = {column: MICROSECONDS for column in kept.columns if kept[column].type() == TIME}
        return kept.cast(times)

    def give_up(self, schema: str, *names: str) -> None:
        """Publish without tables of a schema, where they are there."""
        self._given_up.update((schema, name) for name in names)

    def append(self, name: str, rows: Table) -> Table:
        """Add rows to a table of `quality`, which keeps those of earlier runs."""
        kept = self.kept(name)
        both = rows if kept is None else with_columns(kept, rows.schema()).union(rows)
        return self.build(QUALITY, name, both)

    def forget_raw(self, source: Source) -> None:
        """Raw tables go with the place that the run builds in."""

    def comment(self, schema: str, name: str, text: str, columns: Mapping[str, str]) -> None:
        """Parquet files have no comments; what they mean is in `quality.data_dictionary`."""

    def publish(self, *, afresh: bool = False) -> None:
        """Show the run to readers; the run is over.

        `afresh`: the version before is deleted at once.
        """
        self._publish(
            self._building / "tables", lambda *table: table not in self._given_up, afresh=afresh
        )

    def publish_quality(self) -> None:
        """Show only what the run recorded in `quality`; the run is over."""
        quality = self._building / "only_quality"
        quality.mkdir()
        (self._building / "tables" / QUALITY).rename(quality / QUALITY)
        self._publish(quality, lambda *_: True)

    def _publish(
        self, finished: Path, stays: Callable[[str, str], bool], *, afresh: bool = False
    ) -> None:
        versions.put_in_place(self.folder, finished, stays, afresh=afresh)
        self._lock.forget_entries()

    def _place(self, name: str) -> Path:
        """A place of the run that nothing else has."""
        self._places += 1
        return self._building / "aside" / f"{name}_{self._places}"

    def _hand_over(self, name: str, rows: Table) -> Table:
        """Rows of the reader as a table of Spark."""
        place = self._place(name)
        place.mkdir(parents=True)
        copy_to(self._reader, rows, place / "rows.parquet")
        return self._read(place, place.name).cast(rows.schema())

    @contextmanager
    def _taken_back(self, rows: Table, file: Path) -> Iterator[Table]:
        """Rows of Spark as a table of the reader."""
        place = self._place("taken_back")
        self._make(place, rows)
        files = f"{escape(str(place))}/{versions.FILES}"
        yield self._reader.read_parquet(files, table_name="_taken_back").cast(rows.schema())

    def _make(self, place: Path, rows: Table) -> Table:
        """A table of the rows; Spark has another type for some of them than Ibis says."""
        with told_in_short(f"{place.parent.name}.{place.name}"):
            made = self.backend.raw_sql(self.backend.compile(rows))
            columns = (
                made[column].cast(PySparkType.from_ibis(dtype)).alias(column)
                for column, dtype in rows.schema().items()
            )
            made = made.select(*columns)
            made.write.parquet(str(place))
            return self._read(place, f"{place.parent.name}_{place.name}").cast(rows.schema())

    def _read(self, place: Path, name: str) -> Table:
        return self.backend.read_parquet(str(place / versions.FILES), table_name=name)
