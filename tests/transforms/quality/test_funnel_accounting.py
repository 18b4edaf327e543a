"""Where stays ended: what entered a step went somewhere."""

import pytest

from transforms.graph import load_models

COUNTS = "entered, moved_on, moved_back, left_funnel, lost_there, still_there"
STAGES = """
    stage_id | stage_name      | funnel_step
    1        | Lead Generation | 1
    2        | Qualified lead  | 2
    3        | Needs           | 3
    9        | Parking Lot     | -
"""


@pytest.fixture
def accounts(run):
    """Step -> its counts, of changes of the stage and of losses; steps without an entry left out.

    `accounts("1 2024-01-01 1, 1 2024-01-02 2", "1 2024-01-03")`: deal, day, stage; deal, day.
    """

    def rows_of(changes, losses="", **given):
        stages = [change.split() for change in changes.split(",")]
        lost = [loss.split() for loss in losses.split(",") if loss]
        tables = {
            "stg_stages": STAGES,
            "stg_deal_changes": "deal_id | changed_at | changed_field_key | new_value\n"
            + "\n".join(f"{deal} | {day} | stage_id | {stage}" for deal, day, stage in stages),
            "int_deal_losses": "deal_id | lost_at\n"
            + "\n".join(f"{deal} | {day}" for deal, day in lost),
        }
        found = run("funnel_accounting", f"funnel_step, {COUNTS}", **tables | given)
        return {step: counts for step, *counts in found if any(counts)}

    return rows_of


def test_a_deal_moves_on_and_stays(accounts):
    assert accounts("7 2024-01-01 1, 7 2024-01-02 3") == {
        "1": [1, 1, 0, 0, 0, 0],
        "3": [1, 0, 0, 0, 0, 1],
    }


def test_a_deal_moves_back_or_into_the_same_step_again(accounts):
    assert accounts("7 2024-01-01 2, 7 2024-01-02 1, 8 2024-01-01 3, 8 2024-01-02 3") == {
        "1": [1, 0, 0, 0, 0, 1],
        "2": [1, 0, 1, 0, 0, 0],
        "3": [2, 0, 1, 0, 0, 1],
    }


@pytest.mark.parametrize("stage", [9, 12345], ids=["of no step", "unknown"])
def test_a_deal_leaves_the_funnel_for_a_stage_that_is_not_in_it(accounts, stage):
    assert accounts(f"7 2024-01-01 1, 7 2024-01-02 {stage}") == {"1": [1, 0, 0, 1, 0, 0]}


def test_a_deal_is_lost_where_it_was(accounts):
    assert accounts("7 2024-01-01 1, 7 2024-01-02 2", losses="7 2024-01-03, 7 2024-01-04") == {
        "1": [1, 1, 0, 0, 0, 0],
        "2": [1, 0, 0, 0, 1, 0],
    }


def test_a_deal_that_is_reopened_was_lost_and_did_not_move(accounts):
    assert accounts("7 2024-01-01 1, 7 2024-01-05 2", losses="7 2024-01-03") == {
        "1": [1, 0, 0, 0, 1, 0],
        "2": [1, 0, 0, 0, 0, 1],
    }


def test_a_deal_that_is_lost_as_it_enters_another_step_was_lost_before(accounts):
    assert accounts("7 2024-01-01 1, 7 2024-01-03 2", losses="7 2024-01-03") == {
        "1": [1, 0, 0, 0, 1, 0],
        "2": [1, 0, 0, 0, 0, 1],
    }


def test_every_stage_step_has_a_row_and_no_call(run):
    assert [step for (step,) in run("funnel_accounting", "funnel_step", stg_stages=STAGES)] == [
        str(step) for step in range(1, 10)
    ]


def test_an_entry_that_went_nowhere_is_found(engine, draw):
    """The rule can break: two entries into the step, one stay."""
    (check,) = (
        check for check in load_models()["funnel_accounting"].checks if check.name == "stays_add_up"
    )
    table = draw(
        """
        funnel_step | entered | moved_on | moved_back | left_funnel | lost_there | still_there
        1           | 5       | 1        | 1          | 1           | 1          | 1
        2           | 2       | 1        | 0          | 0           | 0          | 0
        """,
        funnel_step="string",
        **dict.fromkeys(COUNTS.split(", "), "int64"),
    )
    broken = engine.to_pyarrow(check.failing(table, {}, {}))
    assert broken["funnel_step"].to_pylist() == ["2"]
