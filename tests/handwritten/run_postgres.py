"""Build the warehouse with plain SQL in PostgreSQL: the baseline of the flow there."""

import csv
import os
import re
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import datetime
from pathlib import Path

import psycopg2
from psycopg2.extensions import connection as Session

from tests.handwritten.run import LAYERS, pads

HERE = Path(__file__).parent / "postgres"
SCHEMAS = ("staging", "intermediate", "marts", "snapshots")
# The largest first.
FILES = {
    "deal_changes": "deal_id change_time changed_field_key new_value",
    "activity": "activity_id type assigned_to_user deal_id done due_to",
    "deals": "deal_id status user_id stage_id value currency add_time won_time lost_time",
    "users": "id name email modified",
    "activity_types": "id name active type",
    "fields": "id field_key name field_value_options",
    "stages": "stage_id stage_name",
}
OPTIONAL = ("deals",)
BUFFER = 1 << 20
# For two cores: one worker beside the leader.
SETTINGS = {
    "TimeZone": "UTC",
    "DateStyle": "ISO, YMD",
    "jit": "off",
    "synchronous_commit": "off",
    "work_mem": "512MB",
    "hash_mem_multiplier": "2",
    "maintenance_work_mem": "256MB",
    "max_parallel_workers_per_gather": "1",
    "parallel_tuple_cost": "0.01",
}


def copy(folder: Path, url: str, name: str) -> None:
    """Copy a file as text into `staging.raw_<name>`; columns that it does not have are null."""
    path = folder / f"{name}.csv"
    header: list[str] = []
    if path.exists() or name not in OPTIONAL:
        with path.open(encoding="utf-8-sig", newline="") as file:
            header = [column.strip().lower() for column in next(csv.reader(file))]
    columns = [*header, *(column for column in FILES[name].split() if column not in header)]
    definition = ", ".join(f'"{column}" text' for column in columns)
    with closing(psycopg2.connect(url)) as session, session, session.cursor() as cursor:
        cursor.execute("SET client_encoding = 'UTF8'")
        cursor.execute(f"CREATE UNLOGGED TABLE staging.raw_{name} ({definition})")
        if header:
            bound = ", ".join(f'"{column}"' for column in header)
            statement = f"COPY staging.raw_{name} ({bound}) FROM STDIN (FORMAT csv, HEADER, FREEZE)"
            with path.open("rb") as file:
                cursor.copy_expert(statement, file, BUFFER)


def timed(label: str, verbose: bool, work: Callable[..., object], *arguments: object) -> None:
    """Do the work; say how long it took, unless that is not worth a line."""
    started = time.perf_counter()
    work(*arguments)
    if verbose and (seconds := time.perf_counter() - started) >= 0.1:
        print(f"{seconds:7.2f} s  {label}", file=sys.stderr)


def label_of(statement: str) -> str:
    """Return the table that a statement makes, or how it begins."""
    if made := re.search(r"CREATE (?:UNLOGGED )?TABLE (\S+)", statement):
        return made[1]
    code = (line for line in statement.splitlines() if line and not line.startswith("--"))
    return next(code, "")[:60]


def begin(session: Session, settings: dict[str, str]) -> None:
    """Set the session up and drop what an earlier build left."""
    with session, session.cursor() as cursor:
        for name, value in settings.items():
            cursor.execute("SELECT set_config(%s, %s, false)", [name, value])
        for schema in SCHEMAS:
            cursor.execute(f"DROP SCHEMA IF EXISTS {schema} CASCADE")
        cursor.execute("CREATE SCHEMA staging")


def build(
    folder: Path,
    url: str,
    key: bytes,
    as_of: datetime | None = None,
    timezone: str = "UTC",
    *,
    logged: bool = True,
    verbose: bool = False,
) -> None:
    """Build all layers of `folder` in the PostgreSQL database `url`.

    Not `logged`, the tables are made faster, and empty after a crash of the server.
    """
    inner, outer = pads(key)
    given = {
        "handwritten.ipad": inner.hex(),
        "handwritten.opad": outer.hex(),
        "handwritten.as_of": as_of.isoformat() if as_of else "",
        "handwritten.timezone": timezone,
    }
    with closing(psycopg2.connect(url)) as session:
        begin(session, SETTINGS | given)
        with ThreadPoolExecutor(2) as pool:
            copies = [
                pool.submit(timed, f"COPY {name}", verbose, copy, folder, url, name)
                for name in FILES
            ]
        for done in copies:
            done.result()
        # In one transaction no row needs its hint bits set, which would write every page again.
        with session, session.cursor() as cursor:
            for layer in LAYERS:
                text = (HERE / layer).read_text(encoding="utf-8")
                if not logged:
                    text = text.replace("CREATE TABLE", "CREATE UNLOGGED TABLE")
                for statement in text.split(";\n\n"):
                    timed(label_of(statement), verbose, cursor.execute, statement)


def main(folder: str, url: str, durability: str = "logged") -> None:
    """Build once, `logged` or `unlogged`, and print the seconds it took."""
    key = bytes.fromhex(os.environ.get("HANDWRITTEN_KEY", "00" * 32))
    started = time.perf_counter()
    build(Path(folder), url, key, logged=durability == "logged", verbose=True)
    print(f"{time.perf_counter() - started:.2f} s")


if __name__ == "__main__":
    main(*sys.argv[1:])
