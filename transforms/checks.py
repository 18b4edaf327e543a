"""Rules about tables. A check selects the rows that break its rule; it passes if there are none.

Severity `error` stops publication, `warn` is recorded and shown. A check that needs another table
names it in `needs`, as a model names its inputs.
"""

import inspect
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Literal

import ibis
from ibis import Table
from ibis.expr.types import BooleanValue, DateScalar, IntegerValue

Severity = Literal["error", "warn"]
Tables = Mapping[str, Table]
Settings = Mapping[str, Any]


@dataclass(frozen=True)
class Check:
    """One rule. `failing(table, tables, settings)` gives the rows that break it.

    A rule about single rows also says of each row whether it `breaks` the rule: all such rules of
    a table are counted in one scan. `about`: the columns of these rows by which one of them is
    told, if not by the key of the table. `among`: those in which rows agree that only together
    break it.
    """

    name: str
    severity: Severity
    failing: Callable[[Table, Tables, Settings], Table]
    needs: tuple[str, ...] = ()
    breaks: Callable[[Table], BooleanValue] | None = None
    about: tuple[str, ...] = ()
    among: tuple[str, ...] = ()


def rule(name: str, holds: Callable[[Table], BooleanValue], severity: Severity = "error") -> Check:
    """A rule about single rows; a row for which it is null breaks it too."""

    def breaks(table: Table) -> BooleanValue:
        return ~holds(table).fill_null(False)

    return Check(name, severity, lambda table, *_: table.filter(breaks(table)), breaks=breaks)


def not_null(column: str, severity: Severity = "error") -> Check:
    """The column has a value."""
    return rule(f"not_null({column})", lambda table: table[column].notnull(), severity)


def accepted_values(column: str, values: Collection[str], severity: Severity = "error") -> Check:
    """The column has one of the values, or none."""
    return rule(
        f"accepted_values({column})",
        lambda table: table[column].isin(list(values)) | table[column].isnull(),
        severity,
    )


def not_negative(column: str, severity: Severity = "error") -> Check:
    """The column is zero or more, or null."""
    return rule(
        f"not_negative({column})",
        lambda table: (table[column] >= 0) | table[column].isnull(),
        severity,
    )


def unique(*columns: str, severity: Severity = "error") -> Check:
    """No two rows agree in these columns; each value that is shared is one failing row."""

    def failing(table: Table, *_: object) -> Table:
        shared = table.group_by(*columns).agg(rows_sharing=table.count())
        return shared.filter(shared.rows_sharing > 1)

    name = f"unique({', '.join(columns)})"
    return Check(name, severity, failing, about=columns, among=columns)


def references(column: str, target: str, severity: Severity = "error") -> Check:
    """The column's values, where there are any, occur in `target` ("table.column")."""
    target_table, target_column = target.split(".")

    def failing(table: Table, tables: Tables, _: Settings) -> Table:
        linked = table.filter(table[column].notnull())
        known = tables[target_table]
        return linked.anti_join(known, linked[column] == known[target_column])

    name = f"references({column}, {target})"
    return Check(name, severity, failing, needs=(target_table,), about=(column,))


def parameters(function: Callable[..., Any]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Names of the positional parameters, which are tables, and of the keyword-only ones."""
    found = inspect.signature(function).parameters.values()
    keyword = tuple(each.name for each in found if each.kind is each.KEYWORD_ONLY)
    return tuple(each.name for each in found if each.name not in keyword), keyword


def _called(function: Callable[..., Any], tables: Tables, settings: Settings) -> Any:
    """What a function gives of the tables and the settings of the run that it names."""
    of_tables, of_settings = parameters(function)
    return function(
        *(tables[name] for name in of_tables), **{name: settings[name] for name in of_settings}
    )


def total_agrees(
    measure: str, total: Callable[[Table], IntegerValue], expected: Callable[..., IntegerValue]
) -> Check:
    """A total of the table is the one that `expected` counts anew in the tables it names."""

    def failing(table: Table, tables: Tables, settings: Settings) -> Table:
        anew = _called(expected, tables, settings)
        found = table.agg(total=total(table).fill_null(0))
        return found.filter(found.total != anew.fill_null(0).as_scalar())

    return Check(f"total_agrees({measure})", "error", failing, needs=parameters(expected)[0])


def steady_volume(
    value: str,
    *,
    by: str,
    over: str,
    until: Callable[..., DateScalar],
    severity: Severity = "warn",
) -> Check:
    """No month is far from the months before it, per group.

    Far is more than five scaled median absolute deviations (and more than five) from the median of
    the up to twelve months before, where there are at least six. `until` gives, of the tables it
    names, the first month that is not finished (of a funnel, the one in which the intake ends): it
    and those after it are left out.
    """

    def failing(table: Table, tables: Tables, settings: Settings) -> Table:
        place = ibis.row_number().over(group_by=by, order_by=over)
        months = table.select(by, over, value=table[value].cast("float64"), place=place)
        months = months.filter(months[over] < _called(until, tables, settings))
        point, before = (by, over, "place", "value"), months.view()
        window = months.join(
            before,
            [
                months[by] == before[by],
                before.place < months.place,
                before.place >= months.place - 12,
            ],
        ).select(*point, earlier=before.value)
        median = window.group_by(point).agg(
            median=window.earlier.quantile(0.5), months=window.count()
        )
        spread = window.inner_join(median.drop("value", over), [by, "place"])
        spread = spread.group_by(*point, "median", "months").agg(
            deviation=(spread.earlier - spread["median"]).abs().quantile(0.5)
        )
        distance = (spread.value - spread["median"]).abs()
        return spread.filter(
            spread.months >= 6,
            distance > 5.0,
            distance > 5 * 1.4826 * spread.deviation,
        )

    name, needs = f"steady_volume({value})", parameters(until)[0]
    return Check(name, severity, failing, needs, about=(by, over))


def has_happened(
    column: str,
    of: Callable[[Table], BooleanValue] | None = None,
    severity: Severity = "warn",
) -> Check:
    """The time in the column is not after the run.

    With `of`, of the rows for which that holds.
    """

    def failing(table: Table, _: Tables, settings: Settings) -> Table:
        rows = table if of is None else table.filter(of(table))
        return rows.filter(rows[column] > ibis.literal(settings["now"], "timestamp"))

    return Check(f"has_happened({column})", severity, failing)


def newest_within(column: str, days: int, severity: Severity = "warn") -> Check:
    """The newest value is at most so many days older than the run.

    Values after the run are left out: a single wrong one would hide for years that no data come.
    """

    def failing(table: Table, _: Tables, settings: Settings) -> Table:
        now = ibis.literal(settings["now"], "timestamp")
        newest = table.agg(newest=table[column].max(where=table[column] <= now))
        oldest_allowed = ibis.literal(settings["now"] - timedelta(days=days), "timestamp")
        return newest.filter(newest.newest < oldest_allowed)

    return Check(f"newest_within_{days}_days({column})", severity, failing)
