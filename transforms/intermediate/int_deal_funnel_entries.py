"""The funnel union."""

from ibis import Table

from transforms.checks import accepted_values, not_null, references
from transforms.graph import model


@model(
    schema={
        "deal_id": "int64",
        "funnel_step": "string",
        "kpi_name": "string",
        "entered_at": "timestamp(6)",
        "source": "string",
    },
    checks=[
        not_null("deal_id"),
        not_null("funnel_step"),
        not_null("kpi_name"),
        not_null("entered_at"),
        accepted_values("source", ["stage", "activity", "loss"]),
        references("deal_id", "stg_deals.deal_id", severity="warn"),
    ],
    refresh_by="deal_id",
    by_month="entered_at",
)
def int_deal_funnel_entries(
    int_deal_stage_transitions: Table,
    int_deal_activities: Table,
    int_deal_losses: Table,
    stg_funnel_steps: Table,
) -> Table:
    """One row per entry of a deal into a step of the funnel: by stage, by activity, or by loss.

    Stages that map to no step are not in here; `quality.check_results` counts them.

    Columns:
        deal_id: the deal
        funnel_step: the step it entered
        kpi_name: its name
        entered_at: when, UTC
        source: what made it enter: stage, activity or loss
    """
    steps = stg_funnel_steps.select("funnel_step", "kpi_name", source="kind")
    stages = int_deal_stage_transitions.select("deal_id", "funnel_step", "entered_at")
    activities = int_deal_activities.select("deal_id", "funnel_step", "entered_at")
    losses = int_deal_losses.select("deal_id", entered_at="lost_at")
    return (
        stages.union(activities)
        .inner_join(steps, "funnel_step")
        .select("deal_id", "funnel_step", "kpi_name", "entered_at", "source")
        .union(
            losses.cross_join(steps.filter(steps.source == "loss")).select(
                "deal_id", "funnel_step", "kpi_name", "entered_at", "source"
            )
        )
    )
