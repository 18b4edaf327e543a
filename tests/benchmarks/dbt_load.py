"""Load an export for dbt: `python -m tests.benchmarks.dbt_load EXPORT URL`.

It copies the CSV files into tables of a PostgreSQL database, as the handwritten SQL has them.
"""

import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import psycopg2

from tests.handwritten.run_postgres import FILES, begin, copy


def load(export: Path, url: str) -> None:
    """Copy the files, two at a time, and let the planner know them."""
    with closing(psycopg2.connect(url)) as session:
        begin(session, {})
        with ThreadPoolExecutor(2) as pool:
            for done in [pool.submit(copy, export, url, name) for name in FILES]:
                done.result()
        with session, session.cursor() as cursor:
            cursor.execute(f"ANALYZE {', '.join(f'staging.raw_{name}' for name in FILES)}")


if __name__ == "__main__":
    load(Path(sys.argv[1]), sys.argv[2])
