"""A Prefect server for runs without one.

Prefect starts a temporary server by itself, but only when the flow begins; starting it before the
imports takes seconds off a run. It writes to the usual Prefect database, so the run is there to see
when `prefect server start` is used later. This module is imported first: keep it light.
"""

import os
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from contextlib import ExitStack
from pathlib import Path

from flows import ROOT
from flows.errors import RunFailedError

START_TIMEOUT_SECONDS = 120
_CAN_NAME_ONE = {"PREFECT_API_URL", "PREFECT_PROFILE", "PREFECT_PROFILES_PATH"}

# A short-lived server records runs. It schedules nothing and calls nobody.
_ENVIRONMENT = {
    "DO_NOT_TRACK": "1",
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    "PREFECT_SERVER_LOGGING_LEVEL": "CRITICAL",
    **{
        f"PREFECT_SERVER_SERVICES_{service}_ENABLED": "false"
        for service in (
            "CANCELLATION_CLEANUP",
            "DB_VACUUM",
            "FOREMAN",
            "LATE_RUNS",
            "PAUSE_EXPIRATIONS",
            "REPOSSESSOR",
            "SCHEDULER",
            "TRIGGERS",
        )
    },
}


class TemporaryServer:
    """A server of our own; it ends with the stack."""

    def __init__(self, stack: ExitStack) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = str(free.getsockname()[1])
        self.api_url = f"http://127.0.0.1:{port}/api"
        self._process = subprocess.Popen(
            [sys.executable, "-m", "flows.server", port],
            cwd=ROOT,
            env=os.environ | _ENVIRONMENT,
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            umask=0o077,  # its database is for its owner
            start_new_session=True,  # Ctrl-C is for the run; the run stops the server
        )
        stack.callback(self._process.communicate)  # it ends when its input does

    def wait(self) -> None:
        """Wait until it answers.

        Raises:
            RunFailedError: it ended, or it takes too long.
        """
        deadline = time.monotonic() + START_TIMEOUT_SECONDS
        while time.monotonic() < deadline and self._process.poll() is None:
            try:
                with urllib.request.urlopen(f"{self.api_url}/health", timeout=5):
                    return
            except OSError:
                time.sleep(0.05)
        raise RunFailedError(
            "Prefect's server did not start; `python -m flows.main doctor` may say why"
        )


def serve_while_wanted(port: str) -> int:
    """Run the server until standard input ends: also when the run that wanted it is killed."""
    command = [sys.executable, "-m", "prefect", "server", "start", "--no-ui", "--port", port]
    server = subprocess.Popen(command, stdin=subprocess.DEVNULL)

    def stop_at_the_end_of_input() -> None:
        sys.stdin.read()
        server.terminate()

    threading.Thread(target=stop_at_the_end_of_input, daemon=True).start()
    return server.wait()


def no_server_is_named() -> bool:
    """Whether nothing names a server, for sure: cheap to say, before Prefect is imported."""
    if not _CAN_NAME_ONE.isdisjoint(os.environ):
        return False
    files = (prefect_home() / "profiles.toml", Path("prefect.toml"), Path(".env"))
    project = Path("pyproject.toml")
    has_own = project.exists() and "[tool.prefect" in project.read_text(errors="replace")
    return not has_own and not any(file.exists() for file in files)


def prefect_home() -> Path:
    """Where Prefect keeps its profiles and records."""
    return Path(os.environ.get("PREFECT_HOME", "~/.prefect")).expanduser()


if __name__ == "__main__":
    sys.exit(serve_while_wanted(sys.argv[1]))
