"""By what deals enter each step: recorded, so that a change of it can be told from one of deals."""

from transforms.funnel import Funnel, Step

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


def test_a_row_for_each_type_of_a_call(run):
    call = Step("1.1", "Call", "activity", ("Meeting", "Video call"))
    funnel = Funnel((Step("1", "Leads", "stage", ("lead generation",)), call))
    assert run("funnel_matches", "matched", stg_stages=STAGES, funnel=funnel)[:2] == [
        ("activity meeting",),
        ("activity video_call",),
    ]


def test_a_funnel_of_stages_alone(run):
    funnel = Funnel((Step("1", "Leads", "stage", ("lead generation",)),))
    rows = "stage_id | stage_name | funnel_step\n1 | Lead Generation | 1"
    assert run("funnel_matches", "funnel_step, matched", stg_stages=rows, funnel=funnel) == [
        ("1", "stage 1")
    ]
