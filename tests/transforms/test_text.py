"""Text, cleaned and normalised."""

import pytest

from transforms import text
from transforms.funnel import Step


@pytest.mark.parametrize(
    ("given", "made"),
    [
        ("SC-2", "sc_2"),
        ("sc_2", "sc_2"),
        (" Meeting ", "meeting"),
        ("Follow-up/Customer  Success", "follow_up_customer_success"),
        ("__a--b__", "a_b"),
        ("_a", "a"),
        ("a_", "a"),
        ("a__b", "a_b"),
        ("a\tb\nc", "a_b_c"),
        ("2", "2"),
        ("Größe", "größe"),
        ("見積 送付", "見積_送付"),
        ("a\u00a0b\u2013c", "a_b_c"),
        ("SC\u20112", "sc_2"),
        ("Renewal\u00b7Expansion", "renewal_expansion"),
        ("Needs\u2019 Assessment", "needs_assessment"),
        ("\U0001f680 Qualified Lead \u2713\ufe0f", "qualified_lead"),
        ("\uff08SC\uff1a2\uff09", "sc_2"),
        ("Ver\u00adtrieb", "ver\u00adtrieb"),
        ("m\u00b2 \u00bd \u2460", "m\u00b2_\u00bd_\u2460"),
    ],
)
def test_a_code_is_lower_case_letters_and_digits_joined_by_underscores(applied, given, made):
    assert applied(text.code, [given]) == [made]


def test_a_code_of_nothing_is_null(applied):
    assert applied(text.code, ["", "   ", "---", "_", None]) == [None] * 5


@pytest.mark.parametrize(
    "name",
    [
        "SC-2",
        " Größe XL ",
        "Q&A (new)",
        "見積 送付",
        "a\u00a0b",
        "\U0001f680 Lead\u20112",
        "İLETİŞİM",
    ],
)
def test_the_funnel_file_is_normalised_as_the_data_is(applied, name):
    assert applied(text.code, [name]) == list(Step("1", "Any", "stage", (name,)).codes)


def test_outer_white_space_is_taken_off_and_no_other(applied):
    given = ["a b", " a", "a\t", "\n a\r\n", "見積 ", "\u00a0a\u00a0", "!", " ", "", None]
    made = ["a b", "a", "a", "a", "見積", "\u00a0a\u00a0", "!", "", "", None]
    assert applied(text.stripped, given) == made


def test_a_folded_name_keeps_its_case_and_has_single_spaces(applied):
    given = ["  Sales \t Call\n2 ", "Größe", "A-B", "", "   ", None]
    assert applied(text.folded, given) == ["Sales Call 2", "Größe", "A-B", None, None, None]


def test_a_whole_number_is_an_integer_with_zeros_behind_the_point_too(applied):
    given = ["12", "12.0", "12.000", "+7", "-7", "007", "0"]
    assert applied(text.integer, given) == [12, 12, 12, 7, -7, 7, 0]


@pytest.mark.parametrize(
    "given",
    ["12.5", "12.", ".0", "1e3", "1_000", "1,000", " 7", "7 ", "7\n", "0x1", "", "-", "~1", None],
)
def test_anything_else_is_no_integer_and_no_error(applied, given):
    assert applied(text.integer, [given]) == [None]


def test_large_ids_are_exact_and_too_large_ones_are_none(applied):
    given = ["9007199254740993", "999999999999999999", "99999999999999999999"]
    assert applied(text.integer, given) == [9007199254740993, 999999999999999999, None]


def test_one_bad_value_does_not_fail_the_others(applied):
    assert applied(text.integer, ["1", "x", "2"]) == [1, None, 2]


def test_a_looked_up_text_is_null_where_the_table_has_none(applied):
    table = {"meeting": "2.1", "sc_2": "3.1"}
    assert applied(lambda each: text.looked_up(each, table), ["sc_2", "SC_2", None]) == [
        "3.1",
        None,
        None,
    ]


def test_in_an_empty_table_nothing_is_found(applied):
    assert applied(lambda each: text.looked_up(each, {}), ["sc_2", None]) == [None, None]
