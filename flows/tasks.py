"""The tasks of the flow: each is a step that the run goes through, as the Prefect UI shows it."""

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import pyarrow as pa
from prefect import task
from prefect.cache_policies import NO_CACHE
from prefect.client.schemas.objects import State
from prefect.states import Completed

from flows import signals
from flows.errors import RunFailedError, SalesFunnelError
from flows.files.page_file import write
from flows.files.table_files import write_files
from flows.ingest import ingest
from flows.making import make
from flows.records.dictionary import document
from flows.records.history import score_history
from flows.records.record import record
from flows.report.kept import KeptReports, published_runs
from flows.report.process import ReportProcess
from flows.run import Run
from flows.version import code_version
from flows.warehouse.address import shown
from flows.warehouse.fingerprint import fingerprint
from flows.warehouse.rows import read
from flows.watching.load_progress import progress_shown
from flows.watching.steps import step
from transforms.sources import RAW_TABLES

# No result is cached or persisted (of a run that fails, Prefect keeps our own short error), and
# nothing is tried again: a local file does not get better by waiting.
_TASK: dict[str, Any] = {"cache_policy": NO_CACHE, "persist_result": False}


@task(task_run_name="{name}", **_TASK)
def ingest_table(name: str, run: Run, folder: Path) -> State[None]:
    """Land a table of the export; an optional one that is not there is empty."""
    with step(name, tag="ingest") as outcome:
        source = RAW_TABLES[name]
        with progress_shown(source.name, run.warehouse.progress):
            landed = ingest(run, source, folder)
        if landed is None:
            outcome.rows, outcome.status = 0, "not in the export"
            return Completed(message=outcome.in_words)
        outcome.rows, outcome.status = landed.rows_loaded, landed.in_words
        if replaced := run.refresh.replaced.get(source.name):
            outcome.status += f"; {replaced:,} earlier rows replaced"
        if ignored := landed.file.ignored:
            outcome.status += f"; columns not used: {', '.join(ignored)}"
        return Completed(message=outcome.in_words)


@task(task_run_name="{name}", **_TASK)
def build_model(name: str, run: Run) -> State[None]:
    """Make the table of a model."""
    with step(name, tag=run.models[name].layer) as outcome:
        outcome.status = make(run, name)
        outcome.rows = run.rows[name]
        return Completed(message=outcome.in_words)


@task(task_run_name="checks", **_TASK)
def check_models(run: Run) -> None:
    """Hold every table against its rules."""
    asked = {f"raw_{name}": partial(run.check_raw, name) for name in run.landed} | run.asked
    for name, answer in asked.items():
        with step(f"check {name}", only_if_notable=True) as outcome:
            found = answer()
            run.checks += found
            notable = [result.in_words for result in found if result.status != "pass"]
            outcome.status = "; ".join(notable) or "ok"


@task(task_run_name="record", **_TASK)
def record_run(run: Run, status: str) -> dict[str, pa.Table]:
    """Write to `quality` what the run found, and what its tables mean."""
    with step("record"):
        source = fingerprint(landed.file for landed in run.landed.values())
        history = score_history(run, source)
        found = record(run, status, source)
        found |= document(run, status)
        scores = run.tables["scores"].order_by("table_name", "measure")
        return found | {"scores": read(scores), "score_history": history}


@task(task_run_name="report", **_TASK)
def write_report(
    run: Run, drawing: ReportProcess, found: dict[str, pa.Table], page: Path, kept: KeptReports
) -> None:
    """Write the report next to where it belongs, and the page that lists the runs."""
    with step("report"):
        about = {
            "as_of": run.given["as_of"].isoformat(),
            "odd_as_of": run.odd_as_of,
            "timezone": run.settings.timezone,
            "source": Path(shown(run.settings.source)).name,
            "code_version": code_version(),
            "source_fingerprint": found["runs"]["source_fingerprint"][0].as_py(),
            "has_deals": run.has_deals,
            "is_incremental": run.refresh.adds,
        }
        drawing.write_page(found, about)
        content, index = drawing.finish(kept.listed(published_runs(run, found)))
        write(page, content, run.settings.report)
        kept.write(content, index)


@task(task_run_name="export", **_TASK)
def export_tables(run: Run, place: Path) -> None:
    """Write the tables as files, next to where they belong."""
    with step("export") as outcome:
        outcome.status = f"{write_files(run, place)} tables"


@task(task_run_name="publish", **_TASK)
def publish(run: Run, then: Sequence[Callable[[], None]]) -> None:
    """Put the new warehouse in place of the old one, and then what belongs to it.

    Raises:
        RunFailedError: something of that could not be put there; the rest is.
    """
    with step("publish"), signals.ignored():
        run.warehouse.publish(afresh=run.is_afresh)
        failed = []
        for put_the_other_in_place in then:
            try:
                put_the_other_in_place()
            except SalesFunnelError as error:
                failed.append(f"the results are published, but {error}")
        signals.published.set()
        if failed:
            raise RunFailedError("\n  ".join(failed))
