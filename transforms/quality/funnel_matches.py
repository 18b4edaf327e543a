"""What each step of the funnel matched."""

from ibis import Table

from transforms import text
from transforms.funnel import Funnel
from transforms.graph import model


@model(
    key=["funnel_step", "matched"],
    schema={"funnel_step": "string", "matched": "string"},
)
def funnel_matches(stg_stages: Table, stg_funnel_steps: Table, *, funnel: Funnel) -> Table:
    """One row per step of the funnel and stage, or activity types, by which deals enter it.

    It can change with funnel.toml, or with the stages of the export; then other deals than before
    are counted in a step, also in past months.

    Columns:
        funnel_step: number of the step, as text
        matched: stage and its id; activity and its types, normalised; or loss
    """
    by_stage = stg_stages.filter(stg_stages.funnel_step.notnull())
    others = stg_funnel_steps.filter(stg_funnel_steps.kind != "stage")
    said = {step.step: " ".join([step.kind, *sorted(step.codes)]) for step in funnel.steps}
    return by_stage.select(
        "funnel_step", matched="stage " + by_stage.stage_id.cast("string")
    ).union(others.select("funnel_step", matched=text.looked_up(others.funnel_step, said)))
