"""A warehouse that is no DuckDB: one in memory reads files for it, and writes them."""

from abc import ABC, abstractmethod
from collections.abc import Collection, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

from ibis import Table
from ibis.backends.duckdb import Backend

from flows.warehouse import reader
from flows.warehouse.export_file import ExportFile
from flows.warehouse.landing import Landed
from flows.warehouse.masking import masking_with
from flows.warehouse.rows import table_of
from flows.warehouse.writing import write_files, write_months


class Elsewhere(ABC):
    """The part of a warehouse that `_reader` does, open while the warehouse is."""

    _reader: Backend
    _is_read = False

    @abstractmethod
    def _hand_over(self, name: str, rows: Table) -> Table:
        """Rows of the reader as a table of the warehouse."""

    @abstractmethod
    def _taken_back(self, rows: Table, file: Path) -> AbstractContextManager[Table]:
        """Rows of the warehouse as a table of the reader, to be written to the file."""

    def masking(self, key: bytes) -> AbstractContextManager[None]:
        """Make pseudonyms with the key; it is in the memory of this process only."""
        return masking_with(key, self._reader)

    def land(self, file: ExportFile, zone: str, forgotten: Collection[int] = ()) -> Landed:
        """Read a file of the export and hand its raw table over, within `masking`."""
        self._is_read = False
        landed = reader.land(self._reader, file, zone, forgotten)
        self._is_read = True
        raw = self._hand_over(file.source.raw_name, landed.raw)
        reader.forget(self._reader, file.source)
        return replace(landed, raw=raw)

    def progress(self) -> float:
        """How much of the file at hand is read and handed over, in percent."""
        return (reader.progress(self._reader) + (100 if self._is_read else 0)) / 2

    def table_of(self, rows: Iterable[Mapping[str, object]], columns: Mapping[str, str]) -> Table:
        """A few rows of Python, to be built or appended at once: the next ones take their place."""
        with TemporaryDirectory() as folder:
            made = table_of(self._reader, rows, columns, Path(folder) / "rows")
            return self._hand_over("rows", made)

    def write_files(
        self, rows: Table, columns: Sequence[str], order: Sequence[str], file: Path
    ) -> None:
        """Write columns of a table to FILE.csv and FILE.parquet, sorted."""
        chosen = rows.select([*dict.fromkeys([*order, *columns])])
        with self._taken_back(chosen, file) as read:
            write_files(self._reader, read, columns, order, file)

    def write_months(self, rows: Table, order: Sequence[str], folder: Path) -> None:
        """Write a table to FOLDER/month=YYYY-MM-01/rows.parquet."""
        with self._taken_back(rows, folder) as read:
            write_months(self._reader, read, order, folder)
