"""How much memory and disk the DuckDB of a run may take."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ibis.backends.duckdb import Backend

# Of what DuckDB takes when it is not told: 80 % of the memory of the machine, or of the container.
# Half of all leaves room for the rest of the run.
_SHARE = 5 / 8
# More made no run quicker: what does not fit is spilled, and large models are made in parts.
MOST = 2_800_000_000


@dataclass(frozen=True)
class Limits:
    """In bytes. Unless given, half of the memory (at most MOST), nine tenths of the free disk."""

    memory: int | None = None
    temp: int | None = None


USUAL = Limits()


def keep_within(backend: Backend, limits: Limits) -> None:
    """Let a connection take no more. DuckDB obeys the second one only once it is connected."""
    memory = limits.memory or min(MOST, int(memory_of(backend) * _SHARE))
    backend.raw_sql(f"SET memory_limit = '{memory}B'")
    if limits.temp:
        backend.raw_sql(f"SET max_temp_directory_size = '{limits.temp}B'")


def memory_of(backend: Backend) -> int:
    """How many bytes of memory a connection may take."""
    query = "SELECT parse_formatted_bytes(current_setting('memory_limit'))"
    [(limit,)] = backend.raw_sql(query).fetchall()
    return int(limit)
