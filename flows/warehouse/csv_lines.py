"""What DuckDB's reader does not tell of the lines of a CSV file: how long, how many, how quoted."""

import csv
import gzip
from collections.abc import Iterator
from io import TextIOWrapper
from itertools import chain, islice
from pathlib import Path
from typing import IO

from flows.errors import InputError
from flows.warehouse.export_file import ExportFile

# In bytes: a longer line is rejected; one longer than its buffer the reader would pass over without
# a word.
LONGEST_LINE, LONGEST_READ, BUFFER = 2 << 20, 7 << 20, 8 << 20
BLOCK = 1 << 20
LAST = "\x1f"  # a row that no file has


def opened(path: Path) -> IO[bytes]:
    """The content of a CSV file, unzipped."""
    return gzip.open(path) if is_gzipped(path) else path.open("rb")  # type: ignore[return-value]


def is_gzipped(path: Path) -> bool:
    """Whether a file is to be unzipped; its name can be in any case."""
    return path.suffix.lower() == ".gz"


def decoded(content: IO[bytes]) -> TextIOWrapper:
    """As text, in which what is not UTF-8 stays as it is: that is a matter of single rows."""
    return TextIOWrapper(content, encoding="utf-8-sig", errors="surrogateescape", newline="")


def blocks(path: Path) -> Iterator[bytes]:
    """The content of a CSV file, piece by piece."""
    with opened(path) as stream:
        while block := stream.read(BLOCK):
            yield block


def may_quote_the_end_of_a_line(file: ExportFile) -> bool:
    """Whether a quoted value of a CSV file goes over several lines; in doubt, yes.

    A quote in the middle of a value that is not quoted is text: then there is doubt.
    """
    is_within = False
    for block in blocks(file.path):
        if not is_within and b'"' not in block:
            continue
        parts = block.split(b'"')
        within = b"".join(parts[not is_within :: 2])
        if b"\n" in within or b"\r" in within:
            return True
        is_within ^= len(parts) % 2 == 0
    return is_within


def check_longest_line(file: ExportFile) -> None:
    """See whether each line of a CSV file is short enough to be read, or to be rejected.

    Raises:
        InputError: one is not.
    """
    line_end, length = file.line_end[-1:].encode() or b"\n", 0
    for number, block in enumerate(blocks(file.path)):
        ends = block.find(line_end)
        if length + (len(block) if ends < 0 else ends) > LONGEST_READ:
            lines = sum(block.count(line_end) for block in islice(blocks(file.path), number))
            place = "a row" if file.is_masked else f"line {lines + 1}"
            raise InputError(
                f"{file.name}: {place}: longer than {LONGEST_READ >> 20} MiB; shorten it, or leave"
                " it out"
            )
        length = length + len(block) if ends < 0 else len(block) - block.rfind(line_end) - 1


def line_of_open_quote(file: ExportFile) -> int | None:
    """The line of a CSV file on which a row begins that has a quote without an end, if one does.

    One whose end is too far away counts as none.
    """
    usual = csv.field_size_limit(BUFFER)
    begins = ends = 0
    is_closed = False
    try:
        with opened(file.path) as content, decoded(content) as stream:
            reader = csv.reader(chain(stream, ["\n", f"{LAST}\n"]))
            for row in reader:
                begins, ends = ends, reader.line_num
                is_closed = row == [LAST]
    except csv.Error:
        return ends + 1
    finally:
        csv.field_size_limit(usual)
    return None if is_closed else begins + 1


def count_lines(file: ExportFile) -> int:
    """Lines of a CSV file, its header and a last one without an end too."""
    lines, last = 0, b"\n"
    for block in blocks(file.path):
        lines, last = lines + block.count(b"\n"), block
    return lines + (not last.endswith(b"\n"))
