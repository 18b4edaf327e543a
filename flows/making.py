"""The tables of a run: raw ones taken in, models made of them, whole or where something changed."""

from collections.abc import Collection, Mapping
from functools import reduce

import ibis
from ibis import Table

from flows.build import build, rows_in_parts
from flows.people import are_others_than_before, fingerprint
from flows.records.dictionary import made_before
from flows.records.record import last_published
from flows.refresh import check_no_tables_of_others, how_to_refresh
from flows.run import Run
from flows.warehouse import LANDED
from flows.warehouse.landing import Landed
from flows.warehouse.reading import SOURCE_ROW
from flows.warehouse.rows import read_scalar
from transforms.graph import BEFORE, Model
from transforms.sources import RAW_TABLES, Source


def begin(run: Run, key: bytes, forgotten: Collection[int], *, full_refresh: bool) -> None:
    """Find out how the warehouse is to be refreshed, and make room for what is made anew.

    Args:
        run: that is about to read its export.
        key: for pseudonyms.
        forgotten: ids of users of whom nothing is kept.
        full_refresh: the export is all there is, whatever is kept.

    Raises:
        InputError: the warehouse cannot be gone on with like this.
    """
    warehouse, settings, before = run.warehouse, run.settings, last_published(run.warehouse)
    run.before = before or {}
    run.given["forgotten"] = forgotten
    run.people_fingerprint = people = fingerprint(key, forgotten)
    run.is_afresh = are_others_than_before(before, people, settings, forgotten)
    run.refresh = how_to_refresh(
        warehouse, settings, before, full_refresh=full_refresh, are_others=run.is_afresh
    )
    if before is None:
        check_no_tables_of_others(warehouse, settings, run.models.values())
    run.made_before = made_before(warehouse)
    if not run.refresh.adds:
        warehouse.start_anew(run.made_before)


def take_in(run: Run, source: Source, landed: Landed | None) -> Table:
    """The raw table that models read, of what was landed (None: the export has no such table)."""
    warehouse, refresh, subject = run.warehouse, run.refresh, source.subject
    kept = warehouse.kept(source.raw_name, LANDED) if refresh.adds else None
    if landed is None and kept is not None:
        return kept
    if landed is None:
        nothing = warehouse.table_of([], source.raw_schema)
        raw = warehouse.set_aside(source.raw_name, nothing)
    else:
        raw = landed.raw
    if not refresh.keeps_rows:
        return raw
    if kept is None:
        made = warehouse.build(LANDED, source.raw_name, raw, replaced_by=subject)
    else:
        changes = warehouse.set_aside(f"changes_{source.name}", _changes(source, kept, raw))
        refresh.changes.append(changes)
        refresh.replaced[source.name] = read_scalar(changes.count(where=~changes.is_new))
        told = changes.select(*subject).distinct()
        restated = warehouse.set_aside(f"restated_{source.name}", told)
        new = raw.semi_join(restated, subject)
        made, _ = warehouse.replace(LANDED, source.raw_name, new, restated, subject)
    warehouse.forget_raw(source)
    return made


def _changes(source: Source, kept: Table, raw: Table) -> Table:
    """The rows that the export adds (`is_new`) or replaces, of the subjects that it speaks of."""
    said, before = (
        _told_apart(source, rows) for rows in (raw, kept.semi_join(raw, source.subject))
    )
    new, gone = said.difference(before), before.difference(said)
    return new.mutate(is_new=True).union(gone.mutate(is_new=False))


def _told_apart(source: Source, rows: Table) -> Table:
    """The rows as they can be held against others: each is there once.

    Events with their number, as rows that differed in a forgotten user only are equal now; those of
    a lookup with their place among the rows of their subject, as their number in the file differs.
    """
    if not source.lookup:
        return rows.group_by(rows.columns).agg(copies=rows.count())
    rows = rows.filter(rows[source.key].notnull())
    place = ibis.row_number().over(group_by=source.subject, order_by=SOURCE_ROW)
    return rows.mutate(place=place).drop(SOURCE_ROW)


def make(run: Run, name: str) -> str:
    """Make the table of a model, whole or only where something changed; says which of both."""
    if "as_of" in run.models[name].settings:
        run.fix_as_of()
    run.tables[name], said = _made(run, name)
    run.rows[name] = read_scalar(run.tables[name].count())
    return said


def _made(run: Run, name: str) -> tuple[Table, str]:
    model, refresh = run.models[name], run.refresh
    tables = run.tables | ({BEFORE: _as_before(run, model)} if model.remembers else {})
    said = "ok"
    if model.refresh_by is None:
        is_asked = refresh.adds and refresh.why_whole is None and _is_followed(run, name)
        if is_asked and _is_another(run, model, tables):
            refresh.changed.add(name)
    else:
        others = ", ".join(sorted(refresh.changed & {*model.upstream}))
        why_whole = refresh.why_whole or (f"{others} changed" if others else None)
        if refresh.adds and why_whole is None:
            before = run.warehouse.kept(name, model.schema)
            if before is not None:
                table = _make_anew(run, model, model.refresh_by, tables, before)
                return table, f"{read_scalar(refresh.fresh[name].count()):,} made anew"
            why_whole = "it was not there"
        if refresh.adds:
            said = f"whole: {why_whole}"
        refresh.changed.add(name)
    made = build(run.warehouse, model, tables, run.given, run.run_id, is_kept=refresh.keeps_rows)
    return made, said


def _is_followed(run: Run, name: str) -> bool:
    """Whether a model that is refreshed row by row reads this table."""
    return any(name in model.upstream for model in run.models.values() if model.refresh_by)


def _is_another(run: Run, model: Model, tables: Mapping[str, Table]) -> bool:
    """Whether the table will not have the rows that it had."""
    before = run.warehouse.kept(model.name, model.schema)
    if before is None:
        return True
    rows = model.expression(tables, run.given)
    one, other = rows.difference(before), before.difference(rows)
    return bool(read_scalar(one.count().as_scalar() + other.count().as_scalar()))


def _make_anew(
    run: Run, model: Model, column: str, tables: Mapping[str, Table], before: Table
) -> Table:
    """The table as it was, with the rows of touched values of the column made anew."""
    touched = _touched(run, column)
    values, gone, on = touched, touched, tuple(touched.columns)
    moves = model.moves if run.before["as_of"] != run.given["as_of"] else None
    if moves is not None:
        values, gone, on = _moved(run, model, touched, before, before.filter(moves(before)))
    read = {name: _rows_of(run, name, column, values) for name in model.upstream}
    if model.remembers:
        read[BEFORE] = tables[BEFORE].semi_join(values, column)
    parts = rows_in_parts(run.warehouse, model, read, run.given)
    if moves is not None:
        parts = [rows.filter(moves(rows) | rows[column].isin(touched[column])) for rows in parts]
    rows, *more = parts
    table, run.refresh.fresh[model.name] = run.warehouse.replace(
        model.schema, model.name, rows, gone, on, model.key, more
    )
    return table


def _moved(
    run: Run, model: Model, touched: Table, before: Table, moved: Table
) -> tuple[Table, Table, tuple[str, ...]]:
    """The values whose rows are to be read, the rows to be replaced, and the columns of these.

    Where only `as_of` moved, these are the rows that it changes, as open stays; the others stay.
    """
    values = touched.union(moved.select(touched.columns), distinct=True)
    of_touched = before.semi_join(touched, touched.columns)
    gone = of_touched.select(*model.key).union(moved.select(*model.key), distinct=True)
    return (
        run.warehouse.set_aside(f"moved_values_{model.name}", values),
        run.warehouse.set_aside(f"moved_rows_{model.name}", gone),
        model.key,
    )


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
        if column in (ahead := _no_longer_ahead(run)).columns:
            found.append(ahead.select(column))
        values = reduce(Table.union, found).distinct()
        touched[column] = run.warehouse.set_aside(f"touched_{column}", values)
    return touched[column]


def _no_longer_ahead(run: Run) -> Table:
    """The changes that lay in the future at the run before: models that remember see them now.

    Times are in the future where a clock is wrong, or a time zone.
    """
    log = run.tables["raw_deal_changes"]
    since, now = (
        ibis.literal(time, "timestamp(6)") for time in (run.before["started_at"], run.started_at)
    )
    return log.filter(log.change_time > since, log.change_time <= now)


def _rows_of(run: Run, name: str, column: str, touched: Table) -> Table:
    """Of an upstream table, the rows of the values that are touched; all of one made whole."""
    if name in RAW_TABLES:
        table = run.tables[name]
        return table.semi_join(touched, column) if column in table.columns else table
    by, refresh = run.models[name].refresh_by, run.refresh
    if by is None:
        return run.tables[name]
    # Where just the touched values are asked for, all their rows were made anew.
    is_in_fresh = by == column and touched is refresh.touched[column]
    return (refresh.fresh if is_in_fresh else run.tables)[name].semi_join(touched, column)
