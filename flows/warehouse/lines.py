"""At which line of a CSV file a rejected row begins. Only looked for once there is one.

DuckDB numbers rows, not lines. The two differ by the lines that begin no row: blank ones, those
within a quoted value, and those that were rejected whole. These are few, so they are found in one
scan, and each row is moved down by the ones before it.
"""

import ibis
from ibis import Table
from ibis.backends.duckdb import Backend

from flows.warehouse.folder import ExportFile
from flows.warehouse.reading import is_blank

NO_DELIMITER = "\x1f"


def with_lines(connection: Backend, file: ExportFile, bad: Table, misshapen: Table) -> Table:
    """The faults by line: line, column_name, reason.

    Args:
        connection: where the file is read.
        file: the file.
        bad: faults of rows: source_row (1 is the first that was read), column_name, reason.
        misshapen: rejected lines: record_number (header = 1; blank lines count, the further lines
            of a quoted value do not), reason.
    """
    odd = connection.create_table(
        f"_odd_lines_{file.source.name}", _odd_lines(connection, file), temp=True
    )
    within = _within_quotes(odd)
    blank = odd.filter(odd.is_blank).anti_join(within, "line").select("line")
    rejected = _moved_down(misshapen.rename(place="record_number"), within).rename(line="place")
    rows = _moved_down(
        bad.mutate(place=bad.source_row + 1),
        ibis.union(within, blank, rejected.select("line")),
    )
    return ibis.union(
        rows.select("column_name", "reason", line="place"),
        rejected.select("reason", "line", column_name=ibis.null("string")),
    ).select("line", "column_name", "reason")


def _odd_lines(connection: Backend, file: ExportFile) -> Table:
    """One row per line that is blank or holds an odd number of quotes: line, is_blank."""
    text = connection.read_csv(
        str(file.path),
        table_name=f"_lines_{file.source.name}",
        columns={"text": "string"},
        auto_detect=False,
        header=False,
        delim=NO_DELIMITER,
        quote="",
        escape="",
        null_padding=True,
        ignore_errors=True,
    )
    lines = text.mutate(line=ibis.row_number() + 1).alias(f"_numbered_{file.source.name}")
    quotes = lines.text.length() - lines.text.replace('"', "").length()
    is_odd = ibis.ifelse(lines.text.contains('"'), quotes % 2 == 1, False)
    blank = is_blank(lines.text)
    return lines.filter(blank | is_odd).select("line", is_blank=blank)


def _within_quotes(odd: Table) -> Table:
    """One row per line that goes on with a quoted value: `line`.

    A line with an odd number of quotes opens a value that the next such line closes.
    """
    quotes = odd.filter(~odd.is_blank)
    ends = quotes.mutate(
        number=ibis.row_number().over(order_by=quotes.line),
        closed_at=quotes.line.lead().over(order_by=quotes.line),
    )
    opening = ends.filter(ends.number % 2 == 0)
    return opening.select(line=ibis.range(opening.line + 1, opening.closed_at + 1).unnest())


def _moved_down(places: Table, lines: Table) -> Table:
    """The places, each moved down by the lines that lie before it, which are not counted in it."""
    counted = lines.select(
        # So many of the other lines stand before this one.
        others_before=lines.line - ibis.row_number().over(order_by=lines.line) - 1
    )
    numbered = places.mutate(row=ibis.row_number())
    joined = numbered.left_join(counted, counted.others_before < numbered.place)
    moved = joined.group_by("row").agg(
        lines_before=joined.others_before.count(),
        **{name: joined[name].arbitrary() for name in places.columns},
    )
    return moved.mutate(place=moved.place + moved.lines_before).drop("row", "lines_before")
