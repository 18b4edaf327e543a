"""The flow `sales-funnel`: ingest, build, check, record, draw, publish (the tasks in tasks.py)."""

from collections.abc import Callable
from contextlib import ExitStack
from datetime import datetime
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from prefect import flow
from prefect.client.schemas.objects import State

from flows import signals
from flows.errors import InputError, InterruptedRunError, SalesFunnelError
from flows.files.export_folder import place_for_files, put_files_in_place
from flows.files.page_file import beside, put_in_place
from flows.files.private_file import for_the_owner_only
from flows.holding import held_warehouse
from flows.making import begin
from flows.people import forgotten_users
from flows.people.masking_key import existing_key, fresh_key, masking_key, sweep_fresh_key
from flows.places import check_places
from flows.plan import plan
from flows.records.ledger import known
from flows.records.record import last_published
from flows.report.kept import kept_reports
from flows.report.process import ReportProcess, report_process
from flows.report.rows import is_shown, report_table
from flows.run import Run
from flows.settings import Settings, load_settings
from flows.settings.secret_blocks import with_secrets
from flows.settings.unknown import unknown_variables
from flows.tasks import (
    build_model,
    check_models,
    export_tables,
    ingest_table,
    publish,
    record_run,
    write_report,
)
from flows.unforeseen import told_in_short
from flows.warehouse import Warehouse
from flows.warehouse.address import has_password, shown
from flows.warehouse.export import opened_export
from flows.watching.monitoring import (
    failed,
    run_id,
    run_name,
    show_crashed,
    show_outcome,
    show_plan,
)
from flows.watching.steps import step, tell
from transforms.sources import RAW_TABLES


@flow(name="sales-funnel", flow_run_name=run_name, persist_result=False)
def sales_funnel(
    source: str = "",
    warehouse: str = "",
    report: str = "",
    export: str = "",
    as_of: datetime | None = None,
    incremental: bool | None = None,
    full_refresh: bool = False,
    dry_run: bool = False,
    rotate_key: bool = False,
) -> dict[str, Any]:
    """Turn a Pipedrive export into marts and a report.

    A parameter that is empty is taken from its FUNNEL_… variable, or has its default.

    Args:
        source: folder of the export, duckdb://PATH?schema=NAME or
            postgresql://USER@HOST:PORT/DATABASE?schema=NAME.
        warehouse: duckdb://PATH, postgresql://USER@HOST:PORT/DATABASE or
            spark://HOST:PORT?catalog=FOLDER. A password is no parameter, because Prefect stores
            those: give it by PGPASSWORD, ~/.pgpass, or in FUNNEL_SOURCE and FUNNEL_WAREHOUSE.
        report: HTML file to write.
        export: folder to write the tables of the report to, as CSV and Parquet, and the events, as
            Parquet by month; by default none.
        as_of: the moment up to which open stays are measured, as in 2024-12-31T00:00:00Z; by
            default the newest event so far.
        incremental: the export holds only new or changed rows, to be merged into the warehouse.
        full_refresh: the export is complete; the rows kept by earlier incremental runs are
            discarded.
        dry_run: look at the source, say what would be done, and write nothing.
        rotate_key: give everybody other pseudonyms, with a new key.

    Returns:
        What the run did: run_id, status, as_of, seconds, counts, and where the results are; of a
        dry run, its plan.

    Raises:
        InputError: the source or a setting is wrong; nothing was changed.
        RunFailedError: a check of severity error failed (no mart is published), or the run did.
        WarehouseBusyError: somebody else holds the warehouse.
    """
    signals.begin()
    try:
        _refuse_passwords(source=source, warehouse=warehouse)
        given = {"source": source, "warehouse": warehouse, "report": report, "export": export}
        chosen = {name: value for name, value in given.items() if value}
        settings = with_secrets(load_settings(**chosen, as_of=as_of, incremental=incremental))
        for said, fix in unknown_variables().items():
            tell(f"Warning: {said}; {fix}")
        if dry_run:
            return show_plan(plan(settings, full_refresh=full_refresh))
        with for_the_owner_only():
            return _refresh(settings, rotate_key, full_refresh)
    except InterruptedRunError:
        raise
    except SalesFunnelError as error:
        return failed(error)


def _refuse_passwords(**urls: str) -> None:
    for name, url in urls.items():
        if has_password(url):
            raise InputError(
                f"{name}: Prefect stores parameters as they are, and now this password: change it,"
                " and give the new one by PGPASSWORD or ~/.pgpass"
            )


def _refresh(settings: Settings, rotate_key: bool, full_refresh: bool) -> Any:
    """Read the source into the warehouse; gives the last state of the run."""
    check_places(settings, full_refresh=full_refresh)
    is_partial = settings.is_partial(full_refresh=full_refresh)
    then: list[Callable[[], None]] = []  # once the warehouse is published
    with told_in_short("sales-funnel"), ExitStack() as stack:
        target = held_warehouse(stack, settings)
        # Once nobody else can change them, as a run before this one may have.
        if not rotate_key and existing_key(settings) is None:
            _check_needs_no_key(target, settings)
        key, forgotten = masking_key(settings), forgotten_users(settings)
        drawing = report_process(stack)
        if rotate_key:
            key, put_key_in_place = stack.enter_context(fresh_key(settings))
            then.append(put_key_in_place)
        else:
            sweep_fresh_key(settings)
        opened = opened_export(
            settings.source_with_password, key, forgotten, settings.limits, is_partial=is_partial
        )
        tables = stack.enter_context(opened)
        files: Path | None = None
        if settings.export is not None:
            files = stack.enter_context(place_for_files(settings.export, shown(settings.warehouse)))
        folder = Path(stack.enter_context(TemporaryDirectory()))
        stack.enter_context(target.run())
        run = Run(run_id(), settings, target, tables)
        stack.enter_context(known(run))
        show_crashed(run.earlier)
        begin(run, key, forgotten, full_refresh=full_refresh)
        with target.masking(key):
            states = _make_tables(run, folder, drawing)
        if run.odd_as_of:
            tell(f"Warning: {run.odd_as_of}")
        # Of all tables: what others are made of is there when these are.
        read = {table for model in run.models.values() for table in model.upstream}
        check_models(run, wait_for=[state for name, state in states.items() if name not in read])

        status = "stopped" if run.failed_checks else "published"
        found = record_run(run, status)
        if run.failed_checks:
            target.publish_quality()
        else:
            page = stack.enter_context(beside(settings.report, shown(settings.warehouse)))
            kept = stack.enter_context(kept_reports(run))
            write_report(run, drawing, found, page, kept)
            then += [partial(put_in_place, page, settings.report), kept.put_in_place]
            if files is not None:
                export_tables(run, files)
                then.append(partial(put_files_in_place, files))
            publish(run, then)
        summary = run.summary(status)
    return show_outcome(run, summary, found)


def _check_needs_no_key(target: Warehouse, settings: Settings) -> None:
    """A key that is lost is not replaced unasked: everybody would have another pseudonym."""
    with target.looking():
        if last_published(target) is not None:
            raise InputError(
                f"{settings.masking_key_file}: is missing, and the pseudonyms in"
                f" {shown(settings.warehouse)} were made with a masking key; restore it (mode 600),"
                " give it as FUNNEL_MASKING_KEY, or run rotate-key to give everybody another"
                " pseudonym"
            )


def _make_tables(run: Run, folder: Path, drawing: ReportProcess) -> dict[str, State[Any]]:
    """Ingest the export, make the models, and begin with their checks and charts.

    Gives the states of these tasks, from which Prefect draws the lineage.
    """
    states: dict[str, State[Any]] = {}
    if run.refresh.adds:  # which rows are touched is known when all are read
        for table in RAW_TABLES:
            if table not in states:
                _ingest(table, run, folder, states)
    for name, model in run.models.items():
        # A raw table is read when a model needs it, and given up after the last one did.
        for table in model.upstream:
            if table not in states:
                _ingest(table, run, folder, states)
        upstream = [states[table] for table in model.upstream]
        states[name] = _done(build_model(name, run, wait_for=upstream, return_state=True))
        run.forget_raw_tables(after=name)
        run.ask_checks()
        if is_shown(name):
            with step(f"draw {name}", only_if_notable=True):
                drawing.draw(name, report_table(name, run.tables, run.settings.min_deals_per_rep))
    return states


def _ingest(name: str, run: Run, folder: Path, states: dict[str, State[Any]]) -> None:
    """Land a table. Where it cannot be read, the others are tried too: all is told."""
    wrong = []
    for table in (name, *(other for other in RAW_TABLES if other not in {name, *states})):
        states[table] = state = ingest_table(table, run, folder, return_state=True)
        error = None if state.is_completed() else state.result(raise_on_failure=False)
        if isinstance(error, InputError):
            wrong.append(str(error))
        elif not wrong or isinstance(error, InterruptedRunError):
            _done(states[table])
            return
        elif error is not None:  # what follows from the first one, as in a transaction that failed
            break
    raise InputError("\n  ".join(wrong))


def _done(state: State[Any]) -> State[Any]:
    """The state of a task that succeeded; raises the error of one that did not."""
    if not state.is_completed():
        state.result()
    return state
