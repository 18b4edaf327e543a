"""The generator: deterministic, believable, and messy at the rates it documents."""

from collections.abc import Iterator
from pathlib import Path

import duckdb
import pytest

import data
from data.generate import EXPORT_DAY, FORMATS, MESS, TABLES, generate, main

SAMPLE = Path(data.__file__).parent / "sample"

# How often each mess is seen, as a share of the rows it can happen to.
SEEN = {
    ("activity", "type_spelling"): """
        SELECT avg((NOT regexp_full_match(type, '[a-z0-9_]+'))::INT) FROM activity""",
    ("activity", "unlisted_type"): """
        SELECT avg((replace(trim(lower(type)), '-', '_') NOT IN (
          SELECT lower(type) FROM activity_types))::INT) FROM activity""",
    ("activity", "missing_deal"): "SELECT avg((deal_id IS NULL)::INT) FROM activity",
    ("activity", "unknown_deal"): """
        SELECT count(*) FILTER (deal_id::DOUBLE NOT IN (
          SELECT deal_id::DOUBLE FROM deal_changes)) / count(*) FROM activity""",
    ("activity", "missing_user"): "SELECT avg((assigned_to_user IS NULL)::INT) FROM activity",
    ("activity", "unknown_user"): """
        SELECT count(*) FILTER (assigned_to_user::DOUBLE NOT IN (
          SELECT id::DOUBLE FROM users)) / count(*) FROM activity""",
    ("activity", "float_id"): """
        SELECT avg((assigned_to_user LIKE '%.0' AND deal_id LIKE '%.0')::INT) FROM activity""",
    ("activity", "done_spelling"): """
        SELECT avg((done NOT IN ('True', 'False'))::INT) FROM activity""",
    ("activity", "offset_time"): "SELECT avg((due_to[20:] IN ('Z', '+02:00'))::INT) FROM activity",
    ("activity", "bad_time"): """
        SELECT avg((try_cast(due_to AS TIMESTAMPTZ) IS NULL)::INT) FROM activity""",
    ("activity", "shared_id"): """
        SELECT avg((ids > 1)::INT) FROM (
          SELECT count(*) OVER (PARTITION BY activity_id) AS ids FROM (
            SELECT DISTINCT * FROM activity))""",
    ("activity", "duplicate"): """
        SELECT avg((n > 1)::INT) FROM (SELECT *, count(*) AS n FROM activity GROUP BY ALL)""",
    ("deal_changes", "key_spelling"): """
        SELECT avg((NOT regexp_full_match(changed_field_key, '[a-z_]+'))::INT)
        FROM deal_changes""",
    ("deal_changes", "unknown_stage"): """
        SELECT avg((new_value NOT IN (SELECT stage_id FROM stages))::INT)
        FROM deal_changes WHERE changed_field_key = 'stage_id'""",
    ("deal_changes", "unknown_owner"): """
        SELECT avg((new_value NOT IN (SELECT id FROM users))::INT)
        FROM deal_changes WHERE changed_field_key = 'user_id'""",
    ("deal_changes", "free_text_reason"): """
        SELECT avg((try_cast(new_value AS INT) IS NULL)::INT)
        FROM deal_changes WHERE changed_field_key = 'lost_reason' AND new_value IS NOT NULL""",
    ("deal_changes", "offset_time"): """
        SELECT avg((change_time[20:] IN ('Z', '+02:00'))::INT) FROM deal_changes""",
    ("deal_changes", "bad_time"): """
        SELECT avg((try_cast(change_time AS TIMESTAMPTZ) IS NULL)::INT) FROM deal_changes""",
    ("deal_changes", "duplicate"): """
        SELECT avg((n > 1)::INT) FROM (SELECT *, count(*) AS n FROM deal_changes GROUP BY ALL)""",
    ("deals", "status_spelling"): """
        SELECT avg((NOT regexp_full_match(status, '[a-z]+'))::INT) FROM deals""",
    ("deals", "unknown_status"): """
        SELECT avg((trim(lower(status)) NOT IN ('won', 'lost', 'open'))::INT) FROM deals""",
    ("deals", "stale_status"): """
        SELECT avg((deals.status = 'open')::INT)
        FROM deals JOIN log USING (deal_id) WHERE log.status <> 'open'""",
    ("deals", "missing_value"): "SELECT avg((value IS NULL)::INT) FROM deals",
    ("deals", "float_id"): "SELECT avg((user_id LIKE '%.0')::INT) FROM deals",
    ("deals", "offset_time"): "SELECT avg((add_time[20:] IN ('Z', '+02:00'))::INT) FROM deals",
    ("deals", "bad_time"): """
        SELECT avg((try_cast(add_time AS TIMESTAMPTZ) IS NULL)::INT) FROM deals""",
    ("deals", "not_exported"): """
        SELECT avg((deal_id NOT IN (SELECT deal_id FROM deals))::INT)
        FROM (SELECT DISTINCT deal_id FROM deal_changes)""",
    ("deals", "duplicate"): """
        SELECT avg((n > 1)::INT) FROM (SELECT *, count(*) AS n FROM deals GROUP BY ALL)""",
    ("users", "same_name"): """
        SELECT avg((after.id IS NOT NULL)::INT) FROM users LEFT JOIN users AS after
        ON after.name = users.name AND after.id::INT = users.id::INT + 1""",
    ("users", "shared_email"): "SELECT avg((email = upper(email))::INT) FROM users",
    ("users", "last_name_first"): "SELECT avg(contains(name, ', ')::INT) FROM users",
    ("users", "old_version"): "SELECT avg(starts_with(email, 'old.')::INT) FROM users",
    ("users", "duplicate"): """
        SELECT avg((n > 1)::INT) FROM (SELECT *, count(*) AS n FROM users GROUP BY ALL)""",
}


# What became of each deal, from the log alone.
LOG = """
    CREATE TABLE log AS
    WITH changes AS (
      SELECT deal_id, try_cast(change_time AS TIMESTAMPTZ) AS happened, new_value AS value,
        replace(trim(lower(changed_field_key)), '-', '_') AS field
      FROM deal_changes
    ),
    ends AS (
      SELECT deal_id, max(happened) FILTER (field = 'stage_id') AS entered,
        max(happened) FILTER (field = 'lost_reason' AND value IS NOT NULL) AS lost,
        bool_or(field = 'stage_id' AND value IN ('7', '8', '9')) AS won
      FROM changes GROUP BY deal_id
    )
    SELECT deal_id, CASE WHEN lost > entered THEN 'lost' WHEN won THEN 'won' ELSE 'open' END
      AS status FROM ends
"""


def read(folder: Path) -> duckdb.DuckDBPyConnection:
    """Return a connection with one view of text columns per file of an export."""
    con = duckdb.connect()
    con.execute("SET TimeZone = 'UTC'")
    for table in TABLES:
        con.read_csv(folder / f"{table}.csv", all_varchar=True, header=True).create_view(table)
    return con


def contents(folder: Path) -> dict[str, bytes]:
    """Return the bytes of each file of a folder."""
    return {file.name: file.read_bytes() for file in folder.iterdir()}


@pytest.fixture(scope="module")
def export(tmp_path_factory: pytest.TempPathFactory) -> Iterator[duckdb.DuckDBPyConnection]:
    """Give an export of 20,000 deals, and what its log says of each."""
    folder = tmp_path_factory.mktemp("export")
    generate(20_000, 1, folder)
    with read(folder) as con:
        con.execute(LOG)
        yield con


def test_same_seed_and_size_give_the_same_bytes(tmp_path: Path) -> None:
    for name, seed in (("first", 7), ("again", 7), ("other", 8)):
        generate(300, seed, tmp_path / name)
    assert contents(tmp_path / "first") == contents(tmp_path / "again")
    assert contents(tmp_path / "first") != contents(tmp_path / "other")


def test_committed_sample_is_what_the_defaults_make_and_small(tmp_path: Path) -> None:
    main(["--out", str(tmp_path)])
    assert contents(SAMPLE) == contents(tmp_path)
    assert sum(map(len, contents(SAMPLE).values())) < 3_000_000


def test_every_format_holds_the_same_rows(tmp_path: Path) -> None:
    for file_format in FORMATS:
        generate(50, 7, tmp_path, file_format)
    plain = duckdb.read_csv(tmp_path / "activity.csv", all_varchar=True).fetchall()
    zipped = duckdb.read_csv(tmp_path / "activity.csv.gz", all_varchar=True).fetchall()
    parquet = duckdb.read_parquet(str(tmp_path / "activity.parquet")).fetchall()
    assert plain == zipped == [(str(activity_id), *rest) for activity_id, *rest in parquet]


@pytest.mark.parametrize(("table", "mess"), [(t, mess) for t in MESS for mess in MESS[t]])
def test_mess_occurs_at_its_rate_and_is_documented(
    export: duckdb.DuckDBPyConnection, table: str, mess: str
) -> None:
    (share,) = export.execute(SEEN[table, mess]).fetchone() or (None,)
    assert share == pytest.approx(MESS[table][mess] / 10_000, rel=0.5)
    readme = Path(data.__file__).with_name("README.md").read_text("utf-8")
    (row,) = (line for line in readme.splitlines() if line.startswith(f"| {mess} |"))
    assert f"| {MESS[table][mess]} |" in row


def test_nothing_happens_from_the_export_day_on(export: duckdb.DuckDBPyConnection) -> None:
    late = export.execute(
        """
        WITH events AS (
          SELECT change_time AS happened FROM deal_changes
          UNION ALL SELECT due_to FROM activity WHERE lower(done) IN ('true', '1', 'yes')
          UNION ALL SELECT unnest([add_time, won_time, lost_time]) FROM deals
          UNION ALL SELECT modified FROM users
        )
        SELECT count(*) FROM events WHERE try_cast(happened AS TIMESTAMPTZ) >= $1
        """,
        [EXPORT_DAY],
    ).fetchone()
    assert late == (0,)


def test_deals_agree_with_the_log_and_most_are_closed(export: duckdb.DuckDBPyConnection) -> None:
    agreeing, won, lost = export.execute(
        """
        SELECT avg((trim(lower(deals.status)) = log.status)::INT),
          avg((log.status = 'won')::INT), avg((log.status = 'lost')::INT)
        FROM deals JOIN log USING (deal_id)
        """
    ).fetchone() or (None, None, None)
    assert agreeing > 0.98
    assert won == pytest.approx(0.22, abs=0.03)
    assert lost == pytest.approx(0.60, abs=0.03)


@pytest.mark.parametrize("deals", ["0", "-1", "many", "1e3", "10000001"])
def test_bad_number_of_deals_is_a_usage_error(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], deals: str
) -> None:
    with pytest.raises(SystemExit) as stopped:
        main([f"--deals={deals}", "--out", str(tmp_path)])
    assert stopped.value.code == 2
    assert f"'{deals}' is not a whole number from 1 to" in capsys.readouterr().err
    assert not contents(tmp_path)


def test_another_format_beside_an_export_is_refused(tmp_path: Path) -> None:
    (tmp_path / "deals.parquet").touch()
    with pytest.raises(SystemExit, match="2"):
        main(["--out", str(tmp_path)])
    assert list(contents(tmp_path)) == ["deals.parquet"]
