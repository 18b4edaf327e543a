"""The funnel as a table."""

import ibis
from ibis import Table

from transforms import text
from transforms.checks import Check, Settings, Tables, accepted_values
from transforms.funnel import KINDS, Funnel
from transforms.graph import model


def _in_nobodys_export(steps: Table, tables: Tables, settings: Settings) -> Table:
    """The steps of which the export has no stage, or no activity type: maybe they are misspelt."""
    types = tables["stg_activity_types"]
    matched = text.looked_up(types.activity_type, settings["funnel"].step_by_code("activity"))
    stages = steps.filter(steps.kind == "stage").anti_join(tables["stg_stages"], "funnel_step")
    calls = steps.filter(steps.kind == "activity").anti_join(
        types.select(funnel_step=matched), "funnel_step"
    )
    return stages.union(calls)


@model(
    key=["funnel_step"],
    schema={
        "step_order": "int64",
        "funnel_step": "string",
        "kpi_name": "string",
        "kind": "string",
        "is_won": "boolean",
    },
    checks=[
        accepted_values("kind", KINDS),
        Check(
            "steps_are_in_the_export",
            "warn",
            _in_nobodys_export,
            needs=("stg_stages", "stg_activity_types"),
        ),
    ],
)
def stg_funnel_steps(*, funnel: Funnel) -> Table:
    """One row per step of funnel.toml.

    Columns:
        step_order: place in the funnel, from 1
        funnel_step: its number, as text
        kpi_name: its name
        kind: how a deal enters it: stage, activity or loss
        is_won: whether a deal that ever entered it, and was not lost after its last stage, is won
    """
    numbered = ibis.range(len(funnel.steps)).unnest().name("step_index").as_table()
    index = numbered.step_index
    return numbered.select(
        step_order=index.cast("int64") + 1,
        funnel_step=index.cases(*((i, step.step) for i, step in enumerate(funnel.steps))),
        kpi_name=index.cases(*((i, step.kpi) for i, step in enumerate(funnel.steps))),
        kind=index.cases(*((i, step.kind) for i, step in enumerate(funnel.steps))),
        is_won=index.cases(*((i, step.won) for i, step in enumerate(funnel.steps))),
    )
