"""Where every stay in the funnel ended."""

import ibis
from ibis import Table

from transforms.checks import rule
from transforms.graph import model
from transforms.lookups import joined_by


@model(
    key=["funnel_step"],
    schema={
        "funnel_step": "string",
        "kpi_name": "string",
        "entered": "int64",
        "moved_on": "int64",
        "moved_back": "int64",
        "left_funnel": "int64",
        "lost_there": "int64",
        "still_there": "int64",
    },
    checks=[
        rule(
            "stays_add_up",
            lambda steps: (
                steps.entered
                == steps.moved_on
                + steps.moved_back
                + steps.left_funnel
                + steps.lost_there
                + steps.still_there
            ),
        )
    ],
)
def funnel_accounting(
    int_deal_funnel_entries: Table,
    int_deal_stage_transitions: Table,
    int_deal_losses: Table,
    stg_stages: Table,
    stg_funnel_steps: Table,
) -> Table:
    """One row per stage step of the funnel: entered = moved on + back + out + lost + still there.

    What entered is counted in the funnel union, where it went in the stays and in the losses.

    Columns:
        funnel_step: number of the step, as text
        kpi_name: its name
        entered: entries by stage
        moved_on: stays that ended with a later step
        moved_back: stays that ended with an earlier step, or with the same one again
        left_funnel: stays that ended with a stage that maps to no step
        lost_there: stays that ended with a loss of the deal
        still_there: stays that have not ended
    """
    steps = stg_funnel_steps.filter(stg_funnel_steps.kind == "stage")
    entries = int_deal_funnel_entries.filter(int_deal_funnel_entries.source == "stage")
    entered = entries.group_by("funnel_step").agg(entered=entries.count())

    stays = int_deal_stage_transitions.filter(int_deal_stage_transitions.funnel_step.notnull())
    moves = stays.filter(stays.next_stage_id.notnull())
    moves = moves.group_by("funnel_step", "next_stage_id").agg(stays=moves.count())
    order = steps.select("funnel_step", "step_order")
    places = stg_stages.inner_join(order, "funnel_step").select("stage_id", to="step_order")
    moves = moves.inner_join(order, "funnel_step").left_join(
        places, [("next_stage_id", "stage_id")]
    )
    moved = moves.group_by("funnel_step").agg(
        moved_on=moves.stays.sum(where=moves.to > moves.step_order),
        moved_back=moves.stays.sum(where=moves.to <= moves.step_order),
        left_funnel=moves.stays.sum(where=moves.to.isnull()),
    )
    lost = stays.filter(stays.next_stage_id.isnull()).semi_join(
        int_deal_losses, ["deal_id", ("left_at", "lost_at")]
    )
    lost = lost.group_by("funnel_step").agg(lost_there=lost.count())
    still = stays.filter(stays.left_at.isnull())
    still = still.group_by("funnel_step").agg(still_there=still.count())

    joined = joined_by("funnel_step", steps, entered, moved, lost, still)
    counts = [name for name in joined.columns if name not in steps.columns]
    return joined.select(
        "funnel_step",
        "kpi_name",
        **{name: ibis.coalesce(joined[name], 0).cast("int64") for name in counts},
    )
