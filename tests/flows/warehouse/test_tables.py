"""An export that is read out of a database, as other programs leave it there."""

import hmac
import os
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import duckdb
import psycopg2
import pytest

from flows.errors import InputError
from flows.warehouse.duckdb import DuckDBWarehouse
from flows.warehouse.export import opened_export
from flows.warehouse.fingerprint import fingerprint
from flows.warehouse.rows import read

KEY = b"a key for the tests, not a secret"
TABLES = {
    "activity": "activity_id, type, assigned_to_user, deal_id, done, due_to",
    "activity_types": "id, name, active, type",
    "deal_changes": "deal_id, change_time, changed_field_key, new_value",
    "fields": "id, field_key, name, field_value_options",
    "stages": "stage_id, stage_name",
    "users": "id, name, email, modified",
}
Land = Callable[..., list[dict[str, Any]]]


class Place:
    """A database with empty tables of an export, in the schema raw."""

    def __init__(self, url: str, run: Callable[[str], None]) -> None:
        self.url, self.run = url, run
        run("CREATE SCHEMA raw")
        for name, columns in TABLES.items():
            run(f"CREATE TABLE raw.{name} ({columns.replace(',', ' text,')} text)")


@pytest.fixture(params=["duckdb", "postgres"])
def place(request, tmp_path, new_database) -> Iterator[Place]:
    """One in each engine."""
    if request.param == "duckdb":
        file = tmp_path / "source.duckdb"

        def run(statement: str) -> None:
            with duckdb.connect(str(file)) as connection:
                connection.execute(statement)

        yield Place(f"duckdb://{file}", run)
    else:
        url = new_database("source")
        with closing(psycopg2.connect(url)) as session, session.cursor() as cursor:
            session.autocommit = True
            yield Place(url, cursor.execute)


def source_of(place: Place, schema: str = "raw") -> str:
    """The source, as people write it."""
    return f"{place.url}{'&' if '?' in place.url else '?'}schema={schema}"


@pytest.fixture
def land(place, tmp_path) -> Land:
    """The rows of a raw table: `land("stages")`, and what was rejected: `land("stages", True)`."""

    def rows(name: str, rejected: bool = False) -> list[dict[str, Any]]:
        warehouse = DuckDBWarehouse(tmp_path / "sales.duckdb")
        with opened_export(source_of(place), KEY) as export:
            file = export[name].on_disk(tmp_path)
        with warehouse.held(), warehouse.run(), warehouse.masking(KEY):
            landed = warehouse.land(file, "UTC")
            return landed.rejected() if rejected else read(landed.raw).to_pylist()

    return rows


def refused(place: Place, schema: str = "raw") -> str:
    """What is said of it."""
    with pytest.raises(InputError) as raised, opened_export(source_of(place, schema), KEY):
        pass
    assert "\n" not in str(raised.value)
    return str(raised.value)


# What is read


def test_text_is_read_as_from_a_file(place, land):
    place.run("INSERT INTO raw.stages VALUES ('1', 'Lead'), ('2.0', ' Won '), ('2', NULL)")
    assert [(row["stage_id"], row["stage_name"]) for row in land("stages")] == [
        (1, "Lead"),
        (2, " Won "),
        (2, None),
    ]


def test_typed_columns_are_read_as_text_is(place, land):
    place.run("DROP TABLE raw.activity")
    place.run(
        "CREATE TABLE raw.activity (activity_id bigint, type text, assigned_to_user numeric(9, 2),"
        " deal_id int, done boolean, due_to timestamp)"
    )
    place.run(
        "INSERT INTO raw.activity VALUES (9007199254740993, 'meeting', 7, 8, true,"
        " '2024-02-29 12:30:00.25')"
    )
    [row] = land("activity")
    assert row.pop("due_to").isoformat() == "2024-02-29T12:30:00.250000"
    assert row == {
        "activity_id": 9007199254740993,
        "type": "meeting",
        "assigned_to_user": 7,
        "deal_id": 8,
        "done": True,
    }


def test_an_id_that_a_float_may_stand_for_a_neighbour_of_is_not_read(place, land):
    place.run("ALTER TABLE raw.stages DROP COLUMN stage_id")
    place.run("ALTER TABLE raw.stages ADD COLUMN stage_id double precision")
    place.run(
        "INSERT INTO raw.stages (stage_id, stage_name) VALUES (9007199254740993, 'A'), (7, 'B')"
    )
    assert [(row["stage_id"], row["stage_name"]) for row in land("stages")] == [(7, "B")]


def test_a_timestamp_with_a_time_zone_is_read_as_its_instant(place, land):
    place.run("ALTER TABLE raw.users DROP COLUMN modified")
    place.run("ALTER TABLE raw.users ADD COLUMN modified timestamptz")
    place.run("INSERT INTO raw.users VALUES ('1', 'A', 'a', '2024-06-30 12:00:00+02:00')")
    [row] = land("users")
    assert row["modified"].isoformat() == "2024-06-30T10:00:00"


def test_names_are_found_in_any_case(place, land):
    place.run("DROP TABLE raw.stages")
    place.run('CREATE TABLE raw."STAGES" ("Stage_ID" text, "STAGE_NAME" text)')
    place.run("INSERT INTO raw.\"STAGES\" VALUES ('1', 'Lead')")
    assert [row["stage_name"] for row in land("stages")] == ["Lead"]


def test_other_columns_and_tables_are_not_read(place, land):
    place.run("ALTER TABLE raw.stages ADD COLUMN note text")
    place.run("CREATE TABLE raw.notes (note text)")
    place.run("INSERT INTO raw.stages VALUES ('1', 'Lead', 'Ruritanian')")
    [row] = land("stages")
    assert set(row) == {"stage_id", "stage_name", "source_row"}


def test_a_view_is_a_table_too(place, land):
    place.run("DROP TABLE raw.stages")
    place.run("CREATE VIEW raw.stages AS SELECT 1 AS stage_id, 'Lead' AS stage_name")
    assert [row["stage_name"] for row in land("stages")] == ["Lead"]


def test_a_materialized_view_is_a_table_too(place, land):
    if place.url.startswith("duckdb"):
        pytest.skip("DuckDB has none")
    place.run("DROP TABLE raw.stages")
    place.run("CREATE MATERIALIZED VIEW raw.stages AS SELECT 1 AS stage_id, 'Lead' AS stage_name")
    assert [row["stage_name"] for row in land("stages")] == ["Lead"]


def test_a_table_that_may_not_be_read_is_not_taken_for_one_that_is_not_there(place):
    if place.url.startswith("duckdb"):
        pytest.skip("DuckDB has no privileges")
    reader, parts = f"funnel_reader_{os.getpid()}", urlsplit(place.url)
    netloc = f"{reader}@{parts.netloc.rpartition('@')[2]}"
    source = str(urlunsplit(parts._replace(netloc=netloc)))
    source += f"{'&' if parts.query else '?'}schema=raw"
    place.run("CREATE TABLE raw.deals (deal_id text, status text)")
    place.run(f"CREATE ROLE {reader} LOGIN")
    try:
        place.run(f"GRANT USAGE ON SCHEMA raw TO {reader}")
        place.run(f"GRANT SELECT ON ALL TABLES IN SCHEMA raw TO {reader}")
        place.run(f"REVOKE SELECT ON raw.deals FROM {reader}")
        said = "the table deals may not be read; GRANT SELECT on it"
        with pytest.raises(InputError, match=said), opened_export(source, KEY):
            pass
        place.run(f"GRANT SELECT (deal_id, status) ON raw.deals TO {reader}")
        with opened_export(source, KEY) as export:
            assert "deals" in export
    finally:
        place.run(f"DROP OWNED BY {reader}; DROP ROLE {reader}")


def test_a_file_can_be_called_as_a_schema_in_it_is(tmp_path):
    made, file = tmp_path / "made.duckdb", tmp_path / "raw.duckdb"
    with duckdb.connect(str(made)) as connection:
        Place(f"duckdb://{made}", connection.execute)
    made.rename(file)
    with opened_export(f"duckdb://{file}?schema=raw", KEY) as export:
        assert {*export} == {*TABLES}


def test_a_view_can_name_the_file_that_it_is_in(tmp_path):
    file = tmp_path / "source.duckdb"
    with duckdb.connect(str(file)) as connection:
        Place(f"duckdb://{file}", connection.execute)
        connection.execute("ALTER TABLE raw.stages RENAME TO kept")
        connection.execute("CREATE VIEW raw.stages AS SELECT * FROM source.raw.kept")
    with opened_export(f"duckdb://{file}?schema=raw", KEY) as export:
        assert "stages" in export


def test_a_table_more_is_read(place, land):
    place.run("CREATE TABLE raw.deals (deal_id text, status text)")
    place.run("INSERT INTO raw.deals VALUES ('7', 'open')")
    [row] = land("deals")
    assert (row["deal_id"], row["status"], row["value"]) == (7, "open", None)


@pytest.mark.parametrize("text", ["a\nb", "a\r\nb", "a\rb", "a\x1fb"])
def test_a_text_is_read_and_has_a_fingerprint_whatever_is_in_it(place, land, tmp_path, text):
    place.run(f"INSERT INTO raw.stages VALUES ('1', '{text}')")
    assert land("stages") == [{"stage_id": 1, "stage_name": text, "source_row": 1}]
    with opened_export(source_of(place), KEY) as export:
        assert fingerprint([export["stages"].on_disk(tmp_path)])


def test_equal_rows_are_collapsed(place, land):
    place.run("INSERT INTO raw.activity (activity_id) VALUES ('1'), ('1'), ('2')")
    assert sorted(row["activity_id"] for row in land("activity")) == [1, 2]


def test_of_a_rejected_row_the_column_is_told_and_no_line(place, land):
    place.run("INSERT INTO raw.activity (activity_id, due_to) VALUES ('1', 'soon'), (NULL, NULL)")
    assert land("activity", rejected=True) == [
        {"line": None, "source_row": n, "column_name": column, "reason": reason}
        for n, column, reason in (
            (1, "due_to", "not an ISO timestamp between 1970 and 2199, as in 2024-12-31 22:00:00"),
            (2, "activity_id", "missing"),
        )
    ]


# What is masked


def test_persons_are_masked_by_the_database(place, tmp_path):
    place.run("INSERT INTO raw.users VALUES ('1', ' Zebulonius  van Q', ' ZQ@x.org ', NULL)")
    place.run("INSERT INTO raw.users VALUES ('2', '', NULL, NULL)")
    with opened_export(source_of(place), KEY) as export:
        file = export["users"].on_disk(tmp_path)
    name = hmac.new(KEY, b"Zebulonius  van Q", "sha256").hexdigest()
    email = hmac.new(KEY, b"zq@x.org", "sha256").hexdigest()
    assert file.path.read_text().splitlines() == [
        "id,name_masked,name_pseudonym,email_hash,modified",
        f"1,Z*** v*** Q***,{name},{email},",
        "2,,,,",
    ]


def test_log_values_are_masked_by_the_database(place, tmp_path):
    place.run(
        "INSERT INTO raw.deal_changes (changed_field_key, new_value) VALUES"
        " (' Stage-ID', '7'), ('stage_id', 'Ruritanian'), ('title', '7'), (NULL, 'x'), ('a', ' ')"
    )
    with opened_export(source_of(place), KEY) as export:
        file = export["deal_changes"].on_disk(tmp_path)
    found = [line.rpartition(",")[2] for line in file.path.read_text().splitlines()[1:]]
    made = [hmac.new(KEY, text, "sha256").hexdigest()[:16] for text in (b"Ruritanian", b"7", b"x")]
    assert found == ["7", *(f"~{text}" for text in made), ""]


@pytest.mark.parametrize("key", [b"k" * 64, b"k" * 65, bytes(range(256))])
def test_a_key_of_any_length_gives_the_hmac(place, tmp_path, key):
    place.run("INSERT INTO raw.users VALUES ('1', 'Łukasz', NULL, NULL)")
    with opened_export(source_of(place), key) as export:
        file = export["users"].on_disk(tmp_path)
    assert hmac.new(key, "Łukasz".encode(), "sha256").hexdigest() in file.path.read_text()


def test_the_options_of_the_owner_are_people_and_do_not_leave_the_database(place, tmp_path):
    options = '[{"id": 1, "label": "Zebulonius"}]'
    place.run(
        f"INSERT INTO raw.fields VALUES ('1', 'User ID', 'Owner', '{options}'),"
        f" ('2', 'lost_reason', 'Reason', '{options}')"
    )
    with opened_export(source_of(place), KEY) as export:
        owner, reason = export["fields"].on_disk(tmp_path).path.read_text().splitlines()[1:]
    assert "Zebulonius" in reason
    assert owner == "1,User ID,Owner,"


def test_a_change_to_somebody_forgotten_does_not_leave_the_database(place, tmp_path):
    place.run(
        "INSERT INTO raw.deal_changes (changed_field_key, new_value) VALUES"
        " ('user_id', '5'), ('user_id', '7'), ('creator_id', '5'), ('stage_id', '5')"
    )
    with opened_export(source_of(place), KEY, forgotten=[5]) as export:
        file = export["deal_changes"].on_disk(tmp_path)
    found = [line.rpartition(",")[2] for line in file.path.read_text().splitlines()[1:]]
    assert found == ["", "7", "", "5"]


def test_of_somebody_forgotten_a_database_has_a_row_without_values(place, tmp_path):
    place.run(
        "INSERT INTO raw.users VALUES ('5', 'Ada', 'a@b.c', NULL), ('7', 'Bo', 'b@b.c', NULL)"
    )
    warehouse = DuckDBWarehouse(tmp_path / "sales.duckdb")
    with opened_export(source_of(place), KEY, forgotten=[5]) as export:
        file = export["users"].on_disk(tmp_path)
    with warehouse.held(), warehouse.run(), warehouse.masking(KEY):
        landed = warehouse.land(file, "UTC", forgotten=[5])
        found = sorted(read(landed.raw).to_pylist(), key=lambda row: row["source_row"])
    assert set(found[0].values()) == {None, 1}
    assert found[1]["id"] == 7
    assert (landed.rows_read, landed.rows_loaded) == (2, 2)


# What is refused


def test_a_missing_schema_is_named(place):
    assert "schema nowhere is not there; name it with ?schema=…" in refused(place, "nowhere")


def test_a_missing_table_is_named(place):
    place.run("DROP TABLE raw.users")
    assert refused(place).endswith("schema raw: the table users is missing")


def test_missing_columns_are_named(place):
    place.run("ALTER TABLE raw.users DROP COLUMN email")
    assert refused(place).endswith("schema raw: table users: the column email is missing")


def test_a_column_that_is_there_twice_is_named(place):
    place.run('ALTER TABLE raw.users ADD COLUMN " email" text')
    assert "the column email is there twice (email,  email); keep one of them" in refused(place)


def test_a_file_that_is_not_there_is_named(tmp_path):
    with (
        pytest.raises(InputError, match="there is no such DuckDB file"),
        opened_export(f"duckdb://{tmp_path}/none.duckdb", KEY),
    ):
        pass


def test_a_file_that_is_no_database_is_named(tmp_path):
    Path(tmp_path / "text.duckdb").write_text("no database\n" * 9999)
    with (
        pytest.raises(InputError, match="not a DuckDB file"),
        opened_export(f"duckdb://{tmp_path}/text.duckdb", KEY),
    ):
        pass
