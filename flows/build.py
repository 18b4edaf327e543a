"""Models into tables, with the rules they promise to keep."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import ibis
from ibis import Table
from transforms.graph import Model

from flows.warehouse import Warehouse


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
    rows = model.expression(tables, settings)
    if model.schema != "quality":
        columns = (model.refresh_by,) if is_kept and model.refresh_by else ()
        return warehouse.build(model.schema, model.name, rows, model.key, columns)
    kept = warehouse.append(
        model.name, rows.select(ibis.literal(run_id).name("run_id"), *rows.columns)
    )
    return kept.filter(kept.run_id == run_id).drop("run_id")


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
