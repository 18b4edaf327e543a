"""Users, under pseudonyms."""

from datetime import datetime


def test_a_user_is_named_by_initials_and_a_keyed_suffix(run):
    assert run(
        "stg_users",
        "user_id, name_masked, sales_rep_name, email_hash, modified_at",
        raw_users="""
            id | name_masked | id_pseudonym   | email_hash | modified
            7  | J*** D***   | 3f9a0c11112222 | beef       | 2024-01-01 09:00
        """,
    ) == [(7, "J*** D***", "J*** D*** #3f9a0c", "beef", datetime(2024, 1, 1, 9))]


def test_users_with_the_same_initials_differ_by_their_suffix(run):
    assert run(
        "stg_users",
        "user_id, sales_rep_name",
        raw_users="""
            id | name_masked | id_pseudonym
            1  | J*** D***   | aaaaaa0000
            2  | J*** D***   | bbbbbb0000
        """,
    ) == [(1, "J*** D*** #aaaaaa"), (2, "J*** D*** #bbbbbb")]


def test_users_whose_initials_and_suffix_agree_get_their_whole_pseudonym(run):
    assert run(
        "stg_users",
        "user_id, sales_rep_name",
        raw_users="""
            id | name_masked | id_pseudonym
            1  | J*** D***   | aaaaaa0000
            2  | J*** D***   | aaaaaa1111
            3  | K***        | aaaaaa2222
        """,
    ) == [(1, "J*** D*** #aaaaaa0000"), (2, "J*** D*** #aaaaaa1111"), (3, "K*** #aaaaaa")]


def test_nameless_users_whose_suffix_agrees_differ_too(run):
    assert run(
        "stg_users",
        "user_id, name_masked, sales_rep_name",
        raw_users="""
            id | name_masked | id_pseudonym
            1  | -           | aaaaaa0000
            2  | -           | aaaaaa1111
        """,
    ) == [(1, None, "User #aaaaaa0000"), (2, None, "User #aaaaaa1111")]


def test_of_a_user_given_twice_the_one_modified_last_wins(run):
    assert run(
        "stg_users",
        "user_id, name_masked",
        raw_users="""
            id | name_masked | id_pseudonym | modified         | source_row
            1  | N***        | aaaaaa       | 2024-02-01 00:00 | 1
            1  | O***        | aaaaaa       | 2024-01-01 00:00 | 2
            1  | U***        | aaaaaa       | -                | 3
        """,
    ) == [(1, "N***")]


def test_of_those_modified_at_the_same_time_the_last_row_wins(run):
    assert run(
        "stg_users",
        "user_id, name_masked",
        raw_users="""
            id | name_masked | modified         | source_row
            1  | A***        | 2024-02-01 00:00 | 10
            1  | B***        | 2024-02-01 00:00 | 9
            2  | C***        | -                | 3
            2  | D***        | -                | 4
        """,
    ) == [(1, "A***"), (2, "D***")]


def test_a_row_that_lost_does_not_count_as_a_second_user(run):
    assert run(
        "stg_users",
        "sales_rep_name",
        raw_users="""
            id | name_masked | id_pseudonym | source_row
            1  | J***        | aaaaaa0000   | 1
            1  | J***        | aaaaaa0000   | 2
        """,
    ) == [("J*** #aaaaaa",)]


def test_users_who_share_an_address_all_stay(run):
    assert run(
        "stg_users",
        "user_id, email_hash",
        raw_users="""
            id | email_hash
            1  | beef
            2  | beef
            3  | -
        """,
    ) == [(1, "beef"), (2, "beef"), (3, None)]


def test_a_row_without_an_id_is_of_somebody_forgotten_and_no_user(run):
    assert run(
        "stg_users",
        "user_id",
        raw_users="""
            id | id_pseudonym | name_masked | source_row
            1  | 0a1b2c3d     | J***        | 1
            -  | -            | -           | 2
        """,
    ) == [(1,)]
