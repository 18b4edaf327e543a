"""How much memory and disk the DuckDB of a run may take."""

from dataclasses import dataclass

from ibis.backends.duckdb import Backend

# Of what DuckDB takes when it is not told: 80 % of the memory of the machine, or of the container.
# Half of all leaves room for the rest of the run.
_SHARE = 5 / 8


@dataclass(frozen=True)
class Limits:
    """In bytes. Unless given, half of the memory, and nine tenths of the disk that is free."""

    memory: int | None = None
    temp: int | None = None


USUAL = Limits()


def keep_within(backend: Backend, limits: Limits) -> None:
    """Let a connection take no more. DuckDB obeys the second one only once it is connected."""
    memory = limits.memory or _half_of_the_memory(backend)
    backend.raw_sql(f"SET memory_limit = '{memory}B'")
    if limits.temp:
        backend.raw_sql(f"SET max_temp_directory_size = '{limits.temp}B'")


def _half_of_the_memory(backend: Backend) -> int:
    query = "SELECT parse_formatted_bytes(current_setting('memory_limit'))"
    [(usual,)] = backend.raw_sql(query).fetchall()
    return int(usual * _SHARE)
