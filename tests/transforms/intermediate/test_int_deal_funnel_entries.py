"""The union of the three streams."""

from datetime import datetime

from transforms.funnel import Funnel, Step


def test_stages_activities_and_losses_come_together(run):
    assert run(
        "int_deal_funnel_entries",
        "deal_id, funnel_step, kpi_name, entered_at, source",
        int_deal_stage_transitions="""
            deal_id | funnel_step | entered_at
            1       | 4           | 2024-01-01 09:00
        """,
        int_deal_activities="""
            deal_id | funnel_step | entered_at
            2       | 3.1         | 2024-01-02 09:00
        """,
        int_deal_losses="""
            deal_id | lost_at
            3       | 2024-01-03 09:00
        """,
    ) == [
        (1, "4", "Proposal/Quote Preparation", datetime(2024, 1, 1, 9), "stage"),
        (2, "3.1", "Sales Call 2", datetime(2024, 1, 2, 9), "activity"),
        (3, "Lost", "Lost", datetime(2024, 1, 3, 9), "loss"),
    ]


def test_a_stage_that_maps_to_no_step_is_no_entry(run):
    assert run(
        "int_deal_funnel_entries",
        "deal_id, funnel_step",
        int_deal_stage_transitions="""
            deal_id | funnel_step | entered_at
            1       | -           | 2024-01-01 09:00
            1       | 2           | 2024-01-02 09:00
        """,
    ) == [(1, "2")]


def test_the_kpi_name_is_the_funnels_whatever_the_stage_is_called(run):
    assert run(
        "int_deal_funnel_entries",
        "kpi_name",
        int_deal_stage_transitions="""
            deal_id | funnel_step | stage_name     | entered_at
            1       | 2           | Qualified lead | 2024-01-01 09:00
        """,
    ) == [("Qualified Lead",)]


def test_repeated_entries_all_stay(run):
    assert run(
        "int_deal_funnel_entries",
        "deal_id, funnel_step, entered_at",
        int_deal_stage_transitions="""
            deal_id | funnel_step | entered_at
            1       | 2           | 2024-01-01 09:00
            1       | 2           | 2024-02-01 09:00
        """,
        int_deal_losses="""
            deal_id | lost_at
            1       | 2024-01-15 09:00
            1       | 2024-01-15 09:00
        """,
    ) == [
        (1, "2", datetime(2024, 1, 1, 9)),
        (1, "2", datetime(2024, 2, 1, 9)),
        (1, "Lost", datetime(2024, 1, 15, 9)),
        (1, "Lost", datetime(2024, 1, 15, 9)),
    ]


def test_a_funnel_without_a_loss_step_has_no_entries_by_loss(run):
    assert run(
        "int_deal_funnel_entries",
        "deal_id, source",
        funnel=Funnel((Step("1", "Leads", "stage", ("leads",)),)),
        int_deal_stage_transitions="""
            deal_id | funnel_step | entered_at
            1       | 1           | 2024-01-01 09:00
        """,
        int_deal_losses="""
            deal_id | lost_at
            1       | 2024-01-15 09:00
        """,
    ) == [(1, "stage")]
