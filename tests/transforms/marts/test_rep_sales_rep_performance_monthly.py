"""What each user did in a month."""

from datetime import date

from transforms.funnel import Funnel, Step

JANUARY = date(2024, 1, 1)
CALLS = "sales_call_1_completed, sales_call_2_completed, other_activities, activities_completed"


def test_done_activities_are_counted_by_kind(run):
    assert run(
        "rep_sales_rep_performance_monthly",
        f"month, user_id, {CALLS}",
        stg_activities="""
            user_id | activity_type | is_done | due_at
            7       | meeting       | true    | 2024-01-01 09:00
            7       | meeting       | true    | 2024-01-02 09:00
            7       | sc_2          | true    | 2024-01-31 09:00
            7       | follow_up     | true    | 2024-01-03 09:00
            7       | -             | true    | 2024-01-03 09:00
            7       | meeting       | false   | 2024-01-03 09:00
            7       | meeting       | true    | -
        """,
    ) == [(JANUARY, 7, 2, 1, 2, 5)]


def test_users_of_equal_initials_are_kept_apart(run):
    assert run(
        "rep_sales_rep_performance_monthly",
        "user_id, sales_rep_name, activities_completed",
        stg_activities="""
            user_id | is_done | due_at
            7       | true    | 2024-01-01 09:00
            8       | true    | 2024-01-01 09:00
            8       | true    | 2024-01-01 09:00
        """,
        stg_users="""
            user_id | name_masked | sales_rep_name
            7       | J*** D***   | J*** D*** #aaaaaa
            8       | J*** D***   | J*** D*** #bbbbbb
        """,
    ) == [(7, "J*** D*** #aaaaaa", 1), (8, "J*** D*** #bbbbbb", 2)]


def test_even_users_of_equal_names_are_kept_apart(run):
    assert run(
        "rep_sales_rep_performance_monthly",
        "user_id, sales_rep_name, activities_completed",
        stg_activities="""
            user_id | is_done | due_at
            7       | true    | 2024-01-01 09:00
            8       | true    | 2024-01-01 09:00
        """,
        stg_users="""
            user_id | sales_rep_name
            7       | J*** D***
            8       | J*** D***
        """,
    ) == [(7, "J*** D***", 1), (8, "J*** D***", 1)]


def test_deals_worked_are_distinct_deals_known_or_not(run):
    assert run(
        "rep_sales_rep_performance_monthly",
        "month, deals_worked, activities_completed",
        stg_activities="""
            user_id | deal_id | is_done | due_at
            7       | 100     | true    | 2024-01-01 09:00
            7       | 100     | true    | 2024-01-02 09:00
            7       | 200     | true    | 2024-01-02 09:00
            7       | -       | true    | 2024-01-02 09:00
            7       | 300     | false   | 2024-01-02 09:00
            7       | -       | true    | 2024-02-02 09:00
        """,
    ) == [(JANUARY, 2, 4), (date(2024, 2, 1), 0, 1)]


def test_an_unknown_user_is_named_by_id_and_no_user_is_unassigned(run):
    assert run(
        "rep_sales_rep_performance_monthly",
        "user_id, sales_rep_name, activities_completed",
        stg_activities="""
            user_id | is_done | due_at
            7       | true    | 2024-01-01 09:00
            8       | true    | 2024-01-01 09:00
            -       | true    | 2024-01-01 09:00
            -       | true    | 2024-01-02 09:00
        """,
        stg_users="""
            user_id | sales_rep_name
            9       | J*** D*** #aaaaaa
        """,
    ) == [(7, "Unknown user #7", 1), (8, "Unknown user #8", 1), (None, "Unassigned", 2)]


def test_months_are_cut_in_the_time_zone(run):
    assert run(
        "rep_sales_rep_performance_monthly",
        "month, activities_completed",
        timezone="Europe/Berlin",
        stg_activities="""
            user_id | is_done | due_at
            7       | true    | 2024-01-31 22:30
            7       | true    | 2024-01-31 23:30
        """,
    ) == [(JANUARY, 1), (date(2024, 2, 1), 1)]


def test_a_third_activity_step_counts_with_the_others(run):
    steps = [Step(f"{n}", f"Call {n}", "activity", (f"call {n}",)) for n in (1, 2, 3)]
    assert run(
        "rep_sales_rep_performance_monthly",
        CALLS,
        funnel=Funnel(tuple(steps)),
        stg_activities="""
            user_id | activity_type | is_done | due_at
            7       | call_1        | true    | 2024-01-01 09:00
            7       | call_2        | true    | 2024-01-01 09:00
            7       | call_3        | true    | 2024-01-01 09:00
        """,
    ) == [(1, 1, 1, 3)]


def test_a_funnel_without_activity_steps_counts_all_as_others(run):
    assert run(
        "rep_sales_rep_performance_monthly",
        CALLS,
        funnel=Funnel((Step("1", "Leads", "stage", ("leads",)),)),
        stg_activities="""
            user_id | activity_type | is_done | due_at
            7       | meeting       | true    | 2024-01-01 09:00
            7       | -             | true    | 2024-01-01 09:00
        """,
    ) == [(0, 0, 2, 2)]


def test_a_funnel_with_one_activity_step_has_no_second_call(run):
    assert run(
        "rep_sales_rep_performance_monthly",
        CALLS,
        funnel=Funnel((Step("1", "Call", "activity", ("meeting", "video")),)),
        stg_activities="""
            user_id | activity_type | is_done | due_at
            7       | meeting       | true    | 2024-01-01 09:00
            7       | video         | true    | 2024-01-01 09:00
            7       | sc_2          | true    | 2024-01-01 09:00
        """,
    ) == [(2, 0, 1, 3)]
