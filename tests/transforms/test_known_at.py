"""The funnel as it was known, and why it is another now."""

from datetime import date, datetime

import pytest

from transforms.known_at import REASONS, known_at, matching_more, restatements

JUNE = datetime(2024, 6, 1)
SPANS = {
    "deal_id": "int64",
    "funnel_step": "string",
    "entered_at": "timestamp(6)",
    "known_from": "timestamp(6)",
    "known_to": "timestamp(6)",
}
TOLD = """
    deal_id | funnel_step | entered_at       | known_from       | known_to
    1       | 1           | 2024-05-02 00:00 | 2024-06-01 00:00 | -
    2       | 1           | 2024-05-02 00:00 | 2024-06-01 00:00 | 2024-07-01 00:00
    3       | 1           | 2024-05-02 00:00 | 2024-07-01 00:00 | -
"""


@pytest.mark.parametrize(
    ("moment", "deals"),
    [
        (datetime(2024, 5, 31), []),
        (JUNE, [1, 2]),
        (datetime(2024, 6, 30), [1, 2]),
        (datetime(2024, 7, 1), [1, 3]),
        (None, [1, 3]),
    ],
)
def test_known_is_what_was_told_by_then_and_not_taken_back(engine, draw, moment, deals):
    known = known_at(draw(TOLD, **SPANS), moment).select("deal_id").order_by("deal_id")
    assert engine.to_pyarrow(known)["deal_id"].to_pylist() == deals


HEAD = "deal_id | funnel_step | entered_at\n"
WAS = "1 | 2 | 2024-05-02 00:00\n"


def restated(engine, draw, then, now, **other_steps):
    """The rows of step 2, of the data that ended with May."""
    others = {
        name: draw(f"funnel_step\n{other_steps.get(name, '')}", funnel_step="string")
        for name in ("wider", "narrower")
    }
    schema = {name: SPANS[name] for name in ("deal_id", "funnel_step", "entered_at")}
    both = (draw(HEAD + rows, **schema) for rows in (then, now))
    rows = engine.to_pyarrow(restatements(*both, JUNE, "UTC", **others).order_by("month", "reason"))
    return [
        (row["month"].month, row["reason"], row["deals_change"])
        for row in rows.to_pylist()
        if row["funnel_step"] == "2"
    ]


@pytest.mark.parametrize(
    ("then", "now", "expected"),
    {
        "nothing": (WAS, WAS, []),
        "it happened since": (WAS, WAS + "1 | 2 | 2024-06-02 00:00", [(6, "happened_since", 1)]),
        "at the very end of the data of then": (
            "1 | 1 | 2024-04-01 00:00",
            "1 | 1 | 2024-04-01 00:00\n1 | 2 | 2024-06-01 00:00",
            [(6, "told_later", 1)],
        ),
        "of a new deal": ("", "1 | 2 | 2024-06-02 00:00", [(6, "happened_since", 1)]),
        "again in a month in which it counted": (WAS, WAS + "1 | 2 | 2024-05-09 00:00", []),
        "told late": (
            "1 | 1 | 2024-04-01 00:00",
            "1 | 1 | 2024-04-01 00:00\n" + WAS,
            [(5, "told_later", 1)],
        ),
        "the deal, too": ("", WAS, [(5, "deal_was_unknown", 1)]),
        "another month": (
            WAS,
            "1 | 2 | 2024-04-02 00:00",
            [(4, "other_month", 1), (5, "other_month", -1)],
        ),
        "another step": (WAS, "1 | 3 | 2024-05-02 00:00", [(5, "other_step", -1)]),
        "no deal": (WAS, "", [(5, "deal_is_gone", -1)]),
        "taken back": (
            "1 | 1 | 2024-04-01 00:00\n" + WAS,
            "1 | 1 | 2024-04-01 00:00",
            [(5, "taken_back", -1)],
        ),
    }.values(),
)
def test_every_change_has_one_reason(engine, draw, then, now, expected):
    assert restated(engine, draw, then, now) == expected
    assert {reason for _, reason, _ in expected} <= REASONS.keys()


def test_where_the_step_matched_less_then_the_funnel_can_be_why_more_deals_count(engine, draw):
    then, now = WAS, "1 | 2 | 2024-04-02 00:00\n1 | 2 | 2024-06-02 00:00"
    assert restated(engine, draw, then, now, wider="2", narrower="3") == [
        (4, "other_funnel", 1),
        (5, "other_month", -1),
        (6, "happened_since", 1),
    ]


def test_where_the_step_matched_more_then_the_funnel_can_be_why_fewer_count(engine, draw):
    then, now = WAS, "1 | 2 | 2024-04-02 00:00"
    assert restated(engine, draw, then, now, wider="3", narrower="2") == [
        (4, "other_month", 1),
        (5, "other_funnel", -1),
    ]


def test_steps_that_match_more(engine, draw):
    schema = {"funnel_step": "string", "matched": "string"}
    head = "funnel_step | matched\n"
    one, other = (
        draw(head + rows, **schema)
        for rows in (
            "1 | stage 1\n2 | stage 2\n3 | stage 3\nLost | loss",
            "1 | stage 1\n2 | stage 4\n4 | stage 3\nLost | loss",
        )
    )
    more = matching_more(one, other).order_by("funnel_step")
    assert engine.to_pyarrow(more)["funnel_step"].to_pylist() == ["2", "3"]


def test_told_late_and_happened_again_in_the_same_month_is_told_late(engine, draw):
    then, now = "1 | 1 | 2024-04-01 00:00", "1 | 2 | 2024-05-31 00:00\n1 | 2 | 2024-05-30 00:00"
    assert restated(engine, draw, then, now) == [(5, "told_later", 1)]


def test_what_cancels_out_has_changed_too(engine, draw):
    then = "1 | 2 | 2024-05-02 00:00\n2 | 2 | 2024-04-02 00:00"
    now = "1 | 2 | 2024-04-02 00:00\n2 | 2 | 2024-05-02 00:00"
    assert sorted(restated(engine, draw, then, now)) == [
        (4, "other_month", -1),
        (4, "other_month", 1),
        (5, "other_month", -1),
        (5, "other_month", 1),
    ]


def test_months_are_cut_in_the_time_zone(engine, draw):
    schema = {name: SPANS[name] for name in ("deal_id", "funnel_step", "entered_at")}
    then, now = (draw(HEAD + rows, **schema) for rows in ("", "1 | 2 | 2024-05-01 01:00"))
    none = draw("funnel_step", funnel_step="string")
    changes = restatements(then, now, JUNE, "America/New_York", wider=none, narrower=none)
    made = engine.to_pyarrow(changes)
    assert made["month"].to_pylist() == [date(2024, 4, 1)]
