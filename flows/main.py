"""The command `python -m flows.main`.

The slow parts start first, side by side: a Prefect server if there is none, the process that draws
the report, and, while these come up, the imports of the flow (`flows.flow`).
"""

import atexit
import gc
import json
import logging
import os
import signal
import sys

if __name__ == "__main__":
    for _number in (signal.SIGINT, signal.SIGTERM):  # while the imports below are running
        signal.signal(_number, lambda number, _: os._exit(128 + number))
    # What is imported is here to stay: looking for garbage in it takes a second of a run.
    gc.disable()
    atexit.register(gc.freeze)

from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from contextvars import copy_context
from typing import Any

try:
    import click

    from flows import signals
    from flows.errors import InterruptedRunError, RunFailedError, SalesFunnelError
    from flows.export_folder import check_folder
    from flows.folders import check_no_folder
    from flows.holding import hold
    from flows.looking import show_config, show_findings, show_known_at
    from flows.masking_key import check_can_rotate
    from flows.people import LARGEST_ID, forget
    from flows.report_process import prepare
    from flows.secret_blocks import with_secrets
    from flows.server import TemporaryServer, is_surely_needed
    from flows.settings import Settings, load_settings
    from flows.unforeseen import told_in_short
    from flows.warehouse.address import has_password
    from flows.warehouse.export import check_export
    from flows.warehouse.folder import printable
except ImportError as error:
    from flows.installed import misfits

    if __name__ != "__main__" or (error.name or "").partition(".")[0] == "flows":
        raise
    print(f"Error: what is installed does not fit: {error}", file=sys.stderr)
    with suppress(OSError):  # there is no pyproject.toml beside the code
        for said, fix in misfits():
            print(f"  {said}. Fix: {fix}", file=sys.stderr)
    sys.exit(1)

ACTIONS = ("rotate-key", "forget", "config", "doctor")
EXAMPLE = """\b
Example:
  python -m flows.main --source ~/pipedrive_export --warehouse duckdb://sales.duckdb

Turn a Pipedrive export into marts and an HTML report.

\b
  rotate-key           the same, under pseudonyms of a new masking key
  forget --user-id N   the same, now and in all later runs without a trace of user N
  config               print the settings of a run, and where each comes from
  doctor               look for what would keep a run from succeeding, and say what to do

Options that name a place or a time are variables, too: --source is FUNNEL_SOURCE. All are in
docs/settings.md.

\b
Exit codes: 0 done (there can be warnings), 1 failed or stopped by a check, 2 usage or input,
75 the warehouse is busy, 130 and 143 interrupted.
"""


@click.command(help=EXAMPLE)
@click.argument(
    "action", metavar=f"[{' | '.join(ACTIONS)}]", required=False, type=click.Choice(ACTIONS)
)
@click.option(
    "--user-id", type=click.IntRange(0, LARGEST_ID), metavar="N", help="Of the user to forget."
)
@click.option(
    "--source",
    metavar="SRC",
    help="Folder of the export, or duckdb://PATH?schema=NAME, or"
    " postgresql://USER@HOST:PORT/DATABASE?schema=NAME.  [data/sample]",
)
@click.option(
    "--warehouse",
    metavar="URL",
    help="duckdb://PATH, postgresql://USER@HOST:PORT/DATABASE with the password in PGPASSWORD"
    " or ~/.pgpass, or spark://HOST:PORT?catalog=FOLDER.  [duckdb://data/warehouse.duckdb]",
)
@click.option("--report", metavar="FILE", help="HTML file.  [reports/out/sales_funnel.html]")
@click.option(
    "--export", metavar="DIR", help="Folder for the tables, as CSV and Parquet, events by month."
)
@click.option(
    "--as-of", metavar="TS", help="Measure open stays up to this time (UTC).  [the newest event]"
)
@click.option(
    "--incremental",
    is_flag=True,
    default=None,
    help="The export is what is new or changed: join it to what is there.",
)
@click.option(
    "--full-refresh",
    is_flag=True,
    help="The export is all there is: give up the rows of incremental runs before.",
)
@click.option(
    "--dry-run", is_flag=True, help="Look at the source, say what would be done, write nothing."
)
@click.option(
    "--known-at",
    metavar="TS",
    help="Run nothing; write a page, beside the report, with the funnel as readers knew it then"
    " (UTC), and why it is another now.",
)
@click.option("--quiet", is_flag=True, help="Say nothing but errors.")
@click.option("--json", "as_json", is_flag=True, help="Print the outcome as JSON on stdout.")
def command(
    action: str | None,
    user_id: int | None,
    quiet: bool,
    as_json: bool,
    dry_run: bool,
    full_refresh: bool,
    known_at: str | None,
    **given: Any,
) -> None:
    """See EXAMPLE, which is the help text."""
    if (action == "forget") != (user_id is not None):
        raise click.UsageError("forget and --user-id N go together.")
    if action and dry_run:
        raise click.UsageError(f"{action} does not go with --dry-run.")
    if known_at is not None and (action or dry_run or full_refresh):
        raise click.UsageError("--known-at runs nothing: it goes with places only.")
    if known_at is not None:
        sys.exit(show_known_at(quiet, as_json, known_at, **given))
    if action == "config":
        sys.exit(show_config(as_json, **given))
    if action == "doctor":
        sys.exit(show_findings(quiet, as_json, **given))
    for number in signals.STOPPING:  # nothing is there yet to be tidied up
        signal.signal(number, lambda number, _: os._exit(_stopped(number)))
    try:
        with told_in_short("sales-funnel"), ExitStack() as stack:
            outcome = _run(
                stack, quiet, action, user_id, dry_run=dry_run, full_refresh=full_refresh, **given
            )
        for number in signals.STOPPING:  # all is done: Python would only stumble over it
            signal.signal(number, signal.SIG_IGN)
    except InterruptedRunError:
        sys.exit(_stopped(signals.received[0] if signals.received else signal.SIGTERM))
    except SalesFunnelError as error:
        _say(f"Error: {error}")
        sys.exit(error.exit_code)
    except KeyboardInterrupt:
        sys.exit(_stopped(signal.SIGINT))
    if as_json:
        click.echo(json.dumps(outcome))
    elif not quiet:
        _say(_in_words(outcome))


def _run(
    stack: ExitStack,
    quiet: bool,
    action: str | None,
    user_id: int | None,
    *,
    dry_run: bool,
    full_refresh: bool,
    **given: Any,
) -> dict[str, Any]:
    """Start what is slow, look at the input, then import and run the flow."""
    os.environ.setdefault("DO_NOT_TRACK", "1")
    # The terminal shows our step lines; what Prefect says besides goes to its server only.
    os.environ.setdefault("PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL", "CRITICAL")
    os.environ.setdefault("PREFECT_LOGGING_INTERNAL_LEVEL", "CRITICAL")
    os.umask(0o077)
    if dry_run:
        from flows.plan import plan

        return plan(with_secrets(load_settings(**given)), full_refresh=full_refresh)
    servers = [TemporaryServer(stack)] if is_surely_needed() else []
    prepare(stack)

    settings = load_settings(**given)
    check_export(settings.source, is_partial=settings.incremental and not full_refresh)
    check_no_folder(settings.report)
    check_folder(settings.export)
    if action == "rotate-key":
        check_can_rotate(settings)
    if not settings.blocks:  # else Prefect has the password
        _hold(stack, settings, user_id)

    from prefect.settings import (
        PREFECT_API_URL,
        PREFECT_FLOWS_HEARTBEAT_FREQUENCY,
        temporary_settings,
    )

    if not servers and PREFECT_API_URL.value() is None:
        servers = [TemporaryServer(stack)]
    for server in servers:
        stack.enter_context(temporary_settings({PREFECT_API_URL: server.api_url}))
        stack.callback(logging.shutdown)  # hands the log on while the server is still there
    # Whoever started the run sees it end; Prefect's heart would beat on for up to a second.
    stack.enter_context(temporary_settings({PREFECT_FLOWS_HEARTBEAT_FREQUENCY: None}))
    with ThreadPoolExecutor() as pool:
        ready = pool.submit(copy_context().run, _reach_the_server, servers)
        from flows.flow import sales_funnel
        from flows.progress import showing_steps

        ready.result()
    if settings.blocks:
        _hold(stack, with_secrets(settings), user_id)
    gc.freeze()
    gc.set_threshold(50_000, 20, 50)  # expressions are many small objects, and soon gone
    gc.enable()
    signals.end_at_last(lambda number: f"{_what_became_of_it()}\n".encode())
    signal.signal(signal.SIGTERM, lambda number, _: sys.exit(_stopped(number)))
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signals.watch()
    stack.enter_context(showing_steps(not quiet))
    places = {"source": settings.source, "warehouse": settings.warehouse}
    for name, url in places.items():
        if has_password(url):  # not as a parameter of the flow: Prefect stores those
            os.environ[f"FUNNEL_{name.upper()}"] = url
    return sales_funnel(
        **{name: "" if has_password(url) else url for name, url in places.items()},
        report=str(settings.report),
        export=str(settings.export or ""),
        as_of=settings.as_of,
        incremental=settings.incremental,
        full_refresh=full_refresh,
        dry_run=False,
        rotate_key=action == "rotate-key",
    )


def _hold(stack: ExitStack, settings: Settings, user_id: int | None) -> None:
    """Hold the warehouse; whatever becomes of this run then, the next one knows who is to go."""
    hold(stack, settings)
    if user_id is not None:
        forget(settings, user_id)


def _reach_the_server(servers: list[TemporaryServer]) -> None:
    """Wait for the server of our own, or see whether the one that is configured is there."""
    from prefect.client.orchestration import get_client

    for server in servers:
        server.wait()
    with get_client(sync_client=True) as client:
        if client.api_healthcheck() is not None:
            raise RunFailedError(
                "the Prefect server does not answer; start it, or unset PREFECT_API_URL"
                " and the run starts one for itself"
            )


def _in_words(outcome: dict[str, Any]) -> str:
    """The totals of a run, and where its results are; or the plan of one."""
    if "tables" in outcome:
        from flows.plan import in_words

        return in_words(outcome)
    counts = (
        f"{outcome['rows_read']:,} rows read: {outcome['rows_loaded']:,} loaded,"
        f" {outcome['rows_rejected']:,} rejected, {outcome['duplicates_collapsed']:,} duplicates"
        f" collapsed. {outcome['checks']} checks, {outcome['warnings']} warnings."
    )
    end = f"Published in {outcome['seconds']} s, as of {outcome['as_of']}."
    places = ("warehouse", "report", "runs", "export")
    where = [f"{place.title()}: {outcome[place]}" for place in places if outcome[place]]
    return "\n".join([counts, end, *where])


def _say(text: str) -> None:
    """Print lines, in which the name of a folder can be anything."""
    click.echo("\n".join(map(printable, text.split("\n"))), err=True)


def _stopped(number: int) -> int:
    """Say that a signal ended the run, and what became of its results; gives the exit code."""
    click.echo(_what_became_of_it(), err=True)
    return 128 + number


def _what_became_of_it() -> str:
    done = "the results are published" if signals.published.is_set() else "nothing was changed"
    return f"Stopped; {done}."


if __name__ == "__main__":
    command()
