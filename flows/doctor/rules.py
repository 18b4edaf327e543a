"""What a run is told beside its settings: the funnel, and the data of time zones."""

from collections.abc import Iterator
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from flows.doctor.finding import Told, ok, warning
from flows.run import read_funnel
from flows.settings import Settings


def funnel(_: Settings) -> Iterator[Told]:
    """funnel.toml is what it must be."""
    yield ok(f"funnel.toml: {len(read_funnel().steps)} steps")


def time_zones(_: Settings) -> Iterator[Told]:
    """There are data of time zones; a zone that is not known is told with the settings."""
    try:
        ZoneInfo("Europe/Berlin")
    except ZoneInfoNotFoundError:
        yield warning(
            "there are no data of time zones, so UTC is the only one", "pip install tzdata"
        )
    else:
        yield ok("the data of time zones are there")
