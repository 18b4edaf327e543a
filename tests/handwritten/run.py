"""Build the warehouse from CSV files with plain SQL: the oracle and the baseline of the flow."""

import os
import sys
import time
from datetime import datetime
from hashlib import sha256
from pathlib import Path

import duckdb

HERE = Path(__file__).parent
LAYERS = ("ingest_and_staging.sql", "intermediate.sql", "marts.sql", "snapshots.sql")
DEALS = """
CREATE TEMP TABLE raw_deals AS SELECT *, row_number() OVER () AS line FROM csv('deals')
"""
NO_DEALS = "CREATE TEMP TABLE raw_deals (line BIGINT)"


def pads(key: bytes) -> tuple[bytes, bytes]:
    """Return the inner and the outer key of HMAC-SHA256."""
    block = (sha256(key).digest() if len(key) > 64 else key).ljust(64, b"\0")
    return bytes(byte ^ 0x36 for byte in block), bytes(byte ^ 0x5C for byte in block)


def build(
    folder: Path,
    database: Path,
    key: bytes,
    as_of: datetime | None = None,
    timezone: str = "UTC",
    *,
    verbose: bool = False,
) -> None:
    """Build all layers of `folder` in the DuckDB file `database`."""
    inner, outer = pads(key)
    with duckdb.connect(str(database), config={"threads": 2}) as connection:
        connection.execute("SET TimeZone = 'UTC'")
        connection.execute("SET VARIABLE folder = ?", [str(folder)])
        connection.execute("SET VARIABLE ipad = ?", [inner])
        connection.execute("SET VARIABLE opad = ?", [outer])
        connection.execute("SET VARIABLE as_of = ?", [as_of])
        connection.execute("SET VARIABLE timezone = ?", [timezone])
        for layer in LAYERS:
            text = (HERE / layer).read_text(encoding="utf-8")
            for statement in connection.extract_statements(text):
                started = time.perf_counter()
                if "CREATE TEMP TABLE deals" in statement.query:
                    connection.execute(DEALS if (folder / "deals.csv").exists() else NO_DEALS)
                connection.execute(statement)
                if verbose and (seconds := time.perf_counter() - started) >= 0.1:
                    table = statement.query.partition("TABLE ")[2].partition(" ")[0]
                    print(f"{seconds:7.2f} s  {table}", file=sys.stderr)


def main(folder: str, database: str) -> None:
    """Build once and print the seconds it took."""
    key = bytes.fromhex(os.environ.get("HANDWRITTEN_KEY", "00" * 32))
    started = time.perf_counter()
    build(Path(folder), Path(database), key, verbose=True)
    print(f"{time.perf_counter() - started:.2f} s")


if __name__ == "__main__":
    main(*sys.argv[1:])
