"""Models into tables, with the rules they promise to keep."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import ibis
from ibis import Table
from transforms.graph import Model

from flows.warehouse import Warehouse
from flows.warehouse.rows import read_one


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
) -> Table:
    """Make the table of a model; the rows of one in `quality` join those of earlier runs."""
    rows = model.expression(tables, settings)
    if model.schema != "quality":
        return warehouse.build(model.schema, model.name, rows, model.key)
    kept = warehouse.append(
        model.name, rows.select(ibis.literal(run_id).name("run_id"), *rows.columns)
    )
    return kept.filter(kept.run_id == run_id).drop("run_id")


def check(
    model: Model, tables: Mapping[str, Table], settings: Mapping[str, Any]
) -> list[CheckResult]:
    """Hold a built table against its rules, in one query."""
    table = tables[model.name]
    failing = {
        f"failing_{place}": check.count(table, tables, settings)
        for place, check in enumerate(model.checks)
    }
    found = read_one(table.agg(total=table.count(), **failing))
    return [
        CheckResult(
            model.name, check.name, check.severity, found[f"failing_{place}"], found["total"]
        )
        for place, check in enumerate(model.checks)
    ]
