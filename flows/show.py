"""What only looks: `config`, `doctor` and `--known-at` say what they find, and run nothing."""

import json
import os
from dataclasses import asdict

import click

from flows.printable import printable_lines
from flows.settings import load_settings
from flows.settings.secret_blocks import with_secrets
from flows.settings.unknown import unknown_variables
from flows.unforeseen import told_in_short


def warn_of_unknown_variables() -> None:
    """Say of each variable that is named like a setting, and is none, what it may stand for."""
    for said, fix in unknown_variables().items():
        click.echo(f"Warning: {said}; {fix}", err=True)


def show_config(as_json: bool, **given: str | None) -> None:
    """Print the settings of a run with these options."""
    from flows.settings.config import effective, in_words

    found = effective(**given)
    warn_of_unknown_variables()
    click.echo(json.dumps(found) if as_json else printable_lines(in_words(found)))


def show_findings(quiet: bool, as_json: bool, **given: str | None) -> int:
    """Print what would keep a run with these options from succeeding; gives the exit code."""
    with told_in_short("doctor"):
        from flows.doctor import examine, in_words, verdict

        found = examine(**given)
    status = verdict(found)
    if as_json:
        click.echo(json.dumps({"status": status, "findings": [*map(asdict, found)]}))
    elif told := in_words([each for each in found if not quiet or each.status == "problem"]):
        click.echo(printable_lines(told))
    return int(status == "problem")


def show_known_at(quiet: bool, as_json: bool, known_at: str, **given: str | None) -> None:
    """Write the page about the funnel as it was known, and say so."""
    os.umask(0o077)
    with told_in_short("--known-at"):
        from flows.report.look_back import in_words, look_back, moment_of

        settings = with_secrets(load_settings(**given))
        if not quiet:
            warn_of_unknown_variables()
        found = look_back(settings, moment_of(known_at))
    if as_json:
        click.echo(json.dumps(found, default=str))
    elif not quiet:
        click.echo(printable_lines(in_words(found)))
