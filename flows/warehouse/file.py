"""A DuckDB file: who works on it, and how another takes its place. A folder is held alike."""

import fcntl
import json
import os
import shutil
from collections.abc import Collection, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import IO

import duckdb

from flows.errors import InputError, RunFailedError, SalesFunnelError, WarehouseBusyError, of_held
from flows.warehouse import LANDED, SCHEMAS, Entry
from flows.warehouse.faults import told_in_short

IN_MEMORY = ":memory:"
MAGIC = slice(8, 12)  # the bytes of a file of DuckDB that say so


def state(path: Path) -> tuple[int, ...]:
    """What changes when somebody writes to a file."""
    if not path.exists():
        return ()
    found = path.stat()
    return found.st_ino, found.st_size, found.st_mtime_ns


def _log(path: Path) -> Path:
    return path.with_name(f"{path.name}.wal")


class Lock:
    """The file that a run holds: a line that says who does, then an entry, as JSON, for each run
    that is not in `quality.runs` yet.
    """

    def __init__(self, path: Path, file: IO[str]) -> None:
        self._path, self._file = path, file
        self._holder = f"process {os.getpid()}, since {datetime.now(UTC):%Y-%m-%d %H:%M:%S} UTC"
        self._runs: dict[str | None, Entry] = {}
        for line in file.read().splitlines()[1:]:
            with suppress(ValueError, KeyError):  # the machine stopped while it was written
                entry = json.loads(line)
                self._runs[entry["run_id"]] = entry
        self._write()

    def begin(self, entry: Entry, published: Collection[str]) -> list[Entry]:
        """Keep an entry about a run, whatever becomes of this process; gives those of earlier ones.

        `published`: the runs that the warehouse knows: one that was killed right after that has its
        entry still.
        """
        for run_id in published:
            self._runs.pop(run_id, None)
        earlier = list(self._runs.values())
        self._runs[entry["run_id"]] = entry
        self._write()
        return earlier

    def end(self, entry: Entry) -> None:
        """Put this entry in place of the one of `begin`, unless the run is published."""
        if entry["run_id"] in self._runs:
            self._runs[entry["run_id"]] = entry
            self._write()

    def forget_entries(self) -> None:
        """The warehouse knows them now; if this is not reached, the next run sees that."""
        self._runs.clear()
        with suppress(SalesFunnelError):  # what is published is published
            self._write()

    def let_go(self) -> None:
        """Nobody holds it from now on."""
        self._holder = ""
        self._write()

    def _write(self) -> None:
        lines = [self._holder, *map(json.dumps, self._runs.values())]
        content = "".join(f"{line}\n" for line in lines).encode()
        with told_in_short(self._path):
            os.pwrite(self._file.fileno(), content, 0)
            os.ftruncate(self._file.fileno(), len(content))
            os.fsync(self._file.fileno())


@contextmanager
def held(path: Path) -> Iterator[Lock]:
    """Hold the file for one run; the system lets go of it whenever the process ends."""
    with told_in_short(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        handle = os.open(_lock_of(path), os.O_RDWR | os.O_CREAT, 0o600)
    with open(handle, encoding="utf-8", errors="replace") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise of_held(path, file.readline().strip()) from None
        lock = Lock(path, file)
        try:
            yield lock
        finally:
            lock.let_go()


def check_file(path: Path) -> None:
    """See whether a file is there that can be replaced, or none.

    Raises:
        InputError: it is something else, must only be read, or has a name that cannot be.
    """
    if path.is_dir():
        raise InputError(f"{path}: is a folder; name a file")
    if path.name.startswith(IN_MEMORY):
        raise InputError(f"{path}: DuckDB opens no file of this name; give it another")
    if (name := path.name.lstrip(".").partition(".")[0].lower()) in (*SCHEMAS, LANDED):
        # DuckDB calls the database by the name of its file.
        raise InputError(f"{path}: {name} is the name of a schema in it; give the file another")
    if path.exists() and not os.access(path, os.W_OK, effective_ids=True):
        raise InputError(f"{path}: is read-only; let yourself write to it")
    if path.exists():
        check_content(path)


def check_content(path: Path) -> None:
    """See whether it is a file of DuckDB, which opens those of some other programs, too.

    Raises:
        InputError: it is none.
    """
    if not path.is_file():
        raise InputError(f"{path}: not a DuckDB file; name another file")
    with path.open("rb") as file:
        if file.read(MAGIC.stop)[MAGIC] != b"DUCK":
            raise InputError(f"{path}: not a DuckDB file; name another file")


def check_free(path: Path) -> None:
    """See, without holding it, whether anybody else holds the file.

    Raises:
        WarehouseBusyError: another run does.
    """
    lock_file = _lock_of(path)
    if not lock_file.exists():
        return
    with lock_file.open(encoding="utf-8", errors="replace") as file:
        holder = file.readline().strip()
        if not holder:  # whoever did has let go of it
            return
        try:  # who was killed could not
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            raise of_held(path, holder) from None


def _lock_of(path: Path) -> Path:
    return path.with_name(f".{path.name}.lock")


def fold_in_log(path: Path) -> None:
    """Let DuckDB finish what a process left in a write-ahead log beside the file."""
    if _log(path).exists():
        duckdb.connect(str(path)).close()
    else:
        _check_no_writer(path)


def _check_no_writer(path: Path) -> None:
    duckdb.connect(str(path), read_only=True).close()


def replace(path: Path, finished: Path, before: tuple[int, ...]) -> None:
    """Put a finished file in place of the one whose state was `before`.

    Raises:
        WarehouseBusyError: somebody has written to it since.
    """
    if _log(finished).exists():
        raise RunFailedError(f"{path}: DuckDB left its new file unfinished")
    if path.exists():
        _check_no_writer(path)
        shutil.copymode(path, finished)
    # DuckDB would replay a log that is there into the new file.
    if state(path) != before or _log(path).exists():
        raise WarehouseBusyError(f"{path}: another process has written to it; run again")
    with finished.open("rb") as file:
        os.fsync(file.fileno())
    os.replace(finished, path)
