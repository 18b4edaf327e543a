"""Options, variables, exit codes and the columns of an export, as the pages have them."""

import re
import signal

import click
import pytest

from flows import errors, settings
from flows.main import EXAMPLE, command
from flows.settings import Settings
from tests.docs.pages import PAGES, README, ROOT, name, table
from transforms.sources import SOURCES

OPTIONS = {option.opts[0]: option for option in command.params if isinstance(option, click.Option)}
VARIABLES = {f"FUNNEL_{field.upper()}": field for field in Settings.model_fields}
FOR_TESTS = {"FUNNEL_TEST_SPARK", "FUNNEL_TEST_POSTGRES_URL", "FUNNEL_REAL_EXPORT"}


def rows_by_option() -> dict[str, list[str]]:
    """The table of options; a row can have more than one."""
    return {
        option: cells
        for cells in table(README, "option", "default", "")
        for option in re.findall(r"--[\w-]+", cells[0])
    }


def test_the_options_of_the_readme_are_those_of_the_command():
    assert sorted(rows_by_option()) == sorted(OPTIONS.keys() - {"--user-id"})
    assert "forget --user-id" in README.read_text()


def test_the_defaults_of_the_readme_are_those_of_the_settings():
    for option, (_, default, _) in rows_by_option().items():
        field = Settings.model_fields.get(option.removeprefix("--").replace("-", "_"))
        if field is None:
            assert default == ""
        elif field.default is None:
            assert default in ("none", "the newest event so far")
        elif field.default is False:
            assert default == "off"
        else:
            assert default == f"`{field.default}`"


def test_the_defaults_of_the_help_are_those_of_the_settings():
    for option, parameter in OPTIONS.items():
        field = Settings.model_fields.get(option.removeprefix("--").replace("-", "_"))
        if field is not None and field.default not in (None, False):
            assert parameter.help.endswith(f"[{field.default}]")


def test_an_option_with_a_default_is_a_variable_too():
    with_default = {option for option, (_, default, _) in rows_by_option().items() if default}
    assert with_default == {f"--{name.replace('_', '-')}" for name in settings.OPTIONS}


def test_every_variable_is_told_of():
    told = " ".join(page.read_text() for page in PAGES)
    of_options = {f"FUNNEL_{option[2:].replace('-', '_').upper()}" for option in rows_by_option()}
    untold = [v for v in VARIABLES.keys() - of_options if not re.search(rf"\b{v}\b", told)]
    assert untold == []


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_no_page_names_a_variable_that_does_not_exist(page):
    named = set(re.findall(r"\bFUNNEL_[A-Z_]+\b", page.read_text()))
    assert named - VARIABLES.keys() - FOR_TESTS == set()


def test_the_variables_of_the_tests_are_read_there():
    read = " ".join(file.read_text() for file in (ROOT / "tests").rglob("*.py"))
    assert [v for v in FOR_TESTS if not re.search(rf'environ(\.get\(|\[)"{v}"', read)] == []


def test_the_exit_codes_of_readme_and_help_are_those_of_the_errors():
    classes = [each for each in vars(errors).values() if isinstance(each, type)]
    codes = {0} | {each.exit_code for each in classes if hasattr(each, "exit_code")}
    codes |= {128 + signal.SIGINT, 128 + signal.SIGTERM}
    for text in (README.read_text(), EXAMPLE):
        [said] = re.findall(r"^Exit codes: (.+?) interrupted", text, re.DOTALL | re.MULTILINE)
        assert {int(number) for number in re.findall(r"\b\d+\b", said)} == codes


def test_the_tables_of_an_export_are_those_that_are_read():
    told = {}
    for about, columns in table(README, "file", "columns"):
        needed, _, others = re.sub(r"\(.*?\)", "", columns).partition("; if you have them")
        told[about] = (re.findall(r"\w+", needed), re.findall(r"\w+", others))
    assert told == {
        source.name + (" (optional)" if source.optional else ""): (
            [column.name for column in source.columns if not column.optional],
            [column.name for column in source.columns if column.optional],
        )
        for source in SOURCES.values()
    }
