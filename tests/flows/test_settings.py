"""Settings: from the environment, over it, and what is said of those that cannot be."""

import os
from datetime import datetime
from pathlib import Path

import pytest

from flows.errors import InputError
from flows.settings import load_settings, origins, usable_settings, variable


@pytest.fixture(autouse=True)
def no_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    """The settings of the test and no other."""
    for name in [name for name in os.environ if name.startswith("FUNNEL_")]:
        monkeypatch.delenv(name)


def complaint(**given: object) -> str:
    """What is said of settings that cannot be used."""
    with pytest.raises(InputError) as caught:
        load_settings(**given)
    assert caught.value.__suppress_context__
    return str(caught.value)


def test_the_defaults():
    settings = load_settings()
    assert settings.model_dump() == {
        "source": "data/sample",
        "warehouse": "duckdb://data/warehouse.duckdb",
        "report": Path("reports/out/sales_funnel.html"),
        "report_url": None,
        "export": None,
        "as_of": None,
        "incremental": False,
        "timezone": "UTC",
        "source_timezone": "UTC",
        "max_rejected_pct": 0.1,
        "min_deals_per_rep": 1,
        "keep_reports": 20,
        "masking_key": None,
        "masking_key_block": None,
        "masking_key_file": Path(".masking_key"),
        "forgotten_users_file": Path(".forgotten_users"),
        "memory_limit": None,
        "temp_limit": None,
        "warehouse_password": None,
        "warehouse_password_block": None,
        "source_password": None,
        "source_password_block": None,
        "secrets_dir": None,
    }


@pytest.mark.parametrize(
    ("variable", "text", "value"),
    [
        ("source", "somewhere", "somewhere"),
        ("warehouse", "duckdb://other.duckdb", "duckdb://other.duckdb"),
        ("report", "out/page.html", Path("out/page.html")),
        ("as_of", "2024-06-30", datetime(2024, 6, 30)),
        ("timezone", "Europe/Berlin", "Europe/Berlin"),
        ("source_timezone", "America/New_York", "America/New_York"),
        ("max_rejected_pct", "0", 0),
        ("min_deals_per_rep", "5", 5),
        ("export", "out/tables", Path("out/tables")),
        ("export", "", None),
        ("keep_reports", "0", 0),
        ("masking_key_file", "keys/mine", Path("keys/mine")),
        ("forgotten_users_file", "keys/gone", Path("keys/gone")),
        ("memory_limit", "2GB", 2_000_000_000),
        ("temp_limit", "1.5 GiB", 1_610_612_736),
    ],
)
def test_every_setting_is_a_variable(monkeypatch, variable, text, value):
    monkeypatch.setenv(f"FUNNEL_{variable.upper()}", text)
    assert getattr(load_settings(), variable) == value


def test_what_is_given_comes_before_the_environment(monkeypatch):
    monkeypatch.setenv("FUNNEL_SOURCE", "of the environment")
    assert load_settings(source="given").source == "given"


def test_what_is_given_as_none_is_not_given(monkeypatch):
    monkeypatch.setenv("FUNNEL_SOURCE", "of the environment")
    assert load_settings(source=None).source == "of the environment"


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("2024-06-30", datetime(2024, 6, 30)),
        ("2024-06-30 12:00", datetime(2024, 6, 30, 12)),
        ("2024-06-30T12:00:00Z", datetime(2024, 6, 30, 12)),
        ("2024-06-30T12:00:00+02:00", datetime(2024, 6, 30, 10)),
    ],
)
def test_as_of_is_a_time_in_utc(text, value):
    assert load_settings(as_of=text).as_of == value


@pytest.mark.parametrize("text", ["0001-01-01", "1970-06-01", "2199-01-01", "9999-12-31T23:59:59"])
def test_as_of_is_a_time_that_events_can_have(text):
    assert "out of range" in complaint(as_of=text)


def test_an_empty_variable_gives_no_as_of(monkeypatch):
    monkeypatch.setenv("FUNNEL_AS_OF", "")
    assert load_settings().as_of is None


@pytest.mark.parametrize("name", ["source", "report", "export"])
def test_a_place_is_named_in_utf_8(name):
    assert "not UTF-8" in complaint(**{name: os.fsdecode(b"caf\xe9")})


@pytest.mark.parametrize(
    "text",
    ["yesterday", "2024-02-30", "30.06.2024", "2024", "20240630", "9999-12-31 23:59:59-05:00"],
)
def test_as_of_must_be_a_time(text):
    assert complaint(as_of=text).startswith("--as-of / FUNNEL_AS_OF: ")


@pytest.mark.parametrize(
    "text",
    ["Mars/Base", "", "../../etc/passwd", "Europe", "a\x00b", "localtime", "right/UTC"],
)
@pytest.mark.parametrize("name", ["timezone", "source_timezone"])
def test_a_time_zone_must_be_known(name, text):
    said = complaint(**{name: text})
    assert "not a time zone; write it like Europe/Berlin" in said
    assert f"FUNNEL_{name.upper()}" in said


@pytest.mark.parametrize("text", ["-1", "101", "many", "nan", "inf"])
def test_the_limit_of_rejected_rows_is_a_percentage(text):
    assert "FUNNEL_MAX_REJECTED_PCT" in complaint(max_rejected_pct=text)


@pytest.mark.parametrize("text", ["0", "-1", "2.5", "few"])
def test_the_deals_of_a_rep_who_is_shown_alone_are_a_count(text):
    assert "FUNNEL_MIN_DEALS_PER_REP" in complaint(min_deals_per_rep=text)


@pytest.mark.parametrize(
    "text", ["-1", "0", "0GB", "2", "2 giga", "80%", "GB", "-2GB", "1e3MB", "none"]
)
@pytest.mark.parametrize("name", ["memory_limit", "temp_limit"])
def test_a_limit_is_a_size_with_its_unit(name, text):
    said = complaint(**{name: text})
    assert "not a size; write it like 2GB" in said
    assert f"FUNNEL_{name.upper()}" in said


@pytest.mark.parametrize(
    "text",
    ["reports.example", "file:///srv/sales.html", "https://", "https://me:secret@reports.example/"],
)
def test_the_address_of_the_report_is_one_of_the_web(text):
    said = complaint(report_url=text)
    assert "not a web address; write it like https://reports.example/sales.html" in said
    assert "FUNNEL_REPORT_URL" in said


@pytest.mark.parametrize(
    "name", ["source", "warehouse", "report", "masking_key_file", "forgotten_users_file"]
)
def test_an_empty_variable_is_no_place(name, monkeypatch):
    """Not the folder in which the run is."""
    monkeypatch.setenv(variable(name), "")
    assert "is empty; name a place, or leave it out" in complaint()


@pytest.mark.parametrize("name", ["report", "masking_key_file"])
def test_a_file_is_not_written_as_a_folder(name):
    assert "is written as a folder; name a file" in complaint(**{name: "some/where/"})


@pytest.mark.parametrize("name", ["source", "warehouse"])
def test_a_password_is_given_in_no_other_form(name):
    said = complaint(**{name: "host=db dbname=sales password=hunter2"})
    assert "holds a password, and is no URL; write it like postgresql://USER@HOST" in said
    assert "hunter2" not in said


@pytest.mark.parametrize("name", ["report", "export", "masking_key_file", "forgotten_users_file"])
@pytest.mark.parametrize("place", ["s3://bucket/hunter2", "host=db password=hunter2"])
def test_a_file_is_named_by_a_path(name, place):
    said = complaint(**{name: place})
    assert "not a place on this machine; give the path of one" in said
    assert "hunter2" not in said


def test_a_folder_of_secrets_is_named_by_a_path(monkeypatch):
    monkeypatch.setenv("FUNNEL_SECRETS_DIR", "postgresql:/me:hunter2@host/db")
    said = complaint()
    assert "FUNNEL_SECRETS_DIR: not a place on this machine; give the path of one" in said
    assert "hunter2" not in said


def test_a_short_masking_key_is_refused_and_not_quoted(monkeypatch):
    monkeypatch.setenv("FUNNEL_MASKING_KEY", "hunter2")
    said = complaint()
    assert "FUNNEL_MASKING_KEY" in said
    assert "hunter2" not in said


def test_an_error_is_one_line():
    assert len(complaint(timezone="Mars/Base", as_of="yesterday").splitlines()) == 1


@pytest.mark.parametrize("name", ["timezone", "source_timezone", "max_rejected_pct", "masking_key"])
def test_an_option_that_does_not_exist_is_not_named(name):
    assert f"--{name.replace('_', '-')}" not in complaint(**{name: "x"})


# Secrets

SECRET = "hunter2-hunter2-hunter2"


@pytest.fixture
def secrets(tmp_path, monkeypatch) -> Path:
    """A folder of secrets, in use."""
    folder = tmp_path / "secrets"
    folder.mkdir()
    monkeypatch.setenv("FUNNEL_SECRETS_DIR", str(folder))
    return folder


def test_a_secret_can_be_a_file(secrets):
    (secrets / "funnel_masking_key").write_text(f"{SECRET}\n")
    (secrets / "funnel_warehouse").write_text(f"postgresql://me:{SECRET}@host/db\n")
    settings = load_settings()
    assert settings.masking_key.get_secret_value() == SECRET
    assert settings.warehouse == f"postgresql://me:{SECRET}@host/db"


def test_a_variable_comes_before_a_file_and_an_option_before_both(secrets, monkeypatch):
    (secrets / "funnel_source").write_text("of the file")
    assert load_settings().source == "of the file"
    monkeypatch.setenv("FUNNEL_SOURCE", "of the environment")
    assert load_settings().source == "of the environment"
    assert load_settings(source="given").source == "given"


def test_where_a_setting_comes_from_is_known(secrets, monkeypatch):
    monkeypatch.setenv("FUNNEL_TIMEZONE", "Europe/Berlin")
    (secrets / "funnel_masking_key").write_text(SECRET)
    assert origins(source="given", report=None) == {
        "source": "the option --source",
        "timezone": "the variable FUNNEL_TIMEZONE",
        "secrets_dir": "the variable FUNNEL_SECRETS_DIR",
        "masking_key": f"the file {secrets}/funnel_masking_key",
    }


def test_a_folder_of_secrets_that_is_not_there_is_told(secrets):
    secrets.rmdir()
    assert complaint() == f'FUNNEL_SECRETS_DIR: directory "{secrets}" does not exist'


@pytest.mark.parametrize("kind", ["a folder", "a link out of it", "no text", "unreadable"])
def test_a_secret_that_would_be_passed_over_is_told(secrets, tmp_path, request, kind):
    file, elsewhere = secrets / "funnel_masking_key", tmp_path / "elsewhere"
    elsewhere.write_text(SECRET)
    if kind == "a folder":
        file.mkdir()
    elif kind == "a link out of it":
        file.symlink_to(elsewhere)
    else:
        file.write_bytes(b"hunter2 \xff" if kind == "no text" else SECRET.encode())
    if kind == "unreadable":
        secrets.chmod(0o700)
        request.getfixturevalue("without_privileges")
    said = complaint()
    assert said.startswith("FUNNEL_SECRETS_DIR: ")
    assert "hunter2" not in said


def test_an_empty_variable_names_no_folder_of_secrets(monkeypatch):
    monkeypatch.setenv("FUNNEL_SECRETS_DIR", "")
    assert load_settings().secrets_dir is None


@pytest.mark.parametrize(
    ("given", "about"),
    [
        ({"masking_key": SECRET, "masking_key_block": "b"}, "masking_key_block"),
        (
            {"warehouse_password": SECRET, "warehouse_password_block": "b"},
            "warehouse_password_block",
        ),
        (
            {"warehouse": f"postgresql://u:{SECRET}@h/d", "warehouse_password": SECRET},
            "warehouse_password",
        ),
        (
            {"source": f"postgresql://u@h/d?password={SECRET}", "source_password_block": "b"},
            "source_password_block",
        ),
    ],
)
def test_a_secret_that_is_given_twice_is_refused(given, about):
    said = complaint(**given)
    assert said.startswith(f"{variable(about)}: ")
    assert said.endswith("keep one of them")
    assert SECRET not in said


def test_a_password_is_for_its_own_server_and_in_no_text():
    settings = load_settings(
        source="postgresql://me@source/db?schema=raw",
        warehouse="postgresql://me@host/db",
        warehouse_password=SECRET,
    )
    assert settings.warehouse_with_password == f"postgresql://me@host/db?password={SECRET}"
    assert settings.source_with_password == settings.source
    assert not any(SECRET in text for text in (repr(settings), settings.model_dump_json()))


def test_the_password_of_a_server_is_not_asked_of_a_block_where_there_is_none():
    blocks = {
        "warehouse_password_block": "w",
        "source_password_block": "s",
        "masking_key_block": "k",
    }
    assert load_settings(**blocks).blocks == {"masking_key": "k"}
    with_server = load_settings(**blocks, warehouse="postgresql://me@host/db")
    assert with_server.blocks == {"masking_key": "k", "warehouse_password": "w"}


def test_settings_that_are_wrong_have_their_defaults_where_the_others_can_be_used(monkeypatch):
    monkeypatch.setenv("FUNNEL_TIMEZONE", "Mars/Base")
    monkeypatch.setenv("FUNNEL_MASKING_KEY", "short")
    settings, wrong = usable_settings(source="given", keep_reports="many")
    assert {*wrong} == {"timezone", "masking_key", "keep_reports"}
    assert (settings.source, settings.timezone, settings.masking_key) == ("given", "UTC", None)
    assert "short" not in " ".join(wrong.values()).split()
