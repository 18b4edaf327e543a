"""The funnel as a table."""

from transforms.funnel import Funnel, Step
from transforms.graph import load_models


def test_the_committed_funnel_in_its_order(run):
    rows = run("stg_funnel_steps", "step_order, funnel_step, kind")
    assert [row[1:] for row in sorted(rows)] == [
        ("1", "stage"),
        ("2", "stage"),
        ("2.1", "activity"),
        ("3", "stage"),
        ("3.1", "activity"),
        ("4", "stage"),
        ("5", "stage"),
        ("6", "stage"),
        ("7", "stage"),
        ("8", "stage"),
        ("9", "stage"),
        ("Lost", "loss"),
    ]


def test_steps_are_numbered_from_1_in_the_order_of_the_file_not_of_their_names(run):
    funnel = Funnel((Step("B", "Second", "stage", ("b",)), Step("A", "First", "stage", ("a",))))
    assert run("stg_funnel_steps", "step_order, funnel_step, kpi_name", funnel=funnel) == [
        (1, "B", "Second"),
        (2, "A", "First"),
    ]


def test_won_steps_are_marked(run):
    rows = run("stg_funnel_steps", "funnel_step, is_won")
    assert [step for step, is_won in rows if is_won] == ["7", "8", "9"]


def test_a_funnel_of_one_step(run):
    funnel = Funnel((Step("1", "O'Neil's \"Größe\"", "stage", ("x",)),))
    assert run("stg_funnel_steps", "step_order, funnel_step, kpi_name, is_won", funnel=funnel) == [
        (1, "1", "O'Neil's \"Größe\"", False)
    ]


def test_steps_that_nothing_in_the_export_can_enter_are_counted(engine, draw):
    """A name in funnel.toml may be misspelt."""
    [check] = (
        check
        for check in load_models()["stg_funnel_steps"].checks
        if check.name == "steps_are_in_the_export"
    )
    lead, closing = Step("1", "Lead", "stage", ("Lead",)), Step("2", "Close", "stage", ("Clsng",))
    call, demo = (Step(name, name, "activity", (name,)) for name in ("call", "demo"))
    lost = Step("Lost", "Lost", "loss")
    tables = {
        "stg_stages": draw("funnel_step\n1\n-", funnel_step="string"),
        "stg_activity_types": draw("activity_type\ncall\nlunch", activity_type="string"),
    }

    def missing(*steps):
        drawn = "\n".join(f"{step.step} | {step.kind}" for step in steps)
        table = draw(f"funnel_step | kind\n{drawn}", funnel_step="string", kind="string")
        found = check.failing(table, tables, {"funnel": Funnel(steps)}).funnel_step
        return sorted(engine.to_pyarrow(found).to_pylist())

    assert missing(lead, call, closing, demo, lost) == ["2", "demo"]
    assert missing(lead, lost) == []
