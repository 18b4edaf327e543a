"""One row per deal with all that is known of it."""

from datetime import datetime

from transforms.funnel import Funnel, Step


def test_a_deal_brings_its_own_columns(run):
    assert run(
        "obt_deals",
        "deal_id, created_at, user_id, status, stage_id, closed_at, value, currency",
        stg_deals="""
            deal_id | created_at | user_id | stage_id | status | closed_at  | value | currency
            1       | 2024-01-01 | 7       | 5        | won    | 2024-02-01 | 9.5   | EUR
        """,
    ) == [(1, datetime(2024, 1, 1), 7, "won", 5, datetime(2024, 2, 1), 9.5, "EUR")]


def test_a_deal_of_which_nothing_else_is_known_is_there(run):
    assert run(
        "obt_deals",
        "deal_id, sales_rep_name, stage_name, funnel_step, furthest_step, furthest_kpi_name,"
        " lost_reason_label, days_to_close, stages_entered, activities_completed,"
        " step_1_entered_at, step_lost_entered_at",
        stg_deals="""
            deal_id | status
            1       | open
        """,
    ) == [(1, None, None, None, None, None, None, None, 0, 0, None, None)]


def test_owner_and_stage_are_named_where_they_are_known(run):
    assert run(
        "obt_deals",
        "deal_id, sales_rep_name, stage_name, funnel_step",
        stg_deals="""
            deal_id | user_id | stage_id
            1       | 7       | 2
            2       | 8       | 3
        """,
        stg_users="""
            user_id | sales_rep_name
            7       | J*** D*** #aaaaaa
        """,
        stg_stages="""
            stage_id | stage_name     | funnel_step
            2        | Qualified lead | 2
        """,
    ) == [(1, "J*** D*** #aaaaaa", "Qualified lead", "2"), (2, None, None, None)]


def test_only_a_lost_deal_has_a_reason_and_it_is_never_empty(run):
    assert run(
        "obt_deals",
        "deal_id, lost_reason_id, lost_reason_label",
        stg_deals="""
            deal_id | status | lost_reason_id
            1       | lost   | 4
            2       | lost   | 77
            3       | lost   | -
            4       | won    | -
            5       | open   | -
        """,
        stg_field_options="""
            field_key   | option_id | option_label
            lost_reason | 4         | Price
            other       | 4         | Not a reason
            other       | 77        | Not a reason
        """,
    ) == [
        (1, 4, "Price"),
        (2, 77, "Unknown reason"),
        (3, None, "Unknown reason"),
        (4, None, None),
        (5, None, None),
    ]


def test_days_to_close_have_fractions(run):
    assert run(
        "obt_deals",
        "deal_id, days_to_close",
        stg_deals="""
            deal_id | created_at       | closed_at
            1       | 2024-02-28 00:00 | 2024-03-01 06:00
            2       | 2024-02-28 00:00 | -
            3       | -                | 2024-03-01 06:00
        """,
    ) == [(1, 2.25), (2, None), (3, None)]


def test_the_furthest_step_is_the_last_main_step_it_ever_entered(run):
    assert run(
        "obt_deals",
        "deal_id, furthest_step, furthest_kpi_name",
        stg_deals="""
            deal_id
            1
            2
        """,
        int_deal_funnel_entries="""
            deal_id | funnel_step | entered_at
            1       | 5           | 2024-01-01
            1       | 2           | 2024-02-01
            1       | Lost        | 2024-03-01
            2       | 3.1         | 2024-03-01
            2       | 3           | 2024-03-01
        """,
    ) == [(1, "5", "Negotiation"), (2, "3", "Needs Assessment")]


def test_the_furthest_step_follows_the_order_of_the_funnel_not_of_the_names(run):
    funnel = Funnel((Step("9", "First", "stage", ("a",)), Step("10", "Second", "stage", ("b",))))
    assert run(
        "obt_deals",
        "furthest_step",
        funnel=funnel,
        stg_deals="""
            deal_id
            1
        """,
        int_deal_funnel_entries="""
            deal_id | funnel_step | entered_at
            1       | 9           | 2024-01-01
            1       | 10          | 2024-01-01
        """,
    ) == [("10",)]


def test_each_step_has_the_time_of_its_first_entry(run):
    assert run(
        "obt_deals",
        "deal_id, step_1_entered_at, step_2_1_entered_at, step_9_entered_at, step_lost_entered_at",
        stg_deals="""
            deal_id
            1
            2
        """,
        int_deal_funnel_entries="""
            deal_id | funnel_step | entered_at
            1       | 1           | 2024-01-05
            1       | 1           | 2024-01-01
            1       | 2.1         | 2024-01-02
            1       | Lost        | 2024-01-03
            2       | 9           | 2024-01-04
            3       | 9           | 2024-01-01
        """,
    ) == [
        (1, datetime(2024, 1, 1), datetime(2024, 1, 2), None, datetime(2024, 1, 3)),
        (2, None, None, datetime(2024, 1, 4), None),
    ]


def test_stages_entered_and_done_activities_are_counted_without_multiplying(run):
    assert run(
        "obt_deals",
        "deal_id, stages_entered, activities_completed",
        stg_deals="""
            deal_id
            1
            2
        """,
        int_deal_stage_transitions="""
            deal_id | stage_id
            1       | 1
            1       | 2
            1       | 1
            9       | 1
        """,
        stg_activities="""
            deal_id | is_done | due_at
            1       | true    | 2024-01-01
            1       | true    | -
            1       | false   | 2024-01-01
            2       | true    | 2024-01-01
            -       | true    | 2024-01-01
            9       | true    | 2024-01-01
        """,
    ) == [(1, 3, 2), (2, 0, 1)]
