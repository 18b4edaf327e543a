"""Scores of the source tables."""

import pytest


def scores(run, source, **tables):
    """Measure -> rows that pass, all rows, score."""
    rows = run("scores", "table_name, measure, passing_rows, total_rows, score", **tables)
    return {measure: (*counts,) for table, measure, *counts in rows if table == source}


def test_completeness_of_activities_is_a_deal_and_validity_a_known_one(run):
    found = scores(
        run,
        "activity",
        stg_activities="""
            activity_id | deal_id
            1           | 100
            2           | 200
            3           | 999
            4           | -
        """,
        stg_deals="""
            deal_id
            100
            200
        """,
    )
    assert found["completeness"] == (3, 4, 0.75)
    assert found["deal_link_validity"] == (2, 4, 0.5)


def test_an_activity_is_consistent_if_its_type_is_known_active_or_not(run):
    assert scores(
        run,
        "activity",
        stg_activities="""
            activity_id | activity_type
            1           | meeting
            2           | follow_up
            3           | party
            4           | -
        """,
        stg_activity_types="""
            activity_type | is_active
            meeting       | true
            follow_up     | false
            -             | true
        """,
    )["consistency"] == (2, 4, 0.5)


def test_activities_that_share_an_id_are_all_not_unique(run):
    assert scores(
        run,
        "activity",
        stg_activities="""
            activity_id
            1
            1
            2
            3
        """,
    )["uniqueness"] == (2, 4, 0.5)


def test_a_change_is_consistent_if_its_field_is_known(run):
    assert scores(
        run,
        "deal_changes",
        stg_deal_changes="""
            deal_id | changed_field_key
            1       | stage_id
            1       | nonsense
        """,
        stg_fields="""
            field_key
            stage_id
        """,
        stg_deals="",
    )["consistency"] == (1, 2, 0.5)


def test_a_deal_is_complete_with_an_owner_and_consistent_with_a_known_one(run):
    found = scores(
        run,
        "deals",
        stg_deals="""
            deal_id | user_id
            1       | 7
            2       | 8
            3       | -
            4       | 7
        """,
        stg_users="""
            user_id
            7
        """,
    )
    assert found["completeness"] == (3, 4, 0.75)
    assert found["consistency"] == (2, 4, 0.5)


def test_overall_is_the_mean_of_the_other_scores_and_counts_no_rows(run):
    found = scores(
        run,
        "deals",
        stg_deals="""
            deal_id | user_id
            1       | 7
            2       | -
        """,
    )
    assert found == {
        "completeness": (1, 2, 0.5),
        "consistency": (0, 2, 0.0),
        "overall": (None, None, 0.25),
    }


def test_a_score_is_kept_to_the_nearest_billionth(run):
    """So that the mean of scores is the same on every engine, in whatever order they are added."""
    deals = "deal_id | user_id\n1 | 7\n2 | 7\n3 | -"
    found = scores(run, "deals", stg_deals=deals, stg_users="user_id\n7")
    assert found["overall"] == (None, None, 0.666666667)


@pytest.mark.parametrize("source", ["activity", "deal_changes", "deals"])
def test_a_table_without_rows_has_no_scores_and_does_not_fail(run, source):
    found = scores(run, source)
    assert found.pop("overall") == (None, None, None)
    assert set(found.values()) == {(0, 0, None)}
