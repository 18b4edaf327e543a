"""The command `python -m flows.main`.

The slow parts start first, side by side: a Prefect server if there is none, the process that draws
the report, and, while these come up, the imports of the flow (`flows.flow`).
"""

import json
import logging
import os
import signal
import sys

if __name__ == "__main__":  # Ctrl-C while the imports below are running
    signal.signal(signal.SIGINT, lambda *_: os._exit(130))

from contextlib import ExitStack
from pathlib import Path
from types import FrameType
from typing import Any, NoReturn

import click

from flows import signals
from flows.errors import InterruptedRunError, SalesFunnelError
from flows.report_process import prepare
from flows.server import TemporaryServer, is_surely_needed
from flows.settings import load_settings
from flows.warehouse import open_warehouse
from flows.warehouse.folder import find_export

EXAMPLE = """\b
Example:
  python -m flows.main --source ~/pipedrive_export --warehouse duckdb://sales.duckdb

Turn a Pipedrive export into marts and an HTML report.

Every option is also a variable: --source is FUNNEL_SOURCE. See the README for the others.

\b
Exit codes: 0 done (there can be warnings), 1 failed or stopped by a check, 2 usage or input,
75 the warehouse is busy, 130 and 143 interrupted.
"""


@click.command(help=EXAMPLE)
@click.option("--source", metavar="SRC", help="Folder of the export.  [data/sample]")
@click.option("--warehouse", metavar="URL", help="duckdb://PATH.  [duckdb://data/warehouse.duckdb]")
@click.option("--report", metavar="FILE", help="HTML file.  [reports/out/sales_funnel.html]")
@click.option(
    "--as-of", metavar="TS", help="Measure open stays up to this time (UTC).  [the newest event]"
)
@click.option("--dry-run", is_flag=True, help="Do everything, but publish nothing.")
@click.option("--quiet", is_flag=True, help="Say nothing but errors.")
@click.option("--json", "as_json", is_flag=True, help="Print the outcome as JSON on stdout.")
def command(quiet: bool, as_json: bool, dry_run: bool, **given: str | None) -> None:
    """See EXAMPLE, which is the help text."""
    signal.signal(signal.SIGTERM, _stop)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with ExitStack() as stack:
            outcome = _run(stack, quiet, dry_run=dry_run, **given)
    except InterruptedRunError:
        _stop(signals.received[0] if signals.received else signal.SIGTERM, None)
    except SalesFunnelError as error:
        click.echo(f"Error: {error}", err=True)
        sys.exit(error.exit_code)
    except KeyboardInterrupt:
        _stop(signal.SIGINT, None)
    if as_json:
        click.echo(json.dumps(outcome))
    elif not quiet:
        click.echo(_in_words(outcome), err=True)


def _run(stack: ExitStack, quiet: bool, *, dry_run: bool, **given: str | None) -> dict[str, Any]:
    """Start what is slow, look at the input, then import and run the flow."""
    os.environ.setdefault("DO_NOT_TRACK", "1")
    # The terminal shows our step lines; what Prefect says besides goes to its server only.
    os.environ.setdefault("PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL", "CRITICAL")
    servers = [TemporaryServer(stack)] if is_surely_needed() else []
    prepare(stack)

    settings = load_settings(**given)
    open_warehouse(settings.warehouse)
    find_export(Path(settings.source))

    from prefect.settings import PREFECT_API_URL, temporary_settings

    if not servers and PREFECT_API_URL.value() is None:
        servers = [TemporaryServer(stack)]
    from flows.flow import sales_funnel
    from flows.progress import showing_steps

    for server in servers:
        server.wait()
        stack.callback(logging.shutdown)  # hands the log on while the server is still there
        stack.enter_context(temporary_settings({PREFECT_API_URL: server.api_url}))
    with showing_steps(not quiet):
        return sales_funnel(
            source=settings.source,
            warehouse=settings.warehouse,
            report=str(settings.report),
            as_of=settings.as_of,
            dry_run=dry_run,
        )


def _in_words(outcome: dict[str, Any]) -> str:
    """The totals of a run, and where its results are."""
    counts = (
        f"{outcome['rows_read']:,} rows read: {outcome['rows_loaded']:,} loaded,"
        f" {outcome['rows_rejected']:,} rejected, {outcome['duplicates_collapsed']:,} duplicates"
        f" collapsed. {outcome['checks']} checks, {outcome['warnings']} warnings."
    )
    end = f"{outcome['status'].capitalize()} in {outcome['seconds']} s, as of {outcome['as_of']}."
    if outcome["status"] != "published":
        return f"{counts}\n{end}"
    return f"{counts}\n{end}\nWarehouse: {outcome['warehouse']}\nReport: {outcome['report']}"


def _stop(signum: int, frame: FrameType | None) -> NoReturn:
    click.echo("Stopped; nothing was changed.", err=True)
    sys.exit(128 + signum)


if __name__ == "__main__":
    command()
