"""What only looks: `config` and `doctor` print what they find on stdout, and change nothing."""

import json
from dataclasses import asdict

import click

from flows.errors import SalesFunnelError
from flows.warehouse.folder import printable


def show_config(as_json: bool, **given: str | None) -> int:
    """Print the settings of a run with these options; gives the exit code."""
    from flows.config import effective, in_words

    try:
        found = effective(**given)
    except SalesFunnelError as error:
        click.echo(_printable(f"Error: {error}"), err=True)
        return error.exit_code
    click.echo(json.dumps(found) if as_json else _printable(in_words(found)))
    return 0


def show_findings(quiet: bool, as_json: bool, **given: str | None) -> int:
    """Print what would keep a run with these options from succeeding; gives the exit code."""
    from flows.doctor import examine, in_words, verdict

    found = examine(**given)
    status = verdict(found)
    if as_json:
        click.echo(json.dumps({"status": status, "findings": [*map(asdict, found)]}))
    elif told := in_words([each for each in found if not quiet or each.status == "problem"]):
        click.echo(_printable(told))
    return int(status == "problem")


def _printable(text: str) -> str:
    """Lines, in which the name of a folder can be anything."""
    return "\n".join(map(printable, text.split("\n")))
