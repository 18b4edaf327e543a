"""Links arrive, and what the pages name is there: files, tables, columns, checks, code."""

import re
from functools import cache
from pathlib import Path

import pytest

from flows.records.record import RECORDS
from flows.settings import Settings
from tests.docs.pages import (
    CONTRIBUTING,
    PAGES,
    README,
    ROOT,
    anchors,
    blocks,
    inline_code,
    links,
    name,
)
from tests.docs.tables_page import PAGE
from transforms.funnel import load_funnel
from transforms.graph import load_models
from transforms.sources import SOURCES

MODELS = load_models()
COLUMNS = {
    **{name: set(model.columns({"funnel": load_funnel()})) for name, model in MODELS.items()},
    **{name: set(record.columns) for name, record in RECORDS.items()},
    **{source.raw_name: {*source.column_names, *source.raw_schema} for source in SOURCES.values()},
}
CHECKS = {check.name for model in MODELS.values() for check in model.checks}
CHECKS |= {rule for source in SOURCES.values() for rule in source.checks}
TABLES = {f"{model.schema}.{name}" for name, model in MODELS.items()}
TABLES |= {f"quality.{name}" for name in RECORDS}
ROLES_SQL = ROOT / "flows/warehouse/postgres/roles.sql"
ROLES = set(re.findall(r"CREATE ROLE (\w+)", ROLES_SQL.read_text()))
PARTS = ("flows", "transforms", "reports", "tests", "data", "docs")
DEFAULTS = {name: field.default for name, field in Settings.model_fields.items()}
MADE_BY_A_RUN = (f"{DEFAULTS['report'].parent}/", DEFAULTS["warehouse"].removeprefix("duckdb://"))
WRITTEN = [page for page in PAGES if page != PAGE]  # the other is written from the declarations
on_each_page = pytest.mark.parametrize("page", PAGES, ids=name)


@cache
def code(*parts: str) -> str:
    """All Python of these parts of the project."""
    files = [file for part in parts or PARTS for file in sorted((ROOT / part).rglob("*.py"))]
    return "\n".join(file.read_text() for file in files if file != Path(__file__))


def of_the_containers() -> set[str]:
    """Names of secrets and roles, which are there only where containers are."""
    files = [ROOT / "compose.yaml", *(ROOT / ".docker").glob("*.sql")]
    return {
        word for file in files if file.exists() for word in re.findall(r"\w+", file.read_text())
    }


@on_each_page
def test_links_arrive(page):
    for link in links(page):
        if link.startswith("https://"):
            continue
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        assert target.exists(), link
        assert not anchor or anchor in anchors(target), link


def test_every_page_is_reached_from_the_readme():
    linked = {(README.parent / link.partition("#")[0]).resolve() for link in links(README)}
    assert [name(page) for page in PAGES if page != README and page not in linked] == []


@on_each_page
def test_files_that_are_named_exist(page):
    named = [code for code in inline_code(page) if code.startswith(tuple(f"{p}/" for p in PARTS))]
    gone = [path for path in named if not (ROOT / path).exists()]
    assert [path for path in gone if not path.startswith(MADE_BY_A_RUN)] == []


@pytest.mark.parametrize("page", WRITTEN, ids=name)
def test_tables_columns_and_checks_that_are_named_exist(page):
    """Whatever is written like one of them."""
    known = {*COLUMNS, *set().union(*COLUMNS.values()), *CHECKS, *TABLES, *ROLES}
    known |= {f"{table}.{column}" for table in TABLES for column in COLUMNS[table.split(".")[1]]}
    schemas = "|".join({table.split(".")[0] for table in TABLES})
    like_one = re.compile(rf"[a-z]+(_[a-z0-9]+)+(\([^)]+\))?|({schemas})\.[\w.]+")
    known |= {f"funnel_{setting}" for setting in Settings.model_fields}  # as the file of a secret
    known |= of_the_containers()
    named = {code for code in inline_code(page) if like_one.fullmatch(code)}
    assert named - known == set()


def test_code_that_contributors_are_told_of_exists():
    named = set(inline_code(CONTRIBUTING)) - CHECKS
    functions = {code.partition("(")[0] for code in named if re.fullmatch(r"\w+\(.*\)", code)}
    constants = {code for code in named if re.fullmatch(r"(?!FUNNEL_)[A-Z]\w+", code)}
    assert min(len(functions), len(constants)) > 2
    gone = {function for function in functions if f"def {function}(" not in code()}
    gone |= {c for c in constants if not re.search(rf"^(class )?{c}\b", code(), re.MULTILINE)}
    assert gone == set()


def test_pages_and_sections_that_the_code_leads_to_exist():
    said = code("flows", "transforms")
    pages = set(re.findall(r"\b([\w-]+\.md)\b", said))
    sections = {each.lower() for each in re.findall(r"\bREADME, (\w[\w ]+)", said)}
    assert pages - {page.name for page in PAGES} == set()
    assert "your own export" in sections
    assert {each.replace(" ", "-") for each in sections} - anchors(README) == set()


def test_folders_and_files_of_the_layout_exist():
    [layout] = blocks(README, "")
    folder = ROOT
    for indent, path, said in re.findall(r"^( *)([\w/.]+) +(.+)$", layout, re.MULTILINE):
        if path.endswith("/") and not indent:
            folder = ROOT / path
        if path.endswith(("/", ".py")) and len(indent) < 10:
            assert (folder / path if indent else ROOT / path).exists(), path
        for named in re.findall(r"\b([\w.]+\.(?:py|j2))\b", said):
            assert (folder / named).exists(), named
    parts = {path.name for path in ROOT.iterdir() if (path / "__init__.py").exists()}
    assert [part for part in parts if f"{part}/" not in layout] == []
