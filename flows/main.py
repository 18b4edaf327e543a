"""The command `python -m flows.main`: what it is told, and what it says at the end."""

import atexit
import gc
import json
import os
import signal
import sys

if __name__ == "__main__":
    for _number in (signal.SIGINT, signal.SIGTERM):  # while the imports below are running
        signal.signal(_number, lambda number, _: os._exit(128 + number))
    # What is imported is here to stay: looking for garbage in it takes a second of a run.
    gc.disable()
    atexit.register(gc.freeze)

from contextlib import ExitStack, suppress
from typing import Any

try:
    import click

    from flows import signals
    from flows.errors import InterruptedRunError, SalesFunnelError, ServerGoneError
    from flows.people import LARGEST_ID
    from flows.printable import printable_lines
    from flows.show import show_config, show_findings, show_known_at
    from flows.start import start, stopped
    from flows.unforeseen import told_in_short
except ImportError as error:
    from flows.installed import does_not_fit, is_of_ours

    if __name__ != "__main__" or is_of_ours(error):
        raise
    print(f"Error: {does_not_fit(error)}", file=sys.stderr)
    sys.exit(1)

ACTIONS = ("rotate-key", "forget", "config", "doctor")
EXAMPLE = """\b
Example:
  python -m flows.main --source ~/pipedrive_export --warehouse duckdb://sales.duckdb

Turn a Pipedrive export into marts and an HTML report.

\b
  rotate-key           run, and replace all pseudonyms, by a new masking key
  forget --user-id N   run, and remove user N from this and every later run
  config               print the settings of a run, and where each comes from
  doctor               look for what would keep a run from succeeding, and say what to do

Options from --source to --incremental are variables, too: --source is FUNNEL_SOURCE. All settings
are in docs/settings.md.

\b
Exit codes: 0 done (there can be warnings), 1 failed or stopped by a check, 2 usage or input,
75 the warehouse is busy, 130 and 143 interrupted.
"""


@click.command(help=EXAMPLE)
@click.argument(
    "action", metavar=f"[{' | '.join(ACTIONS)}]", required=False, type=click.Choice(ACTIONS)
)
@click.option(
    "--user-id", type=click.IntRange(0, LARGEST_ID), metavar="N", help="Id of the user to forget."
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
    "--as-of",
    metavar="TS",
    help="Measure open stays up to this time (UTC).  [the newest event so far]",
)
@click.option(
    "--incremental",
    is_flag=True,
    default=None,
    help="The export holds only new or changed rows: merge them into the warehouse.",
)
@click.option(
    "--full-refresh",
    is_flag=True,
    help="The export is complete: discard the rows kept by earlier incremental runs.",
)
@click.option(
    "--dry-run", is_flag=True, help="Look at the source, say what would be done, write nothing."
)
@click.option(
    "--known-at",
    metavar="TS",
    help="Start no run; write a page, beside the report, with the funnel as it was published at"
    " this time (UTC) beside today's, and why they differ.",
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
    if action in ("config", "doctor") and full_refresh:
        raise click.UsageError(f"{action} does not go with --full-refresh.")
    is_of_a_run = any(given[name] is not None for name in ("as_of", "incremental", "export"))
    if known_at is not None and (action or dry_run or full_refresh or is_of_a_run):
        raise click.UsageError(
            "--known-at starts no run: it goes with --warehouse, --report, --quiet and --json only."
        )
    try:
        if known_at is not None:
            return show_known_at(quiet, as_json, known_at, **given)
        if action == "config":
            return show_config(as_json, **given)
        if action == "doctor":
            sys.exit(show_findings(quiet, as_json, **given))
        for number in signals.STOPPING:  # nothing is there yet to be tidied up
            signal.signal(number, lambda number, _: os._exit(stopped(number)))
        with told_in_short("sales-funnel"), ExitStack() as stack:
            stack.callback(signals.ignore)  # at last: Python would only stumble over one
            outcome = start(
                stack, quiet, action, user_id, dry_run=dry_run, full_refresh=full_refresh, **given
            )
    except InterruptedRunError:
        sys.exit(stopped(signals.received[0] if signals.received else signal.SIGTERM))
    except SalesFunnelError as error:
        _say(f"Error: {error}")
        if isinstance(error, ServerGoneError):  # Prefect would go on to tell it what it has
            os._exit(error.exit_code)
        sys.exit(error.exit_code)
    except KeyboardInterrupt:
        sys.exit(stopped(signal.SIGINT))
    if as_json:
        click.echo(json.dumps(outcome))
    elif not quiet:
        _say(_in_words(outcome))


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
    click.echo(printable_lines(text), err=True)


if __name__ == "__main__":
    try:
        command()
    except OSError as error:  # of what is printed; Python would stumble over it once more
        done = "the results are published, but " if signals.published.is_set() else ""
        with suppress(OSError):
            os.write(2, f"Error: {done}this cannot be printed: {error.strerror}\n".encode())
        os._exit(1)
