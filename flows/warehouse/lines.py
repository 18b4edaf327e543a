"""At which line of a CSV file a rejected row begins. Only looked for once there is one.

DuckDB numbers rows, not lines. The two differ by the lines that begin no row: blank ones, those
within a quoted value, and those that were rejected whole. These are few, so they are found in one
scan (most files have none of the first two: counting the lines tells), and each row is moved down
by the ones before it.
"""

from glob import escape

import ibis
from ibis import Table
from ibis.backends.duckdb import Backend

from flows.warehouse.csv_lines import count_lines, is_gzipped
from flows.warehouse.export_file import ExportFile

NO_DELIMITER = "\x1f\x1e\x1d\x1c"
UNDECODED = "_undecoded_lines"

# A line whose last quoted value is not closed in it, and one that begins within such a value.
# A quote in the middle of a value that is not quoted is text.
_OPENS = r'^(("([^"]|"")*"|[^",][^,]*)?,)*"([^"]|"")*$'
_CLOSES = r'^([^"]|"")*"(,|$)'


def with_lines(
    connection: Backend, file: ExportFile, bad: Table, misshapen: Table, rows_read: int
) -> Table:
    """The faults by line: line, column_name, reason.

    Args:
        connection: where the file is read.
        file: the file.
        bad: faults of rows: source_row (1 is the first that was read), column_name, reason.
        misshapen: rejected lines: record_number (header = 1; blank lines count, the further lines
            of a quoted value do not), reason.
        rows_read: rows of the file, rejected ones too.
    """
    if count_lines(file) == 1 + rows_read:
        within = blank = connection.create_table("_no_lines", schema={"line": "int64"}, temp=True)
    else:
        within, blank = _lines_without_row(connection, file)
    rejected = _moved_down(misshapen.rename(place="record_number"), within).rename(line="place")
    rows = _moved_down(
        bad.mutate(place=bad.source_row + 1),
        ibis.union(within, blank, rejected.select("line")),
    )
    return ibis.union(
        rows.select("column_name", "reason", line="place"),
        rejected.select("reason", "line", column_name=ibis.null("string")),
    ).select("line", "column_name", "reason")


def _lines_without_row(connection: Backend, file: ExportFile) -> tuple[Table, Table]:
    """The lines that go on with a quoted value, and the blank ones: `line`."""
    name = file.source.name
    odd = connection.create_table(f"_odd_{name}", _odd_lines(connection, file), temp=True)
    # Lines that are not UTF-8 are not among them, and move the ones behind them.
    undecoded = connection.table(UNDECODED).select(line=ibis._.line.cast("int64")).distinct()
    undecoded = connection.create_table(f"_undecoded_{name}", undecoded, temp=True)
    odd = _moved_down(odd.rename(place="line"), undecoded).rename(line="place")
    within = _within_quotes(odd)
    return within, odd.filter(odd.is_blank).anti_join(within, "line").select("line")


def text_lines(connection: Backend, file: ExportFile, **options: bool | str) -> Table:
    """The lines of a CSV file as they are: `text`."""
    return connection.read_csv(
        escape(str(file.path)),
        table_name=f"_lines_{file.source.name}",
        columns={"text": "string"},
        auto_detect=False,
        header=False,
        delim=NO_DELIMITER,
        quote="",
        escape="",
        # A value can hold an end of a line of another kind than the file: \n and \r\n are one.
        strict_mode=False,
        new_line=r"\r" if file.line_end == "\r" else r"\r\n",
        compression="gzip" if is_gzipped(file.path) else "none",
        **options,
    )


def _odd_lines(connection: Backend, file: ExportFile) -> Table:
    """One row per line that is blank, or opens or closes a value that goes over more lines."""
    text = text_lines(
        connection,
        file,
        null_padding=True,
        store_rejects=True,
        rejects_table=UNDECODED,
        rejects_scan=f"{UNDECODED}_scans",
    )
    lines = text.mutate(line=ibis.row_number() + 1).alias(f"_numbered_{file.source.name}")
    quotes = lines.text.length() - lines.text.replace('"', "").length()
    toggles = (quotes % 2 == 1) & (lines.text.re_search(_OPENS) | lines.text.re_search(_CLOSES))
    return lines.select(
        "line",
        is_blank=lines.text.fill_null("") == "",  # one of white space is rejected as a row
        toggles=ibis.ifelse(lines.text.contains('"'), toggles, False),
    ).filter(ibis._.is_blank | ibis._.toggles)


def _within_quotes(odd: Table) -> Table:
    """One row per line that goes on with a quoted value: `line`.

    A line with an odd number of quotes opens a value that the next such line closes.
    """
    quotes = odd.filter(odd.toggles)
    ends = quotes.mutate(
        number=ibis.row_number().over(order_by=quotes.line),
        closed_at=quotes.line.lead().over(order_by=quotes.line),
    )
    opening = ends.filter(ends.number % 2 == 0)
    return opening.select(line=ibis.range(opening.line + 1, opening.closed_at + 1).unnest())


def _moved_down(places: Table, lines: Table) -> Table:
    """The places, each moved down by the lines that lie before it, which are not counted in it."""
    before = ibis.row_number().over(order_by=lines.line) + 1
    counted = lines.select(lines_before=before, behind=lines.line - before + 1)
    # Several follow each other without one between them: all of them lie before the next place.
    counted = counted.group_by("behind").agg(lines_before=counted.lines_before.max())
    moved = places.asof_join(counted, places.place >= counted.behind)
    return moved.mutate(place=moved.place + moved.lines_before.fill_null(0)).drop(
        "lines_before", "behind"
    )
