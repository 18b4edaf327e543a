"""The PostgreSQL warehouse: who works on it, what readers see, and what is said when it fails."""

import os
import re
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import psycopg2
import pytest
from ibis import Table
from psycopg2 import errors
from psycopg2.extensions import connection as Session

from flows.errors import InputError, RunFailedError, SalesFunnelError, WarehouseBusyError
from flows.warehouse import reader
from flows.warehouse.postgres import PostgresWarehouse
from flows.warehouse.postgres.server import connect, connect_ibis
from flows.warehouse.rows import read

ROLES = Path(__file__).parents[3] / "flows/warehouse/postgres/roles.sql"


@pytest.fixture
def url(new_database) -> str:
    """An empty database."""
    return new_database("warehouse")


@pytest.fixture
def query(url) -> Callable[..., list[Any]]:
    """What a session of its own finds: the first column."""

    def ask(statement: str, place: str = url) -> list[Any]:
        with closing(psycopg2.connect(place)) as session, session.cursor() as cursor:
            session.autocommit = True
            cursor.execute(statement)
            return [row[0] for row in cursor.fetchall()] if cursor.description else []

    return ask


def rows_of(warehouse: PostgresWarehouse, **values: int) -> Table:
    """One row of whole numbers."""
    return warehouse.table_of([values], dict.fromkeys(values, "int64"))


def publish(url: str, *, afresh: bool = False, **values: int) -> None:
    """A run with a table in each layer and a row of quality."""
    warehouse = PostgresWarehouse(url)
    with warehouse.held(), warehouse.run():
        for schema, name in (("staging", "stg_a"), ("marts", "rep_a"), ("marts", "rep_b")):
            warehouse.build(schema, name, rows_of(warehouse, **values), key=[*values][:1])
        warehouse.append("runs", rows_of(warehouse, **values))
        warehouse.publish(afresh=afresh)


def fails(url: str) -> SalesFunnelError:
    """The error of a run on it."""
    with pytest.raises(SalesFunnelError) as raised:
        publish(url, n=1)
    return raised.value


def fails_in(session: Session, statement: str) -> None:
    """A statement whose session ends."""
    with session.cursor() as cursor, pytest.raises(psycopg2.OperationalError):
        cursor.execute(statement)


# Rows on their way

TEXTS = ["", " ", "a,b", 'say "x"', "two\nlines", "\r\n", "\\.", "\\N", "Łukasz 🙂", "NULL", None]


def test_texts_arrive_as_they_are(url):
    warehouse = PostgresWarehouse(url)
    rows = [{"n": n, "text": text} for n, text in enumerate(TEXTS)]
    with warehouse.held(), warehouse.run():
        made = warehouse.table_of(rows, {"n": "int64", "text": "string"})
        assert read(made.order_by("n").select("text")).column(0).to_pylist() == TEXTS


def test_values_arrive_as_they_are(url):
    row = {
        "count": 9007199254740993,
        "share": 0.1 + 0.2,
        "at": "2024-02-29T23:59:59.999999",
        "done": False,
        "none": None,
    }
    types = ("int64", "float64", "timestamp(6)", "boolean", "int64")
    warehouse = PostgresWarehouse(url)
    with warehouse.held(), warehouse.run():
        made = warehouse.table_of([row], dict(zip(row, types, strict=True)))
        [found] = read(made).to_pylist()
    assert found.pop("at").isoformat() == row.pop("at")
    assert found == row


def test_rows_that_do_not_arrive_leave_none_behind(url, query):
    warehouse = PostgresWarehouse(url)
    with warehouse.held(), warehouse.run():
        wrong = warehouse._reader.sql(
            "SELECT CASE WHEN i < 99999 THEN '7' ELSE chr(0) END AS n FROM range(100000) t(i)"
        )
        with pytest.raises(RunFailedError, match="PostgreSQL failed"):
            warehouse._hand_over("numbers", wrong)
        [left] = query("SELECT oid::regclass::text FROM pg_class WHERE relname ~ '_1_numbers$'")
        assert query(f"SELECT count(*) FROM {left}") == [0]


def test_a_reader_that_fails_leaves_none_behind(url, query):
    warehouse = PostgresWarehouse(url)
    with warehouse.held(), warehouse.run():
        wrong = warehouse._reader.sql(
            "SELECT CASE WHEN i < 99999 THEN 7 ELSE error('x') END AS n FROM range(100000) t(i)"
        )
        with pytest.raises(Exception, match="x"):
            warehouse._hand_over("numbers", wrong)
        [left] = query("SELECT oid::regclass::text FROM pg_class WHERE relname ~ '_1_numbers$'")
        assert query(f"SELECT count(*) FROM {left}") == [0]


# What is there afterwards


def test_a_run_leaves_its_tables_and_nothing_else(url, query):
    publish(url, n=1)
    found = query(
        "SELECT schemaname || '.' || tablename FROM pg_tables"
        " WHERE schemaname IN ('staging', 'intermediate', 'marts', 'snapshots', 'quality')"
        " ORDER BY 1"
    )
    assert found == ["marts.rep_a", "marts.rep_b", "quality.runs", "staging.stg_a"]


def test_a_run_replaces_rows_and_quality_keeps_them(url, query):
    publish(url, n=1)
    publish(url, n=2)
    assert query("SELECT n FROM marts.rep_a") == query("SELECT n FROM staging.stg_a") == [2]
    assert query("SELECT n FROM quality.runs ORDER BY n") == [1, 2]


def test_a_run_that_does_not_publish_changes_nothing(url, query):
    publish(url, n=1)
    warehouse = PostgresWarehouse(url)
    with warehouse.held(), warehouse.run():
        warehouse.build("marts", "rep_a", rows_of(warehouse, n=2))
    assert query("SELECT n FROM marts.rep_a") == [1]
    assert query("SELECT tablename FROM pg_tables WHERE tablename LIKE '\\_building%'") == []


def test_quality_alone_can_be_published(url, query):
    publish(url, n=1)
    warehouse = PostgresWarehouse(url)
    with warehouse.held(), warehouse.run():
        warehouse.build("marts", "rep_a", rows_of(warehouse, n=2))
        warehouse.append("runs", rows_of(warehouse, n=2))
        warehouse.publish_quality()
    assert query("SELECT n FROM marts.rep_a") == [1]
    assert query("SELECT n FROM quality.runs ORDER BY n") == [1, 2]


def test_what_a_killed_run_left_is_swept_by_the_next(url, query):
    publish(url, n=1)
    query("CREATE TABLE staging._building_rep_a (n int); CREATE TABLE staging.mine (n int)")
    publish(url, n=2)
    assert query("SELECT tablename FROM pg_tables WHERE schemaname = 'staging' ORDER BY 1") == [
        "mine",
        "stg_a",
    ]


def test_a_dump_of_all_tables_stops_no_refresh(url, query):
    waiting = (
        "SELECT oid::regclass::text FROM pg_class WHERE relname ~ '^_building_[a-z0-9_]*[a-z]$'"
    )
    publish(url, n=1, m=1)
    warehouse = PostgresWarehouse(url)
    with closing(psycopg2.connect(url)) as dump, dump.cursor() as cursor:
        with warehouse.held(), warehouse.run():
            for name in ("stg_a", "stg_b"):
                rows = rows_of(warehouse, n=2, m=2)
                warehouse.build("staging", name, rows, key=["n"], replaced_by=["m"])
            left = query(waiting)
            for table in (*left, "staging.stg_a"):
                cursor.execute(f"LOCK TABLE {table} IN ACCESS SHARE MODE")
            warehouse.publish()
        assert query("SELECT n FROM staging.stg_b") == [2]
        assert query("SELECT indexdef FROM pg_indexes WHERE tablename = 'stg_b'") == [
            "CREATE UNIQUE INDEX stg_b_pkey ON staging.stg_b USING btree (n)",
            "CREATE INDEX stg_b_m_idx ON staging.stg_b USING btree (m)",
        ]
        publish(url, n=3, m=3)
        assert query("SELECT n FROM staging.stg_a") == [3]
        assert query(waiting) == left
    publish(url, n=4, m=4)
    assert query("SELECT n FROM staging.stg_a") == [4]
    assert query(waiting) == []


def test_the_server_gives_up_the_statements_of_a_run_that_is_gone(url, query, eventually):
    working = "SELECT pid FROM pg_stat_activity WHERE state = 'active' AND query ~ '^SELECT pg_sl'"
    with connect_ibis(url) as backend, closing(connect(url)) as session:
        backend.con.pgconn.send_query(b"SELECT pg_sleep(600)")
        waits = threading.Thread(target=fails_in, args=(session, "SELECT pg_sleep(600)"))
        waits.start()
        eventually(lambda: len(query(working)) == 2)
        for client in (backend.con, session):
            with socket.socket(fileno=os.dup(client.fileno())) as connection:
                connection.shutdown(socket.SHUT_RDWR)
        eventually(lambda: not query(working))
        backend.con.close()
        waits.join()


def test_only_rows_that_changed_are_written(url, query):
    def publish_rows(*rows: tuple[int, int | None]) -> None:
        warehouse = PostgresWarehouse(url)
        with warehouse.held(), warehouse.run():
            made = [{"n": n, "of": of} for n, of in rows]
            table = warehouse.table_of(made, {"n": "int64", "of": "int64"})
            warehouse.build("marts", "rep_a", table, key=["n"])
            warehouse.publish()

    publish_rows((1, 7), (2, None), (3, 7), (4, None), (5, 7))
    before = dict(enumerate(query("SELECT xmin::text FROM marts.rep_a ORDER BY n"), 1))
    publish_rows((1, 7), (2, None), (3, 8), (4, 7), (6, 7))
    found = query("SELECT n || ' ' || coalesce(of::text, 'null') FROM marts.rep_a ORDER BY n")
    assert found == ["1 7", "2 null", "3 8", "4 7", "6 7"]
    unchanged = query(f"SELECT n::int FROM marts.rep_a WHERE xmin = '{before[1]}'::xid ORDER BY n")
    assert unchanged == [1, 2]


# Questions beside the run


def test_a_question_is_answered_by_a_session_of_its_own(url):
    warehouse = PostgresWarehouse(url)
    with warehouse.held(), warehouse.run():
        made = warehouse.build("marts", "rep_a", rows_of(warehouse, n=1))
        answer = warehouse.ask(made.agg(total=made.count(), most=made.n.max()))
        assert answer() == {"total": 1, "most": 1}


def test_a_question_that_fails_is_told_where_its_answer_is_wanted(url):
    warehouse = PostgresWarehouse(url)
    with warehouse.held(), warehouse.run():
        made = warehouse.build("marts", "rep_a", rows_of(warehouse, n=0))
        answer = warehouse.ask(made.agg(part=(1 / made.n).max()))
        with pytest.raises(RunFailedError, match="PostgreSQL failed"):
            answer()


def test_a_run_that_ends_does_not_wait_for_answers(url, query):
    warehouse = PostgresWarehouse(url)
    with warehouse.held(), warehouse.run():
        for _ in range(2):
            warehouse.ask(warehouse.backend.sql("SELECT pg_sleep(3600)::text AS slept"))
    assert query("SELECT 1 FROM pg_stat_activity WHERE wait_event = 'PgSleep'") == []


# What readers use


def test_keys_are_primary_keys_in_every_layer(url, query):
    publish(url, n=1)
    publish(url, n=2)
    keys = (
        "SELECT conname::text FROM pg_constraint"
        " WHERE contype = 'p' AND connamespace::regnamespace::text IN ('staging', 'marts')"
        " ORDER BY 1"
    )
    assert query(keys) == ["rep_a_pkey", "rep_b_pkey", "stg_a_pkey"]


def test_what_readers_filter_by_is_indexed(url, query):
    warehouse = PostgresWarehouse(url)
    with warehouse.held(), warehouse.run():
        warehouse.build("marts", "rep_a", rows_of(warehouse, deal_id=1, user_id=2), ["deal_id"])
        warehouse.publish()
    found = query("SELECT indexdef FROM pg_indexes WHERE schemaname = 'marts' ORDER BY 1")
    assert [re.search(r"\(.*\)", index)[0] for index in found] == ["(user_id)", "(deal_id)"]


def test_tables_and_columns_say_what_they_are(url, query):
    for text in ("One row.", 'It\'s "one" row; 100 %'):
        warehouse = PostgresWarehouse(url)
        with warehouse.held(), warehouse.run():
            for schema in ("staging", "marts"):
                warehouse.build(schema, f"{schema}_a", rows_of(warehouse, n=1))
                warehouse.comment(schema, f"{schema}_a", text, {"n": f"a number. {text}"})
            warehouse.publish()
        for table in ("staging.staging_a", "marts.marts_a"):
            said = f"obj_description('{table}'::regclass), col_description('{table}'::regclass, 1)"
            assert query(f"SELECT concat_ws('|', {said})") == [f"{text}|a number. {text}"]


def test_statistics_are_fresh(url, query):
    publish(url, n=1)
    known = (
        "SELECT relname::text FROM pg_class WHERE reltuples = 1 AND relkind = 'r'"
        " AND relnamespace::regnamespace::text IN ('staging', 'marts', 'quality') ORDER BY 1"
    )
    assert query(known) == ["rep_a", "rep_b", "runs", "stg_a"]


def test_columns_can_come_and_go_and_change_their_type(url, query):
    publish(url, n=1, old=2)
    publish(url, n=3, new=4)
    assert query("SELECT n + new FROM marts.rep_a") == [7]
    assert query("SELECT concat_ws('|', n, old, new) FROM quality.runs ORDER BY n") == [
        "1|2",
        "3|4",
    ]
    warehouse = PostgresWarehouse(url)
    with warehouse.held(), warehouse.run():
        text = warehouse.table_of([{"n": 1, "new": "x"}], {"n": "int64", "new": "string"})
        warehouse.build("marts", "rep_a", text, ["n"])
        warehouse.publish()
    assert query("SELECT new FROM marts.rep_a") == ["x"]


def test_a_table_can_have_another_key(url, query):
    publish(url, n=1, m=1)
    warehouse = PostgresWarehouse(url)
    for key in (["n", "m"], [], ["m"]):
        with warehouse.held(), warehouse.run():
            rows = warehouse.table_of(
                [{"n": 1 if "n" in key else None, "m": m} for m in (1, 2)],
                dict.fromkeys("nm", "int64"),
            )
            warehouse.build("marts", "rep_a", rows, key)
            warehouse.publish()
        assert query("SELECT m FROM marts.rep_a ORDER BY m") == [1, 2]
        keys = "SELECT pg_get_constraintdef(oid) FROM pg_constraint WHERE conname = 'rep_a_pkey'"
        assert query(keys) == ([f"PRIMARY KEY ({', '.join(key)})"] if key else [])


def test_a_table_can_be_given_up_and_is_empty_where_a_view_stands_on_it(url, query):
    publish(url, n=1)
    query("CREATE VIEW public.mine AS SELECT n FROM marts.rep_b")
    query("CREATE TABLE public.notes (n bigint REFERENCES staging.stg_a)")
    warehouse = PostgresWarehouse(url)
    with warehouse.held(), warehouse.run():
        warehouse.give_up("marts", "rep_a", "rep_b")
        warehouse.give_up("staging", "stg_a")
        warehouse.publish()
    assert query("SELECT tablename FROM pg_tables WHERE schemaname = 'marts'") == ["rep_b"]
    assert query("SELECT n FROM public.mine") == []
    assert query("SELECT n FROM staging.stg_a") == [1]


# What people put beside it


def test_views_on_every_layer_survive_and_follow(url, query):
    publish(url, n=1)
    query("CREATE SCHEMA mine")
    for table in ("staging.stg_a", "marts.rep_a", "quality.runs"):
        query(f"CREATE VIEW mine.of_{table.split('.')[0]} AS SELECT max(n) AS n FROM {table}")
    publish(url, n=2)
    for view in ("of_staging", "of_marts", "of_quality"):
        assert query(f"SELECT n FROM mine.{view}") == [2]


def test_a_view_on_a_column_that_goes_is_named_as_the_reason(url, query):
    publish(url, n=1, old=2)
    query("CREATE VIEW public.mine AS SELECT old FROM marts.rep_a")
    with pytest.raises(RunFailedError, match="a view of yours uses a column that is gone"):
        publish(url, n=3)
    assert query("SELECT n + old FROM marts.rep_a") == [3]


def test_a_reader_of_staging_stops_no_refresh(url, query):
    publish(url, n=1)
    with closing(psycopg2.connect(url)) as reader, reader.cursor() as cursor:
        cursor.execute("SELECT n FROM staging.stg_a")  # and the transaction stays open
        publish(url, n=2)
        cursor.execute("SELECT n FROM staging.stg_a")
    assert query("SELECT n FROM staging.stg_a") == [2]


def test_a_reader_of_a_table_whose_columns_change_is_waited_for(url, query, monkeypatch):
    publish(url, n=1)
    monkeypatch.setattr("flows.warehouse.postgres.publishing.PAUSES_SECONDS", (0.1, 0.1))
    with closing(psycopg2.connect(url)) as reader, reader.cursor() as cursor:
        cursor.execute("SELECT n FROM marts.rep_b")
        said = r"that must change \(session \d+ of \w+, on marts.rep_b\); run again later$"
        with pytest.raises(RunFailedError, match=said):
            publish(url, n=2, new=3)
        cursor.execute("SELECT n FROM marts.rep_a")
        assert cursor.fetchall() == [(1,)]
    publish(url, n=2, new=3)
    assert query("SELECT n + new FROM marts.rep_a") == [5]


def test_a_lock_on_rows_is_not_waited_for_for_ever(url, query, monkeypatch):
    publish(url, n=1)
    monkeypatch.setattr("flows.warehouse.postgres.publishing.PAUSES_SECONDS", (0.1,))
    monkeypatch.setattr(
        "flows.warehouse.postgres.publishing.USUAL_WAIT", "SET LOCAL lock_timeout = '100ms'"
    )
    with closing(psycopg2.connect(url)) as reader, reader.cursor() as cursor:
        cursor.execute("SELECT n FROM marts.rep_a FOR SHARE")
        with pytest.raises(RunFailedError, match="somebody reads or locks a table"):
            publish(url, n=2)
    publish(url, n=2)
    assert query("SELECT n FROM marts.rep_a") == [2]


def test_a_foreign_key_of_people_is_named_as_what_stands_in_the_way(url, query):
    publish(url, n=1)
    query("CREATE TABLE public.mine (n bigint REFERENCES marts.rep_a)")
    query("INSERT INTO public.mine VALUES (1)")
    with pytest.raises(RunFailedError, match="a foreign key of yours refers to rows that go"):
        publish(url, n=2)
    with pytest.raises(RunFailedError, match="a foreign key of yours refers to it"):
        publish(url, n=2, afresh=True)
    assert query("SELECT n FROM marts.rep_a") == [1]


def test_a_reader_of_a_table_that_is_made_afresh_is_waited_for(url, query, monkeypatch):
    publish(url, n=1)
    monkeypatch.setattr("flows.warehouse.postgres.publishing.PAUSES_SECONDS", (0.1, 0.1))
    with closing(psycopg2.connect(url)) as reader, reader.cursor() as cursor:
        cursor.execute("SELECT n FROM marts.rep_b")
        with pytest.raises(RunFailedError, match="somebody reads or locks a table"):
            publish(url, n=2, afresh=True)
        cursor.execute("SELECT n FROM marts.rep_a")
        assert cursor.fetchall() == [(1,)]
    publish(url, n=2, afresh=True)
    assert query("SELECT n FROM marts.rep_a") == [2]


def test_a_table_that_is_made_afresh_has_a_new_file_and_its_keys_and_views(url, query):
    publish(url, n=1)
    query("CREATE VIEW public.mine AS SELECT n FROM marts.rep_a")
    query("CREATE VIEW public.other AS SELECT n FROM staging.stg_a")
    file = "SELECT pg_relation_filepath('{}')"
    tables = ("marts.rep_a", "staging.stg_a")
    before = [query(file.format(name)) for name in tables]
    publish(url, n=2, afresh=True)
    assert all(query(file.format(n)) != b for n, b in zip(tables, before, strict=True))
    assert query("SELECT n FROM public.mine UNION ALL SELECT n FROM public.other") == [2, 2]


def test_readers_always_see_one_run_and_none_fails(url):
    publish(url, n=0)
    stop = threading.Event()
    seen: list[tuple[int, ...]] = []
    failed: list[psycopg2.Error] = []

    def read() -> None:
        with closing(psycopg2.connect(url)) as session, session.cursor() as cursor:
            session.set_session(isolation_level="REPEATABLE READ", readonly=True)
            while not stop.is_set():
                try:
                    found = []
                    for table in ("marts.rep_b", "marts.rep_a", "quality.runs"):
                        cursor.execute(f"SELECT max(n) FROM {table}")
                        found += cursor.fetchall()
                    seen.append(tuple(n for (n,) in found))
                    session.commit()
                except psycopg2.Error as error:
                    failed.append(error)
                    return

    threads = [threading.Thread(target=read) for _ in range(3)]
    for thread in threads:
        thread.start()
    try:
        for n in range(1, 21):
            publish(url, n=n)
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    assert not failed
    assert len(set(seen)) > 10, "the readers saw hardly anything of it"
    assert [row for row in set(seen) if len(set(row)) > 1] == []


# One run at a time


def test_a_second_run_is_told_who_holds_the_warehouse(url):
    with PostgresWarehouse(url).held(), pytest.raises(WarehouseBusyError) as raised:
        publish(url, n=1)
    holder = rf"process {os.getpid()}, since \d{{4}}-\d\d-\d\d \d\d:\d\d:\d\d UTC"
    assert re.search(rf"another run holds the warehouse \({holder}\); try again", str(raised.value))


def test_a_run_that_crashed_holds_nothing(url, start, query, eventually):
    process = start(
        """
        import os, sys
        from flows.warehouse.postgres import PostgresWarehouse
        warehouse = PostgresWarehouse(sys.argv[1])
        with warehouse.held(), warehouse.run():
            print("ready", flush=True)
            sys.stdin.read()
            os._exit(1)
        """,
        url,
    )
    assert isinstance(fails(url), WarehouseBusyError)
    process.kill()
    eventually(lambda: not query("SELECT 1 FROM pg_locks WHERE locktype = 'advisory'"))
    publish(url, n=1)


def test_two_databases_of_a_server_are_two_warehouses(url, new_database):
    with PostgresWarehouse(url).held():
        publish(new_database("other"), n=1)


def test_a_run_that_lost_its_lock_cannot_publish(url, query):
    publish(url, n=1)
    warehouse = PostgresWarehouse(url)
    with warehouse.held(), warehouse.run():
        warehouse.build("marts", "rep_a", rows_of(warehouse, n=2))
        query("SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory'")
        with pytest.raises(RunFailedError, match="the connection to the server was lost"):
            warehouse.publish()
    assert query("SELECT n FROM marts.rep_a") == [1]


def test_a_run_whose_models_lost_their_session_fails_in_short(url, query):
    warehouse = PostgresWarehouse(url)
    with warehouse.held(), warehouse.run():
        rows = rows_of(warehouse, n=2)
        query(f"SELECT pg_terminate_backend({warehouse.backend.con.info.backend_pid})")
        with pytest.raises(RunFailedError) as raised:
            warehouse.build("marts", "rep_a", rows)
    assert str(raised.value) == "marts.rep_a: the connection to the server was lost; run again"
    publish(url, n=1)


# Least privilege


@pytest.fixture
def roles(url, query) -> Iterator[tuple[str, str]]:
    """The URLs of a writer and of a reader, as roles.sql makes them; only they are there."""
    statements = ROLES.read_text()
    for name in ("funnel_writer", "funnel_reader"):
        ours = f"{name}_{os.getpid()}"
        statements = statements.replace(name, ours)
    query(f"{statements}; ALTER ROLE funnel_reader_{os.getpid()} LOGIN")
    query(f"REVOKE CREATE ON DATABASE {urlsplit(url).path[1:]} FROM PUBLIC")
    yield as_user(url, "funnel_writer"), as_user(url, "funnel_reader")
    for name in ("funnel_reader", "funnel_writer"):
        query(f"DROP OWNED BY {name}_{os.getpid()} CASCADE; DROP ROLE {name}_{os.getpid()}")


def as_user(url: str, role: str) -> str:
    """The URL of another user."""
    parts = urlsplit(url)
    place = parts.netloc.rpartition("@")[2]
    return str(urlunsplit(parts._replace(netloc=f"{role}_{os.getpid()}@{place}")))


def test_the_writer_needs_no_more_than_its_schemas(roles, query):
    writer, _ = roles
    publish(writer, n=1)
    publish(writer, n=2, new=3)
    assert query("SELECT n FROM marts.rep_a") == [2]


def test_the_reader_reads_marts_and_quality_after_every_refresh(roles, query):
    writer, reader = roles
    publish(writer, n=1)
    assert query("SELECT n FROM marts.rep_a", reader) == [1]
    publish(writer, n=2, new=3)
    assert query("SELECT n FROM marts.rep_a", reader) == [2]
    assert query("SELECT n FROM quality.runs ORDER BY n", reader) == [1, 2]


@pytest.mark.parametrize(
    "statement",
    ["SELECT * FROM staging.stg_a", "DELETE FROM marts.rep_a", "CREATE TABLE marts.x (n int)"],
)
def test_the_reader_can_do_nothing_else(roles, query, statement):
    writer, reader = roles
    publish(writer, n=1)
    with pytest.raises(errors.InsufficientPrivilege):
        query(statement, reader)


def test_a_user_without_privileges_is_told_so(roles):
    _, reader = roles
    assert "the user lacks a privilege" in str(fails(reader))
    assert fails(reader).exit_code == 2


# A server that cannot be used


@pytest.mark.parametrize(
    ("broken", "said"),
    [
        ("postgresql://u:S3CR3T@no-such-host.invalid/sales", "the host is not known"),
        ("postgresql://u:S3CR3T@127.0.0.1:1/sales", "no server answers there"),
        ("postgresql://u:S3CR3T@127.0.0.1/sales?nonsense=1", "not a URL that"),
        ("postgresql://u:S3CR3T@127.0.0.1:x/sales", "port"),
    ],
)
def test_a_wrong_url_is_told_in_one_line_without_its_password(broken, said, monkeypatch):
    monkeypatch.setattr("flows.warehouse.postgres.server.PAUSES_SECONDS", (0.01,))
    error = fails(broken)
    assert said in str(error)
    assert error.exit_code == 2
    assert "\n" not in str(error)
    assert "S3CR3T" not in str(error)
    assert "postgresql://u@" in str(error)


def test_a_wrong_database_is_told(url):
    missing = urlunsplit(urlsplit(url)._replace(path="/no_such_database"))
    assert "has no such database" in str(fails(str(missing)))


def test_a_wrong_user_is_told(url):
    assert "the user or the password is wrong" in str(fails(as_user(url, "nobody")))


def test_a_read_only_server_is_told(url, query):
    query(f"ALTER DATABASE {urlsplit(url).path[1:]} SET default_transaction_read_only = on")
    error = fails(url)
    assert "the server is read-only" in str(error)
    assert error.exit_code == 2


def test_only_what_may_pass_is_tried_again(monkeypatch):
    tried: list[str] = []
    monkeypatch.setattr("flows.warehouse.postgres.server.PAUSES_SECONDS", (0.01, 0.01, 0.01))

    def refuse(url: str, **_: object) -> None:
        tried.append(url)
        raise psycopg2.OperationalError(tried[0])

    monkeypatch.setattr("psycopg2.connect", refuse)
    for said, times in (
        ("connection refused", 4),
        ("FATAL: sorry, too many clients already", 4),
        ("timeout expired", 4),
        ('FATAL: password authentication failed for user "u"', 1),
        ("could not translate host name", 1),
    ):
        tried.clear()
        with pytest.raises(InputError):
            connect(said)
        assert len(tried) == times, said


def test_a_server_that_does_not_speak_utf8_is_refused(url, query, postgres):
    name = f"{urlsplit(url).path[1:]}_latin"
    query(f"CREATE DATABASE {name} TEMPLATE template0 ENCODING 'LATIN1' LOCALE 'C'")
    try:
        latin = urlunsplit(urlsplit(url)._replace(path=f"/{name}"))
        assert "make it with ENCODING 'UTF8'" in str(fails(str(latin)))
    finally:
        query(f"DROP DATABASE {name}")


def test_what_does_not_fit_into_the_memory_of_the_reader_goes_to_disk():
    with reader.opened() as backend:
        rows = backend.sql("SELECT i::VARCHAR || ' of the rows' AS text FROM range(10000000) t(i)")
        backend.create_table("many", rows, temp=True)
        assert backend.table("many").text.nunique().to_pyarrow().as_py() == 10_000_000
