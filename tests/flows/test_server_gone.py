"""A Prefect server that goes away in the middle of a run, refuses what it is told, or is slow."""

import signal
import sqlite3
import time
from contextlib import ExitStack, closing
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Event, Thread
from urllib.parse import urlsplit

import pytest

# Prefect asks for minutes else.
AT_ONCE = 'active = "test"\n[profiles.test]\nPREFECT_CLIENT_MAX_RETRIES = "0"\n'


def test_a_run_without_its_server_ends_soon_and_says_why(new_sandbox, prefect_server_in, tmp_path):
    with ExitStack() as server:
        api_url = server.enter_context(prefect_server_in(tmp_path / "server"))
        sandbox = new_sandbox(tmp_path / "run", api_url)
        profiles = sandbox.folder / "prefect/profiles.toml"
        profiles.parent.mkdir(parents=True)
        profiles.write_text(AT_ONCE)
        with sandbox.start() as run:
            first_step = run.stderr.readline()
            run.send_signal(signal.SIGSTOP)  # until the server is gone
            server.close()
            run.send_signal(signal.SIGCONT)
            gone_at = time.monotonic()
            _, said = run.communicate(timeout=60)
    assert first_step.startswith("raw_")
    assert time.monotonic() - gone_at < 30
    assert (run.returncode, "Traceback" in said) == (1, False)
    # Prefect's tasks need no server; what becomes of the run itself is told to it at the end.
    assert said.splitlines()[-1] == (
        "Error: the results are published, but the Prefect server does not answer any more"
        " (ConnectError)"
    )
    assert sandbox.published().keys() == {"sales.duckdb", "report.html"}
    assert (sandbox.leftovers(), sandbox.processes()) == ([], [])


class Refusing(BaseHTTPRequestHandler):
    """Says that all is well, and takes nothing."""

    def answer(self) -> None:
        """Give a version that Prefect's client goes with, or an error of the server."""
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        is_asked = self.path in ("/api/health", "/api/admin/version")
        self.send_response(200 if is_asked else 500)
        self.end_headers()
        self.wfile.write(b'"3.0.0"' if is_asked else b"{}")

    do_GET = do_POST = answer

    def log_message(self, format: str, *values: object) -> None:
        """Keep the log of the tests clean."""


def test_a_server_that_refuses_the_run_is_told_with_what_it_answers(new_sandbox, tmp_path):
    with ThreadingHTTPServer(("127.0.0.1", 0), Refusing) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        sandbox = new_sandbox(tmp_path, f"http://127.0.0.1:{server.server_port}/api")
        profiles = sandbox.folder / "prefect/profiles.toml"
        profiles.parent.mkdir(parents=True)
        profiles.write_text(AT_ONCE)
        run = sandbox.run()
        server.shutdown()
    assert run.returncode == 1
    assert run.stderr == (
        "Error: sales-funnel: the Prefect server answered with HTTP status 500; see its log, or run"
        " again later\n"
    )


class Slow(BaseHTTPRequestHandler):
    """Hands requests on to a real server; the first answer of one kind comes when it may."""

    server: "SlowServer"

    def answer(self) -> None:
        """Give the answer of the real server."""
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        with closing(HTTPConnection(self.server.real)) as real:
            headers = {**self.headers, "Accept-Encoding": "identity"}
            real.request(self.command, self.path, body, headers)
            answer = real.getresponse()
            content = answer.read()
        if self.path.endswith(self.server.held) and not self.server.is_held.is_set():
            self.server.is_held.set()
            assert self.server.may_answer.wait(30)
        self.send_response(answer.status)
        self.send_header("Content-Type", answer.headers["Content-Type"] or "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    do_GET = do_POST = do_PATCH = answer

    def log_message(self, format: str, *values: object) -> None:
        """Keep the log of the tests clean."""


class SlowServer(ThreadingHTTPServer):
    """Stands before the server at that address."""

    def __init__(self, api_url: str, held: str) -> None:
        super().__init__(("127.0.0.1", 0), Slow)
        self.real = urlsplit(api_url).netloc
        self.held, self.is_held, self.may_answer = held, Event(), Event()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("held", ["/flow_runs/", "/set_state"])
def test_a_run_that_is_stopped_before_it_has_begun_does_not_stay_pending(
    held, number, new_sandbox, prefect_server_in, tmp_path
):
    with (
        prefect_server_in(tmp_path / "server") as api_url,
        SlowServer(api_url, held) as server,
    ):
        Thread(target=server.serve_forever, daemon=True).start()
        sandbox = new_sandbox(tmp_path / "run", f"http://127.0.0.1:{server.server_port}/api")
        with sandbox.start() as run:
            assert server.is_held.wait(60)
            run.send_signal(number)
            time.sleep(0.5)  # for the signal to be handled
            server.may_answer.set()
            _, said = run.communicate(timeout=60)
        server.shutdown()
        with closing(sqlite3.connect(tmp_path / "server/prefect.db")) as records:
            states = records.execute("SELECT state_type FROM flow_run").fetchall()
    assert (run.returncode, said) == (128 + number, "Stopped; nothing was changed.\n")
    assert states == [("CRASHED",)]
    assert (sandbox.leftovers(), sandbox.processes()) == ([], [])
