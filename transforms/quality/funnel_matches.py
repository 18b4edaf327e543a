"""What each step of the funnel matched."""

import ibis
from ibis import Table

from transforms import text
from transforms.funnel import Funnel
from transforms.graph import model


@model(
    key=["funnel_step", "matched"],
    schema={"funnel_step": "string", "matched": "string"},
)
def funnel_matches(stg_stages: Table, *, funnel: Funnel) -> Table:
    """One row per step of the funnel and stage, or activity type, by which deals enter it.

    It can change with funnel.toml, or with the stages of the export; then other deals than before
    are counted in a step, also in past months.

    Columns:
        funnel_step: number of the step, as text
        matched: stage and its id; activity and a type, normalised; or loss
    """
    by_stage = stg_stages.filter(stg_stages.funnel_step.notnull()).select(
        "funnel_step", matched=lambda stages: "stage " + stages.stage_id.cast("string")
    )
    others = [
        *((f"activity {code}", step) for code, step in funnel.step_by_code("activity").items()),
        *(("loss", step.step) for step in funnel.of_kind("loss")),
    ]
    numbered = ibis.range(len(others)).unnest().name("place").as_table()
    place = numbered.place.cast("string")
    steps = {str(number): step for number, (_, step) in enumerate(others)}
    matched = {str(number): name for number, (name, _) in enumerate(others)}
    return by_stage.union(
        numbered.select(
            funnel_step=text.looked_up(place, steps), matched=text.looked_up(place, matched)
        )
    )
