"""What every run leaves in `quality`: tables that keep the rows of earlier runs."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any

import ibis
import pyarrow as pa
from ibis import Table

from flows.run import Run, now
from flows.version import code_version
from flows.warehouse import Warehouse
from flows.warehouse.address import shown
from flows.warehouse.landing import COUNTS
from flows.warehouse.rows import read
from transforms.sources import READING_RULES

RIGHT_AFTER = timedelta(microseconds=1)


@dataclass(frozen=True)
class RecordTable:
    """A table of `quality` that the flow itself fills: its grain, its columns, their meaning."""

    grain: str
    columns: Mapping[str, tuple[str, str]]

    @property
    def types(self) -> dict[str, str]:
        """The columns and their types."""
        return {name: dtype for name, (dtype, _) in self.columns.items()}


_TEXT, _COUNT, _TIME = "string", "int64", "timestamp(6)"
_OF_SUMMARY = ("status", "rows_read", "rows_loaded", "checks", "warnings")
RUN_ID = (
    _TEXT,
    "the run; with a Prefect server, the id of its flow run, and -2 and so on where it is retried",
)

RECORDS = {
    "runs": RecordTable(
        "One row per run that began to read: at once if it was published or stopped by a check,"
        " else as soon as a later run records anything.",
        {
            "run_id": RUN_ID,
            "started_at": (_TIME, "when it started, UTC"),
            "finished_at": (
                _TIME,
                "when it was ready to be published, or failed, UTC; after the run before",
            ),
            "status": (
                _TEXT,
                "published; stopped: a check of severity error failed; refused: the input or a"
                " setting is wrong; failed; interrupted: by a signal; crashed: killed",
            ),
            "reason": (_TEXT, "why it was not published"),
            "source": (_TEXT, "where the export was"),
            "source_fingerprint": (_TEXT, "hash of what was read: the same for the same export"),
            "code_version": (_TEXT, "hash of the code and the funnel that made it"),
            "refresh": (
                _TEXT,
                "whole: the export was all there is; incremental: its rows joined earlier ones",
            ),
            "source_timezone": (_TEXT, "time zone of timestamps in the export without an offset"),
            "reading_rules": (
                _COUNT,
                "number of the rules by which exports were read; rows kept by others are refused",
            ),
            "as_of": (_TIME, "the moment up to which open stays are measured, UTC"),
            "users_forgotten": (_COUNT, "users of whom nothing is kept"),
            "people_fingerprint": (
                _TEXT,
                "keyed hash (HMAC-SHA256, hex) of who is forgotten: changes with the masking key"
                " and with these users",
            ),
            "rows_read": (_COUNT, "rows of all files"),
            "rows_loaded": (_COUNT, "rows that were loaded"),
            "checks": (_COUNT, "checks that were made"),
            "warnings": (_COUNT, "those that warn"),
        },
    ),
    "reconciliation": RecordTable(
        "One row per run and table of the export; rows_read is the sum of the next three counts.",
        {
            "run_id": RUN_ID,
            "table_name": (_TEXT, "table of the export"),
            "rows_read": (_COUNT, "rows of the file"),
            "rows_loaded": (_COUNT, "rows that were loaded"),
            "rows_rejected": (_COUNT, "rows that could not be read"),
            "duplicates_collapsed": (
                _COUNT,
                "rows that were equal to a loaded one in every column",
            ),
            "earlier_rows_replaced": (
                _COUNT,
                "rows of earlier exports that said something else of the same, and are gone, equal"
                " ones once; 0 in a run that was not incremental",
            ),
        },
    ),
    "rejected_rows": RecordTable(
        "One row per run and fault of a rejected row; never the value.",
        {
            "run_id": RUN_ID,
            "table_name": (_TEXT, "table of the export"),
            "line": (_COUNT, "line of the file where the row begins; of a Parquet file, the row"),
            "column_name": (_TEXT, "the column at fault; null if it is the whole line"),
            "reason": (_TEXT, "what is wrong"),
        },
    ),
    "check_results": RecordTable(
        "One row per run and check, passed or not.",
        {
            "run_id": RUN_ID,
            "model": (_TEXT, "the table that was checked"),
            "check_name": (_TEXT, "the rule"),
            "severity": (_TEXT, "error: stops publication; warn: is shown"),
            "status": (_TEXT, "pass, warn or fail"),
            "failing_rows": (
                _COUNT,
                "rows that break the rule; of unique, values that several rows share (of raw"
                " tables, rows that another one outdoes); of columns_are_known, columns; of"
                " has_rows, newest_within… and total_agrees, 1; of rows_can_be_read, rejected rows",
            ),
            "total_rows": (
                _COUNT,
                "rows of the table; of columns_are_known, its columns; of has_rows, 1; of"
                " rows_can_be_read, rows of the file",
            ),
            "example": (
                _TEXT,
                "ids or times that tell one of the failing rows; null where only a user or a text"
                " would",
            ),
        },
    ),
    "data_dictionary": RecordTable(
        "One row per column of the warehouse, as of the latest run.",
        {
            "schema_name": (_TEXT, "schema of the table"),
            "table_name": (_TEXT, "the table"),
            "column_name": (_TEXT, "the column"),
            "column_type": (_TEXT, "its type, as Ibis names it"),
            "grain": (_TEXT, "what one row of the table is"),
            "description": (_TEXT, "what the column means"),
        },
    ),
    "lineage": RecordTable(
        "One row per table and table it is made from, as of the latest run.",
        {
            "table_name": (_TEXT, "the table"),
            "upstream_table": (_TEXT, "a table it reads; raw_… are those of the export"),
        },
    ),
}


def record(run: Run, status: str, fingerprint: str) -> dict[str, pa.Table]:
    """Write what the run found to `quality`, beside what earlier runs found; its rows are tables.

    Returns:
        The new rows of the tables that the report shows.
    """
    summary = run.summary(status)
    of_run = {"run_id": run.run_id}
    found: dict[str, list[Mapping[str, object]]] = {
        "runs": [
            *run.earlier,
            of_run
            | {name: summary[name] for name in _OF_SUMMARY}
            | {
                "reason": "; ".join(result.with_table for result in run.failed_checks) or None,
                "started_at": run.started_at,
                "finished_at": _after_the_run_before(run),
                "source": shown(run.settings.source),
                "source_fingerprint": fingerprint,
                "code_version": code_version(),
                "refresh": run.refresh.name,
                "source_timezone": run.settings.source_timezone,
                "reading_rules": READING_RULES,
                "as_of": run.given["as_of"],
                "users_forgotten": len(run.given["forgotten"]),
                "people_fingerprint": run.people_fingerprint,
            },
        ],
        "reconciliation": [
            of_run
            | {"table_name": name}
            | {count: getattr(landed, count) for count in COUNTS}
            | {"earlier_rows_replaced": run.refresh.replaced.get(name, 0)}
            for name, landed in run.landed.items()
        ],
        "rejected_rows": [
            of_run | {"table_name": name} | row
            for name, landed in run.landed.items()
            for row in landed.rejected()
        ],
        "check_results": [
            of_run | asdict(result) | {"status": result.status} for result in run.checks
        ],
    }
    for name, rows in found.items():
        kept = run.warehouse.append(name, run.warehouse.table_of(rows, RECORDS[name].types))
        run.tables[name] = kept.filter(kept.run_id == run.run_id)
    return {name: read(run.tables[name]) for name in found}


def _after_the_run_before(run: Run) -> datetime:
    """The time; if a clock went back meanwhile, right after the last run, which it tells apart."""
    at = now()
    return max(at, run.before["finished_at"] + RIGHT_AFTER) if run.before else at


def earlier_runs(warehouse: Warehouse) -> Table | None:
    """quality.runs before this run; null in columns that another version did not know of."""
    runs = warehouse.kept("runs")
    if runs is None:
        return None
    types = RECORDS["runs"].types
    missing = {name: ibis.null(types[name]) for name in types if name not in runs.columns}
    return runs.mutate(**missing) if missing else runs


def last_published(warehouse: Warehouse) -> dict[str, Any] | None:
    """The row of quality.runs about the run that readers see, if there is one."""
    runs = earlier_runs(warehouse)
    if runs is None:
        return None
    newest = newest_published(runs).limit(1)
    return next(iter(read(newest.select(*RECORDS["runs"].columns)).to_pylist()), None)


def newest_published(runs: Table) -> Table:
    """The runs that were published, the newest first: that is the one that readers see."""
    return runs.filter(runs.status == "published").order_by(runs.finished_at.desc())
