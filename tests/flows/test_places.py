"""Files that a run would write over, and folders it would read its own results from."""

from pathlib import Path

import pytest

from flows.errors import InputError
from flows.places import check_places
from flows.settings import Settings, load_settings


@pytest.fixture
def settings_with(export, tmp_path, monkeypatch):
    """Settings of a run on a small export, with everything in one folder."""
    monkeypatch.chdir(tmp_path)
    source = export()

    def given(**others: object) -> Settings:
        places = {
            "source": str(source),
            "warehouse": "duckdb://sales.duckdb",
            "report": "report.html",
            "masking_key_file": Path("key"),
            "forgotten_users_file": Path("forgotten"),
        }
        return load_settings(**{**places, **others})

    return given


def check(settings: Settings) -> None:
    check_places(settings, full_refresh=False)


def test_usual_places_are_fine(settings_with):
    check(settings_with(export="tables"))


@pytest.mark.parametrize(
    ("report", "what"),
    [
        ("sales.duckdb", "the warehouse"),
        ("./folder/../sales.duckdb", "the warehouse"),
        ("key", "the file of the masking key"),
        ("forgotten", "the file of the forgotten users"),
        ("link.html", "the file of the masking key"),
        ("export/Users.csv", "a table of the export"),
    ],
)
def test_a_report_in_place_of_another_file_is_refused(settings_with, report, what):
    settings = settings_with(report=report)
    for name in ("key", "forgotten", "sales.duckdb"):
        Path(name).write_text("precious")
    Path("link.html").symlink_to("key")
    source = Path(settings.source)
    (source / "users.csv").rename(source / "Users.csv")
    if report.startswith("export/"):
        settings = settings_with(report=str(source / "Users.csv"))
    with pytest.raises(InputError, match=f"is {what}; give the report a file of its own"):
        check(settings)


def test_a_report_in_place_of_a_warehouse_to_be_is_refused(settings_with):
    with pytest.raises(InputError, match="is the warehouse"):
        check(settings_with(report="sales.duckdb"))


def test_the_page_of_runs_in_place_of_the_warehouse_is_refused(settings_with):
    with pytest.raises(InputError, match=r"report_runs/index\.html: is the warehouse"):
        check(settings_with(warehouse="duckdb://report_runs/index.html"))


def test_a_report_in_place_of_a_source_file_is_refused(settings_with):
    settings = settings_with(source="duckdb://raw.duckdb?schema=raw", report="raw.duckdb")
    with pytest.raises(InputError, match="is the source"):
        check(settings)


def test_tables_are_not_written_to_the_folder_of_the_export(settings_with):
    settings = settings_with()
    with pytest.raises(InputError, match="the export is read from this folder"):
        check(settings_with(export=settings.source + "/."))
