"""The results of runs as a notebook reads them: through Ibis, and never to change anything."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import matplotlib
import pandas
from ibis import Table
from ibis.backends.sql import SQLBackend
from ibis.expr.types import IntegerValue
from pandas import DataFrame, Int64Dtype

from flows.errors import SalesFunnelError
from flows.records.record import newest_published
from flows.report.rows import SORTED_BY
from flows.settings import load_settings
from flows.warehouse.read_only import open_to_look
from reports.drawing import STYLE, Chart
from reports.notebooks.picture import Picture
from transforms.folding import folded_by
from transforms.funnel import Funnel, load_funnel


class NotReadyError(Exception):
    """The notebook cannot go on; the message says what to do, and no traceback hides it."""

    def _render_traceback_(self) -> list[str]:
        return [str(self)]


@dataclass(frozen=True)
class Results:
    """What runs have left in a warehouse."""

    backend: SQLBackend
    min_deals_per_rep: int
    funnel: Funnel

    def table(self, name: str) -> Table:
        """A table, as in "marts.obt_deals", to be asked in the engine."""
        schema, _, table = name.partition(".")
        return self.backend.table(table, database=schema)

    def read(self, rows: Table) -> DataFrame:
        """The rows of an answer. Count and group in the engine first: they all come here."""
        return rows.to_pyarrow().to_pandas(
            types_mapper=lambda kind: Int64Dtype() if kind == "int64" else None,
            date_as_object=False,
        )

    def mart(self, name: str) -> DataFrame:
        """A small mart (`rep_…`), in the order of its months and of the funnel.

        Where FUNNEL_MIN_DEALS_PER_REP is set, reps with fewer deals are one, as in the report.
        """
        mart = self.table(f"marts.{name}")
        if self.min_deals_per_rep > 1 and "sales_rep_name" in mart.columns:
            totals = self.table("marts.rep_sales_rep_totals")
            deals = totals.select("sales_rep_name", deals=totals.deals_worked)
            mart = folded_by(mart, deals, self.min_deals_per_rep)
        columns = mart.columns
        if "funnel_step" in columns:
            mart = mart.mutate(step_order=self.place(mart))
        keys = [key for key in SORTED_BY if key in mart.columns]
        return self.read(mart.order_by(keys or columns).select(columns))

    def place(self, rows: Table) -> IntegerValue:
        """The place of a row's `funnel_step` in the funnel; steps it no longer has come last."""
        places = [(step.step, place) for place, step in enumerate(self.funnel.steps)]
        return rows.funnel_step.cases(*places, else_=len(places))

    def draw(self, chart: Chart) -> Picture:
        """A chart of the report, with its title and caption."""
        return Picture(chart(*map(self.mart, chart.marts)), chart)

    @cached_property
    def run_id(self) -> str:
        """The run whose tables these are: the last one that was published."""
        runs = self.table("quality.runs")
        return str(self.read(newest_published(runs).limit(1)).run_id.iloc[0])

    def of_run(self, name: str) -> Table:
        """The rows of a table of `quality` that this run wrote."""
        table = self.table(f"quality.{name}")
        return table.filter(table.run_id == self.run_id).drop("run_id")

    def about_the_run(self) -> DataFrame:
        """What was read, when, and how the checks went: look here first."""
        about = self.of_run("runs").select(
            "source", "as_of", "finished_at", "rows_read", "rows_loaded", "checks", "warnings"
        )
        return self.read(about).T.set_axis(["latest published run"], axis="columns")

    def cleaned_tables(self) -> Mapping[str, Table]:
        """The tables of `staging`, by name; none where you may not read them."""
        names = self.backend.list_tables(database="staging")
        return {name: self.table(f"staging.{name}") for name in sorted(names)}


def open_results(warehouse: str | None = None) -> Results:
    """The results in a warehouse, by default that of FUNNEL_WAREHOUSE.

    Charts of the notebook's own get the look of the report.

    Raises:
        NotReadyError: there is nothing to read; says what to do.
    """
    try:
        settings = load_settings(warehouse=warehouse)
        backend = open_to_look(settings.warehouse_with_password, settings.limits)
    except SalesFunnelError as error:
        raise NotReadyError(str(error)) from None
    matplotlib.rcParams.update(STYLE | {"figure.facecolor": "white", "figure.dpi": 110})
    pandas.set_option("display.float_format", "{:,.1f}".format)
    pandas.set_option("display.max_rows", 60, "display.max_colwidth", 100)
    return Results(backend, settings.min_deals_per_rep, load_funnel())
