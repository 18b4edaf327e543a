"""Of a rule that is broken, one row is told, and never a user or a text of the export."""

TABLES = {
    "activity": """
        activity_id,type,assigned_to_user,deal_id,done,due_to
        1,meeting,1,7,True,2024-01-08 09:00:00
        2,fax,2,77,True,2024-02-08 09:00:00
        3,fax,9,66,True,2024-02-08 09:00:00
        4,meeting,,8,True,2024-02-09 09:00:00
        """,
    "stages": """
        stage_id,stage_name
        1,Lead Generation
        2,Qualified Lead
        3,Parking Lot
        4,Parking Lot
        """,
    "users": """
        id,name,email,modified
        1,Ada Byron,ada@example.com,2024-01-01 00:00:00
        2,Bo Li,ada@example.com,2024-01-01 00:00:00
        """,
}
EXPECTED = {
    ("stg_activities", "references(activity_type, stg_activity_types.activity_type)"): (
        2,
        "activity_id 2",
    ),
    ("stg_activities", "references(deal_id, stg_deals.deal_id)"): (2, "deal_id 66"),
    ("stg_activities", "not_null(user_id)"): (1, "activity_id 4"),
    ("stg_activities", "references(user_id, stg_users.user_id)"): (1, "activity_id 3"),
    ("rep_sales_rep_performance_monthly", "not_null(user_id)"): (1, None),
    ("stg_funnel_steps", "steps_are_in_the_export"): (7, "funnel_step 3"),
    ("stg_stages", "not_null(funnel_step)"): (2, "stage_id 3"),
    ("stg_stages", "unique(stage_name)"): (1, None),
    ("stg_users", "unique(email_hash)"): (1, None),
    ("stg_users", "not_null(name_masked)"): (0, None),
}
RESULTS = "SELECT model, check_name, failing_rows, example FROM quality.check_results"


def test_an_example_of_each_rule_that_is_broken(place, export):
    run = place.run("--source", export(**TABLES))
    found = {(model, rule): tuple(told) for model, rule, *told in place.query(RESULTS)}
    assert {rule: found[rule] for rule in EXPECTED} == EXPECTED
    assert "not_null(funnel_step) 2 of 4 rows, such as stage_id 3" in run.stderr
    page = place.sandbox.report.read_text()
    assert "<td>deal_id 66</td>" in page
