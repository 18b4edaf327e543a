"""Stages, and the step of the funnel each belongs to."""

import pytest

from transforms.funnel import Funnel, Step


@pytest.mark.parametrize("name", ["Qualified Lead", "Qualified lead", "QUALIFIED-LEAD"])
def test_a_stage_is_matched_whatever_its_case_and_punctuation(run, name):
    assert run(
        "stg_stages",
        "stage_id, stage_name, funnel_step",
        raw_stages=f"""
            stage_id | stage_name
            2        | {name}
        """,
    ) == [(2, name, "2")]


def test_a_stage_that_matches_no_step_stays_without_one(run):
    assert run(
        "stg_stages",
        "stage_id, stage_name, funnel_step",
        raw_stages="""
            stage_id | stage_name
            1        | Lead Generation
            5        | Parking Lot
            6        | -
        """,
    ) == [(1, "Lead Generation", "1"), (5, "Parking Lot", None), (6, None, None)]


def test_white_space_in_a_name_is_folded(run):
    assert run(
        "stg_stages",
        "stage_name, funnel_step",
        raw_stages="""
            stage_id | stage_name
            1        | Lead    Generation
        """,
    ) == [("Lead Generation", "1")]


def test_of_a_stage_given_twice_the_last_row_wins(run):
    assert run(
        "stg_stages",
        "stage_id, stage_name, funnel_step",
        raw_stages="""
            stage_id | stage_name      | source_row
            1        | Negotiation     | 20
            1        | Lead Generation | 3
        """,
    ) == [(1, "Negotiation", "5")]


def test_a_name_of_an_activity_step_matches_no_stage(run):
    assert run(
        "stg_stages",
        "stage_name, funnel_step",
        raw_stages="""
            stage_id | stage_name
            1        | Meeting
        """,
    ) == [("Meeting", None)]


def test_the_kpi_name_is_not_what_a_stage_is_matched_by(run):
    funnel = Funnel((Step("1", "Leads", "stage", ("New", "Größe XL")),))
    assert run(
        "stg_stages",
        "stage_name, funnel_step",
        funnel=funnel,
        raw_stages="""
            stage_id | stage_name
            1        | Leads
            2        | new
            3        | GRÖẞE-XL
        """,
    ) == [("GRÖẞE-XL", "1"), ("Leads", None), ("new", "1")]
