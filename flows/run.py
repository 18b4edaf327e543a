"""One run of the flow: what its tasks share."""

from collections.abc import Callable
from datetime import UTC, datetime
from functools import cached_property
from typing import Any, cast

from ibis import Table

from flows.build import CheckResult, ask
from flows.errors import InputError
from flows.refresh import Refresh
from flows.settings import Settings
from flows.warehouse import Entry, Warehouse
from flows.warehouse.address import shown
from flows.warehouse.export import Export
from flows.warehouse.landing import COUNTS, Landed
from flows.warehouse.rows import read_scalar
from transforms.funnel import Funnel, FunnelError, load_funnel
from transforms.graph import Model, load_models
from transforms.sources import RAW_TABLES, SOURCES
from transforms.timeline import FOREVER, newest_event

EARLIEST = datetime(1970, 1, 1)


class Run:
    """The state of a run. Prefect hands it from task to task and stores nothing of it."""

    def __init__(
        self, run_id: str, settings: Settings, warehouse: Warehouse, export: Export
    ) -> None:
        self.run_id = run_id
        self.started_at = now()
        self.settings = settings
        self.warehouse = warehouse
        self.export = export
        self.models: dict[str, Model] = load_models()
        self.tables: dict[str, Table] = {}
        self.rows: dict[str, int] = {}  # by model
        self.landed: dict[str, Landed] = {}
        self.asked: dict[str, Callable[[], list[CheckResult]]] = {}  # by model
        self.checks: list[CheckResult] = []
        self.earlier: list[Entry] = []  # runs before this one that were not published
        self.people_fingerprint: str | None = None
        self.is_afresh = False  # nothing of the people before may stay in the files
        self.before: dict[str, Any] = {}  # row of quality.runs about the run that readers see
        self.made_before: set[tuple[str, str]] = set()  # tables of runs before, schema and name
        self.refresh = Refresh()
        self.given: dict[str, Any] = {
            "funnel": read_funnel(),
            "timezone": settings.timezone,
            "as_of": settings.as_of,
            "now": self.started_at,
            "forgotten": (),  # ids of users
        }

    def fix_as_of(self) -> None:
        """Unless given, `as_of` is the newest event of the data so far; a rerun gives the same.

        An event that is ahead, such as the due date of what is done already, is the newest one only
        where all are.
        """
        if self.given["as_of"] is None:
            so_far = self._newest_event(until=self.started_at)
            self.given["as_of"] = so_far or self._newest_event() or EARLIEST

    def _newest_event(self, *, until: datetime = FOREVER) -> datetime | None:
        of_data = ("stg_deal_changes", "stg_activities", "stg_deals")
        newest = newest_event(*(self.tables[name] for name in of_data), until=until)
        return cast("datetime | None", read_scalar(newest))

    @cached_property
    def odd_as_of(self) -> str | None:
        """What is odd about the `as_of` that was given, once staging is there; if anything is."""
        as_of = self.settings.as_of
        if as_of is None:
            return None
        if as_of > self.started_at:
            return f"--as-of {as_of} is yet to come: open stays are measured up to it all the same"
        newest = self._newest_event()
        if newest is not None and newest > as_of:
            return (
                f"the data goes on to {newest:%Y-%m-%d %H:%M:%S}, after --as-of {as_of}: what"
                " happened later is counted all the same"
            )
        return None

    def forget_raw_tables(self, after: str) -> None:
        """Give back the memory of the raw tables that no model after this one reads."""
        if self.refresh.keeps_rows:
            return
        names = list(self.models)
        later = {
            read for name in names[names.index(after) + 1 :] for read in self.models[name].upstream
        }
        for name in set(self.models[after].upstream) & set(RAW_TABLES) - later:
            self.warehouse.forget_raw(RAW_TABLES[name])
            del self.tables[name]

    def ask_checks(self) -> None:
        """Let the warehouse begin with the checks whose tables are all there."""
        for name, model in self.models.items():
            needed = {name, *(table for check in model.checks for table in check.needs)}
            if name not in self.asked and needed <= self.tables.keys():
                rows, fresh = self.rows[name], self.refresh.fresh.get(name, self.tables[name])
                self.asked[name] = ask(self.warehouse, model, self.tables, self.given, rows, fresh)

    def check_raw(self, name: str) -> list[CheckResult]:
        """The rules about a table of the export as it was read: staging does not show all of it."""
        landed = self.landed[name]
        file = landed.file
        unknown, known = len(file.ignored), len(file.places)
        counts = (
            (unknown, unknown + known),
            (int(landed.rows_read == 0 and not self.refresh.adds), 1),
            (landed.rows_rejected, landed.rows_read),
            (landed.rows_outdone, landed.rows_loaded),
        )
        return [
            CheckResult(f"raw_{name}", rule, "warn", *counted)
            for rule, counted in zip(file.source.checks, counts, strict=False)
        ]

    @property
    def has_deals(self) -> bool:
        """Whether the export, or one before it whose rows are kept, has a deals table with rows."""
        if "deals" in self.landed and self.landed["deals"].rows_loaded:
            return True
        kept = self.tables.get(SOURCES["deals"].raw_name)
        return kept is not None and bool(read_scalar(kept.count()))

    @property
    def failed_checks(self) -> list[CheckResult]:
        """The broken rules that stop publication."""
        return [result for result in self.checks if result.status == "fail"]

    def summary(self, status: str) -> dict[str, Any]:
        """What the run did, for people and programs."""
        landed = self.landed.values()
        return {
            "run_id": self.run_id,
            "status": status,
            "as_of": self.given["as_of"].isoformat(),
            "seconds": round((now() - self.started_at).total_seconds(), 2),
            **{name: sum(getattr(table, name) for table in landed) for name in COUNTS},
            "checks": len(self.checks),
            "warnings": sum(result.status == "warn" for result in self.checks),
            "failures": len(self.failed_checks),
            "warehouse": shown(self.settings.warehouse),
            "report": str(self.settings.report),
            "runs": str(self.settings.runs_index),
            "export": str(self.settings.export) if self.settings.export else None,
        }


def now() -> datetime:
    """The time, UTC, naive as in the warehouse."""
    return datetime.now(UTC).replace(tzinfo=None)


def read_funnel() -> Funnel:
    """The funnel of `funnel.toml`.

    Raises:
        InputError: it is not what it must be.
    """
    try:
        return load_funnel()
    except FunnelError as error:
        raise InputError(str(error)) from None
