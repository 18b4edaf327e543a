"""The tables of a run: raw ones taken in, models made of them, whole or where something changed."""

from functools import partial, reduce

import ibis
from ibis import Table
from transforms.graph import BEFORE, Model
from transforms.sources import RAW_TABLES, Source

from flows.build import build
from flows.run import Run
from flows.warehouse import LANDED
from flows.warehouse.landing import Landed
from flows.warehouse.reading import SOURCE_ROW
from flows.warehouse.rows import read_scalar


def take_in(run: Run, source: Source, landed: Landed | None) -> Table:
    """The raw table that models read, of what was landed (None: the export has no such table)."""
    warehouse, refresh, subject = run.warehouse, run.refresh, source.subject
    kept = warehouse.kept(source.raw_name, LANDED) if refresh.adds else None
    if landed is None and kept is not None:
        return kept
    raw = warehouse.empty(source) if landed is None else landed.raw
    if not refresh.keeps_rows:
        return raw
    if kept is None:
        made = warehouse.build(LANDED, source.raw_name, raw, replaced_by=subject)
    else:
        changes = warehouse.set_aside(f"changes_{source.name}", _changes(source, kept, raw))
        refresh.changes.append(changes)
        gone = warehouse.set_aside(f"gone_{source.name}", changes.select(*subject).distinct())
        new = raw.semi_join(gone, subject)
        made, _ = warehouse.replace(LANDED, source.raw_name, new, gone, subject)
    warehouse.forget_raw(source)
    return made


def _changes(source: Source, kept: Table, raw: Table) -> Table:
    """The rows of both, of the subjects that the export says something of, that are in one only."""
    said, before = (
        _with_places(source, rows) for rows in (raw, kept.semi_join(raw, source.subject))
    )
    return said.difference(before).union(before.difference(said))


def _with_places(source: Source, rows: Table) -> Table:
    """Rows of a lookup can have any numbers: their order within their subject is what counts."""
    if not source.lookup:
        return rows
    rows = rows.filter(rows[source.key].notnull())
    place = ibis.row_number().over(group_by=source.subject, order_by=SOURCE_ROW)
    return rows.mutate(place=place).drop(SOURCE_ROW)


def make(run: Run, name: str) -> tuple[Table, str]:
    """The table of a model, made whole or only where something changed; and which of both."""
    warehouse, refresh, model = run.warehouse, run.refresh, run.models[name]
    column, others = model.refresh_by, refresh.changed & {*model.upstream}
    remembered = {BEFORE: _as_before(run, model)} if model.remembers else {}
    tables = run.tables | remembered
    made_whole = partial(
        build, warehouse, model, tables, run.given, run.run_id, is_kept=refresh.keeps_rows
    )
    if column is None:
        if refresh.adds and any(name in m.upstream for m in run.models.values() if m.refresh_by):
            rows = model.expression(tables, run.given)
            before = warehouse.kept(name, model.schema)
            if before is None or _differ(rows, before):
                refresh.changed.add(name)
        return made_whole(), "ok"
    why_whole = refresh.why_whole or (f"{', '.join(sorted(others))} changed" if others else None)
    before = warehouse.kept(name, model.schema) if refresh.adds and not why_whole else None
    if before is None:
        refresh.changed.add(name)
        return made_whole(), f"whole: {why_whole}" if refresh.adds else "ok"
    touched = values = gone = _touched(run, column)
    on: tuple[str, ...] = (column,)
    moves = model.moves if refresh.as_of_before != run.given["as_of"] else None
    if moves is not None:
        # Of what only moves, the rows that do: most are older, and stay as they are.
        on, moved = model.key, before.filter(moves(before))
        values = touched.union(moved.select(column), distinct=True)
        values = warehouse.set_aside(f"moved_values_{name}", values)
        of_touched = before.semi_join(touched, column)
        gone = of_touched.select(*on).union(moved.select(*on), distinct=True)
        gone = warehouse.set_aside(f"moved_rows_{name}", gone)
    read = {each: _rows_of(run, each, column, values) for each in model.upstream}
    read |= {name: table.semi_join(values, column) for name, table in remembered.items()}
    rows = model.expression(read, run.given)
    if moves is not None:
        rows = rows.filter(moves(rows) | rows[column].isin(touched[column]))
    table, refresh.fresh[name] = warehouse.replace(model.schema, name, rows, gone, on, model.key)
    return table, f"{read_scalar(refresh.fresh[name].count()):,} made anew"


def _as_before(run: Run, model: Model) -> Table:
    """The table as the run before left it; at first it is empty."""
    kept = run.warehouse.kept(model.name, model.schema)
    return run.warehouse.table_of([], model.columns(run.given)) if kept is None else kept


def _touched(run: Run, column: str) -> Table:
    """The values of the column in rows that changed."""
    touched = run.refresh.touched
    if column not in touched:
        found = [
            changes.filter(changes[column].notnull()).select(column)
            for changes in run.refresh.changes
            if column in changes.columns
        ] or [run.warehouse.table_of([], {column: "int64"})]
        values = reduce(Table.union, found).distinct()
        touched[column] = run.warehouse.set_aside(f"touched_{column}", values)
    return touched[column]


def _rows_of(run: Run, name: str, column: str, touched: Table) -> Table:
    """Of an upstream table, the rows of the values that are touched; all of one made whole."""
    if name in RAW_TABLES:
        table = run.tables[name]
        return table.semi_join(touched, column) if column in table.columns else table
    by, refresh = run.models[name].refresh_by, run.refresh
    if by is None:
        return run.tables[name]
    # Of what is touched, and no more, all rows are among the new ones.
    is_in_fresh = by == column and touched is refresh.touched[column]
    return (refresh.fresh if is_in_fresh else run.tables)[name].semi_join(touched, column)


def _differ(rows: Table, before: Table) -> bool:
    one, other = rows.difference(before), before.difference(rows)
    return bool(read_scalar(one.count().as_scalar() + other.count().as_scalar()))
