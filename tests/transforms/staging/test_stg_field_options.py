"""Options of fields, out of the export's JSON."""


def options(run, *given: str) -> list[tuple[int, str | None]]:
    """Id and label of the options of a field, given as JSON lists in the order of the file."""
    rows = "\n".join(f"1 | lost_reason | {row} | {text}" for row, text in enumerate(given))
    return run(
        "stg_field_options",
        "option_id, option_label",
        raw_fields=f"id | field_key | source_row | field_value_options\n{rows}",
    )


def test_each_option_of_the_list_is_a_row(run):
    given = '[{"id": "1", "label": "Price"}, {"id": "2", "label": "Time"}]'
    assert options(run, given) == [(1, "Price"), (2, "Time")]


def test_ids_may_be_numbers_or_text(run):
    given = '[{"id": 1, "label": "Price"}, {"id": "2.0", "label": "Time"}]'
    assert options(run, given) == [(1, "Price"), (2, "Time")]


def test_labels_keep_their_case_and_letters_and_lose_extra_white_space(run):
    assert options(run, '[{"id": 1, "label": "  Größe   passt nicht "}]') == [
        (1, "Größe passt nicht")
    ]


def test_options_without_an_id_stay_visible_as_one(run):
    given = '[{"label": "Price"}, {"id": null, "label": "Time"}, {"id": "x", "label": "Fit"}]'
    assert options(run, given) == [(None, "Fit")]


def test_an_option_without_a_label_stays(run):
    assert options(run, '[{"id": 1}, {"id": 2, "label": ""}]') == [(1, None), (2, None)]


def test_a_field_without_options_or_with_an_empty_list_has_none(run):
    assert options(run, "-") == []
    assert options(run, "[]") == []


def test_of_a_field_given_twice_only_the_last_row_counts(run):
    old = '[{"id": 1, "label": "Old"}, {"id": 2, "label": "Gone"}]'
    assert options(run, old, '[{"id": 1, "label": "New"}]') == [(1, "New")]


def test_fields_with_one_key_share_their_options_and_the_highest_id_wins(run):
    assert run(
        "stg_field_options",
        "field_key, option_id, option_label",
        raw_fields="""
            id | field_key   | source_row | field_value_options
            2  | Lost Reason | 1          | [{"id": 1, "label": "New"}]
            1  | lost_reason | 2          | [{"id": 1, "label": "Old"}, {"id": 2, "label": "Time"}]
            3  | other       | 3          | [{"id": 1, "label": "Other"}]
        """,
    ) == [("lost_reason", 1, "New"), ("lost_reason", 2, "Time"), ("other", 1, "Other")]


def test_of_an_id_that_is_listed_twice_the_last_one_counts(run):
    given = '[{"id": 1, "label": "B"}, {"id": 2, "label": "C"}, {"id": "1", "label": "a"}]'
    assert options(run, given) == [(1, "a"), (2, "C")]
