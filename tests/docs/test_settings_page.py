"""docs/settings.md says of every setting what the code says."""

import re

from flows.settings import Settings, variable
from flows.settings.other_variables import OTHER_VARIABLES
from tests.docs.settings_page import PAGE, page, readers


def test_the_tables_are_those_of_the_settings():
    text = PAGE.read_text()
    assert text == page(text), "run: python -m tests.docs.settings_page"


def test_every_setting_is_on_the_page_with_what_it_is():
    text = PAGE.read_text()
    for name, field in Settings.model_fields.items():
        assert f"`{variable(name)}` |" in text
        assert field.description
        assert f"| {field.description} |" in text


def test_every_variable_on_the_page_is_one():
    known = {variable(name) for name in Settings.model_fields}
    assert {*re.findall(r"\bFUNNEL_[A-Z_]+\b", PAGE.read_text())} == known
    known_others = {each.name for each in OTHER_VARIABLES} | {"PREFECT_SERVER_API_AUTH_STRING"}
    assert {*re.findall(r"\b(?:PREFECT|PG)_?[A-Z_]+\b", PAGE.read_text())} <= known_others


def test_every_setting_is_read_by_somebody():
    unread = [
        name for name, modules in readers().items() if modules == ["flows/settings/__init__.py"]
    ]
    assert unread == ["secrets_dir"]  # which the settings themselves read


def test_the_prose_stays_when_the_tables_are_written_anew():
    text = "A\n<!-- settings -->\noutdated\n<!-- end of settings -->\nB\n"
    made = page(text)
    assert made.startswith("A\n<!-- settings -->\n| setting |")
    assert made.endswith("|\n<!-- end of settings -->\nB\n")
    assert "outdated" not in made
