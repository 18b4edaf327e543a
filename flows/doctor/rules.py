"""What a run relies on beside its settings: versions, the funnel, and time zone data."""

import platform
from collections.abc import Iterator
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from flows.doctor.finding import Told, ok, problem, warning
from flows.installed import PROJECT, misfits
from flows.run import read_funnel
from flows.settings import Settings
from transforms.graph import load_models


def versions(_: Settings) -> Iterator[Told]:
    """Python and the packages are within their bounds."""
    try:
        found = [problem(said, fix) for said, fix in misfits()]
    except OSError:
        yield warning(f"{PROJECT}: is not there, so no version is compared", "put it there")
        return
    yield from found or [ok(f"Python {platform.python_version()}, packages within their bounds")]


def funnel(_: Settings) -> Iterator[Told]:
    """funnel.toml is what it must be."""
    yield ok(f"funnel.toml: {len(read_funnel().steps)} steps")


def models(_: Settings) -> Iterator[Told]:
    """The models fit together."""
    made = load_models()
    checks = sum(len(model.checks) for model in made.values())
    yield ok(f"{len(made)} models, {checks} checks of them")


def time_zones(_: Settings) -> Iterator[Told]:
    """Time zone data is installed; a zone that is not known is told with the settings."""
    try:
        ZoneInfo("Europe/Berlin")
    except ZoneInfoNotFoundError:
        yield warning("no time zone data is installed, so only UTC is known", "pip install tzdata")
    else:
        yield ok("time zone data is installed")
