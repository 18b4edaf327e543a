"""The reports of runs: in a folder beside the latest, with a page that lists the runs.

The name of a kept report says when its run began, which one it was, and who its people were. Under
another masking key, or before somebody was forgotten, they were others, whom no page must show any
more: such reports are deleted by whichever run is published next.
"""

import re
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pyarrow as pa

from flows.errors import RunFailedError
from flows.files.page_file import beside, put_in_place, write
from flows.records.record import earlier_runs
from flows.run import Run
from flows.warehouse.address import shown
from flows.warehouse.rows import read

MOST_LISTED = 200
_RUN_ID = r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}(?:-\d+)?"  # with the number of the try
_NAME = re.compile(rf"\d{{8}}T\d{{6}}Z_(?P<run_id>{_RUN_ID})_(?P<people>[0-9a-f]{{12}})\.html")


class KeptReports:
    """What becomes of the kept reports with this run: its own joins them, and the oldest go."""

    def __init__(self, run: Run, page: Path, index: Path) -> None:
        self._page, self._new_index = page, index
        self._report, self._index = run.settings.report, run.settings.runs_index
        self._folder = self._index.parent
        people = (run.people_fingerprint or "")[:12]
        self._own = f"{run.started_at:%Y%m%dT%H%M%SZ}_{run.run_id}_{people}.html"
        found = {file.name for file in _files(self._folder) if _NAME.fullmatch(file.name)}
        of_these_people = {name for name in found if name.endswith(f"_{people}.html")}
        newest_first = sorted({self._own, *of_these_people}, reverse=True)
        self._kept = newest_first[: run.settings.keep_reports]
        self._surplus = found - {*self._kept}

    def listed(self, runs: Sequence[dict[str, Any]]) -> dict[str, Any]:
        """What the page needs to know of runs, for `reports.runs.index`."""
        pages = {found["run_id"]: name for name in self._kept if (found := _NAME.fullmatch(name))}
        return {
            "runs": [run | {"page": pages.get(run["run_id"])} for run in runs],
            "latest": self._report.name,
        }

    def write(self, report: bytes, index: bytes) -> None:
        """Write the report of the run, to be kept, and the page, next to where they belong.

        Raises:
            InputError: they cannot be written.
            RunFailedError: the disk is full.
        """
        if self._own in self._kept:
            write(self._page, report, self._folder / self._own)
            with suppress(OSError):  # as many may read it as may read the latest
                shutil.copymode(self._report, self._page)
        write(self._new_index, index, self._index)

    def put_in_place(self) -> None:
        """Show both to readers, and delete the reports that are not kept.

        Raises:
            RunFailedError: one that must not be kept cannot be deleted.
        """
        if self._own in self._kept:
            put_in_place(self._page, self._folder / self._own)
        put_in_place(self._new_index, self._index)
        for name in self._surplus:
            try:
                (self._folder / name).unlink(missing_ok=True)
            except OSError as error:
                raise RunFailedError(
                    f"{self._folder / name}: cannot delete this report of an earlier run:"
                    f" {error.strerror}"
                ) from None


@contextmanager
def kept_reports(run: Run) -> Iterator[KeptReports]:
    """The kept reports of the report of a run; what is not put in its place is gone at the end."""
    index, warehouse = run.settings.runs_index, shown(run.settings.warehouse)
    folder = index.parent
    try:
        with (
            beside(folder / "report.html", warehouse) as page,
            beside(index, warehouse) as new_index,
        ):
            yield KeptReports(run, page, new_index)
    finally:
        with suppress(OSError):  # there is something in it
            folder.rmdir()


def published_runs(run: Run, found: Mapping[str, pa.Table]) -> list[dict[str, Any]]:
    """A run and the published ones before it, newest first, at most as many as one looks for.

    Args:
        run: which is about to be published.
        found: what it wrote to `quality`.
    """
    most = max(MOST_LISTED, run.settings.keep_reports)
    columns = ("run_id", "started_at", "as_of", "rows_read", "checks", "warnings")
    of_this = found["runs"].select(columns).to_pylist()
    runs = earlier_runs(run.warehouse)
    if runs is None:
        return of_this
    published = runs.filter(runs.status == "published", runs.run_id != run.run_id)
    newest = published.order_by(published.started_at.desc()).limit(most - 1)
    return of_this + read(newest.select(columns)).to_pylist()


def _files(folder: Path) -> list[Path]:
    try:
        return [file for file in folder.iterdir() if file.is_file()]
    except OSError:  # there are none yet, or else writing one says why
        return []
