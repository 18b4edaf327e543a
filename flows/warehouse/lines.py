"""At which line of a CSV file a rejected row begins. Only looked for once there is one."""

import ibis
from ibis import Table
from ibis.backends.duckdb import Backend

from flows.warehouse.folder import ExportFile

NO_DELIMITER = "\x1f"


def records(connection: Backend, file: ExportFile) -> Table:
    """One row per record: record_number (header = 1, blank lines count), line, is_blank.

    A record goes over the following lines as long as a quote is open, so it begins where an even
    number of quotes stands before the line.
    """
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
    content = text.text.fill_null("")
    lines = text.select(
        line=ibis.row_number() + 1,
        quotes=content.length() - content.replace('"', "").length(),
        is_blank=content.strip() == "",
    )
    so_far = lines.quotes.sum().over(order_by=lines.line, rows=(None, 0))
    lines = lines.mutate(begins=(so_far - lines.quotes) % 2 == 0)
    begins = lines.filter(lines.begins)
    return begins.select(
        "line", "is_blank", record_number=ibis.row_number().over(order_by="line") + 1
    )
