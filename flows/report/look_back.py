"""The funnel as it was known at an earlier time, against what is known now: `--known-at`."""

import pickle
import subprocess
import sys
from datetime import UTC, datetime
from typing import Any

from ibis import Table
from ibis.backends.sql import SQLBackend
from pydantic import TypeAdapter, ValidationError

from flows import ROOT
from flows.errors import InputError, RunFailedError
from flows.files.folders import check_is_file
from flows.files.page_file import beside, put_in_place, write
from flows.records.record import newest_published
from flows.run import read_funnel
from flows.settings import Settings
from flows.settings.forms import NO_TIME, Moment
from flows.unforeseen import of_another_process
from flows.warehouse.address import shown
from flows.warehouse.read_only import looking_at_one_run
from flows.warehouse.rows import read, read_scalar
from transforms.known_at import (
    REASONS,
    known_at,
    matching_more,
    monthly_then_and_now,
    restatements,
)
from transforms.staging.stg_funnel_steps import stg_funnel_steps

HISTORY = "deal_funnel_entries"
MATCHES = "funnel_matches"


def moment_of(given: str) -> datetime:
    """A moment as it is written, in UTC.

    Raises:
        InputError: it is no moment, or one that has not come yet.
    """
    try:
        moment = TypeAdapter(Moment).validate_python(given)
    except ValidationError as error:
        said = error.errors(include_input=False, include_url=False)[0]["msg"]
        raise InputError(f"--known-at: {said.removeprefix('Value error, ')}") from None
    if moment is None:
        raise InputError(f"--known-at: {NO_TIME}")
    if moment > datetime.now(UTC).replace(tzinfo=None):
        raise InputError("--known-at: that is yet to come; name a time in the past")
    return moment


def look_back(settings: Settings, moment: datetime) -> dict[str, Any]:
    """Find out what readers were shown at a moment (UTC), and why it is something else now.

    Writes a page about it beside the report, and nothing else.

    Returns:
        status, known_at, warehouse, and page; `then` and `now`: the runs that readers saw, each
        with run_id, started_at, finished_at and as_of; `funnel` and `restatements`: the rows of
        `transforms.known_at.monthly_then_and_now` and `restatements`.

    Raises:
        InputError: no run was published by then, or what was known is not kept so far back.
    """
    name = settings.report.stem + f"_known_at_{moment:%Y%m%dT%H%M%SZ}.html"
    file = settings.report.with_name(name)
    check_is_file(file)
    with looking_at_one_run(settings.warehouse_with_password, settings.limits) as backend:
        then, now = _runs(backend, moment, shown(settings.warehouse))
        entries = backend.table(HISTORY, database="snapshots")
        known_then, known_now = known_at(entries, then["started_at"]), known_at(entries)
        steps, zone = stg_funnel_steps(funnel=read_funnel()), settings.timezone
        monthly = monthly_then_and_now(known_then, known_now, steps, zone)
        narrower, wider = _other_steps(backend, then["run_id"], now["run_id"])
        changes = restatements(
            known_then, known_now, then["as_of"], zone, wider=wider, narrower=narrower
        )
        found = {
            "status": "looked back",
            "known_at": moment,
            "warehouse": shown(settings.warehouse),
            "timezone": zone,
            "then": then,
            "now": now,
            "funnel": _rows(monthly, "month", "step_order", "funnel_step"),
            "restatements": _rows(changes, "month", "funnel_step", "reason", "deals_change"),
            "reasons": REASONS,
        }
    with beside(file, shown(settings.warehouse)) as page:
        write(page, _drawn(found), file)
        put_in_place(page, file)
    return found | {"page": str(file)}


def _runs(backend: SQLBackend, moment: datetime, name: str) -> tuple[dict[str, Any], ...]:
    """The run that readers saw at the moment, and the one that they see now."""
    runs = backend.table("runs", database="quality")
    columns = ("run_id", "started_at", "finished_at", "as_of")
    published = newest_published(runs).select(columns)
    by_then = published.filter(published.finished_at <= moment)
    [now], then = read(published.limit(1)).to_pylist(), read(by_then.limit(1)).to_pylist()
    if not then:
        first = read_scalar(published.finished_at.min())
        raise InputError(
            f"--known-at: nothing was known then: the first run that was published into {name}"
            f" ended at {first:%Y-%m-%d %H:%M:%S} UTC"
        )
    is_kept = HISTORY in backend.list_tables(database="snapshots")
    checks = backend.table("check_results", database="quality")
    keeping = published.semi_join(checks.filter(checks.model == HISTORY), "run_id")
    since = is_kept and read_scalar(keeping.started_at.min())
    if not since or since > then[0]["started_at"]:
        begun = f"only since {since:%Y-%m-%d %H:%M:%S} UTC" if since else "from the next run on"
        raise InputError(f"--known-at: what was known is recorded {begun} in {name}")
    return then[0], now


def _other_steps(backend: SQLBackend, then: str, now: str) -> tuple[Table, Table]:
    """The steps that matched more in the run of then, and in that of now; none if one of both did
    not record what they matched.
    """
    if MATCHES in backend.list_tables(database="quality"):
        matches = backend.table(MATCHES, database="quality")
        of_runs = [matches.filter(matches.run_id == run).drop("run_id") for run in (then, now)]
        if all(read_scalar(matched.count()) for matched in of_runs):
            return matching_more(*of_runs), matching_more(*reversed(of_runs))
    none = backend.table(HISTORY, database="snapshots").select("funnel_step").limit(0)
    return none, none


def _rows(table: Table, *order: str) -> list[dict[str, Any]]:
    return read(table.order_by(order)).to_pylist()


def _drawn(found: dict[str, Any]) -> bytes:
    """The page, which a process of reports draws."""
    drawing = subprocess.run(
        [sys.executable, "-m", "reports.known_at"],
        cwd=ROOT,
        input=pickle.dumps(found),
        capture_output=True,
        check=False,
    )
    if drawing.returncode:
        why = of_another_process(drawing.returncode, drawing.stderr)
        raise RunFailedError(f"the page could not be drawn: {why}")
    return drawing.stdout


def in_words(found: dict[str, Any]) -> str:
    """What came of it, for people."""
    then, now = found["then"], found["now"]
    others = [row for row in found["funnel"] if row["deals_then"] != row["deals_now"]]
    lines = [
        f"Then: the run of {_minute(then['started_at'])}, data as of {_minute(then['as_of'])}.",
        f"Now: the run of {_minute(now['started_at'])}, data as of {_minute(now['as_of'])}.",
        f"{len(others)} of {len(found['funnel'])} figures have changed since.",
    ]
    for reason in dict.fromkeys(row["reason"] for row in found["restatements"]):
        of_it = [row for row in found["restatements"] if row["reason"] == reason]
        lines.append(f"  {reason:<18} {sum(abs(row['deals_change']) for row in of_it):,} entries")
    return "\n".join([*lines, f"Page: {found['page']}"])


def _minute(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M}"
