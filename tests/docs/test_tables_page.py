"""docs/tables.md and the marts of the README are what the declarations say."""

import re

from flows.records.record import RECORDS
from tests.docs.pages import anchors, table
from tests.docs.tables_page import MARTS, PAGE, README, marts, page
from transforms.funnel import load_funnel
from transforms.graph import load_models
from transforms.sources import SOURCES

MODELS = load_models()


def of_table(name: str) -> str:
    """What the page says of a table."""
    [section] = re.findall(rf"^### {name}$(.*?)(?=^##|\Z)", PAGE.read_text(), re.DOTALL | re.M)
    return section


def test_the_page_is_what_the_declarations_say():
    assert PAGE.read_text() == page(), "run: make docs"


def test_the_marts_of_the_readme_are_those_of_the_registry():
    assert MARTS.findall(README.read_text()) == [marts()], "run: make docs"
    names = [re.findall(r"\w+", mart)[0] for mart, _ in table(README, "mart", "one row per")]
    assert names == sorted(n for n, model in MODELS.items() if model.layer == "marts")


def test_every_table_has_its_place():
    tables = {*MODELS, *RECORDS, *(source.raw_name for source in SOURCES.values())}
    schemas = {"export", *(model.schema for model in MODELS.values())}
    assert anchors(PAGE) == tables | schemas | {
        "the-tables",
        "what-is-made-from-what",
        "checks",
    }


def test_every_model_is_told_with_its_grain_key_columns_checks_and_upstream_tables():
    for name, model in MODELS.items():
        said = of_table(name)
        assert re.sub(r"([*<|])", r"\\\1", model.grain) in said
        assert [column for column in model.key if f"`{column}`" not in said] == []
        assert [c.name for c in model.checks if f"`{c.name}` {c.severity}" not in said] == []
        assert [up for up in model.upstream if f"[{up}](#{up})" not in said] == []
        columns = model.columns({"funnel": load_funnel()}).items()
        rows = [f"| `{column}` | {dtype} | " for column, dtype in columns]
        assert [row for row in rows if row not in said] == []


def test_every_kind_of_check_in_use_is_told():
    told = {kind.strip("`") for kind, _ in table(PAGE, "check", "what holds")}
    named = {check.name for model in MODELS.values() for check in model.checks if "(" in check.name}
    assert named
    assert [name for name in named if not name.startswith(tuple(told))] == []


def test_every_column_of_the_export_is_told_with_what_it_becomes():
    for source in SOURCES.values():
        said = of_table(source.raw_name)
        assert [column.name for column in source.columns if f"`{column.name}`" not in said] == []
        masked = source.raw_schema.keys() - {"source_row"}
        assert [column for column in masked if f"`{column}`" not in said] == []


def test_the_diagram_has_an_arrow_for_each_table_that_is_read():
    [diagram] = re.findall(r"```mermaid\n(.*?)```", PAGE.read_text(), re.DOTALL)
    arrows = set(re.findall(r"^  (\w+) --> (\w+)$", diagram, re.MULTILINE))
    assert arrows == {(up, name) for name, model in MODELS.items() for up in model.upstream}
    boxes = re.findall(r"^    (\w+)$", diagram, re.MULTILINE)
    assert sorted(boxes) == sorted({table for arrow in arrows for table in arrow})
