"""The notebooks as they are committed, and as they are opened by others than us."""

import nbformat
import pytest

from flows.warehouse import open_warehouse
from tests.whole_run import publish_run

from .conftest import NOTEBOOKS, Place

FILES = sorted(NOTEBOOKS.glob("*.ipynb"))
CLEAN = (
    "jupyter nbconvert --clear-output --ClearMetadataPreprocessor.enabled=True"
    " --inplace reports/notebooks/*.ipynb"
)


def test_there_are_two():
    assert [file.stem for file in FILES] == ["exploratory_analysis", "model_analysis"]


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_they_are_committed_without_output_and_in_one_form(file):
    text = file.read_text(encoding="utf-8")
    notebook = nbformat.reads(text, as_version=4)
    nbformat.validate(notebook)
    cells = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert [cell.id for cell in cells if cell.outputs or cell.execution_count] == [], CLEAN
    assert [cell.id for cell in notebook.cells if cell.metadata] == [], CLEAN
    assert notebook.metadata == {"language_info": {"name": "python"}}, CLEAN
    assert text == nbformat.writes(notebook) + "\n", CLEAN


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_each_cell_that_computes_has_a_name_and_words_before_it(file):
    notebook = nbformat.read(file, as_version=4)
    ids = [cell.id for cell in notebook.cells]
    assert [name for name in ids if not name.replace("-", "").isalpha()] == []
    assert [cell.cell_type for cell in notebook.cells[:2]] == ["markdown", "markdown"]


def test_without_a_warehouse_the_first_cell_says_what_to_do(execute, tmp_path):
    url = f"duckdb://{tmp_path}/none.duckdb"
    shown = execute("model_analysis", url, only=["open"])
    [error] = shown.outputs("error")
    assert error.traceback == [
        f"{url}: there is no such file;"
        " run `python -m flows.main` into it first, or name another warehouse"
    ]


def test_an_export_without_rows_is_shown_as_such(execute, small_headers, tmp_path):
    url = f"duckdb://{tmp_path}/sales.duckdb"
    publish_run(open_warehouse(url), small_headers)
    for file in FILES:
        shown = execute(file.stem, url)
        assert shown.outputs("error") == []
        assert [out.text for out in shown.outputs("stream") if out.name == "stderr"] == []


@pytest.fixture
def small_headers(tmp_path):
    """An export of headers only."""
    folder = tmp_path / "export"
    folder.mkdir()
    for file in (NOTEBOOKS.parents[1] / "data/sample").glob("*.csv"):
        header, _, _ = file.read_text(encoding="utf-8").partition("\n")
        (folder / file.name).write_text(f"{header}\n", encoding="utf-8")
    return folder


RAW = ["open", "raw", "nulls", "repeated", "changes", "weekdays"]


def test_who_may_not_read_staging_is_told_so(sample: Place, execute):
    shown = execute("exploratory_analysis", sample.reader, only=RAW)
    assert shown.outputs("error") == []
    [said] = [out.text for out in shown.outputs("stream")]
    may = sample.reader == sample.url
    assert said == ("11 tables to look into\n" if may else "You may not read staging: skipped\n")
    assert bool(shown.rows("nulls")) is may


def test_reps_with_few_deals_are_not_named(sample: Place, execute):
    [(fewest, most)] = sample.ask("""
        SELECT min(deals_worked), max(deals_worked) FROM marts.rep_sales_rep_totals""")
    assert fewest < most
    named = execute(
        "model_analysis", sample.reader, ["open", "most-active-reps"], **{"min_deals_per_rep": most}
    ).texts("most-active-reps")
    [(alone,)] = sample.ask(f"""
        SELECT count(*) FROM marts.rep_sales_rep_totals
        WHERE user_id IS NOT NULL AND deals_worked >= {most}""")
    assert sum("***" in text for text in named) == alone
    assert [text for text in named if text.endswith("other reps")] != []
