"""What it takes to add a mart, a check and a chart, and what breaks without a mart."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import duckdb
import pytest

ROOT = Path(__file__).parents[2]
RECIPES = (ROOT / "CONTRIBUTING.md").read_text()


@pytest.fixture
def house(tmp_path: Path) -> Path:
    """A copy of the code, to be changed."""
    ignored = shutil.ignore_patterns("out", "__pycache__")
    for part in ("flows", "transforms", "reports", "tests", "docs", "data"):
        shutil.copytree(ROOT / part, tmp_path / "house" / part, ignore=ignored)
    for file in ("README.md", "pyproject.toml"):
        shutil.copy(ROOT / file, tmp_path / "house")
    return tmp_path / "house"


def follow_the_recipes(house: Path) -> None:
    """Write the code of the page where it says that it belongs: a new file, or the end of one."""
    for file, code in re.findall(r"```python\n# (\S+)\n(.*?)```", RECIPES, re.DOTALL):
        with (house / file).open("a") as stream:
            stream.write(code if stream.tell() == 0 else f"\n\n{code}")
    [query] = re.findall(r"```sql\n(.*?)```", RECIPES, re.DOTALL)
    for script in ("marts.sql", "postgres/marts.sql"):
        with (house / "tests/handwritten" / script).open("a") as stream:
            stream.write(f"\n{query}")


def python(
    house: Path, *arguments: object, env: dict[str, str] | None = None, code: int = 0
) -> str:
    """Run Python in the changed house, which ends with this code; what it printed."""
    done = subprocess.run(
        [sys.executable, *map(str, arguments)],
        cwd=house,
        env=env,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == code, done.stdout
    return done.stdout


def test_the_recipes_make_a_mart_with_its_check_and_its_chart_and_without_them_it_goes(
    house, sandbox
):
    follow_the_recipes(house)
    python(house, "-m", "flows.main", "--source", ROOT / "data/sample", env=sandbox.environment())
    with duckdb.connect(str(sandbox.warehouse), read_only=True) as warehouse:
        found = {
            question: warehouse.execute(f"SELECT count(*), {question}").fetchone()
            for question in (
                "sum(open_deals) > 100 FROM marts.rep_open_deals",
                "min(upstream_table) FROM quality.lineage WHERE table_name = 'rep_open_deals'",
                "min(description) FROM quality.data_dictionary"
                " WHERE table_name = 'rep_open_deals' AND column_name = 'open_deals'",
                "bool_and(status = 'pass') FROM quality.check_results"
                " WHERE model = 'rep_open_deals'",
                "min(comment) FROM duckdb_tables() WHERE table_name = 'rep_open_deals'",
            )
        }
    [(reps, many), lineage, column, checks, table] = found.values()
    assert reps > 10
    assert many
    assert lineage == (1, "obt_deals")
    assert column == (1, "deals with status open")
    assert checks == (3, True)
    assert table == (1, "One row per rep with open deals.")
    report = sandbox.report.read_text()
    assert '<figure id="chart-open_deals_per_rep">' in report
    assert "Deals that are neither won nor lost, by their owner" in report

    python(ROOT, "-m", "flows.main", "--source", ROOT / "data/sample", env=sandbox.environment())
    with duckdb.connect(str(sandbox.warehouse), read_only=True) as warehouse:
        for place in ("duckdb_tables()", "quality.data_dictionary"):
            query = f"SELECT count(*) FROM {place} WHERE table_name = 'rep_open_deals'"
            assert warehouse.execute(query).fetchone() == (0,), place


def test_a_mart_made_by_the_recipe_passes_its_tests_and_asks_for_its_documentation(house):
    follow_the_recipes(house)
    run = ("-m", "pytest", "-p", "no:cacheprovider", "-q")
    of_the_docs = "tests/docs/test_tables_page.py::test_the_page_is_what_the_declarations_say"
    with pytest.raises(AssertionError, match="run: make docs"):
        python(house, *run, of_the_docs)
    python(house, "-m", "tests.docs.tables_page")
    said = python(
        house,
        *run,
        of_the_docs,
        "tests/transforms/marts/test_rep_open_deals.py",
        "tests/handwritten/test_same_results.py::test_same_rows[sample-marts-rep_open_deals]",
        "tests/handwritten/test_same_on_postgres.py::test_same_rows[marts-rep_open_deals]",
    )
    of_the_engines = "[.]{2}[.s]"  # Spark only if it is asked for
    assert re.search(rf"[.]{of_the_engines}[.]{{2}}\s+\[100%\]", said), said


MART = """
from ibis import Table

from transforms.graph import model


@model(schema={{"status": "{dtype}"}})
def rep_new(obt_deals: Table) -> Table:
    \"\"\"One row per status.

    Columns:
        status: of deals
    \"\"\"
    return obt_deals.select("{column}"){close}
"""


@pytest.mark.parametrize(
    ("mistake", "said"),
    [
        ({"dtype": "int64"}, "rep_new: its table and its declared schema differ in status"),
        ({"column": "state"}, "rep_new: IbisTypeError in rep_new.py:14"),
        ({"close": ")"}, "transforms/marts/rep_new.py:14: unmatched ')'"),
    ],
    ids=["type", "column", "syntax"],
)
def test_a_mistake_in_a_mart_is_told_with_its_place(house, sandbox, small_export, mistake, said):
    mart = MART.format(**{"dtype": "string", "column": "status", "close": ""} | mistake)
    (house / "transforms/marts/rep_new.py").write_text(mart)
    export = small_export(house / "export")
    printed = python(
        house, "-m", "flows.main", "--source", export, env=sandbox.environment(), code=1
    )
    assert printed.splitlines()[-1].endswith(said)


def test_a_mistake_in_a_chart_is_told_with_its_place_and_no_value(house, sandbox, small_export):
    charts = house / "reports/charts.py"
    code = charts.read_text()
    axes = "    axes = figure.rows(entries"
    charts.write_text(code.replace(axes, f"    raise ValueError(mart.kpi_name[0])\n{axes}"))
    line = code[: code.index(axes)].count("\n") + 1
    export = small_export(house / "export")
    printed = python(
        house, "-m", "flows.main", "--source", export, env=sandbox.environment(), code=1
    )
    said = f"Error: the report could not be drawn: ValueError in charts.py:{line}"
    assert printed.splitlines()[-1] == said


def test_the_doctor_tells_a_mistake_in_a_mart_as_such(house, sandbox):
    reads_itself = MART.format(dtype="string", column="status", close="").replace(
        "rep_new(obt_deals:", "rep_new(rep_new:"
    )
    (house / "transforms/marts/rep_new.py").write_text(reads_itself)
    sandbox.folder.mkdir()
    printed = python(house, "-m", "flows.main", "doctor", env=sandbox.environment(), code=1)
    problems = [line for line in printed.splitlines() if line.startswith("problem")]
    assert problems == [
        "problem  models       models read each other in a circle: rep_new -> rep_new."
        " Fix: correct the file; CONTRIBUTING.md says how a model is written"
    ]


def test_without_a_models_file_only_what_names_it_is_gone(house):
    count = "from transforms.graph import load_models; print(*load_models())"

    def models() -> list[str]:
        done = subprocess.run(
            [sys.executable, "-c", count], cwd=house, capture_output=True, text=True, check=True
        )
        return done.stdout.split()

    before = models()
    (house / "transforms/marts/rep_losses_monthly.py").unlink()
    assert set(before) - set(models()) == {"rep_losses_monthly"}
