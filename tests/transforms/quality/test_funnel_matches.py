"""By what deals enter each step: recorded, so that a change of it can be told from one of deals."""

STAGES = """
    stage_id | stage_name       | funnel_step
    1        | Lead Generation  | 1
    2        | Qualified Lead   | 2
    4        | Qualified lead 2 | 2
    9        | Parking Lot      | -
"""


def test_stages_by_id_activity_types_by_name(run):
    assert run("funnel_matches", "funnel_step, matched", stg_stages=STAGES) == [
        ("1", "stage 1"),
        ("2", "stage 2"),
        ("2", "stage 4"),
        ("2.1", "activity meeting"),
        ("3.1", "activity sc_2"),
        ("Lost", "loss"),
    ]
