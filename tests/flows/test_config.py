"""`config`: the settings in effect, where each comes from, and no secret."""

import json
from pathlib import Path
from subprocess import CompletedProcess

import pytest

SECRET = "hunter2-canary-canary"
# Wherever a secret can be given.
GIVEN = {
    "FUNNEL_SOURCE": f"postgresql://me:{SECRET}@host/crm?schema=raw",
    "FUNNEL_WAREHOUSE": "postgresql://me@host/sales",
    "FUNNEL_WAREHOUSE_PASSWORD": SECRET,
    "FUNNEL_MASKING_KEY_BLOCK": "funnel-key",
    "FUNNEL_TIMEZONE": "Europe/Berlin",
    "PGPASSWORD": SECRET,
    "PREFECT_API_URL": f"http://me:{SECRET}@127.0.0.1:1/api",
    "PREFECT_API_KEY": SECRET,
    "PREFECT_API_AUTH_STRING": f"me:{SECRET}",
}

Done = CompletedProcess[str]


@pytest.fixture(scope="module")
def place(new_sandbox, tmp_path_factory):
    """A folder for everything that could be written, with nothing in it."""
    place = new_sandbox(tmp_path_factory.mktemp("config") / "sandbox", imports=True)
    place.folder.mkdir()
    return place


@pytest.fixture(scope="module")
def secrets(tmp_path_factory) -> Path:
    """A folder of secrets."""
    folder = tmp_path_factory.mktemp("secrets")
    (folder / "funnel_source_password_block").write_text("")
    (folder / "funnel_keep_reports").write_text("5\n")
    return folder


@pytest.fixture(scope="module")
def shown(place, secrets) -> tuple[Done, Done]:
    """What is printed for people, and for programs."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(type(place), "environment", with_variables(place, secrets))
        return place.run("config", "--report", "x.html"), place.run("config", "--json")


def with_variables(place, secrets: Path):
    """The environment of a run, with what is given here."""
    usual = place.environment()
    return lambda self, **settings: usual | GIVEN | {"FUNNEL_SECRETS_DIR": str(secrets)}


def test_it_says_where_each_setting_comes_from(shown, secrets):
    people, _ = shown
    assert (people.returncode, people.stderr) == (0, "")
    lines = {line.split()[0]: " ".join(line.split()[1:]) for line in people.stdout.splitlines()}
    assert lines["FUNNEL_REPORT"] == "x.html the option --report"
    assert lines["FUNNEL_TIMEZONE"] == "Europe/Berlin the variable FUNNEL_TIMEZONE"
    assert lines["FUNNEL_KEEP_REPORTS"] == f"5 the file {secrets}/funnel_keep_reports"
    assert lines["FUNNEL_EXPORT"] == "none default"
    assert lines["FUNNEL_WAREHOUSE_PASSWORD"] == "*** the variable FUNNEL_WAREHOUSE_PASSWORD"
    assert lines["FUNNEL_MASKING_KEY"] == "*** the Secret block funnel-key"
    assert lines["FUNNEL_SOURCE"] == (
        "postgresql://me@host/crm?schema=raw the variable FUNNEL_SOURCE; its password is masked"
    )
    assert lines["PREFECT_API_URL"] == "http://… not ours"
    assert lines["PGPASSWORD"] == lines["PREFECT_API_KEY"] == "*** not ours"


def test_json_says_the_same(shown):
    people, programs = shown
    found = json.loads(programs.stdout)
    values = {each["variable"]: each["value"] for each in found["settings"]}
    assert values["FUNNEL_KEEP_REPORTS"] == 5
    assert values["FUNNEL_EXPORT"] is None
    names = [*values, *(each["name"] for each in found["others"])]
    assert names == [line.split()[0] for line in people.stdout.splitlines()]


def test_no_secret_is_printed(shown):
    assert all(SECRET not in done.stdout + done.stderr for done in shown)


def test_nothing_is_written_and_nothing_started(shown, place):
    assert [*place.folder.iterdir()] == []
    assert place.processes() == []


def test_a_setting_that_is_wrong_ends_with_2(place):
    done = place.run("config", timezone="Mars/Base")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("Error: FUNNEL_TIMEZONE: ")


def test_a_variable_that_is_no_setting_is_told(place):
    done: Done = place.run("config", "--json", sorce="x", unheard_of="x")
    assert done.returncode == 0
    assert done.stderr.splitlines() == [
        "Warning: FUNNEL_SORCE: there is no such setting; do you mean FUNNEL_SOURCE?",
        "Warning: FUNNEL_UNHEARD_OF: there is no such setting; unset it; see docs/settings.md",
    ]
    assert json.loads(done.stdout)["settings"]
