"""What it takes to add a mart, and what breaks without one: the README's promise."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import duckdb
import pytest

ROOT = Path(__file__).parents[2]
IMPORTS = "from ibis import Table\n\nfrom transforms.graph import model\n\n"


@pytest.fixture
def house(tmp_path: Path) -> Path:
    """A copy of the code, to be changed."""
    for package in ("flows", "transforms", "reports"):
        shutil.copytree(ROOT / package, tmp_path / "house" / package)
    return tmp_path / "house"


def test_the_mart_of_the_readme_is_there_without_another_edit(house, sandbox):
    readme = (ROOT / "README.md").read_text()
    file, code = re.search(r"```python\n# (transforms/\S+)\n(.*?)```", readme, re.DOTALL).groups()
    (house / file).write_text(IMPORTS + code)
    done = subprocess.run(
        [sys.executable, "-m", "flows.main", "--source", ROOT / "data/sample"],
        cwd=house,
        env=sandbox.environment(),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
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
    assert checks == (2, True)
    assert table == (1, "One row per rep with open deals.")


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
