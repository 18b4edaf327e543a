"""What the Prefect UI shows of a run: its name, its tags, its last state, and its artifacts.

An artifact has the same key in every run, so that the UI lists them as a history.
"""

import logging
import os
import re
from collections.abc import Iterable
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
import pyarrow as pa
from prefect import get_run_logger
from prefect.artifacts import (
    create_link_artifact,
    create_markdown_artifact,
    create_table_artifact,
)
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.exceptions import ObjectNotFound
from prefect.runtime import deployment, flow_run
from prefect.states import Cancelled, Completed, Crashed, Failed

from flows.errors import RunFailedError, SalesFunnelError, WarehouseBusyError
from flows.plan import in_words
from flows.printable import printable
from flows.records.ledger import CRASHED
from flows.run import Run
from flows.settings import Settings
from flows.warehouse import Entry
from flows.warehouse.address import shown

WARNINGS = "warnings"  # tag of a run that was published although something is to be looked at
UUID_LENGTH = 36
QUALITY_GATE = "Quality gate"  # how the message of a run begins that a check stopped


def run_id() -> str:
    """The id of the flow run; of one that is retried, and keeps it, with the number of the try."""
    tries = flow_run.run_count
    return f"{flow_run.id}-{tries}" if tries > 1 else str(flow_run.id)


def run_name() -> str:
    """The source and the moment of a run that begins; whether they can be used is seen later."""
    given = flow_run.parameters
    usual = os.environ.get("FUNNEL_SOURCE") or Settings.model_fields["source"].default
    as_of = given.get("as_of") or os.environ.get("FUNNEL_AS_OF")
    return _name(given.get("source") or usual, as_of or "the newest event so far")


def show_plan(planned: dict[str, Any]) -> Any:
    """Leave the plan of a dry run; gives the last state of the run, whose result is the plan."""
    create_markdown_artifact(
        "\n".join(f"    {line}" for line in in_words(planned).splitlines()),
        key="sales-funnel-plan",
        description="What a run would do",
    )
    return Completed(message="Dry run: nothing was written", data=planned)


def show_outcome(run: Run, summary: dict[str, Any], found: dict[str, pa.Table]) -> Any:
    """Leave what became of a run, and name it after its data.

    Returns:
        The last state of the run, whose result is the summary, or the error of one that a check
        stopped: who called the flow gets that.
    """
    is_stopped, warnings = bool(run.failed_checks), summary["warnings"]
    try:
        _leave_artifacts(run, summary, found)
    except httpx.HTTPError as error:  # what it published is there, whoever can watch it
        get_run_logger().warning(
            "The UI could not be told what the run did: %s", type(error).__name__
        )
    if is_stopped:
        broken = [result.with_table for result in run.failed_checks]
        return Failed(
            message=f"{QUALITY_GATE}: nothing was published: {'; '.join(broken)}",
            data=RunFailedError("\n  ".join(["checks failed, nothing was published:", *broken])),
        )
    told = f" with {warnings} warning{'s' if warnings > 1 else ''}" if warnings else ""
    return Completed(message=f"Published{told}", data=summary)


def show_crashed(earlier: Iterable[Entry]) -> None:
    """Tell of runs that were killed: nobody else could, and the UI would show them as running.

    One that is retried is the same to Prefect, and runs.
    """
    killed = (entry for entry in earlier if entry["status"] == CRASHED["status"])
    crashed = {str(entry["run_id"])[:UUID_LENGTH] for entry in killed} - {str(flow_run.id)}
    if not crashed:
        return
    try:
        with get_client(sync_client=True) as client:
            for crashed_id in crashed:
                with suppress(ObjectNotFound):  # known to another server, or deleted there
                    _end_as_crashed(client, UUID(crashed_id))
    except httpx.HTTPError as error:  # the next run tries again, until one is published
        get_run_logger().warning(
            "The UI could not be told which runs crashed: %s", type(error).__name__
        )


def _end_as_crashed(client: SyncPrefectClient, crashed_id: UUID) -> None:
    state = client.read_flow_run(crashed_id).state
    if state is not None and state.is_running():  # not one that waits to be retried
        client.set_flow_run_state(crashed_id, Crashed(message=CRASHED["reason"]), force=True)


def _leave_artifacts(run: Run, summary: dict[str, Any], found: dict[str, pa.Table]) -> None:
    lines = [f"| {name.replace('_', ' ')} | {_plain(value)} |" for name, value in summary.items()]
    create_markdown_artifact(
        "\n".join(["| | |", "| --- | --- |", *lines]),
        key="sales-funnel-summary",
        description="What the run did",
    )
    create_table_artifact(
        found["scores"].to_pylist(),
        key="quality-scores",
        description="Scores of the source tables, 0 to 1",
    )
    create_table_artifact(
        [
            {"table": name, "made from": ", ".join(model.upstream), "one row per": model.grain}
            for name, model in run.models.items()
        ],
        key="lineage",
        description="What each table is made from",
    )
    if not run.failed_checks:
        create_link_artifact(
            run.settings.report_url or Path(summary["report"]).resolve().as_uri(),
            link_text=Path(summary["report"]).name,
            key="sales-funnel-report",
            description="The report" if run.settings.report_url else "The report, as a file",
        )
    with get_client(sync_client=True) as client:
        client.update_flow_run(
            flow_run.id,
            name=_name(run.settings.source, run.given["as_of"]),
            tags=[*flow_run.tags, *([WARNINGS] if summary["warnings"] else [])],
        )


class ShortErrors(logging.Filter):
    """Prefect logs an error of ours with a traceback; all that it has to say is in its words."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Let every record pass, that of such an error as its words alone."""
        error = record.exc_info[1] if record.exc_info else None
        if isinstance(error, SalesFunnelError):
            record.msg, record.args, record.exc_info = str(error), (), None
        return True


for _logger in ("prefect.flow_runs", "prefect.task_runs"):
    logging.getLogger(_logger).addFilter(ShortErrors())


def failed(error: SalesFunnelError) -> Any:
    """The last state of a run that failed.

    Of a deployment, a run into a warehouse that is held is cancelled, as Prefect does with a run
    too many of the same deployment.
    """
    if isinstance(error, WarehouseBusyError) and deployment.id is not None:
        return Cancelled(message=str(error))
    return Failed(message=str(error), data=error)


def _name(source: str, as_of: datetime | str) -> str:
    place = shown(source)
    place = place if "://" in place else Path(place).name or place
    moment = f"{as_of:%Y-%m-%d %H:%M}" if isinstance(as_of, datetime) else as_of
    return f"{printable(place)} as of {moment}"


def _plain(value: object) -> str:
    """A value in a table of Markdown, as it is: the name of a file can be anything."""
    return re.sub(r"[\\`*_\[\]<>&|!~]", r"\\\g<0>", printable(str(value)))
