"""A seeded generator of a synthetic Pipedrive export of any size, messy on purpose.

Set operations run by DuckDB: model.sql is the sales team and its deals, export.sql the files they
leave. Here are the rates of the mess and the command line.
"""

import argparse
from collections.abc import Sequence
from datetime import date
from pathlib import Path
from tempfile import TemporaryDirectory

import duckdb

TABLES = ("activity", "activity_types", "deal_changes", "deals", "fields", "stages", "users")
FORMATS = ("csv", "csv.gz", "parquet")
MAX_DEALS = 10_000_000

# Nothing happens on this day or later; only planned activities are due after it.
EXPORT_DAY = date(2026, 10, 1)

# Rows of each table with such a mess, per 10,000; a row has at most one.
MESS = {
    "activity": {
        "type_spelling": 300,  # "Meeting ", "SC-2", "Sc_2"
        "unlisted_type": 60,  # a type that activity_types does not have
        "missing_deal": 450,  # no deal id
        "unknown_deal": 350,  # a deal id the log has never seen
        "missing_user": 50,  # nobody assigned
        "unknown_user": 50,  # assigned to an id that users does not have
        "float_id": 200,  # deal and user ids such as "123.0"
        "done_spelling": 150,  # "yes", "0", "TRUE" for the usual True and False
        "offset_time": 200,  # "…+02:00" or "…Z"
        "bad_time": 4,  # "31.02.2026 10:00", "n/a": a row to reject
        "shared_id": 40,  # two different activities with one id
        "duplicate": 60,  # the row is there twice
    },
    "deal_changes": {
        "key_spelling": 50,  # "Stage-ID" or "stage_id "
        "unknown_stage": 30,  # of stage changes: to stage 42, which stages does not have
        "unknown_owner": 30,  # of owner changes: to an id that users does not have
        "free_text_reason": 150,  # of losses: a sentence instead of the id of a reason
        "offset_time": 200,
        "bad_time": 4,
        "duplicate": 50,
    },
    "deals": {
        "status_spelling": 200,  # "LOST", "won "
        "unknown_status": 40,  # "deleted"
        "stale_status": 60,  # still "open" whatever the log says
        "missing_value": 500,  # no value
        "float_id": 100,
        "offset_time": 100,
        "bad_time": 2,
        "not_exported": 30,  # the log has the deal, deals has not
        "duplicate": 50,
    },
    "users": {
        "same_name": 400,  # the name of the user before
        "shared_email": 400,  # the e-mail of the user before, in capitals
        "last_name_first": 400,  # "Vega, Ana", in quotes
        "old_version": 300,  # a second row, 400 days older, with another e-mail
        "duplicate": 200,
    },
}


def generate(deals: int, seed: int, out: Path, file_format: str = "csv") -> None:
    """Write the seven files of one export into a folder, replacing those of the same name."""
    out.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(dir=out, prefix=".generate-") as folder:
        files = [Path(folder, f"{table}.{file_format}") for table in TABLES]
        with duckdb.connect(Path(folder, "model.duckdb")) as con:
            rates = [
                {"table_name": table, "mess": mess, "rate": rate}
                for table, messes in MESS.items()
                for mess, rate in messes.items()
            ]
            con.execute("SET VARIABLE seed = $1", [str(seed)])
            con.execute("SET VARIABLE deals = $1", [deals])
            con.execute("SET VARIABLE export_day = $1", [EXPORT_DAY])
            con.execute("SET VARIABLE mess = $1", [rates])
            for script in ("model.sql", "export.sql"):
                con.execute(Path(__file__).with_name(script).read_text("utf-8"))
            for table, file in zip(TABLES, files, strict=True):
                rows = con.view(f"export_{table}")
                if file_format == "parquet":
                    rows.write_parquet(str(file))
                else:
                    rows.write_csv(str(file))
        for file in files:
            file.replace(out / file.name)


def deal_count(text: str) -> int:
    """Return a number of deals, or say what it must be."""
    if not (text.isdecimal() and 1 <= int(text) <= MAX_DEALS):
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from 1 to {MAX_DEALS:,}")
    return int(text)


def main(arguments: Sequence[str] | None = None) -> None:
    """Generate an export from the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m data.generate",
        usage="python -m data.generate --deals 2000 --seed 42 --out data/sample --format csv",
        description="Write a synthetic Pipedrive export; the same seed and size, the same bytes.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    parser.add_argument("--deals", type=deal_count, default=2000, help="how many deals")
    parser.add_argument("--seed", type=int, default=42, help="which export of that size")
    parser.add_argument("--out", type=Path, default=Path("data/sample"), help="its folder")
    parser.add_argument("--format", choices=FORMATS, default="csv", help="of its files")
    args = parser.parse_args(arguments)
    others = [args.out / f"{t}.{f}" for t in TABLES for f in FORMATS if f != args.format]
    if clash := next(filter(Path.exists, others), None):
        parser.error(f"{clash} is there already: choose its format or another folder")
    try:
        generate(args.deals, args.seed, args.out, args.format)
    except (OSError, duckdb.IOException) as error:
        parser.error(f"cannot write to {args.out}: {error}")


if __name__ == "__main__":
    main()
