"""Many runs of the command in one process, which imports what they need only once.

Each line of standard input asks for a run, each line of standard output tells how it ended.
"""

import ctypes
import json
import os
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext, redirect_stderr, redirect_stdout
from io import StringIO
from typing import Any

from flows.main import command

# Of Linux: the version of its structures, and root's right to read what its owner may not.
CAPABILITIES_3, MAY_READ_ANYTHING = 0x20080522, 1 << 1 | 1 << 2


@contextmanager
def without_privileges() -> Iterator[None]:
    """Root may read everything: let the modes of files count while it lasts."""
    if os.geteuid() != 0:
        yield
        return
    system = ctypes.CDLL(None, use_errno=True)
    header, sets = (ctypes.c_uint32 * 2)(CAPABILITIES_3, 0), (ctypes.c_uint32 * 6)()
    assert system.capget(header, sets) == 0
    effective = sets[0]
    sets[0] &= ~MAY_READ_ANYTHING
    assert system.capset(header, sets) == 0
    try:
        yield
    finally:
        sets[0] = effective
        assert system.capset(header, sets) == 0


def run(options: list[str], settings: dict[str, str], privileged: bool) -> dict[str, Any]:
    """A run as `python -m flows.main` does it: its exit code, and what it says."""
    out, err = StringIO(), StringIO()
    rights = nullcontext() if privileged else without_privileges()
    with redirect_stdout(out), redirect_stderr(err), rights:
        os.environ |= settings
        try:
            command(options)
        except SystemExit as end:
            code = end.code
        except BaseException:
            traceback.print_exc()
            code = 1
    return {"code": code, "out": out.getvalue(), "err": err.getvalue()}


if __name__ == "__main__":
    answers = sys.stdout
    for line in sys.stdin:
        print(json.dumps(run(**json.loads(line))), file=answers, flush=True)
