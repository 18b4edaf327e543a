"""Files into typed rows: what is read, what is rejected and why, what is collapsed; in DuckDB."""

import gzip
import io
import random
from collections.abc import Callable, Iterator
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from traceback import format_exception
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from flows.errors import InputError, SalesFunnelError
from flows.ingest import land_within
from flows.warehouse.csv_lines import may_quote_the_end_of_a_line
from flows.warehouse.duckdb import DuckDBWarehouse
from flows.warehouse.folder import find_export
from flows.warehouse.landing import Landed
from transforms.sources import SOURCES

Land = Callable[..., Landed]

COLUMNS = ("activity_id", "type", "assigned_to_user", "deal_id", "done", "due_to")
ACTIVITY = ",".join(COLUMNS) + "\n"
STAGES = "stage_id,stage_name\n"

NOT_WHOLE = "not a whole number of up to 18 digits"
NOT_TIME = "not an ISO timestamp between 1970 and 2199, as in 2024-12-31 22:00:00"
UNCERTAIN = "a time that clocks in FUNNEL_SOURCE_TIMEZONE show twice or never"


@pytest.fixture
def warehouse(tmp_path: Path) -> Iterator[DuckDBWarehouse]:
    """A warehouse in the middle of a run."""
    opened = DuckDBWarehouse(tmp_path / "warehouse" / "sales.duckdb")
    with opened.held(), opened.run(), opened.masking(b"k" * 32):
        yield opened


@pytest.fixture
def land(warehouse, export) -> Land:
    """Lands a file of an export, named with or without its ending."""

    def land_file(name: str, content: str | bytes, zone: str = "UTC", **options: Any) -> Landed:
        table = name.partition(".")[0]
        files = {name if "." in name else f"{name}.csv": content}
        found = find_export(export({f"{table}.csv": None} | files, **options))
        return warehouse.land(found[table], zone)

    return land_file


@pytest.fixture
def read(land) -> Callable[..., list[object]]:
    """Reads texts as values of a column of activity; in place of a rejected one, the reason."""

    def values(column: str, *texts: str, zone: str = "UTC") -> list[object]:
        def row(number: int, text: str) -> str:
            cells = dict.fromkeys(COLUMNS, "") | {"activity_id": str(number), column: f'"{text}"'}
            return ",".join(cells.values()) + "\n"

        landed = land("activity", ACTIVITY + "".join(map(row, range(2, 99), texts)), zone)
        found = {row["activity_id"]: row[column] for row in rows(landed, "activity_id", column)}
        reasons = {line: f"{name}: {reason}" for line, name, reason in rejected(landed)}
        return [(reasons | found)[number] for number in range(2, 2 + len(texts))]

    return values


def rows(landed: Landed, *columns: str) -> list[dict[str, Any]]:
    """The rows of the raw table, sorted."""
    return landed.raw.order_by(*columns).select(*columns).to_pyarrow().to_pylist()


def rejected(landed: Landed) -> list[tuple[int, str | None, str]]:
    """Line, column and reason of each fault, in the order of the file."""
    return [(row["line"], row["column_name"], row["reason"]) for row in landed.rejected()]


def counts(landed: Landed) -> dict[str, int]:
    """Where the rows of the file went."""
    return {
        "read": landed.rows_read,
        "loaded": landed.rows_loaded,
        "rejected": landed.rows_rejected,
        "duplicates": landed.duplicates_collapsed,
    }


def parquet(columns: dict[str, Any]) -> bytes:
    buffer = io.BytesIO()
    pq.write_table(pa.table(columns), buffer)
    return buffer.getvalue()


# Values


def test_whole_numbers(read):
    assert read("deal_id", "12", "12.0", "12.000", "+12", "-12", "012", " 12 ") == [
        12,
        12,
        12,
        12,
        -12,
        12,
        12,
    ]


def test_whole_numbers_that_a_float_cannot_hold(read):
    assert read("deal_id", "9007199254740993", "9007199254740993.0", "999999999999999999") == [
        9007199254740993,
        9007199254740993,
        999999999999999999,
    ]


def test_what_only_looks_like_a_whole_number(read):
    texts = ["12.5", "1e3", "1_000", "1,000", "0x10", "12.", ".0", "--1", "NaN", "inf", "true", "١"]
    assert read("deal_id", *texts) == [f"deal_id: {NOT_WHOLE}"] * len(texts)


def test_numbers(land):
    texts = ["12", "12.5", "1e3", "-.5", " 7 "]
    lines = "".join(f"{number},open,{text}\n" for number, text in enumerate(texts))
    landed = land("deals", "deal_id,status,value\n" + lines)
    assert [row["value"] for row in rows(landed, "deal_id", "value")] == [12, 12.5, 1000, -0.5, 7]


def test_what_only_looks_like_a_number(land):
    texts = ["1_000", "nan", "infinity", "1e999", "0x10", "€ 5"]
    lines = "".join(f"{number},open,{text}\n" for number, text in enumerate(texts))
    landed = land("deals", "deal_id,status,value\n" + lines)
    assert rejected(landed) == [
        (2 + n, "value", "not a number, as in 1200.50") for n in range(len(texts))
    ]


def test_timestamps(read):
    assert read(
        "due_to", "2024-01-02 03:04:05", "2024-01-02T03:04:05", "2024-01-02 03:04", " 2024-01-02 "
    ) == [
        datetime(2024, 1, 2, 3, 4, 5),
        datetime(2024, 1, 2, 3, 4, 5),
        datetime(2024, 1, 2, 3, 4),
        datetime(2024, 1, 2),
    ]


def test_fractions_of_a_second_are_kept_up_to_the_microsecond(read):
    assert read("due_to", "2024-01-02 03:04:05.5", "2024-01-02 03:04:05.123456789") == [
        datetime(2024, 1, 2, 3, 4, 5, 500000),
        datetime(2024, 1, 2, 3, 4, 5, 123456),
    ]


def test_offsets_are_honoured(read):
    texts = ["Z", "+00:00", "+02:00", "+02", "-0330", "+14:00"]
    assert read("due_to", *(f"2024-01-02 03:04:05{text}" for text in texts)) == [
        datetime(2024, 1, 2, 3, 4, 5),
        datetime(2024, 1, 2, 3, 4, 5),
        datetime(2024, 1, 2, 1, 4, 5),
        datetime(2024, 1, 2, 1, 4, 5),
        datetime(2024, 1, 2, 6, 34, 5),
        datetime(2024, 1, 1, 13, 4, 5),
    ]


def test_offsets_are_honoured_after_a_fraction_and_after_minutes(read):
    assert read("due_to", "2024-01-02T03:04:05.5+02:00", "2024-01-02T03:04Z") == [
        datetime(2024, 1, 2, 1, 4, 5, 500000),
        datetime(2024, 1, 2, 3, 4),
    ]


def test_a_space_may_stand_before_an_offset(read):
    assert read("due_to", "2024-01-02 03:04:05 +02:00", "2024-01-02T03:04 Z") == [
        datetime(2024, 1, 2, 1, 4, 5),
        datetime(2024, 1, 2, 3, 4),
    ]


def test_an_offset_of_more_than_a_day_is_no_offset(read):
    assert read("due_to", "2024-01-02 03:04:05+99:99") == [f"due_to: {NOT_TIME}"]


def test_words_for_times_are_no_times(read):
    texts = ["infinity", "-infinity", "epoch", "now", "today", "n/a", "0000-00-00"]
    assert read("due_to", *texts) == [f"due_to: {NOT_TIME}"] * len(texts)


def test_the_last_moment_that_a_clock_can_show_is_a_mistake_in_every_zone(read):
    found = read("due_to", "294247-01-10 04:00:54", "infinity", zone="America/New_York")
    assert found == [f"due_to: {NOT_TIME}"] * 2


def test_times_that_do_not_exist(read):
    texts = ["2024-02-30", "2023-02-29 10:00:00", "2024-01-02 25:00:00", "2024-13-01", "24-01-02"]
    assert read("due_to", *texts) == [f"due_to: {NOT_TIME}"] * len(texts)


def test_other_notations_of_time_are_not_guessed(read):
    texts = ["31.01.2024", "01/02/2024", "20240102", "1704067200", "2024-1-2", "Jan 2 2024"]
    assert read("due_to", *texts) == [f"due_to: {NOT_TIME}"] * len(texts)


def test_times_before_1970_and_from_2200_are_mistakes(read):
    assert read(
        "due_to", "1969-12-31 23:59:59", "1970-01-01", "2199-12-31 23:59:59", "2200-01-01"
    ) == [
        f"due_to: {NOT_TIME}",
        datetime(1970, 1, 1),
        datetime(2199, 12, 31, 23, 59, 59),
        f"due_to: {NOT_TIME}",
    ]


def test_the_bounds_hold_after_the_offset(read):
    assert read("due_to", "1970-01-01 00:30:00+01:00", "2200-01-01 00:30:00+01:00") == [
        f"due_to: {NOT_TIME}",
        datetime(2199, 12, 31, 23, 30),
    ]


def test_naive_times_are_in_the_source_time_zone(read):
    assert read("due_to", "2024-01-02 03:04:05", "2024-07-02", zone="Europe/Berlin") == [
        datetime(2024, 1, 2, 2, 4, 5),
        datetime(2024, 7, 1, 22),
    ]


def test_offsets_win_over_the_source_time_zone(read):
    assert read(
        "due_to", "2024-07-02 03:04:05Z", "2024-07-02 03:04:05+05:00", zone="Europe/Berlin"
    ) == [datetime(2024, 7, 2, 3, 4, 5), datetime(2024, 7, 1, 22, 4, 5)]


def test_both_sides_of_a_change_to_summer_time(read):
    assert read("due_to", "2024-03-31 01:59:59", "2024-03-31 03:00:00", zone="Europe/Berlin") == [
        datetime(2024, 3, 31, 0, 59, 59),
        datetime(2024, 3, 31, 1),
    ]


@pytest.mark.parametrize(
    ("zone", "texts"),
    [
        ("Europe/Berlin", ["2024-10-27 02:30:00", "2024-10-27T02:00", "2024-03-31 02:30:00"]),
        ("America/New_York", ["2024-11-03 01:59:59.5", "2024-03-10 02:00"]),
        ("Australia/Lord_Howe", ["2024-04-07 01:30", "2024-10-06 02:29:59"]),  # half an hour
        ("Pacific/Apia", ["2011-12-30 12:00"]),  # a day that was left out
    ],
)
def test_a_time_that_clocks_show_twice_or_never_is_rejected(read, zone, texts):
    assert read("due_to", *texts, zone=zone) == [f"due_to: {UNCERTAIN}"] * len(texts)


def test_times_beside_those_and_times_with_an_offset_are_certain(read):
    texts = ["2024-10-27 01:59:59", "2024-10-27 03:00", "2024-10-27 02:30:00+02:00"]
    assert read("due_to", *texts, zone="Europe/Berlin") == [
        datetime(2024, 10, 26, 23, 59, 59),
        datetime(2024, 10, 27, 2),
        datetime(2024, 10, 27, 0, 30),
    ]


def test_in_a_zone_whose_clocks_are_changed_what_is_no_time_is_called_so(read):
    assert read("due_to", "", "noon", "2200-01-02", zone="Europe/Berlin") == [
        None,
        f"due_to: {NOT_TIME}",
        f"due_to: {NOT_TIME}",
    ]


def test_booleans(read):
    yes, no = (
        ["True", "true", "TRUE", "t", "Yes", "y", "1", " yes "],
        ["False", "f", "NO", "n", "0"],
    )
    assert read("done", *yes, *no) == [True] * len(yes) + [False] * len(no)


def test_what_is_no_boolean(read):
    assert (
        read("done", "maybe", "2", "on", "ja", "1.0")
        == ["done: not true or false, yes or no, 1 or 0"] * 5
    )


@pytest.mark.parametrize("column", ["assigned_to_user", "deal_id", "done", "due_to"])
def test_empty_is_null(read, column):
    assert read(column, "", "   ") == [None, None]


def test_options_are_a_json_list(land):
    landed = land(
        "fields",
        """
        id,field_key,name,field_value_options
        1,a,,
        2,b,,[]
        3,c,,"[{""id"": 1, ""label"": ""x""}]"
        4,d,,"{""id"": 1}"
        5,e,,[1
        6,f,,none
        7,g,,"[{""id"": NaN}]"
        8,h,,"[1, -Infinity]"
        9,i,,"[{""id"": 1,}, 2 , ]"
        10,j,,"[nan, -inf]"
        11,k,,"[{""id"": 1, ""label"": ""NaN,]\\"",]""}]"
        """,
    )
    assert [row["id"] for row in rows(landed, "id")] == [1, 2, 3, 11]
    assert rejected(landed) == [
        (line, "field_value_options", "not a JSON list") for line in range(5, 12)
    ]


# Personal values


def test_names_and_addresses_become_pseudonyms(land):
    landed = land("users", "id,name,email,modified\n1,Jane van Doe,Jane@Example.com,\n")
    [user] = landed.raw.to_pyarrow().to_pylist()
    assert user["name_masked"] == "J*** v*** D***"
    assert set(user) == {
        *("id", "id_pseudonym", "name_masked", "name_pseudonym", "email_hash"),
        *("modified", "source_row"),
    }
    assert not any("jane" in str(value).lower() for value in user.values())


def test_an_address_has_one_pseudonym_however_it_is_spelled(land):
    landed = land(
        "users", "id,name,email,modified\n1,,jane@example.com,\n2,, JANE@example.com ,\n3,,other,\n"
    )
    one, two, three = (row["email_hash"] for row in rows(landed, "id", "email_hash"))
    assert one == two != three


def test_a_user_without_name_and_address_has_no_pseudonym_of_nothing(land):
    landed = land("users", 'id,name,email,modified\n1,,,\n2,"  ","  ",\n')
    columns = ("name_masked", "name_pseudonym", "email_hash")
    assert rows(landed, *columns) == [dict.fromkeys(columns)] * 2


def test_numbers_and_times_of_the_change_log_stay_and_text_does_not(land):
    landed = land(
        "deal_changes",
        """
        deal_id,change_time,changed_field_key,new_value
        1,2024-01-01,stage_id,7
        2,2024-01-01,add_time,2024-01-02T03:04:05
        3,2024-01-01,lost_reason,
        4,2024-01-01,lost_reason,Jane left us
        5,2024-01-01,stage_id,7a
        """,
    )
    *kept, masked, other = (row["new_value"] for row in rows(landed, "deal_id", "new_value"))
    assert kept == ["7", "2024-01-02T03:04:05", None]
    assert masked != other
    assert all(text[0] == "~" and len(text) == 17 for text in (masked, other))


def test_the_options_of_the_owner_are_people_and_do_not_stay(land):
    landed = land(
        "fields",
        """
        id,field_key,name,field_value_options
        1,User-ID,Owner,"[{""id"": 1, ""label"": ""Ada Byron""}]"
        2,lost_reason,Lost reason,"[{""id"": 1, ""label"": ""Price""}]"
        """,
    )
    owner, reason = (
        row["field_value_options"] for row in rows(landed, "id", "field_value_options")
    )
    assert owner is None
    assert "Price" in reason


def test_of_users_who_are_forgotten_nothing_is_read(warehouse, export):
    files = find_export(
        export(
            users="id,name,email,modified\n5,Ada Byron,a@b.c,2024-01-01\n6,Bo Li,b@b.c,\n",
            activity=ACTIVITY + "1,meeting,5,7,True,\n2,meeting,6,7,True,\n",
            deals="deal_id,status,user_id\n7,open,5\n8,open,6\n9,open,\n",
        )
    )
    landed = {
        name: warehouse.land(files[name], "UTC", forgotten=[5])
        for name in ("users", "activity", "deals")
    }
    gone, kept = landed["users"].raw.order_by("source_row").to_pyarrow().to_pylist()
    assert set(gone.values()) == {None, 1}
    assert kept["id"] == 6
    assert [
        row["assigned_to_user"]
        for row in rows(landed["activity"], "activity_id", "assigned_to_user")
    ] == [None, 6]
    assert rows(landed["deals"], "deal_id", "user_id", "user_id_is_forgotten") == [
        {"deal_id": 7, "user_id": None, "user_id_is_forgotten": True},
        {"deal_id": 8, "user_id": 6, "user_id_is_forgotten": False},
        {"deal_id": 9, "user_id": None, "user_id_is_forgotten": False},
    ]
    assert all(table.rows_loaded == table.rows_read for table in landed.values())


def test_rows_that_differ_in_which_forgotten_user_they_name_are_still_two(warehouse, export):
    files = find_export(
        export(
            users="id,name,email,modified\n5,Ada,a@b.c,\n6,Bo,b@b.c,\n6,Bo,b@b.c,\n7,Cy,c@b.c,\n",
            activity=ACTIVITY + "1,meeting,5,7,True,\n1,meeting,6,7,True,\n1,meeting,5,7,True,\n",
            deal_changes="deal_id,change_time,changed_field_key,new_value\n"
            "7,2024-01-01,user_id,5\n7,2024-01-01,user_id,6\n7,2024-01-01,user_id,6\n",
        )
    )
    counts = {"users": (3, 1), "activity": (2, 1), "deal_changes": (2, 1)}
    for name, (loaded, collapsed) in counts.items():
        landed = warehouse.land(files[name], "UTC", forgotten=[5, 6])
        assert (landed.rows_loaded, landed.duplicates_collapsed) == (loaded, collapsed)
        assert landed.raw.count().to_pyarrow().as_py() == loaded
        assert landed.rows_outdone == 0
        assert landed.rows_forgotten == (2 if name == "users" else 0)


# Rejected rows


def test_a_rejected_row_is_told_by_line_column_and_reason(land):
    landed = land("activity", ACTIVITY + "1,,,,,\n2,,,x,,\n3,,,,,\n4,,,,,never\n")
    assert rejected(landed) == [(3, "deal_id", NOT_WHOLE), (5, "due_to", NOT_TIME)]
    assert [row["activity_id"] for row in rows(landed, "activity_id")] == [1, 3]


def test_each_fault_of_a_row_is_told_and_the_row_counted_once(land):
    landed = land("activity", ACTIVITY + ",,x,1.5,perhaps,never\n")
    assert rejected(landed) == [
        (2, "activity_id", "missing"),
        (2, "assigned_to_user", NOT_WHOLE),
        (2, "deal_id", NOT_WHOLE),
        (2, "done", "not true or false, yes or no, 1 or 0"),
        (2, "due_to", NOT_TIME),
    ]
    assert counts(landed) == {"read": 1, "loaded": 0, "rejected": 1, "duplicates": 0}


@pytest.mark.parametrize(
    ("table", "row", "missing"),
    [
        ("activity_types", ",a,,a", "id"),
        ("deal_changes", ",2024-01-01,k,", "deal_id"),
        ("deal_changes", "1, ,k,", "change_time"),
        ("deal_changes", "1,2024-01-01, ,", "changed_field_key"),
        ("fields", ",k,,", "id"),
        ("fields", "1,  ,,", "field_key"),
        ("stages", ",a", "stage_id"),
        ("users", ",a,b,", "id"),
        ("deals", ",won,,,,,,,", "deal_id"),
    ],
)
def test_a_row_without_what_identifies_it_is_rejected(land, table, row, missing):
    header = ",".join(column.name for column in SOURCES[table].columns)
    assert rejected(land(table, f"{header}\n{row}\n")) == [(2, missing, "missing")]


def test_equal_rejected_rows_are_each_told(land):
    landed = land("stages", STAGES + "x,a\nx,a\n")
    assert [line for line, *_ in rejected(landed)] == [2, 3]
    assert counts(landed) == {"read": 2, "loaded": 0, "rejected": 2, "duplicates": 0}


@pytest.mark.parametrize("columns", range(3, 16))
def test_a_line_with_too_many_columns_is_told_whatever_they_hold(land, columns):
    """DuckDB itself forgets it where the last columns are not read, and hold a quote."""
    header = ",".join([STAGES.strip(), *(f"other_{place}" for place in range(columns - 2))])
    row = "1,name" + ",x" * (columns - 2)
    landed = land("stages", f'{header}\n{row}\n{row},"12"" pipe"\n')
    assert rejected(landed) == [(3, None, "too many columns")]


def test_a_line_with_too_few_or_too_many_columns(land):
    landed = land("stages", STAGES + "1,a\n2\n3,b,c\n4,d\n")
    assert rejected(landed) == [(3, None, "too few columns"), (4, None, "too many columns")]
    assert counts(landed) == {"read": 4, "loaded": 2, "rejected": 2, "duplicates": 0}


def test_lines_are_counted_after_blank_lines(land):
    landed = land("stages", STAGES + "\n\n1,a\n\nx,b\n\n\ny,c\n\n")
    assert [line for line, *_ in rejected(landed)] == [6, 9]
    assert landed.rows_read == 3


def test_lines_are_counted_after_values_of_many_lines(land):
    landed = land("stages", STAGES + '1,"a\n\nb"\nx,"c\nd"\ny,e\n')
    assert [line for line, *_ in rejected(landed)] == [5, 7]


def test_lines_are_counted_after_a_header_of_many_lines(land):
    landed = land("stages", '"more\nof it",stage_id,stage_name\n,1,a\n,x,b\n')
    assert [line for line, *_ in rejected(landed)] == [4]


def test_lines_are_counted_after_doubled_quotes(land):
    landed = land("stages", STAGES + '1,"a ""b"" c"\n2,""""\n3,"d\n""e"\nx,f\n')
    assert [line for line, *_ in rejected(landed)] == [6]


def test_lines_are_counted_after_a_quote_within_a_value(land):
    landed = land("stages", STAGES + '1,5" pipe\nx,a\n2,6" pipe\ny,b\n')
    assert [line for line, *_ in rejected(landed)] == [3, 5]


def test_lines_are_counted_after_a_control_character(land):
    landed = land("stages", STAGES.encode() + b"1,a\x1fb\nx,c\n2,d\x01e\ny,f\n")
    assert [line for line, *_ in rejected(landed)] == [3, 5]


@pytest.mark.parametrize("end", ["\r\n", "\r"], ids=["CRLF", "CR"])
def test_lines_are_counted_whatever_ends_them(land, end):
    text = STAGES + '1,a\nx,b\n\n2,"c\nd"\n3\ny,e\n'
    landed = land("stages", text.replace("\n", end).encode())
    assert [line for line, *_ in rejected(landed)] == [3, 7, 8]


@pytest.mark.parametrize("rows_before", [0, 300_000], ids=["at the top", "further down"])
@pytest.mark.parametrize(("end", "other"), [("\n", "\r\n"), ("\r\n", "\n"), ("\n", "\r")])
def test_lines_that_end_in_different_ways_are_told(land, end, other, rows_before):
    rows = [STAGES.strip(), *(f"{n},name {n}" for n in range(rows_before))]
    text = "".join(row + end for row in rows) + f"1,a{other}2,b{end}"
    with pytest.raises(InputError, match="its lines end in different ways; export it again"):
        land("stages", text.encode())


def test_lines_are_counted_after_a_byte_order_mark(land):
    landed = land("stages", b"\xef\xbb\xbf" + STAGES.encode() + b"1,a\nx,b\n")
    assert [line for line, *_ in rejected(landed)] == [3]


def test_lines_are_counted_among_misshapen_lines(land):
    landed = land("stages", STAGES + '1\nx,a\n2,"b\nc",d\n\ny,e\n3,f,g\nz,h\n')
    assert rejected(landed) == [
        (2, None, "too few columns"),
        (3, "stage_id", NOT_WHOLE),
        (4, None, "too many columns"),
        (7, "stage_id", NOT_WHOLE),
        (8, None, "too many columns"),
        (9, "stage_id", NOT_WHOLE),
    ]


def test_lines_are_counted_among_blank_lines_and_those_of_white_space(land):
    landed = land("stages", (STAGES + "1,a\n   \n\nx,b\n\t\n\n\ny,c\n").encode())
    assert rejected(landed) == [
        (3, None, "too few columns"),
        (5, "stage_id", NOT_WHOLE),
        (6, None, "too few columns"),
        (9, "stage_id", NOT_WHOLE),
    ]


def test_lines_are_counted_in_gzip(land):
    landed = land("stages.csv.gz", gzip.compress((STAGES + "1,a\n\nx,b\n2\n").encode()))
    assert rejected(landed) == [(4, "stage_id", NOT_WHOLE), (5, None, "too few columns")]


def test_lines_are_counted_in_a_file_without_a_last_line_end(land):
    assert [line for line, *_ in rejected(land("stages", STAGES + "1,a\nx,b"))] == [3]


def test_lines_are_counted_in_a_file_that_is_read_in_parallel(land):
    filler = "z" * 60
    good = [
        f'{n},"{filler}\n{filler}"' if n % 1000 == 0 else f"{n},{filler}" for n in range(400_000)
    ]
    good[200_000], good[399_990] = f"x,{filler}", filler
    text = STAGES + "\n".join(good) + "\n"
    assert len(text) > 24_000_000
    landed = land("stages", text)
    assert rejected(landed) == [
        (2 + 200_000 + 200, "stage_id", NOT_WHOLE),
        (2 + 399_990 + 399, None, "too few columns"),
    ]
    assert counts(landed) == {
        "read": 400_000, "loaded": 399_998, "rejected": 2, "duplicates": 0
    }  # fmt: skip


def test_a_very_long_line_is_rejected_and_those_behind_it_are_not(land):
    landed = land("stages", STAGES + "1," + "a" * 3_000_000 + "\nx,b\n2,c\n")
    assert rejected(landed) == [(2, None, "line too long"), (3, "stage_id", NOT_WHOLE)]
    assert rows(landed, "stage_id", "stage_name") == [{"stage_id": 2, "stage_name": "c"}]


@pytest.mark.parametrize("length", [(7 << 20) - 1, 20_000_000])
@pytest.mark.parametrize("end", ["\n", "\r", "\r\n"])
def test_a_line_that_the_reader_would_pass_over_is_refused(land, tmp_path, length, end):
    text = STAGES + "1,a\n2," + "b" * length + "\n3,c\n"
    with pytest.raises(InputError) as caught:
        land("stages", text.replace("\n", end))
    assert str(caught.value) == (
        f"{tmp_path}/export/stages.csv: line 3: longer than 7 MiB; shorten it, or leave it out"
    )


def test_a_line_that_is_just_not_too_long_is_rejected(land):
    landed = land("stages", STAGES + "1,a\n2," + "b" * ((7 << 20) - 2) + "\n3,c\n")
    assert rejected(landed) == [(3, None, "line too long")]
    assert landed.rows_read == 3


@pytest.mark.parametrize("rows_before", [0, 2000], ids=["at the top", "further down"])
def test_a_line_that_is_not_utf_8_is_rejected(land, rows_before):
    before = "".join(f"{n},name {n}\n" for n in range(rows_before))
    landed = land("stages", (STAGES + before).encode() + b"1,gr\xf6\xdfer\nx,c\n")
    assert rejected(landed) == [
        (2 + rows_before, None, "not UTF-8"),
        (3 + rows_before, "stage_id", NOT_WHOLE),
    ]


def test_a_value_of_many_lines_that_is_not_utf_8_is_rejected_where_it_begins(land):
    before = "".join(f"{n},name {n}\n" for n in range(2000))
    landed = land("stages", (STAGES + before).encode() + b'1,"a\n\xff\nb"\nx,c\n')
    assert rejected(landed) == [(2002, None, "not UTF-8"), (2005, "stage_id", NOT_WHOLE)]


def test_an_ignored_value_that_is_not_utf_8_does_not_disturb_the_lines(land):
    before = "".join(f"{n},name {n},\n" for n in range(2000))
    header = STAGES.replace("\n", ",note\n")
    landed = land("stages", (header + before).encode() + b"1,a,\xff\nx,c,\n")
    assert (2003, "stage_id", NOT_WHOLE) in rejected(landed)
    assert landed.rows_read == 2002


def test_rows_of_parquet_are_told_by_their_number(land):
    content = parquet({"stage_id": ["1", "x", None, "2"], "stage_name": ["a", "b", "c", "d"]})
    landed = land("stages.parquet", content)
    assert rejected(landed) == [(2, "stage_id", NOT_WHOLE), (3, "stage_id", "missing")]


@pytest.mark.parametrize(
    ("name", "row", "column"),
    [
        ("stages", "1,a\0b", "stage_name"),
        ("users", "1,\0a,a@b.example,", "name"),
        ("users", "1,a,a@b.example\0,", "email"),
        ("deal_changes", "7,2024-01-02,title,\0", "new_value"),
        (
            "fields",
            r'1,colour,Colour,"[{""id"": 1, ""label"": ""a\u0000b""}]"',
            "field_value_options",
        ),
    ],
    ids=["text", "name", "address", "log value", "JSON"],
)
def test_a_row_with_a_nul_character_is_rejected_because_not_every_engine_keeps_one(
    land, name, row, column
):
    header = ",".join(SOURCES[name].column_names)
    assert rejected(land(name, f"{header}\n{row}\n")) == [(2, column, "a NUL character")]


# Files that cannot be read


def test_a_quote_that_is_not_closed_is_told_with_the_place_and_no_value(land, tmp_path):
    with pytest.raises(InputError) as caught:
        land("stages", STAGES + '1,a\n2,"secret\n3,c\n')
    assert str(caught.value) == (
        f"{tmp_path}/export/stages.csv: line 3: a quote is opened and not closed, or not"
        " within 8 MiB; close or double it"
    )


@pytest.mark.parametrize("kept", [0.5, 0.99])
def test_a_gzip_file_that_ends_too_early_is_refused(land, kept):
    text = STAGES + "".join(f"{n},name {n * 7919 % 10007}\n" for n in range(50_000))
    content = gzip.compress(text.encode())
    with pytest.raises(InputError):
        land("stages.csv.gz", content[: int(len(content) * kept)])


def test_a_gzip_file_with_a_wrong_checksum_is_refused(land):
    content = gzip.compress((STAGES + "1,a\n2,b\n").encode())
    with pytest.raises(InputError):
        land("stages.csv.gz", content[:-8] + bytes(4) + content[-4:])


def test_texts_of_parquet_need_not_say_that_they_are_utf_8(land):
    names = pa.array(["Größe".encode(), b"a"], pa.binary())
    landed = land("stages.parquet", parquet({"stage_id": [1, 2], "stage_name": names}))
    assert landed.raw.to_pyarrow()["stage_name"].to_pylist() == ["Größe", "a"]
    latin_1 = pa.array(["Größe".encode("latin-1")], pa.binary())
    with pytest.raises(InputError):
        land("stages.parquet", parquet({"stage_id": [1], "stage_name": latin_1}))


def test_a_damaged_parquet_file_is_refused(land):
    content = bytearray(parquet({"stage_id": [*range(999)], "stage_name": ["a"] * 999}))
    content[20:400] = b"\xff" * 380
    with pytest.raises(InputError):
        land("stages.parquet", bytes(content))


@pytest.mark.parametrize("folder", ["ex[1]port", "ex*port", "ex?port", "it's; here", "größe"])
def test_the_folder_can_have_any_name(land, folder):
    assert land("stages", STAGES + "1,a\n", folder=folder).rows_read == 1


def test_a_folder_whose_name_is_a_pattern_is_not_taken_for_another(land, export):
    export({"stages.csv": STAGES + "1,wrong\n"}, folder="export1")
    landed = land("stages", STAGES + "2,right\n", folder="export[1]")
    assert rows(landed, "stage_id", "stage_name") == [{"stage_id": 2, "stage_name": "right"}]


# Forms


def test_columns_are_bound_by_name_not_by_position(land):
    landed = land("stages", "x,Stage_Name,STAGE_ID\n5,a,1\n")
    assert rows(landed, "stage_id", "stage_name") == [{"stage_id": 1, "stage_name": "a"}]


@pytest.mark.parametrize("form", ["csv", "csv.gz", "parquet"])
def test_each_form_gives_the_same_rows(land, form):
    text = STAGES + "1,a\n2,b\n1,a\nx,c\n"
    content = {
        "csv": text.encode(),
        "csv.gz": gzip.compress(text.encode()),
        "parquet": parquet({"stage_id": ["1", "2", "1", "x"], "stage_name": ["a", "b", "a", "c"]}),
    }
    landed = land(f"stages.{form}", content[form])
    assert rows(landed, "stage_id", "stage_name") == [
        {"stage_id": 1, "stage_name": "a"},
        {"stage_id": 2, "stage_name": "b"},
    ]
    assert counts(landed) == {"read": 4, "loaded": 2, "rejected": 1, "duplicates": 1}


def test_columns_of_parquet_can_have_any_type(land):
    moment = datetime(2024, 1, 2, 3, 4, 5, 123456)
    content = parquet(
        {
            "activity_id": pa.array([1], pa.int8()),
            "type": pa.array(["call"]).dictionary_encode(),
            "assigned_to_user": pa.array([12.0]),
            "deal_id": pa.array([Decimal("7.00")]),
            "done": pa.array([True]),
            "due_to": pa.array([moment], pa.timestamp("ns")),
            "ignored": pa.array([{"a": [1]}]),
        }
    )
    [row] = land("activity.parquet", content).raw.to_pyarrow().to_pylist()
    assert tuple(row.values()) == (1, "call", 12, 7, True, moment)


@pytest.mark.parametrize(("float_type", "limit"), [(pa.float32(), 2**24), (pa.float64(), 2**53)])
def test_an_id_that_a_float_may_stand_for_a_neighbour_of_is_rejected(land, float_type, limit):
    ids = pa.array([float(limit), float(limit - 1), float(1 - limit), None], float_type)
    columns = {name: pa.nulls(4) for name in COLUMNS}
    content = parquet(columns | {"activity_id": pa.array([1, 2, 3, 4]), "deal_id": ids})
    landed = land("activity.parquet", content)
    assert [row["deal_id"] for row in rows(landed, "activity_id", "deal_id")] == [
        limit - 1,
        1 - limit,
        None,
    ]
    assert rejected(landed) == [(1, "deal_id", NOT_WHOLE)]


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (pa.array([date(2024, 7, 2)]), datetime(2024, 7, 1, 22)),
        (pa.array([datetime(2024, 7, 2, 3)], pa.timestamp("ms")), datetime(2024, 7, 2, 1)),
        (pa.array([datetime(2024, 7, 2, 3)], pa.timestamp("us", "UTC")), datetime(2024, 7, 2, 3)),
        (pa.array(["2024-07-02 03:00:00"]), datetime(2024, 7, 2, 1)),
    ],
    ids=["date", "naive", "instant", "text"],
)
def test_times_of_parquet_are_read_like_those_of_text(land, values, expected):
    columns = {name: pa.array([1]) if name == "activity_id" else pa.nulls(1) for name in COLUMNS}
    content = parquet(columns | {"due_to": values})
    landed = land("activity.parquet", content, "Europe/Berlin")
    assert rows(landed, "due_to") == [{"due_to": expected}]


@pytest.mark.parametrize("tail", ["", "\n", "\n\n\n"])
def test_a_file_with_nothing_but_a_header_has_no_rows(land, tail):
    landed = land("stages", (STAGES.strip() + tail).encode())
    assert counts(landed) == {"read": 0, "loaded": 0, "rejected": 0, "duplicates": 0}
    assert rejected(landed) == []


def test_a_parquet_file_without_rows(land):
    content = parquet(
        {"stage_id": pa.array([], pa.int64()), "stage_name": pa.array([], pa.string())}
    )
    assert counts(land("stages.parquet", content))["read"] == 0


# Duplicates


def test_equal_rows_collapse_and_are_counted(land):
    landed = land("stages", STAGES + "1,a\n2,b\n1,a\n1,a\n")
    assert counts(landed) == {"read": 4, "loaded": 2, "rejected": 0, "duplicates": 2}


def test_rows_that_differ_in_spelling_only_are_equal(land):
    landed = land(
        "activity",
        ACTIVITY
        + "1,call,12,7,True,2024-01-02 03:04:05\n"
        + "1.0,call,12.0,007,yes,2024-01-02T05:04:05+02:00\n",
    )
    assert counts(landed) == {"read": 2, "loaded": 1, "rejected": 0, "duplicates": 1}


def test_rows_with_the_same_nulls_are_equal(land):
    assert land("activity", ACTIVITY + "1,,,,,\n1,,,,,\n").duplicates_collapsed == 1


def test_rows_with_an_id_in_common_are_not_equal(land):
    assert land("activity", ACTIVITY + "1,a,,,,\n1,b,,,,\n").duplicates_collapsed == 0


def test_rows_that_differ_in_ignored_columns_only_are_equal(land):
    landed = land("stages", "stage_id,stage_name,x\n1,a,1\n1,a,2\n")
    assert landed.duplicates_collapsed == 1


def test_a_lookup_knows_the_last_row_of_each_that_collapsed(land):
    landed = land("stages", STAGES + "1,a\n2,b\n1,a\n3,c\n")
    assert rows(landed, "source_row", "stage_id") == [
        {"source_row": 2, "stage_id": 2},
        {"source_row": 3, "stage_id": 1},
        {"source_row": 4, "stage_id": 3},
    ]


def test_rows_of_a_lookup_that_share_their_key_with_another_are_counted(land):
    landed = land("stages", STAGES + "1,a\n2,b\n1,c\n1,a\n")
    assert (landed.rows_loaded, landed.rows_outdone) == (3, 1)


def test_activities_share_an_id_without_any_of_them_being_outdone(land):
    assert land("activity", ACTIVITY + "1,a,,,,\n1,b,,,,\n").rows_outdone == 0


def test_misshapen_lines_do_not_disturb_the_order_of_a_lookup(land):
    landed = land("stages", STAGES + "1,a\n1\n\n1,b\nx,c\n1,d\n")
    assert [row["stage_name"] for row in rows(landed, "source_row", "stage_name")] == list("abd")


# The books


class MessyFile:
    """An activity file in which everything happens, with what is expected of it."""

    def __init__(self, seed: int) -> None:
        self.chance = random.Random(seed)
        self.end = self.chance.choice(["\n", "\r\n"])
        self.text = ",".join(("note", *COLUMNS)) + self.end
        self.line = 2
        self.rejected: list[tuple[int, str | None, str]] = []
        self.ids: list[int] = []
        self.read = self.loaded = 0
        kinds = [self.good, self.copy, self.bad, self.bad, self.misshapen, self.blank]
        for _ in range(self.chance.randrange(200)):
            self.chance.choice(kinds)()

    def note(self) -> str:
        """A cell of an ignored column, of one line or more."""
        end = self.chance.choice(["\n", "\r\n"])
        one_line = ["", "plain", '"a, b"', '"a ""b"""', '5" pipe', 'an "own" goal', '""']
        more_lines = [f'"a{end}b"', f'"{end}{end}"', f'"a,{end}""b"",{end}c"', f'"{end}"",{end}"""']
        return self.chance.choice(one_line + more_lines)

    def write(self, row: str) -> int:
        """Write a row; the line where it begins."""
        began = self.line
        self.text += row + self.end
        self.line += (row + self.end).count("\n")
        return began

    def good(self) -> None:
        """A row like no other."""
        self.ids.append(len(self.ids))
        self.write(f"{self.note()},{self.ids[-1]},call,1,2,True,2024-01-02 03:04:05")
        self.read += 1
        self.loaded += 1

    def copy(self) -> None:
        """A row that was there before, spelled in another way."""
        if self.ids:
            number = self.chance.choice(self.ids)
            self.write(f"{self.note()},{number}.0,call,1.0,2,yes,2024-01-02T03:04:05Z")
            self.read += 1

    def bad(self) -> None:
        """A row with a fault, or two."""
        bad_id, bad_time = self.chance.choice([(True, False), (False, True), (True, True)])
        cells = ["" if bad_id else "1", "call", "1", "2", "True", "soon" if bad_time else ""]
        line = self.write(",".join([self.note(), *cells]))
        self.rejected += [(line, "activity_id", "missing")] * bad_id
        self.rejected += [(line, "due_to", NOT_TIME)] * bad_time
        self.read += 1

    def misshapen(self) -> None:
        """A line with too few or too many columns."""
        many = self.chance.random() < 0.5
        line = self.write(f"{self.note()},1,2" + ",3,4,5,6,7" * many)
        self.rejected.append((line, None, "too many columns" if many else "too few columns"))
        self.read += 1

    def blank(self) -> None:
        """A line with nothing in it."""
        self.write("")


@pytest.mark.parametrize("seed", range(12))
def test_every_row_of_a_messy_file_is_accounted_for(land, seed):
    file = MessyFile(seed)
    landed = land("activity", file.text.encode())
    assert rejected(landed) == sorted(file.rejected, key=str_if_none)
    assert counts(landed) == {
        "read": file.read,
        "loaded": file.loaded,
        "rejected": len({line for line, *_ in file.rejected}),
        "duplicates": file.read - file.loaded - len({line for line, *_ in file.rejected}),
    }
    assert [row["activity_id"] for row in rows(landed, "activity_id")] == file.ids


def str_if_none(fault: tuple[int, str | None, str]) -> tuple[int, str]:
    """Sorts by line and column."""
    return fault[0], fault[1] or ""


# Values of several lines


@pytest.mark.parametrize("name", ["deal_changes", "deal_changes.CSV.GZ"])
def test_lines_of_a_value_in_a_large_file_are_no_rows(land, name):
    """For DuckDB itself, seven million bytes are enough to have it read by several."""
    lines = "\n".join(f"7011,2025-03-0{day} 10:00:00,stage_id,{day}" for day in range(1, 8))
    text = "deal_id,change_time,changed_field_key,new_value\n" + "".join(
        f'{deal},2025-01-01,note,"Pasted from the sheet:\n{lines}"\n' for deal in range(100_000)
    )
    content: str | bytes = text if name == "deal_changes" else gzip.compress(text.encode(), 1)
    landed = land(name, content)
    assert counts(landed) == {"read": 100_000, "loaded": 100_000, "rejected": 0, "duplicates": 0}
    assert landed.raw.filter(landed.raw.deal_id == 7011).count().to_pyarrow().as_py() == 1


def test_a_quote_that_is_not_closed_in_a_large_file_is_told(land, tmp_path):
    lines = "1,a\n" * 2_000_000
    with pytest.raises(InputError) as caught:
        land("stages", STAGES + '1,"two\nlines"\n' + lines + '2,"secret\n' + lines)
    assert str(caught.value) == (
        f"{tmp_path}/export/stages.csv: line 2000004: a quote is opened and not closed, or not"
        " within 8 MiB; close or double it"
    )


@pytest.mark.parametrize(
    "text",
    [
        b'1,Monitor 24"\n2,b\n',
        b'1,"two\nlines"\n2,Monitor 24"\n',
        b'1,"two\nlines" \n2,b\n',
        b'1,"two\n""lines"""\n2,b',
        b'1,"M\xfcller\nB"\n2,b\n',
        b'1,5" p\n2,"two\nlines"',
    ],
)
def test_quotes_that_are_closed_or_text_are_no_fault(land, text):
    landed = land("stages", STAGES.encode() + text)
    assert landed.rows_read == 2
    assert landed.rows_loaded >= 1


@pytest.mark.parametrize("end", ["\n", "\r", "\r\n"])
def test_a_quote_that_is_never_closed_is_told_whatever_ends_a_line(land, end):
    with pytest.raises(InputError, match="line 3: a quote is opened and not closed"):
        land("stages", (STAGES + '1,a\n2,"secret\n3,c\n').replace("\n", end))


@pytest.mark.parametrize(
    ("text", "may"),
    [
        ('a,"b"\nc,d\n', False),
        ('a,"b""c"\n"d",e\n', False),
        ('a,"b\nc"\n', True),
        ('a,"b\rc"\n', True),
        ('a,"b""\nc"\n', True),
        ('a,5" b\nc,d\n', True),
        ('a,5" by 6" b\nc,d\n', False),
        ('a,5" b,"c\nd"', True),
        ('"' + "x" * 2_000_000 + '",b\n' + "c,d\n" * 500_000, False),
        ("c,d\n" * 500_000 + '"' + "x" * 2_000_000 + '\n",b\n', True),
    ],
)
def test_whether_a_value_may_go_over_lines(export, text, may):
    file = find_export(export(stages="stage_id,stage_name\n" + text))["stages"]
    assert may_quote_the_end_of_a_line(file) is may


# Too many rejected rows


@pytest.fixture
def ingest_stages(warehouse, export) -> Callable[[str, float], Landed]:
    """Ingests a stages file with a limit of rejected rows, in percent."""

    def ingest_file(text: str, limit: float) -> Landed:
        file = find_export(export(stages=STAGES + text))["stages"]
        return land_within(limit, warehouse, file, "UTC")

    return ingest_file


def test_rejected_rows_up_to_the_limit_are_allowed(ingest_stages):
    assert ingest_stages("x,a\n" + "1,b\n" * 99, 1.0).rows_rejected == 1


def test_no_rejected_row_is_within_a_limit_of_zero(ingest_stages):
    with pytest.raises(InputError):
        ingest_stages("x,a\n" + "1,b\n" * 999, 0)


def test_an_empty_file_is_within_every_limit(ingest_stages):
    assert ingest_stages("", 0).rows_read == 0


def test_too_many_rejected_rows_are_told_with_the_first_few_and_no_value(ingest_stages, tmp_path):
    with pytest.raises(InputError) as caught:
        ingest_stages("1,a\nJane,b\n2\n" + "Joe,c\n" * 97, 1.5)
    assert str(caught.value).splitlines() == [
        f"{tmp_path}/export/stages.csv: 99 of 100 rows cannot be read, more than 1.5 %;"
        " correct them, or read the others with FUNNEL_MAX_REJECTED_PCT=99",
        f"  line 3: stage_id {NOT_WHOLE}",
        "  line 4: row too few columns",
        f"  line 5: stage_id {NOT_WHOLE}",
    ]


@pytest.mark.parametrize("row", ['1,"Jane', '1,"Jane"Doe', '1,"Jane \\"Doe\\""'])
def test_a_file_that_is_refused_is_not_quoted(land, row):
    with pytest.raises(SalesFunnelError) as caught:
        land("stages", STAGES + row + "\n")
    assert "Jane" not in "".join(format_exception(caught.value))
