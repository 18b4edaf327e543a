"""A process of its own draws the report, so that its imports overlap with the run.

This module is imported first: keep it light.
"""

import pickle
import subprocess
import sys
from collections.abc import Mapping
from contextlib import ExitStack
from tempfile import TemporaryFile
from typing import IO, TYPE_CHECKING, Any

from flows import ROOT
from flows.errors import RunFailedError
from flows.unforeseen import of_another_process

if TYPE_CHECKING:
    import pyarrow as pa


class ReportProcess:
    """The process that draws. It starts at once and then waits for its tables.

    `printed`: takes what it prints when it fails, which can quote the data.
    """

    def __init__(self, printed: IO[bytes]) -> None:
        self._printed = printed
        self._process = subprocess.Popen(
            [sys.executable, "-m", "reports.render"],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._printed,
            start_new_session=True,  # Ctrl-C is for the run; the run stops it
        )

    def draw(self, name: str, mart: "pa.Table") -> None:
        """Let it draw what needs no more than the marts that it has by now, while the run goes on.

        Raises:
            RunFailedError: the process failed.
        """
        self._tell((name, mart))

    def write_page(
        self, quality: Mapping[str, "pa.Table"], run: Mapping[str, str | int | None]
    ) -> None:
        """Let it write the page, now that it is known how far the marts can be trusted.

        Raises:
            RunFailedError: the process failed.
        """
        self._tell((None, (dict(quality), dict(run))))

    def finish(self, listed: Mapping[str, Any]) -> tuple[bytes, bytes]:
        """The page, and the one that lists the runs.

        Args:
            listed: the arguments of `reports.runs.index`.

        Raises:
            RunFailedError: the process failed.
        """
        made, _ = self._process.communicate(pickle.dumps(dict(listed)))
        if self._process.returncode:
            raise self._failed()
        page, index = pickle.loads(made)
        return page, index

    def _tell(self, said: object) -> None:
        assert self._process.stdin is not None
        try:
            pickle.dump(said, self._process.stdin)
            self._process.stdin.flush()
        except BrokenPipeError:
            raise self._failed() from None

    def _failed(self) -> RunFailedError:
        code = self._process.wait()
        self._printed.seek(0)
        why = of_another_process(code, self._printed.read())
        return RunFailedError(f"the report could not be drawn: {why}")

    def stop(self) -> None:
        """End it, if it still waits."""
        if self._process.poll() is None:
            self._process.kill()
            self._process.communicate()


_prepared: list[ReportProcess] = []


def prepare(stack: ExitStack) -> None:
    """Start the process of the next report now; it ends with the stack."""
    printed = stack.enter_context(TemporaryFile())  # noqa: SIM115 (the stack closes it)
    process = ReportProcess(printed)
    stack.callback(process.stop)
    _prepared.append(process)


def report_process(stack: ExitStack) -> ReportProcess:
    """The process that was prepared, or else a new one."""
    if not _prepared:
        prepare(stack)
    return _prepared.pop()
