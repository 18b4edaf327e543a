"""Models into tables, with the rules they promise to keep."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import ibis
from ibis import Table
from ibis.expr.types import IntegerScalar

from flows.warehouse import QUALITY, Warehouse
from flows.warehouse.rows import read_one, read_scalar
from transforms.checks import Check
from transforms.graph import Model

LARGEST = 2**63 - 1
SAMPLED = 200_000  # rows, to find values between which a table is cut


@dataclass(frozen=True)
class CheckResult:
    """One rule, as it was found; `example` tells one of the rows that break it."""

    model: str
    check_name: str
    severity: str
    failing_rows: int
    total_rows: int
    example: str | None = None

    @property
    def status(self) -> str:
        """pass, warn or fail."""
        if not self.failing_rows:
            return "pass"
        return "fail" if self.severity == "error" else "warn"

    @property
    def in_words(self) -> str:
        """The rule and how many rows break it."""
        counts = f"{self.failing_rows:,} of {self.total_rows:,} rows"
        example = f", such as {self.example}" if self.example else ""
        return f"{self.status}: {self.check_name} {counts}{example}"

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
        read = {name: tables[name] for name in model.inputs}
        rows, *more = rows_in_parts(warehouse, model, read, settings)
        return warehouse.build(model.schema, model.name, rows, model.key, columns, more)
    rows = model.expression(tables, settings)
    kept = warehouse.append(
        model.name, rows.select(ibis.literal(run_id).name("run_id"), *rows.columns)
    )
    return kept.filter(kept.run_id == run_id).drop("run_id")


def rows_in_parts(
    warehouse: Warehouse, model: Model, read: Mapping[str, Table], settings: Mapping[str, Any]
) -> Sequence[Table]:
    """The rows that a model makes of the tables that it reads; where these are large, in parts."""
    return [model.expression(part, settings) for part in _parts(warehouse, model, read)]


def _parts(
    warehouse: Warehouse, model: Model, read: Mapping[str, Table]
) -> list[Mapping[str, Table]]:
    """The tables that a model reads; of large ones, those of some values of `refresh_by` each."""
    column = model.refresh_by
    at_once = warehouse.rows_at_once if model.in_parts else None
    if column is None or at_once is None:
        return [read]
    values = ibis.union(
        *(table.select(column) for table in read.values() if column in table.columns)
    )
    rows = read_scalar(values.count())
    number = math.ceil(rows / at_once)
    if number < 2:
        return [read]
    sample = values.sample(min(1.0, SAMPLED / rows), method="row", seed=0)
    quantiles = (sample[column].quantile(place / number) for place in range(1, number))
    found = read_one(
        sample.agg(**{f"bound_{place}": bound for place, bound in enumerate(quantiles)})
    )
    bounds = sorted({min(int(bound), LARGEST) for bound in found.values() if bound is not None})
    return [
        {name: _between(table, column, *ends) for name, table in read.items()}
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
    warehouse: Warehouse,
    model: Model,
    tables: Mapping[str, Table],
    settings: Mapping[str, Any],
    rows: int,
    fresh: Table,
) -> Callable[[], list[CheckResult]]:
    """Hold a built table against its rules; what is given back gives the results.

    One query is quicker; where there are more rows than an engine takes at once, only the rules
    about single rows are in one, and each of the others has its own.

    Args:
        warehouse: where the table is.
        model: whose rules.
        tables: the table, and those that its rules need.
        settings: of the run.
        rows: of the table.
        fresh: those that were made anew; the others are as they were published.
    """
    at_once = warehouse.rows_at_once
    places = range(len(model.checks))
    groups: list[Sequence[int]] = [places]
    if at_once is not None and rows > at_once:
        single = [place for place in places if model.checks[place].breaks is not None]
        groups = [single, *([place] for place in places if place not in single)]
    answers = [warehouse.ask(_failing(model, group, tables, settings, fresh)) for group in groups]

    def results() -> list[CheckResult]:
        found = {name: value for answer in answers for name, value in answer().items()}
        return [
            CheckResult(
                model.name,
                check.name,
                check.severity,
                failing := found[f"failing_{place}"],
                found["total"],
                example(place, found) if failing else None,
            )
            for place, check in enumerate(model.checks)
        ]

    def example(place: int, found: Mapping[str, Any]) -> str | None:
        """By what one of the rows is told: the first, so that it is always the same."""
        check = model.checks[place]
        failing = check.failing(tables[model.name], tables, settings)
        names = _told_by(model, check, failing)
        if f"example_{place}" in found:
            values = {names[0]: found[f"example_{place}"]}
        elif names:
            order = [ibis.asc(failing[name], nulls_first=False) for name in names]
            values = warehouse.ask(failing.order_by(order).limit(1).select(*names))()
        else:
            return None
        return ", ".join(f"{name} {value}" for name, value in values.items())

    return results


def _told_by(model: Model, check: Check, failing: Table) -> list[str]:
    """The columns that tell a row that breaks a rule; none, if all that the rule gives is a total.

    This reaches logs and Prefect: users are not told, and of texts, which can be anything, only
    what funnel.toml has.
    """
    can_be_told = {
        name
        for name, kind in failing.schema().items()
        if name == "funnel_step" or not (kind.is_string() or name == "user_id")
    }
    by_itself = (model.refresh_by,) if model.refresh_by else ()
    found = (columns for columns in (check.about, model.key, by_itself) if columns)
    return next(([*columns] for columns in found if can_be_told.issuperset(columns)), [])


def _failing(
    model: Model,
    places: Sequence[int],
    tables: Mapping[str, Table],
    settings: Mapping[str, Any],
    fresh: Table,
) -> Table:
    """One row: how many rows the table has, and how many break each rule at one of these places.

    Of a rule that is not about single rows, also the least value that tells one of them, where a
    single column does.
    """
    table = tables[model.name]
    counts: dict[str, IntegerScalar] = {}
    of_fresh: dict[str, IntegerScalar] = {}
    others: list[Table] = []
    for place in places:
        check = model.checks[place]
        is_of_fresh = fresh is not table and _only_fresh_rows_can_break(model, check)
        rows = fresh if is_of_fresh else table
        if check.breaks is not None:
            into = of_fresh if is_of_fresh else counts
            into[f"failing_{place}"] = rows.count(where=check.breaks(rows))
        else:
            failing = check.failing(rows, tables, settings)
            told_by = _told_by(model, check, failing)
            first = {f"example_{place}": failing[told_by[0]].min()} if len(told_by) == 1 else {}
            others.append(failing.agg(**{f"failing_{place}": failing.count()}, **first))
    if of_fresh:
        others.append(fresh.agg(**of_fresh))
    of_rows = table.agg(total=table.count(), **counts)
    return of_rows.cross_join(*others) if others else of_rows


def _only_fresh_rows_can_break(model: Model, check: Check) -> bool:
    """Whether the rows that a run does not make anew cannot break the rule.

    They were published by a run of the same code, which a rule that they break would have stopped.
    Of rows that only together break it, all are made anew or none, but where just some rows of a
    value of `refresh_by` move.
    """
    is_of_one_value = model.refresh_by in check.among and model.moves is None
    return check.severity == "error" and (check.breaks is not None or is_of_one_value)
