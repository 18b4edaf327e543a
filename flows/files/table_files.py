"""Tables as files: `--export DIR`.

They are the marts and what the run found out about its data, as CSV and as Parquet. Where the
report shows reps with few deals together, so do they; and the deals themselves do not name them.
Models that are filed by month are there too, as Parquet, and name nobody.
"""

import os
import shutil
from pathlib import Path

import ibis.selectors as s

from flows.errors import InputError, of_file
from flows.files.export_folder import FAULT
from flows.report.rows import shown_rows
from flows.run import Run
from transforms.times import month

OF_QUALITY = ("reconciliation", "scores", "check_results", "rejected_rows")


def write_files(run: Run, place: Path) -> int:
    """Write the tables of a run, complete on disk; gives their number.

    Raises:
        InputError: the place cannot be written to, or a folder has the name of a file, or a file
            that of a folder.
        RunFailedError: the disk is full.
    """
    folder = place.parent
    few = run.settings.min_deals_per_rep
    marts = [name for name, model in run.models.items() if model.layer == "marts"]
    try:
        place.mkdir(parents=True)
        for name in (*marts, *OF_QUALITY):
            rows, order = shown_rows(name, run.tables, few if name in marts else 1)
            columns = [column for column in run.tables[name].columns if column != "run_id"]
            if "deal_id" in columns:
                order = ["deal_id"]
            run.warehouse.write_files(rows, columns, order, place / name)
        by_month = {name: model.by_month for name, model in run.models.items() if model.by_month}
        for name, column in by_month.items():
            rows = run.tables[name].drop(s.matches("^user_id$"))
            rows = rows.mutate(month=month(rows[column], run.settings.timezone))
            run.warehouse.write_months(rows, [column, *run.models[name].key], place / name)
        for file in sorted(file for file in place.rglob("*") if file.is_file()):
            _finish(file, folder, folder / file.relative_to(place))
    except OSError as error:
        raise of_file(folder, error, FAULT) from None
    return len(marts) + len(OF_QUALITY) + len(by_month)


def _finish(file: Path, folder: Path, belongs: Path) -> None:
    if belongs.is_dir():
        raise InputError(f"{belongs}: {FAULT}: is a folder; a file must be there")
    for above in belongs.relative_to(folder).parents:
        if (folder / above).is_file():
            raise InputError(f"{folder / above}: {FAULT}: is a file; a folder must be there")
    if belongs.exists():
        shutil.copymode(belongs, file)
    with file.open("rb") as stream:
        os.fsync(stream.fileno())
