"""Who does the work, over all months."""

USERS = """
    user_id | sales_rep_name
    7       | J*** D*** #1a2b3c
    """


def test_a_deal_counts_once_in_however_many_months(run):
    assert run(
        "rep_sales_rep_totals",
        "sales_rep_name, deals_worked, activities_completed, activities_per_deal",
        stg_users=USERS,
        stg_activities="""
            activity_id | user_id | deal_id | is_done | due_at
            1           | 7       | 1       | True    | 2024-01-01
            2           | 7       | 1       | True    | 2024-02-01
            3           | 7       | 2       | True    | 2024-02-01
            4           | 7       | 3       | False   | 2024-02-01
        """,
    ) == [("J*** D*** #1a2b3c", 2, 3, 1.5)]


def test_without_a_deal_there_is_no_effort_per_deal(run):
    assert run(
        "rep_sales_rep_totals",
        "deals_worked, activities_per_deal",
        stg_activities="""
            activity_id | user_id | deal_id | is_done | due_at
            1           | 7       | -       | True    | 2024-01-01
        """,
    ) == [(0, None)]


def test_activities_are_counted_by_kind(run):
    assert run(
        "rep_sales_rep_totals",
        "activities_completed, sales_call_1_completed, sales_call_2_completed, other_activities",
        stg_activities="""
            activity_id | user_id | activity_type | is_done | due_at
            1           | 7       | meeting       | True    | 2024-01-01
            2           | 7       | meeting       | True    | 2024-01-01
            3           | 7       | sc_2          | True    | 2024-01-01
            4           | 7       | lunch         | True    | 2024-01-01
            5           | 7       | -             | True    | 2024-01-01
        """,
    ) == [(5, 2, 1, 2)]


def test_nobody_and_unknown_users_have_names_too(run):
    assert run(
        "rep_sales_rep_totals",
        "user_id, sales_rep_name",
        stg_users=USERS,
        stg_activities="""
            activity_id | user_id | is_done | due_at
            1           | -       | True    | 2024-01-01
            2           | 9       | True    | 2024-01-01
        """,
    ) == [(9, "Unknown user #9"), (None, "Unassigned")]
