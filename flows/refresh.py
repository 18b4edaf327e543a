"""What a run makes anew: every table, or the rows of what is new or changed in its export.

A run that is not incremental takes its export for all there is. An incremental one keeps the rows
it landed, masked, in the schema `landed`; the next one joins its own to them. What an export says
of a subject (an activity, a change of a field of a deal at a time, a row of a lookup) takes the
place of all that earlier ones said of it: so exports may overlap, and correct each other.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import ibis
from ibis import Table

from flows.errors import InputError
from flows.settings import Settings
from flows.version import code_version
from flows.warehouse import LANDED, QUALITY, Warehouse
from flows.warehouse.address import shown
from transforms.graph import Model
from transforms.sources import RAW_TABLES, READING_RULES


@dataclass
class Refresh:
    """How a run refreshes its tables, and what it found changed so far.

    `keeps_rows`: what it lands stays for the next run. `adds`: it joins what is there. `why_whole`:
    why a run that adds makes every model whole; None if only what is touched is. `touched`: by
    column, the values whose rows changed. `changes`: of each raw table, the rows that are new or
    gone. `replaced`: by table of the export, how many are gone: what is said of the same now took
    their place. `changed`: tables made whole that have other rows than before. `fresh`: of the
    others, the rows that are new in them.
    """

    keeps_rows: bool = False
    adds: bool = False
    why_whole: str | None = None
    changes: list[Table] = field(default_factory=list)
    replaced: dict[str, int] = field(default_factory=dict)
    touched: dict[str, Table] = field(default_factory=dict)
    changed: set[str] = field(default_factory=set)
    fresh: dict[str, Table] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """As it is recorded."""
        return "incremental" if self.adds else "whole"


ANEW = "run once with --incremental --full-refresh and a whole export"


def check_kept(warehouse: Warehouse, settings: Settings, before: Mapping[str, Any] | None) -> None:
    """See whether a run goes with what the warehouse keeps of earlier exports, whoever is in it.

    Args:
        warehouse: that is being looked at.
        settings: of the run.
        before: the row of quality.runs that readers see; None without any.

    Raises:
        InputError: rows are kept, and it is not said what to do with them; or they are needed, and
            there are none, or they were read otherwise.
    """
    name, kept = shown(settings.warehouse), _kept(warehouse)
    if kept and not settings.incremental:
        raise InputError(
            f"{name}: holds the rows of earlier exports; add --incremental to merge this"
            " export into them, or --full-refresh to replace them by it"
        )
    if before is None:
        return
    if settings.incremental and not kept:
        raise InputError(
            f"{name}: keeps no rows of earlier exports, to merge this one into; {ANEW}"
        )
    if kept and before["source_timezone"] != settings.source_timezone:
        raise InputError(
            f"{name}: its rows were read with FUNNEL_SOURCE_TIMEZONE={before['source_timezone']};"
            f" set it again, or {ANEW}"
        )
    is_read_alike = before["reading_rules"] == READING_RULES and all(
        raw in kept and kept[raw].schema() == ibis.schema(source.raw_schema)
        for raw, source in RAW_TABLES.items()
    )
    if kept and not is_read_alike:
        raise InputError(f"{name}: its rows were kept by another version of this; {ANEW}")


def check_kept_people(warehouse: Warehouse, settings: Settings, *, are_others: bool) -> None:
    """See whether the rows that an incremental run needs are of the same people.

    Args:
        warehouse: that is being looked at.
        settings: of the run.
        are_others: the people are others than before, or have other pseudonyms.

    Raises:
        InputError: they are not.
    """
    if settings.incremental and are_others and _kept(warehouse):
        raise InputError(
            f"{shown(settings.warehouse)}: its rows are kept under another masking key, or for"
            f" other forgotten users; {ANEW}"
        )


def _kept(warehouse: Warehouse) -> dict[str, Table]:
    """The rows of earlier exports, by raw table."""
    kept = {raw: warehouse.kept(raw, LANDED) for raw in RAW_TABLES}
    return {raw: table for raw, table in kept.items() if table is not None}


def check_no_tables_of_others(
    warehouse: Warehouse, settings: Settings, models: Iterable[Model]
) -> None:
    """See whether the names of our tables are free, where nothing was ever published.

    Args:
        warehouse: that is being looked at.
        settings: of the run.
        models: whose tables a run would make.

    Raises:
        InputError: a table is there, and no run made it.
    """
    is_recorded = warehouse.kept("runs") is not None
    for model in models:
        is_made = is_recorded and model.schema == QUALITY  # by runs that published nothing
        if not is_made and warehouse.kept(model.name, model.schema) is not None:
            raise InputError(
                f"{shown(settings.warehouse)}: {model.schema}.{model.name} is there, and no run"
                " made it; give the warehouse a place of its own, or rename it"
            )


def how_to_refresh(
    warehouse: Warehouse,
    settings: Settings,
    before: Mapping[str, Any] | None,
    *,
    full_refresh: bool,
    are_others: bool,
) -> Refresh:
    """How a run is to refresh a warehouse.

    Args:
        warehouse: that is being run on.
        settings: of the run.
        before: the row of quality.runs that readers see; None without any.
        full_refresh: the export is all there is, whatever is kept.
        are_others: the people are others than before, or have other pseudonyms.

    Raises:
        InputError: as `check_kept` and `check_kept_people` say.
    """
    if not full_refresh:
        check_kept(warehouse, settings, before)
        check_kept_people(warehouse, settings, are_others=are_others or before is None)
    is_kept = bool(_kept(warehouse))
    if is_kept and not settings.incremental:
        warehouse.give_up(LANDED, *RAW_TABLES)
    if full_refresh or before is None or not is_kept:
        return Refresh(keeps_rows=settings.incremental)
    is_same = before["code_version"] == code_version()
    why_whole = None if is_same else "the code or the funnel changed"
    return Refresh(adds=True, keeps_rows=True, why_whole=why_whole)
