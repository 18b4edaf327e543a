"""Runs of the command in processes that are forked from one which has imported what they need.

A Python that starts takes a quarter more work. Where it matters how a run starts, or where it gets
a signal, the tests start one (`Sandbox.start`).
"""

import atexit
import multiprocessing
import os
import signal
import subprocess
import sys
import traceback
from pathlib import Path
from tempfile import TemporaryDirectory

_PROCESSES = multiprocessing.get_context("forkserver")
_PROCESSES.set_forkserver_preload(["tests.flows.imported"])


def run_python(
    options: list[str], environment: dict[str, str], code: str, seconds: float
) -> "subprocess.CompletedProcess[str]":
    """The code, to its end, as a Python runs it that starts with these options.

    Raises:
        subprocess.TimeoutExpired: it takes longer than that.
    """
    with TemporaryDirectory() as folder:
        out, err = Path(folder, "out"), Path(folder, "err")
        process = _PROCESSES.Process(target=_run, args=(options, environment, code, out, err))
        process.start()
        process.join(seconds)
        if process.exitcode is None:
            process.kill()
            raise subprocess.TimeoutExpired(options, seconds, out.read_text(), err.read_text())
        return subprocess.CompletedProcess(
            options, process.exitcode, out.read_text(), err.read_text()
        )


def _run(options: list[str], environment: dict[str, str], code: str, out: Path, err: Path) -> None:
    """What a Python that starts finds, and then the code."""
    for number, path in enumerate((Path(os.devnull), out, err)):
        file = os.open(path, os.O_RDWR | os.O_CREAT)
        os.dup2(file, number)
        os.close(file)
    sys.stdout, sys.stderr = (os.fdopen(number, "w", closefd=False) for number in (1, 2))
    os.environ.clear()
    os.environ |= environment
    os.umask(0o022)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    _settle()
    sys.argv = ["flows.main", *options]
    try:
        exec(code, {"__name__": "__main__"})
    except SystemExit:
        raise
    except BaseException:
        traceback.print_exc()
        sys.exit(1)
    finally:
        atexit._run_exitfuncs()
        sys.stdout.flush()
        sys.stderr.flush()


def _settle() -> None:
    """Give Prefect the settings of this environment; its folder is made by whoever needs it."""
    from prefect import context
    from prefect.settings import Settings, load_profiles

    profile = load_profiles().active_profile
    context.GLOBAL_SETTINGS_CONTEXT = context.SettingsContext(profile=profile, settings=Settings())
