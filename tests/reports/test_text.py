"""Numbers and names as text."""

import pytest

from reports.text import clean, in_a_cell, in_percent, rate, short_rep


@pytest.mark.parametrize(
    ("percent", "text"),
    [
        (0, "0.0%"),
        (0.04, "<0.1%"),
        (0.05, "0.1%"),
        (62.5, "62.5%"),
        (99.98, ">99.9%"),
        (100, "100.0%"),
        (2100, "2,100.0%"),
        (None, "n/a"),
    ],
)
def test_only_none_is_nothing_and_only_all_is_a_hundred_percent(
    percent: float | None, text: str
) -> None:
    assert rate(percent) == text  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("percent", "text"),
    [(None, ""), (0, "0"), (0.4, "<1"), (0.6, "1"), (99.4, "99"), (99.6, ">99"), (100, "100")],
)
def test_in_a_cell_only_none_is_0_and_only_all_is_100(percent: float | None, text: str) -> None:
    assert in_a_cell(percent) == text  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("more", "text"),
    [
        (20, "+50%"),
        (-20, "-50%"),
        (0.1, "+<1%"),
        (-0.1, "-<1%"),
        (840, "+2,100%"),
        (-39.9, "->99%"),
        (-40, "-100%"),
    ],
)
def test_a_change_is_never_of_no_percent(more: float, text: str) -> None:
    assert in_percent(more, 40) == text


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("قیمت نمی\u200cخواهد", "قیمت نمی\u200cخواهد"),
        ("👩\u200d👧", "👩\u200d👧"),
        ("Co\u00adop", "Coop"),
        ("a\tb\n c", "a b c"),
        ("a\u202eb", "a\ufffdb"),
        (None, "n/a"),
    ],
)
def test_a_name_is_one_printable_line(name: str | None, text: str) -> None:
    assert clean(name) == text


def test_a_long_pseudonym_keeps_the_end_that_tells_people_apart() -> None:
    name = "A*** " * 10 + "#19c1a2b3"
    assert short_rep(name).endswith("… #19c1a2b3")
    assert len(short_rep(name)) == 36
    assert short_rep("J*** D*** #19c1a2b3") == "J*** D*** #19c1a2b3"
    assert short_rep("Unassigned") == "Unassigned"
