"""Models into tables, with the rules they promise to keep."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import ibis
from ibis import Table

from flows.warehouse import QUALITY, Warehouse
from flows.warehouse.rows import read_one, read_scalar
from transforms.graph import Model

LARGEST = 2**63 - 1
SAMPLED = 200_000  # rows, to find values between which a table is cut


@dataclass(frozen=True)
class CheckResult:
    """One rule, as it was found."""

    model: str
    check_name: str
    severity: str
    failing_rows: int
    total_rows: int

    @property
    def status(self) -> str:
        """pass, warn or fail."""
        if not self.failing_rows:
            return "pass"
        return "fail" if self.severity == "error" else "warn"

    @property
    def in_words(self) -> str:
        """The rule and how many rows break it."""
        return f"{self.status}: {self.check_name} {self.failing_rows:,} of {self.total_rows:,} rows"

    @property
    def with_table(self) -> str:
        """The same, of which table."""
        return f"{self.model}: {self.in_words}"


def build(
    warehouse: Warehouse,
    model: Model,
    tables: Mapping[str, Table],
    settings: Mapping[str, Any],
    run_id: str,
    *,
    is_kept: bool = False,
) -> Table:
    """Make the table of a model; the rows of one in `quality` join those of earlier runs.

    `is_kept`: later runs replace rows of it, as the model says.
    """
    if model.schema != QUALITY:
        columns = (model.refresh_by,) if is_kept and model.refresh_by else ()
        parts = _parts(warehouse, model, tables)
        rows, *more = (model.expression(part, settings) for part in parts)
        return warehouse.build(model.schema, model.name, rows, model.key, columns, more)
    rows = model.expression(tables, settings)
    kept = warehouse.append(
        model.name, rows.select(ibis.literal(run_id).name("run_id"), *rows.columns)
    )
    return kept.filter(kept.run_id == run_id).drop("run_id")


def _parts(
    warehouse: Warehouse, model: Model, tables: Mapping[str, Table]
) -> list[Mapping[str, Table]]:
    """The tables that a model reads; of a large one, those of some values of `refresh_by` each."""
    if model.in_parts_of is None or model.refresh_by is None or warehouse.rows_at_once is None:
        return [tables]
    column, measured = model.refresh_by, tables[model.in_parts_of]
    rows = read_scalar(measured.count())
    number = math.ceil(rows / warehouse.rows_at_once)
    if number < 2:
        return [tables]
    sample = measured.sample(min(1.0, SAMPLED / rows), method="block", seed=0)
    quantiles = (sample[column].quantile(place / number) for place in range(1, number))
    found = read_one(
        sample.agg(**{f"bound_{place}": bound for place, bound in enumerate(quantiles)})
    )
    bounds = sorted({min(int(bound), LARGEST) for bound in found.values() if bound is not None})
    return [
        {name: _between(table, column, *ends) for name, table in tables.items()}
        for ends in pairwise([None, *bounds, None])
    ]


def _between(table: Table, column: str, low: int | None, high: int | None) -> Table:
    """Its rows with a value from `low` on and below `high`; those without are below all."""
    if column not in table.columns:
        return table
    value = table[column]
    if low is not None:
        table = table.filter(value >= low)
    if high is not None:
        table = table.filter(value < high if low is not None else (value < high) | value.isnull())
    return table


def ask(
    warehouse: Warehouse, model: Model, tables: Mapping[str, Table], settings: Mapping[str, Any]
) -> Callable[[], list[CheckResult]]:
    """Hold a built table against its rules, in one query; what is given back gives the results.

    Args:
        warehouse: where the table is.
        model: whose rules.
        tables: the table, and those that its rules need.
        settings: of the run.
    """
    table = tables[model.name]
    failing = {
        f"failing_{place}": check.count(table, tables, settings)
        for place, check in enumerate(model.checks)
    }
    answer = warehouse.ask(table.agg(total=table.count(), **failing))

    def results() -> list[CheckResult]:
        found = answer()
        return [
            CheckResult(
                model.name, check.name, check.severity, found[f"failing_{place}"], found["total"]
            )
            for place, check in enumerate(model.checks)
        ]

    return results
