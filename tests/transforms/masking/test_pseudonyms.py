"""What becomes of personal values."""

import ibis
import pytest

from transforms.masking.pseudonyms import email_hash, masked_log_value, masked_name


def pseudonym(text):
    """Stand in for the keyed hash of the warehouse, and show what was hashed."""
    return "0123456789abcdef" + text


def of_stage_id(text):
    """Mask a value of a change of stage."""
    return masked_log_value(text, ibis.literal("stage_id"), pseudonym)


@pytest.mark.parametrize(
    ("name", "masked"),
    [
        ("Jane Doe", "J*** D***"),
        ("Jane van Doe", "J*** v*** D***"),
        ("  Jane\t  Doe\n", "J*** D***"),
        ("J", "J***"),
        ("J D", "J*** D***"),
        ("Éva Ångström", "É*** Å***"),
        ("李 小龙", "李*** 小***"),
        ("Anne-Marie Smith-Jones", "A*** S***"),
        ("Conan O'Brien", "C*** O***"),
        ("jane@example.com", "j***"),
        ("J. R. R. Tolkien", "J*** R*** R*** T***"),
        ("O\u0301scar", "O***"),
        ("Jane\u00a0Doe", "J***"),
    ],
)
def test_of_each_word_of_a_name_only_the_first_letter_stays(applied, name, masked):
    assert applied(masked_name, [name]) == [masked]


def test_no_name_is_null(applied):
    assert applied(masked_name, ["", "   ", None]) == [None, None, None]


def test_the_mask_does_not_tell_how_long_a_name_is(applied):
    assert len(set(applied(masked_name, ["Al Li", "Alexandra Lichtenberger"]))) == 1


def test_an_address_is_hashed_without_its_case_and_outer_space(applied):
    made = applied(lambda email: email_hash(email, pseudonym), [" Jane@Example.COM ", None])
    assert made == ["0123456789abcdefjane@example.com", None]


@pytest.mark.parametrize(
    "value",
    ["12", "12.5", "0", "2024-01-01", "2024-01-01 10:00:00", "2024-01-01T10:00:00.123Z"],
)
def test_numbers_and_timestamps_of_the_log_stay(applied, value):
    assert applied(of_stage_id, [value]) == [value]


@pytest.mark.parametrize(
    "value",
    ["Jane Doe", "12 Jane", "jane@example.com", "x", "1,5", "2024-01-01\nJane", "+49 170 123"],
)
def test_other_text_of_the_log_becomes_a_short_pseudonym(applied, value):
    made = applied(of_stage_id, [value])
    assert made == ["~0123456789abcdef"]


def test_no_value_of_the_log_is_none(applied):
    assert (
        applied(
            of_stage_id,
            [None, "", " "],
        )
        == [None] * 3
    )


def test_digits_of_an_unknown_field_may_be_a_phone_number(applied):
    made = applied(
        lambda text: masked_log_value(text, ibis.literal("phone"), pseudonym), ["030123456"]
    )
    assert made == ["~0123456789abcdef"]
