"""A file of the export."""

from dataclasses import dataclass
from pathlib import Path

from transforms.sources import Source


@dataclass(frozen=True)
class ExportFile:
    """A file of the export and its header.

    `places` says at which position of the header each known column is found; optional columns can
    be missing from it. `table`: the table of a database that it was read out of, and masked there:
    its personal columns are those of the raw table, and its lines say nothing. `ignored`: columns
    that such a table does not have; they are not used. `line_end`: of the header; if it is not
    given, the first one in the file.
    """

    source: Source
    path: Path
    header: tuple[str, ...]
    places: dict[str, int]
    table: str | None = None
    ignored: tuple[str, ...] = ()
    line_end: str = ""

    @property
    def is_masked(self) -> bool:
        """Whether its personal columns are those of the raw table."""
        return self.table is not None

    @property
    def name(self) -> str:
        """What people call it."""
        return self.table or str(self.path)

    @property
    def is_parquet(self) -> bool:
        """Whether it is Parquet; else it is CSV, as it is or gzipped."""
        return self.path.suffix.lower() == ".parquet"

    @property
    def cells(self) -> tuple[str, ...]:
        """The columns that are read, as text."""
        return self.source.masked_columns if self.is_masked else self.source.column_names

    def on_disk(self, folder: Path) -> "ExportFile":
        """The file: it is there already."""
        return self
