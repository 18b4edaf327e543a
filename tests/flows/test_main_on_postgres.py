"""The command with a PostgreSQL warehouse, run as people run it."""

import json
import random
import re
import sqlite3
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit, urlunsplit

import pandas
import psycopg2
import pytest
from psycopg2 import sql

from transforms.graph import load_models

Query = Callable[..., list[tuple[Any, ...]]]

LEADERBOARD = """
    SELECT sales_rep_name, deals_worked, activities_completed,
           round(activities_completed::numeric / nullif(deals_worked, 0), 1)
    FROM rep_sales_rep_performance_monthly ORDER BY activities_completed DESC
    """
DROP_OFF = """
    WITH volumes AS (
        SELECT funnel_step, kpi_name, sum(deals_count) AS volume
        FROM rep_sales_funnel_monthly WHERE funnel_step NOT IN ('Lost')
        GROUP BY funnel_step, kpi_name
    )
    SELECT funnel_step, kpi_name, volume,
           round(100.0 * volume / nullif(lag(volume) OVER (ORDER BY funnel_step), 0), 1)
    FROM volumes ORDER BY funnel_step
    """
AUDIT = """
    SELECT count(*), count(*) FILTER (WHERE deal_id IS NULL),
           count(*) FILTER (WHERE activity_type NOT IN ('meeting', 'sc_2'))
    FROM stg_activities
    """
BACKENDS = "FROM pg_stat_activity WHERE application_name LIKE 'sales-funnel %%'"


@pytest.fixture(scope="module")
def query() -> Query:
    """What a reader finds: `query(url, "SELECT …")`."""

    def ask(url: str, statement: str, **options: Any) -> list[tuple[Any, ...]]:
        with closing(psycopg2.connect(url, **options)) as session, session.cursor() as cursor:
            session.autocommit = True
            cursor.execute(statement)
            return cursor.fetchall() if cursor.description else []

    return ask


@pytest.fixture(scope="module")
def shared(new_sandbox, prefect_server, tmp_path_factory):
    """The place of a run on the sample."""
    return new_sandbox(tmp_path_factory.mktemp("on_postgres"), prefect_server)


@pytest.fixture(scope="module")
def url(new_database) -> str:
    """Its warehouse."""
    return new_database("command")


@pytest.fixture(scope="module")
def sample(shared, url):
    """What the command said of it."""
    return shared.run("--json", "--warehouse", url)


def marts(query: Query, url: str) -> dict[str, list[tuple[Any, ...]]]:
    """All rows of all marts, as of one moment."""
    tables = query(url, "SELECT tablename FROM pg_tables WHERE schemaname = 'marts' ORDER BY 1")
    return {
        table: sorted(map(repr, query(url, f"SELECT * FROM marts.{table}"))) for (table,) in tables
    }


# What it leaves


def test_a_run_publishes_and_says_where(sample, url, query):
    assert sample.returncode == 0, sample.stderr
    outcome = json.loads(sample.stdout)
    assert outcome["status"] == "published"
    assert outcome["warehouse"].startswith("postgresql://")
    assert query(url, "SELECT run_id, status FROM quality.runs") == [
        (outcome["run_id"], "published")
    ]
    assert set(marts(query, url)) == {
        name for name, model in load_models().items() if model.layer == "marts"
    }


def test_the_report_is_the_one_of_duckdb(sample, shared, tmp_path):
    report = shared.report.read_bytes()
    sandbox = shared.copy(tmp_path / "duckdb")
    assert sandbox.run().returncode == 0
    assert sandbox.report.read_bytes() == report


def test_a_second_run_leaves_the_same_marts(sample, shared, url, query, tmp_path):
    first = marts(query, url)
    report = shared.report.read_bytes()
    assert shared.copy(tmp_path / "again").run("--warehouse", url).returncode == 0
    assert marts(query, url) == first
    assert shared.report.read_bytes() == report
    assert query(url, "SELECT count(*) FROM quality.runs") == [(2,)]


@pytest.mark.parametrize("statement", [LEADERBOARD, DROP_OFF])
def test_the_queries_of_analysts_run_unchanged(sample, url, query, statement):
    found = query(url, statement, options="-c search_path=marts,staging")
    assert len(found) > 10
    assert all(row[2] > 0 for row in found)


def test_the_audit_runs_unchanged(sample, url, query):
    [(rows, without_deal, others)] = query(url, AUDIT, options="-c search_path=marts,staging")
    assert 0 < without_deal < others < rows


def test_pandas_reads_the_marts(sample, url):
    with closing(psycopg2.connect(url)) as session, pytest.warns(UserWarning, match="SQLAlchemy"):
        found = pandas.read_sql("SELECT * FROM marts.rep_sales_funnel_monthly", session)
    assert found.deals_count.sum() > 1000


def test_a_failed_check_publishes_only_quality(sample, shared, url, query, tmp_path):
    before = marts(query, url)
    stopped = shared.copy(tmp_path / "failing").run_with_a_broken_rule("--warehouse", url)
    assert stopped.returncode == 1
    assert stopped.stderr.endswith("stg_stages: fail: never 9 of 9 rows, such as stage_id 1\n")
    assert marts(query, url) == before
    last = "SELECT status FROM quality.runs ORDER BY started_at DESC LIMIT 1"
    assert query(url, last) == [("stopped",)]


# One at a time, and killed


def test_of_two_runs_at_once_one_publishes_and_the_other_says_who_does(
    shared, new_database, query, tmp_path
):
    busy = new_database("busy")
    first = shared.copy(tmp_path / "first")
    with first.start("--warehouse", busy) as process:
        while not query(busy, "SELECT 1 FROM pg_locks WHERE locktype = 'advisory'"):
            assert process.poll() is None, process.stderr.read()
            time.sleep(0.02)
        second = shared.copy(tmp_path / "second").run("--warehouse", busy)
        _, said = process.communicate(timeout=60)
    assert (process.returncode, second.returncode) == (0, 75), said + second.stderr
    holder = rf"\(process {process.pid}, since \d{{4}}-\d\d-\d\d \d\d:\d\d:\d\d UTC\)"
    assert re.search(holder, second.stderr.splitlines()[-1])
    assert query(busy, "SELECT count(*) FROM quality.runs") == [(1,)]


@pytest.mark.parametrize("moment", range(4))
def test_whenever_the_server_ends_the_sessions_the_old_marts_stay_whole(
    sample, shared, url, new_database, query, tmp_path, moment
):
    place = new_database("killed", like=url)
    sandbox = shared.copy(tmp_path / "killed")
    before = marts(query, place)
    with sandbox.start("--warehouse", place) as process:
        while not query(place, f"SELECT 1 {BACKENDS} AND datname = current_database()"):
            assert process.poll() is None
            time.sleep(0.01)
        time.sleep(random.Random(moment).uniform(0, 2))
        ended = query(
            place, f"SELECT pg_terminate_backend(pid) {BACKENDS} AND datname = current_database()"
        )
        _, said = process.communicate(timeout=60)
    assert ended, "the run was over before"
    assert process.returncode == 1, said
    assert re.fullmatch(
        r"Error: .*: the connection to the server was lost; run again", said.splitlines()[-1]
    )
    assert "Traceback" not in said
    assert marts(query, place) == before
    assert sandbox.run("--warehouse", place).returncode == 0
    assert marts(query, place) == before


# Secrets


def with_password(url: str, password: str) -> str:
    """The URL, with a password that the server does not ask for."""
    parts = urlsplit(url)
    user, _, place = parts.netloc.rpartition("@")
    return str(urlunsplit(parts._replace(netloc=f"{user.rstrip(':')}:{password}@{place}")))


PASSWORD = "Tr0ub4dor-canary"


def test_a_password_is_printed_and_stored_nowhere(
    new_sandbox, prefect_server_in, new_database, query, tmp_path
):
    database = new_database("secret")
    secret = with_password(database, PASSWORD)
    with prefect_server_in(tmp_path / "prefect") as api_url:
        sandbox = new_sandbox(tmp_path / "left", api_url)
        as_an_option = sandbox.run("--json", "--warehouse", secret)
        in_the_environment = sandbox.run("--json", warehouse=secret)
    for done in (as_an_option, in_the_environment):
        assert done.returncode == 0, done.stderr
        assert PASSWORD not in done.stdout + done.stderr
    for file in [*tmp_path.rglob("*")]:
        assert not file.is_file() or PASSWORD.encode() not in file.read_bytes(), file
    with closing(sqlite3.connect(tmp_path / "prefect/prefect.db")) as records:
        assert records.execute("SELECT count(*) FROM flow_run").fetchone() == (2,)
    tables = query(database, "SELECT schemaname, tablename FROM pg_tables")
    for schema, table in tables:
        if schema in ("staging", "intermediate", "marts", "snapshots", "quality"):
            assert PASSWORD not in repr(query(database, f"SELECT * FROM {schema}.{table}"))


def test_a_password_as_a_parameter_of_the_flow_is_refused(shared, tmp_path):
    code = f"""
        from flows.errors import InputError
        from flows.flow import sales_funnel
        try:
            sales_funnel(warehouse="postgresql://u:{PASSWORD}@localhost/sales")
        except InputError as error:
            print(error)
        """
    refused = shared.copy(tmp_path / "refused").run(code=code)
    assert refused.stdout.startswith("warehouse: Prefect stores parameters as they are")
    assert PASSWORD not in refused.stdout + refused.stderr


CANARIES = ("Zebulonius", "Quixotemountain", "zq.heron", "Ruritanian", "4917055501884")
KEY = "canary-key-0123456789"
LOGGED = {
    "log_statement": "all",
    "log_min_error_statement": "debug1",
    "log_parameter_max_length": "-1",
    "log_parameter_max_length_on_error": "-1",
    "log_min_duration_statement": "0",
    "log_error_verbosity": "verbose",
    "log_connections": "on",
}


def test_the_log_of_the_server_holds_no_personal_value_and_no_secret(
    postgres, new_database, shared, query, export, tmp_path
):
    log = Path(dict(parse_qsl(urlsplit(postgres).query)).get("host", "nowhere")) / "log"
    if not log.is_file():
        pytest.skip("the log of your server is not at hand")
    database = new_database("logged")
    for name, value in LOGGED.items():
        query(postgres, f"ALTER SYSTEM SET {name} = '{value}'")
    query(postgres, "SELECT pg_reload_conf()")
    beginning = log.stat().st_size
    folder = export(
        users="""
            id,name,email,modified
            1,Zebulonius Quixotemountain,zq.heron@example.com,2024-01-01 00:00:00
            2,Bo Li,bo@example.com,2024-01-01 00:00:00
            """,
        deal_changes="""
            deal_id,change_time,changed_field_key,new_value
            7,2024-01-02 08:00:00,add_time,2024-01-02T08:00:00
            7,2024-01-02 08:00:00,user_id,Zebulonius
            7,2024-01-02 08:00:00,title,Ruritanian
            7,2024-01-02 08:00:00,lost_reason,4917055501884
            Zebulonius,Ruritanian,user_id,Zebulonius
            """,
    )
    try:
        load(database, folder)
        loaded = log.stat().st_size
        secret = with_password(database, PASSWORD)
        sandbox = shared.copy(tmp_path / "logged")
        settings = {"masking_key": KEY, "max_rejected_pct": 50}
        from_folder = sandbox.run("--warehouse", secret, "--source", folder, **settings)
        source = f"{secret}{'&' if '?' in secret else '?'}schema=raw"
        from_server = sandbox.run("--warehouse", secret, "--source", source, **settings)
        refused = sandbox.run("--warehouse", secret, "--source", source, masking_key=KEY)
        name = urlsplit(database).path[1:]
        query(postgres, f"ALTER DATABASE {name} SET statement_timeout = '1ms'")
        cancelled = sandbox.run("--warehouse", secret, "--source", source, **settings)
        query(postgres, f"ALTER DATABASE {name} RESET statement_timeout")
        query(database, "ALTER TABLE quality.runs ADD CHECK (rows_read < 0) NOT VALID")
        failed = sandbox.run("--warehouse", secret, "--source", source, **settings)
        last = sandbox.run("--warehouse", "postgresql://nobody@" + secret.split("@")[1], **settings)
    finally:
        for setting in LOGGED:
            query(postgres, f"ALTER SYSTEM RESET {setting}")
        query(postgres, "SELECT pg_reload_conf()")
    codes = [run.returncode for run in (from_folder, from_server, refused, cancelled, failed, last)]
    assert codes == [0, 0, 2, 1, 1, 2], cancelled.stderr
    with log.open("rb") as stream:
        stream.seek(beginning)
        while_loading = stream.read(loaded - beginning)
        logged = stream.read()
    assert b"statement: " in while_loading
    assert logged.count(b"statement: ") > 100
    assert logged.count(b"ERROR: ") >= 2
    pads = [bytes(byte ^ pad for byte in KEY.encode().ljust(64, b"\0")).hex() for pad in (54, 92)]
    for needle in (*CANARIES, PASSWORD, KEY, *pads):
        assert needle.encode() not in logged, needle
        assert needle.encode().hex().encode() not in logged, needle


def load(url: str, folder: Path) -> None:
    """The tables of an export as another program loads them: all text, in the schema raw."""
    with closing(psycopg2.connect(url)) as session, session.cursor() as cursor:
        cursor.execute("CREATE SCHEMA raw")
        for file in folder.glob("*.csv"):
            with file.open() as stream:
                names = stream.readline().strip().split(",")
                columns = sql.SQL(", ").join(
                    sql.SQL("{} text").format(sql.Identifier(n)) for n in names
                )
                table = sql.Identifier("raw", file.stem)
                cursor.execute(sql.SQL("CREATE TABLE {} ({})").format(table, columns))
                cursor.copy_expert(sql.SQL("COPY {} FROM STDIN (FORMAT csv)").format(table), stream)
        session.commit()
