"""Secrets that Prefect keeps: runs get them by the name of a block, and nobody else gets them."""

import json
import os
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from subprocess import CompletedProcess
from textwrap import dedent
from urllib.parse import urlsplit, urlunsplit

import psycopg2
import pytest

from tests.flows.canaries import found_below, postgres_cells, spellings

KEY = "canary-key-Ruritanian-0123456789"
PASSWORD = "canary/Quixote@mountain?&%41"
DIGITS = "1234567890123456789"  # which Prefect would take for a number

BLOCKS = {
    "funnel-key": KEY,
    "funnel-digits": DIGITS,
    "funnel-password": PASSWORD,
    "funnel-no-text": {"key": KEY},
}
MAKING = """
    import json, sys
    from prefect.blocks.system import Secret
    for name, value in json.load(sys.stdin).items():
        Secret(value=value).save(name)
    """


class Runs:
    """Runs on a PostgreSQL that asks for a password, with a Prefect server that knows it."""

    def __init__(
        self, folder: Path, prefect_server_in, new_sandbox, source: Path, url: str
    ) -> None:
        self.folder = folder
        with prefect_server_in(folder / "prefect_server") as api_url:
            self.sandbox = new_sandbox(folder / "runs", api_url)
            self.sandbox.folder.mkdir()
            self.make_blocks()
            given = {
                "source": source,
                "warehouse": url,
                "warehouse_password_block": "funnel-password",
                "masking_key_block": "funnel-key",
            }
            self.done = {
                name: self.sandbox.run(*options, **given | settings)
                for name, options, settings in [
                    ("a run", [], {}),
                    ("the doctor", ["doctor", "--json"], {}),
                    ("a key of digits", [], {"masking_key_block": "funnel-digits"}),
                    ("no such block", [], {"masking_key_block": "nobody"}),
                    ("a block that holds no text", [], {"masking_key_block": "funnel-no-text"}),
                    ("another password", [], {"warehouse_password_block": "funnel-key"}),
                    ("rotation", ["rotate-key"], {}),
                    ("the doctor without blocks", ["doctor"], {"masking_key_block": "nobody"}),
                ]
            }
        for name, done in self.done.items():
            (folder / f"output of {name}.txt").write_text(done.stdout + done.stderr)

    def make_blocks(self) -> None:
        """Keep the secrets, told on standard input, where nobody sees them."""
        subprocess.run(
            [sys.executable, "-c", dedent(MAKING)],
            env=self.sandbox.environment(),
            input=json.dumps(BLOCKS),
            text=True,
            check=True,
            capture_output=True,
        )

    def refused(self, name: str) -> str:
        """What is said of a run that is refused."""
        done: CompletedProcess[str] = self.done[name]
        assert (done.returncode, done.stdout) == (2, ""), done
        assert len(done.stderr.splitlines()) == 1
        return done.stderr


@pytest.fixture(scope="module")
def server(own_postgres):
    """A server that wants a password of its user `writer`."""
    rules = own_postgres.data / "pg_hba.conf"
    wanted = "local all writer scram-sha-256\nhost all writer all scram-sha-256\n"
    rules.write_text(wanted + rules.read_text())
    with closing(psycopg2.connect(own_postgres.url)) as session, session.cursor() as cursor:
        session.autocommit = True
        cursor.execute("SET log_statement = 'none'; SET log_min_duration_statement = -1")
        cursor.execute("CREATE ROLE writer LOGIN PASSWORD %s", (PASSWORD,))
        cursor.execute(f'GRANT CREATE ON DATABASE "{session.info.dbname}" TO writer')
        cursor.execute("SELECT pg_reload_conf()")
    return own_postgres


@pytest.fixture(scope="module")
def url(server) -> str:
    """Its database, for the user, without the password."""
    parts = urlsplit(server.url)
    place = parts.netloc.rpartition("@")[2]
    return str(urlunsplit(parts._replace(netloc=f"writer@{place}")))


@pytest.fixture(scope="module")
def runs(tmp_path_factory, prefect_server_in, new_sandbox, small_export, url) -> Runs:
    """The runs, when they are over."""
    folder = tmp_path_factory.mktemp("blocks")
    source = small_export(tmp_path_factory.mktemp("export") / "export")
    return Runs(folder, prefect_server_in, new_sandbox, source, url)


def test_a_run_reads_its_secrets_from_the_blocks(runs):
    assert runs.done["a run"].returncode == 0, runs.done["a run"].stderr
    assert not (runs.sandbox.folder / "masking_key").exists()


def test_a_secret_of_digits_is_a_text_too(runs, server):
    assert runs.done["a key of digits"].returncode == 0, runs.done["a key of digits"].stderr
    with closing(psycopg2.connect(server.url)) as session, session.cursor() as cursor:
        cursor.execute("SELECT count(DISTINCT people_fingerprint) FROM quality.runs")
        assert cursor.fetchone() == (2,)


def test_a_block_that_is_not_there_is_one_line(runs):
    assert runs.refused("no such block") == (
        "Error: FUNNEL_MASKING_KEY_BLOCK: Prefect has no Secret block of that name;"
        " make it there, or name another\n"
    )


def test_a_block_that_holds_no_key_is_one_line(runs):
    told = runs.refused("a block that holds no text")
    assert "the Secret block holds no text of 16 characters or more" in told


def test_another_password_does_not_open_the_warehouse(runs):
    assert "the user or the password is wrong" in runs.refused("another password")


def test_the_key_of_a_block_is_not_ours_to_change(runs):
    assert "comes from the Secret block funnel-key" in runs.refused("rotation")


def test_the_doctor_says_that_the_blocks_are_there(runs):
    found = json.loads(runs.done["the doctor"].stdout)
    assert found["status"] == "ok"
    said = [each["said"] for each in found["findings"]]
    assert {
        "the Secret block funnel-password is there",
        "the Secret block funnel-key is there",
        "from the Secret block funnel-key",
        "forgotten users: 0; the key is that of the warehouse, if any",
    } <= {*said}


def test_the_doctor_says_that_a_block_is_not_there(runs):
    done = runs.done["the doctor without blocks"]
    told = [line for line in done.stdout.splitlines() if line.startswith("problem")]
    assert done.returncode == 1
    assert len(told) == 1
    assert "FUNNEL_MASKING_KEY_BLOCK: Prefect has no Secret block of that name" in told[0]


@pytest.mark.parametrize("secret", [KEY, PASSWORD, DIGITS], ids=["key", "password", "digits"])
def test_no_secret_is_left_anywhere(runs, server, secret):
    needles = spellings(secret)
    assert found_below(runs.folder, needles) == set()
    cells = b"\n".join(postgres_cells(server.url))
    logged = server.log.read_bytes()
    assert [name for name, needle in needles.items() if needle in cells + logged] == []
    assert b"statement: " in logged


def test_without_a_server_the_doctor_says_where_the_blocks_are_looked_for(new_sandbox, tmp_path):
    place = new_sandbox(tmp_path / "sandbox")
    place.folder.mkdir()
    done = place.run("doctor", masking_key_block="funnel-key")
    [told] = [line for line in done.stdout.splitlines() if not line.startswith("ok ")]
    assert told.startswith("warning  secrets ")
    assert "a run starts one for itself, and looks there for funnel-key" in told
    assert os.listdir(place.folder) == []
