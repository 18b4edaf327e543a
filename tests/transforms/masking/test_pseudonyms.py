"""What becomes of personal values."""

import ibis
import pytest

from transforms.masking.pseudonyms import (
    email_hash,
    masked_columns,
    masked_log_value,
    masked_name,
)


def pseudonym(text):
    """Stand in for the keyed hash of the warehouse, and show what was hashed."""
    return "0123456789abcdef" + text


def of(field_key):
    """Mask a value of a change of that field."""
    return lambda text: masked_log_value(text, ibis.literal(field_key), pseudonym)


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
        ("Jane\u3000Doe\u2028Li", "J***"),
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
    ("field_key", "value"),
    [
        ("stage_id", "12"),
        ("stage_id", "7.0"),
        ("stage_id", " 12 "),
        ("user_id", "-7"),
        ("lost_reason", "-3\t"),
        ("user_id", "123456789012345678"),
        ("User ID", "12"),
        ("lost_reason", "0"),
        ("lost_reason", "123456789"),
        ("add_time", " 2024-01-01"),
        ("add_time", "2024-01-01 10:00:00"),
        ("add_time", "2024-01-01T10:00:00.123Z"),
        ("add_time", "2024-01-01T10:00:00+02:00"),
    ],
)
def test_ids_and_times_of_the_log_stay(applied, field_key, value):
    assert applied(of(field_key), [value]) == [value.strip()]


@pytest.mark.parametrize(
    ("field_key", "value"),
    [
        ("stage_id", "Jane Doe"),
        ("stage_id", "12 Jane"),
        ("stage_id", "12.5"),
        ("stage_id", "2024-01-01"),
        ("user_id", "+49 170 123"),
        ("user_id", "030 123456"),
        ("add_time", "12"),
        ("add_time", "2024-01-01\nJane"),
        ("lost_reason", "jane@example.com"),
        ("lost_reason", "0170 5550199"),
        ("lost_reason", "01705550199"),
        ("lost_reason", "4917055501884"),
        ("title", "12"),
    ],
)
def test_all_else_of_the_log_becomes_a_short_pseudonym(applied, field_key, value):
    assert applied(of(field_key), [value]) == ["~0123456789abcdef"]


@pytest.mark.parametrize(
    ("kind", "plain", "others"),
    [
        ("status", ["won", " Lost", "OPEN"], ["deleted", "Jane Doe", "won by Jane"]),
        ("currency", ["EUR", "usd", " GBP "], ["Euro", "J1", "jane@example.com"]),
    ],
)
def test_a_column_of_deals_holds_what_belongs_there_or_a_short_pseudonym(
    applied, kind, plain, others
):
    def masked(text):
        return masked_columns(kind, text, None, pseudonym, ())[""]

    assert applied(masked, plain) == [value.strip() for value in plain]
    assert applied(masked, others) == ["~0123456789abcdef"] * len(others)
    assert applied(masked, [None, "", "  "]) == [None] * 3


def test_a_value_of_the_log_is_hashed_without_its_outer_space(applied):
    def masked(text):
        return masked_log_value(text, ibis.literal("title"), lambda hashed: hashed + "." * 16)

    assert applied(masked, [" Jane Doe\n"]) == ["~Jane Doe........"]


def test_no_value_of_the_log_is_none(applied):
    assert applied(of("stage_id"), [None, "", " "]) == [None] * 3


@pytest.mark.parametrize("field_key", ["user_id", "User ID", "creator_user_id", "title"])
def test_the_id_of_somebody_forgotten_is_not_in_the_log(applied, field_key):
    def mask(text):
        return masked_log_value(text, ibis.literal(field_key), pseudonym, forgotten=[5, 6])

    values = ["5", "6.0", " 5 ", "+5", "005"]
    assert applied(mask, values) == [None] * len(values)
    assert None not in applied(mask, ["7", "55", "5 6", "x5"])


@pytest.mark.parametrize(("field_key", "value"), [("stage_id", "5"), ("lost_reason", "5")])
def test_an_equal_id_of_something_else_stays_in_the_log(applied, field_key, value):
    def mask(text):
        return masked_log_value(text, ibis.literal(field_key), pseudonym, forgotten=[5])

    assert applied(mask, [value]) == [value]
