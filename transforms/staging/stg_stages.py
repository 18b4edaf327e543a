"""Stages of the pipeline."""

from ibis import Table

from transforms import text
from transforms.checks import not_null, unique
from transforms.funnel import Funnel
from transforms.graph import model
from transforms.lookups import latest_row


@model(
    key=["stage_id"],
    schema={"stage_id": "int64", "stage_name": "string", "funnel_step": "string"},
    checks=[
        unique("stage_name", severity="warn"),
        not_null("stage_name", severity="warn"),
        not_null("funnel_step", severity="warn"),
    ],
)
def stg_stages(raw_stages: Table, *, funnel: Funnel) -> Table:
    """One row per stage.

    Columns:
        stage_id: id in Pipedrive
        stage_name: name as the export has it, white space folded
        funnel_step: step of funnel.toml whose `match` names it; null if none does
    """
    stages = latest_row(raw_stages, "stage_id")
    return stages.select(
        stage_id=stages.stage_id,
        stage_name=text.folded(stages.stage_name),
        funnel_step=text.looked_up(text.code(stages.stage_name), funnel.step_by_code("stage")),
    )
