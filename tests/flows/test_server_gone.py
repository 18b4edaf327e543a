"""A Prefect server that goes away in the middle of a run."""

import signal
import time
from contextlib import ExitStack

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
