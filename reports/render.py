"""The report as one HTML file: ``python -m reports.render`` turns pickled marts into a page.

It is a process of its own because drawing takes long to import: the caller starts it early, goes
on with its work, and sends the marts when they are there.
"""

import gc
import os
import pickle
import sys
from base64 import b64encode
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

import pyarrow
from pandas import DataFrame, Int64Dtype, Series, Timestamp, isna
from pandas.api.types import is_bool_dtype, is_datetime64_any_dtype, is_numeric_dtype

from reports import charts, lineage, quality, runs, text
from reports.drawing import Chart, Drawing
from reports.findings import MOST, findings
from reports.findings.finding import Finding
from reports.latest import (
    FEWEST,
    SPARK_HEIGHT,
    end_of_intake,
    latest_month,
    step_conversions,
)
from reports.mix import OUTSIDE, mixes
from reports.svg import inline
from reports.template import template

MOST_ROWS = 60


TEMPLATE = template("report.html.j2")
SCRIPT = (Path(__file__).parent / "tables.js").read_text(encoding="utf-8")
SCRIPT_HASH = f"sha256-{b64encode(sha256(SCRIPT.encode()).digest()).decode()}"


@dataclass(frozen=True)
class Cell:
    """A value as text and, of a number, as programs read it; "" if it is missing."""

    text: str
    value: str | None = None


@dataclass(frozen=True)
class Grid:
    """A table as text: its columns (heading, whether it holds numbers), its rows, rows left out."""

    columns: list[tuple[str, bool]]
    rows: list[tuple[Cell, ...]]
    left_out: int


def grid(frame: DataFrame) -> Grid:
    """Write out a frame, at most as many rows as one wants to read."""
    shown = frame.head(MOST_ROWS)
    columns = [(_heading(name), _is_number(shown[name])) for name in shown]
    cells = [_cells(str(name), shown[name]) for name in shown]
    return Grid(columns, list(zip(*cells, strict=True)), len(frame) - len(shown))


def _heading(name: object) -> str:
    plain = text.clean(name)
    short = plain.removesuffix("_pct")
    return short.removesuffix("_name").replace("_", " ") if plain.islower() else short


def _is_number(values: Series) -> bool:
    return is_numeric_dtype(values) and not is_bool_dtype(values)


def _cells(name: str, values: Series) -> list[Cell]:
    if is_datetime64_any_dtype(values):
        form = "%Y-%m" if name == "month" else "%Y-%m-%d"
        return [Cell(text.MISSING if isna(value) else f"{value:{form}}") for value in values]
    if is_bool_dtype(values):
        return [Cell("yes" if value else "no") for value in values.fillna(False)]
    if not is_numeric_dtype(values):
        return [Cell(text.clean(value)) for value in values]
    if name.endswith("_id"):
        ids = ["" if isna(value) else str(int(value)) for value in values]
        return [Cell(id_ or text.MISSING, id_) for id_ in ids]
    numbers = text.whole if (values.dropna() % 1 == 0).all() else text.decimal
    write = text.rate if name.endswith("_pct") else numbers
    return [Cell(write(value), "" if isna(value) else f"{value:.15g}") for value in values]


def _drawn(chart: Chart, tables: Mapping[str, DataFrame]) -> dict[str, object]:
    marts = [tables[name] for name in chart.marts]
    figure = chart(*marts)
    numbers = figure.numbers if isinstance(figure, Drawing) else marts[0]
    svg = inline(figure, chart.name)
    return {"about": chart, "svg": svg, "numbers": grid(numbers)}


CHARTS = [item for item in vars(charts).values() if isinstance(item, Chart)]
Drawn = dict[str, dict[str, object]]


def draw(marts: Mapping[str, DataFrame], drawn: Drawn) -> None:
    """Add to the drawn charts, by name, those for which the marts are there now."""
    for chart in CHARTS:
        if chart.name not in drawn and set(chart.marts) <= set(marts):
            drawn[chart.name] = _drawn(chart, marts)


def page(drawn: Drawn, tables: Mapping[str, DataFrame], run: Mapping[str, str | int | None]) -> str:
    """Write the page around the charts; the same input gives the same text."""
    sections: dict[str, list[dict[str, object]]] = {}
    for chart in CHARTS:
        sections.setdefault(chart.section, []).append(drawn[chart.name])
    as_of = Timestamp(run.get("as_of"))
    checks = tables["check_results"]
    not_shown = ["run_id", *([] if run.get("is_incremental") else ["earlier_rows_replaced"])]
    timezone = run.get("timezone")
    latest = latest_month(tables, as_of, None if timezone is None else str(timezone))
    end = end_of_intake(tables["rep_sales_funnel_monthly"], tables["rep_monthly_figures"])
    found = findings(tables, latest)
    held = {category: grid(mix) for category, mix in mixes(tables["rep_source_mix"])}
    return TEMPLATE.render(
        as_of=text.MISSING if isna(as_of) else f"{as_of:%Y-%m-%d %H:%M}",
        checks=grid(quality.open_checks(checks)),
        conversions=step_conversions(tables["rep_cohorts"]),
        findings=found[:MOST],
        history=grid(quality.score_history(tables, as_of)),
        end_of_intake=end,
        fewest=FEWEST,
        key=tables["rep_key_figures"].reindex([0]).iloc[0],
        latest=latest,
        lineage=lineage.picture(tables["data_dictionary"], tables["lineage"]),
        leads=_by_target(found),
        links=quality.deal_links(tables["scores"]).to_dict("records"),
        mixes={category: mix for category, mix in held.items() if category not in OUTSIDE},
        read=tables["reconciliation"].filter(regex="^rows|^duplicates").sum(),
        reconciliation=grid(tables["reconciliation"].drop(columns=not_shown)),
        rejected=grid(quality.rejected_by_reason(tables["rejected_rows"])),
        run=run,
        scores=grid(quality.scores_by_table(tables["scores"])),
        script=SCRIPT,
        script_hash=SCRIPT_HASH,
        sections=sections,
        spark_height=SPARK_HEIGHT,
        outside={category: mix for category, mix in held.items() if category in OUTSIDE},
        statuses=checks["status"].value_counts().to_dict(),
        tables=lineage.in_words(tables),
    )


def _by_target(found: list[Finding]) -> dict[str, list[str]]:
    """What is said of each chart: the first sentence is its title."""
    said: dict[str, list[str]] = {}
    for finding in found:
        said.setdefault(finding.target, []).append(finding.text)
    return said


def render(tables: Mapping[str, DataFrame], run: Mapping[str, str | int | None]) -> str:
    """Write the report on the marts and quality tables."""
    drawn: Drawn = {}
    draw(tables, drawn)
    return page(drawn, tables, run)


def main() -> int:
    """Read pickled `(name, mart)` and draw; at `(None, (quality tables, run))` make the page, then
    read what is said of the runs, and write, also pickled, the page and the one that lists them.
    """
    gc.freeze()  # what the imports made is here to stay: searching it again costs 0.2 s
    marts: dict[str, DataFrame] = {}
    drawn: Drawn = {}
    try:
        name, received = pickle.load(sys.stdin.buffer)
        while name is not None:
            marts[name] = _frame(received)
            draw(marts, drawn)
            name, received = pickle.load(sys.stdin.buffer)
        quality_tables, run = received
        tables = marts | {name: _frame(table) for name, table in quality_tables.items()}
        made = page(drawn, tables, run)
        listed = pickle.load(sys.stdin.buffer)
    except (EOFError, pickle.UnpicklingError):
        return 1  # the caller gave up
    try:
        pickle.dump((made.encode(), runs.index(**listed).encode()), sys.stdout.buffer)
        sys.stdout.buffer.flush()
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # nothing to flush at exit
        return 1
    return 0


def _frame(table: pyarrow.Table) -> DataFrame:
    return table.to_pandas(types_mapper=_exact, date_as_object=False)


def _exact(kind: object) -> Int64Dtype | None:
    """Keep whole numbers whole beside NULLs, where pandas would turn them into floats."""
    return Int64Dtype() if kind == "int64" else None


if __name__ == "__main__":
    sys.exit(main())
