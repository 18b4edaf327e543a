"""How long deals sit."""

from datetime import datetime

import ibis
from ibis import Table

from transforms.checks import not_negative, total_agrees
from transforms.graph import model
from transforms.times import MICROSECONDS_PER_DAY

QUANTILES = {"median_days": 0.5, "p75_days": 0.75, "p90_days": 0.9}


@model(
    key=["funnel_step"],
    schema={
        "funnel_step": "string",
        "kpi_name": "string",
        "completed_stays": "int64",
        "mean_days": "float64",
        "median_days": "float64",
        "p75_days": "float64",
        "p90_days": "float64",
        "open_stays": "int64",
        "open_median_days": "float64",
    },
    checks=[
        not_negative("median_days"),
        not_negative("p90_days"),
        total_agrees(
            "stays",
            lambda dwell: (dwell.completed_stays + dwell.open_stays).sum(),
            lambda int_deal_funnel_entries: (int_deal_funnel_entries.source == "stage").sum(),
        ),
    ],
)
def rep_stage_dwell(
    int_deal_stage_transitions: Table, stg_funnel_steps: Table, *, as_of: datetime
) -> Table:
    """One row per stage step of the funnel: days of the completed stays, and of the open ones.

    Columns:
        funnel_step: number of the step, as text
        kpi_name: its name
        completed_stays: stays that ended, by the next stage or a loss
        mean_days: mean days of the completed stays; null without any
        median_days: their median
        p75_days: three in four were shorter (interpolated)
        p90_days: nine in ten were shorter (interpolated)
        open_stays: stays that have not ended
        open_median_days: median days that those of them have lasted that began up to as_of
    """
    stays = int_deal_stage_transitions
    completed = stays.left_at.notnull()
    has_begun = stays.entered_at <= ibis.literal(as_of, "timestamp(6)")
    # Whole numbers add up to the same in any order, fractions to the last digit do not. A hundred
    # million days of them are more than int64 holds.
    microseconds = (stays.days_in_stage * MICROSECONDS_PER_DAY).round().cast("int64")
    microseconds = microseconds.cast("decimal(38, 0)")
    dwell = stays.group_by("funnel_step").agg(
        completed_stays=completed.sum(),
        total_microseconds=microseconds.sum(where=completed),
        days=stays.days_in_stage.quantile([*QUANTILES.values()], where=completed),
        open_stays=stays.left_at.isnull().sum(),
        open_median_days=stays.days_in_stage.quantile(0.5, where=~completed & has_begun),
    )
    total = dwell.total_microseconds.cast("float64")
    mean_days = total / dwell.completed_stays.nullif(0) / MICROSECONDS_PER_DAY
    quantiles = {name: dwell.days[place] for place, name in enumerate(QUANTILES)}
    dwell = dwell.mutate(mean_days=mean_days, **quantiles)
    steps = stg_funnel_steps.filter(stg_funnel_steps.kind == "stage")
    return steps.left_join(dwell, "funnel_step").select(
        "funnel_step",
        "kpi_name",
        "mean_days",
        *QUANTILES,
        "open_median_days",
        completed_stays=lambda joined: joined.completed_stays.fill_null(0),
        open_stays=lambda joined: joined.open_stays.fill_null(0),
    )
