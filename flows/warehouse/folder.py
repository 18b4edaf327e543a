"""A folder of export files: which file is which table, and which of its columns is which."""

import csv
import re
import zlib
from collections import deque
from collections.abc import Collection, Iterable
from itertools import islice
from pathlib import Path
from stat import S_ISDIR, S_ISREG

from flows.errors import InputError
from flows.printable import printable
from flows.warehouse.csv_lines import blocks, decoded, is_gzipped, opened
from flows.warehouse.export_file import ExportFile
from transforms.sources import SOURCES, Source

SUFFIXES = (".csv", ".csv.gz", ".parquet")
LONGEST = 40  # of the name of a column that is told
_EXPECTED = {name + suffix for name in SOURCES for suffix in SUFFIXES}
WHAT_TO_DO: dict[type[OSError], str] = {
    NotADirectoryError: "; give the folder that holds the files, unzipped",
    FileNotFoundError: "; give the folder that holds the files",
}
OTHER_DELIMITERS = {";": "semicolons", "\t": "tabs", "|": "vertical bars"}


def tables_in(folder: Path) -> list[Path]:
    """The files of a folder that an export of it is read from."""
    return [path for path in folder.glob("*") if path.name.lower() in _EXPECTED]


def find_export(folder: Path, *, is_partial: bool = False) -> dict[str, ExportFile]:
    """The files of an export by table; an optional table can be missing.

    `is_partial`: so can all but one; then, a file that is no table could be a missing one.

    Raises:
        InputError: the folder cannot be read; or tables are missing, there twice, empty, or lack a
            column: all that is wrong, a line for each.
    """
    try:
        names = sorted(path.name for path in folder.iterdir())
    except OSError as error:
        what_to_do = WHAT_TO_DO.get(type(error), "")
        raise InputError(
            f"{folder}: cannot read the source folder: {error.strerror}{what_to_do}"
        ) from None
    found, wrong = {}, []
    for source in SOURCES.values():
        try:
            if file := _find(source, folder, names, is_partial):
                found[source.name] = file
        except InputError as error:
            wrong.append(str(error))
    if is_partial:
        wrong += [
            f"{folder / name}: is no table of an export; rename it, or put it elsewhere"
            for name in names
            if name.lower().endswith(SUFFIXES) and name.lower() not in _EXPECTED
        ]
    if _EXPECTED.isdisjoint(map(str.lower, names)) and not (is_partial and wrong):
        wrong = [_nothing_there(folder, names)]
    if wrong:
        raise InputError("\n  ".join(wrong))
    return found


def _nothing_there(folder: Path, names: list[str]) -> str:
    """Says that no table is there, and where they can be instead."""
    said = f"{folder}: there is no table of an export in it, such as deal_changes.csv"
    if any(name.lower().endswith(".zip") for name in names):
        return f"{said}; unzip what is in it"
    if any((folder / name).is_dir() for name in names):
        return f"{said}; give the folder in it that has them"
    return f"{said}; give the folder that holds the files"


def _find(source: Source, folder: Path, names: list[str], is_partial: bool) -> ExportFile | None:
    wanted = [source.name + suffix for suffix in SUFFIXES]
    paths = [folder / name for name in names if name.lower() in wanted]
    if len(paths) > 1:
        both = " and ".join(path.name for path in paths)
        raise InputError(f"{folder}: {both} are both there; keep one of them")
    if paths:
        return _open(source, paths[0])
    if not (source.optional or is_partial):
        expected = ", ".join(wanted)
        others = [name for name in names if _is_meant_for(source, name)]
        hint = f" ({others[0]} is none of them)" if others else ""
        raise InputError(
            f"{folder}: the table {source.name} is missing; add one of {expected}{hint}"
        )
    return None


def _is_meant_for(source: Source, name: str) -> bool:
    """Whether a file that is read for no table is called like this one, as is users.xlsx."""
    return re.sub(r"\W+", "_", name.partition(".")[0].lower()) == source.name


def _open(source: Source, path: Path) -> ExportFile:
    try:
        found = path.stat()
        if not (S_ISREG(found.st_mode) or S_ISDIR(found.st_mode)):
            raise InputError(f"{path}: is no file that can be read again; put one there")
        if found.st_size == 0:
            raise InputError(f"{path}: the file is empty; export the table {source.name} again")
        _check_whole(path)
        parquet = path.suffix.lower() == ".parquet"
        header, line_end = (_parquet_header(path), "") if parquet else _csv_header(path)
    except UnicodeError:
        raise InputError(f"{path}: line 1: not UTF-8; save the file as UTF-8") from None
    except (OSError, EOFError, zlib.error, csv.Error) as error:
        raise InputError(f"{path}: cannot be read: {_reason(error)}") from None
    places = _places(source, path, header)
    known = [header[place] for place in places.values()]
    ignored = others(header, known)
    return ExportFile(source, path, header, places, ignored=ignored, line_end=line_end)


def _places(source: Source, path: Path, header: tuple[str, ...]) -> dict[str, int]:
    names = [name.strip().lower() for name in header]
    places = {}
    for column in source.columns:
        if names.count(column.name) > 1:
            raise InputError(f"{path}: line 1: the column {column.name} is there twice")
        if column.name in names:
            places[column.name] = names.index(column.name)
    missing = [c.name for c in source.columns if c.name not in places and not c.optional]
    if missing:
        raise InputError(f"{path}: line 1: {_what_is_wrong(source, header, places, missing)}")
    return places


def _what_is_wrong(
    source: Source, header: tuple[str, ...], places: dict[str, int], missing: list[str]
) -> str:
    """Says what was found without quoting it: without a header line, line 1 is somebody's data."""
    wanted = ", ".join(column.name for column in source.columns if not column.optional)
    for delimiter, name in OTHER_DELIMITERS.items():
        first = header[0].lower().split(delimiter) if header else []
        if len(first) > 1 and any(c.name in map(str.strip, first) for c in source.columns):
            return f"the columns are separated by {name}; save the file with commas"
    if not places:
        return f"no known column among {len(header)}; the first line must name them: {wanted}"
    return (
        f"missing column {', '.join(missing)} (found {', '.join(places)} among {len(header)});"
        f" the table {source.name} needs {wanted}"
    )


def _csv_header(path: Path) -> tuple[tuple[str, ...], str]:
    """The header, and what ends it: a name in it can hold an end of a line of another kind."""
    with opened(path) as content, decoded(content) as stream:
        reader = csv.reader(stream)
        header = tuple(next(reader, ()))
        stream.seek(0)
        last = [*islice(stream, reader.line_num)][-1:]
    "".join(header).encode()
    if "\0" in "".join(header):
        raise InputError(f"{path}: line 1: a NUL byte; save the file as UTF-8, or export it again")
    return header, "".join(line[len(line.rstrip("\r\n")) :] for line in last)


def others(header: Iterable[str], known: Collection[str]) -> tuple[str, ...]:
    """The columns that are not known, as they can be printed."""
    return tuple(printable(name[:LONGEST]) for name in header if name not in known)


def _check_whole(path: Path) -> None:
    """Read a gzipped file to its end: DuckDB takes one that was cut off for a shorter one."""
    if is_gzipped(path):
        deque(blocks(path), maxlen=0)


def _parquet_header(path: Path) -> tuple[str, ...]:
    import pyarrow.parquet as pq  # takes a while, and few need it
    from pyarrow import ArrowInvalid

    try:
        return tuple(pq.read_schema(path).names)
    except ArrowInvalid:
        raise InputError(f"{path}: not a Parquet file; export the table again") from None


def _reason(error: Exception) -> str:
    return (isinstance(error, OSError) and error.strerror) or "the file is damaged"
