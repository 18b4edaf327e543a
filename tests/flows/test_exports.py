"""`--export DIR`: which tables, the same on both engines, safe for spreadsheets, whole or none."""

import csv
import json
import re
import shutil
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import duckdb
import ibis
import pytest

from flows.errors import InputError
from flows.files.export_folder import put_files_in_place
from flows.files.table_files import OF_QUALITY
from flows.places import check_export_folder
from flows.settings import load_settings
from flows.warehouse.writing import write_months
from transforms.graph import load_models

MODELS = load_models()
MARTS = [name for name, model in MODELS.items() if model.layer == "marts"]
BY_MONTH = [name for name, model in MODELS.items() if model.by_month]
NAMES = {f"{name}.{suffix}" for name in (*MARTS, *OF_QUALITY) for suffix in ("csv", "parquet")}
FORMULAS = ["=1+1", "+cmd|' /C calc'!A0", "-2+3", "@SUM(1+9)"]
STAGES = "stage_id,stage_name\n" + "".join(
    f'{number},"{text}"\n' for number, text in enumerate(["Lead Generation", *FORMULAS, "a\nb"], 1)
)


def contents(folder: Path) -> dict[str, bytes]:
    """The files of a folder, and of those in it."""
    files = [file for file in folder.rglob("*") if file.is_file()]
    return {str(file.relative_to(folder)): file.read_bytes() for file in files}


def names(folder: Path) -> set[str]:
    """What is in a folder."""
    return {each.name for each in folder.iterdir()}


def rows_of(file: Path) -> list[tuple[Any, ...]]:
    """The rows of a Parquet file."""
    with duckdb.connect() as connection:
        return connection.execute("FROM read_parquet(?)", [str(file)]).fetchall()


def of_csv(file: Path) -> list[dict[str, str]]:
    """The rows of a CSV file, as another program reads them."""
    with file.open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


@pytest.fixture(scope="module")
def shared(new_sandbox, prefect_server, tmp_path_factory):
    """A place with a run on the sample in it, exported, on each engine; with the same key."""
    return new_sandbox(tmp_path_factory.mktemp("exports") / "sandbox", prefect_server)


@pytest.fixture(scope="module")
def url(new_database) -> str:
    """The warehouse on PostgreSQL."""
    return new_database("exports")


@pytest.fixture(scope="module")
def runs(shared, url):
    """What the command said, on each engine."""
    duck = shared.run("--export", shared.exports)
    postgres = shared.run("--json", "--warehouse", url, "--export", shared.folder / "export/more")
    assert (duck.returncode, postgres.returncode) == (0, 0), duck.stderr + postgres.stderr
    return duck, postgres


def test_every_mart_and_what_was_found_out_about_the_data_is_there(runs, shared):
    assert names(shared.exports) == NAMES | {*BY_MONTH}
    assert all(contents(shared.exports).values())


def test_the_command_says_where_they_are(runs, shared):
    duck, postgres = runs
    assert duck.stderr.splitlines()[-1] == f"Export: {shared.exports}"
    assert re.search(rf"^export .* {len(NAMES) // 2 + 3} tables$", duck.stderr, re.MULTILINE)
    assert json.loads(postgres.stdout)["export"] == f"{shared.folder}/export/more"


def test_they_are_for_their_owner_only(runs, shared):
    for each in (shared.exports, *shared.exports.rglob("*")):
        assert each.stat().st_mode & 0o777 == (0o700 if each.is_dir() else 0o600)


def test_nothing_else_is_left(runs, shared):
    assert (shared.leftovers(), shared.processes()) == ([], [])
    assert names(shared.folder / "export/more") == NAMES | {*BY_MONTH}


@pytest.mark.parametrize("name", [*MARTS, *OF_QUALITY])
def test_the_csv_is_the_same_on_both_engines_byte_for_byte(runs, shared, name):
    one, other = (
        folder / f"{name}.csv" for folder in (shared.exports, shared.folder / "export/more")
    )
    assert one.read_bytes() == other.read_bytes()


@pytest.mark.parametrize("name", MARTS)
def test_parquet_has_the_rows_of_the_mart_and_its_types(runs, shared, name):
    with duckdb.connect(str(shared.warehouse), read_only=True) as warehouse:
        wanted = warehouse.sql(f"FROM marts.{name}")
        expected, types = (
            sorted(wanted.fetchall(), key=str),
            dict(zip(wanted.columns, wanted.types, strict=True)),
        )
    file = shared.exports / f"{name}.parquet"
    assert sorted(rows_of(file), key=str) == expected
    with duckdb.connect() as connection:
        for folder in (shared.exports, shared.folder / "export/more"):
            found = connection.read_parquet(str(folder / file.name))
            assert dict(zip(found.columns, found.types, strict=True)) == types


def test_rows_are_in_the_order_of_the_funnel_and_of_deals(runs, shared):
    steps = [row["funnel_step"] for row in of_csv(shared.exports / "rep_funnel_dropoff.csv")]
    assert steps == ["1", "2", "2.1", "3", "3.1", "4", "5", "6", "7", "8", "9", "Lost"]
    deals = [int(row["deal_id"]) for row in of_csv(shared.exports / "obt_deals.csv")]
    assert deals == sorted(deals)


def test_what_is_missing_is_nothing(runs, shared):
    values = [row["value"] for row in of_csv(shared.exports / "obt_deals.csv")]
    assert "" in values
    assert not {"NULL", "None", "nan"} & {*values}


# Tables by month


@pytest.mark.parametrize("name", BY_MONTH)
def test_a_table_by_month_has_its_rows_and_names_nobody(runs, shared, name):
    columns = ", ".join(column for column in MODELS[name].columns({}) if column != "user_id")
    with duckdb.connect(str(shared.warehouse), read_only=True) as warehouse:
        expected = warehouse.sql(f"SELECT {columns} FROM intermediate.{name}").fetchall()
    with duckdb.connect() as connection:
        found = connection.sql(f"FROM read_parquet('{shared.exports}/{name}/*/*.parquet')")
        assert ", ".join(found.columns) == f"{columns}, month"
        assert sorted(found.select(columns).fetchall(), key=str) == sorted(expected, key=str)
        misfiled = f"month <> date_trunc('month', {MODELS[name].by_month})"
        assert found.filter(misfiled).fetchall() == []


@pytest.mark.parametrize("name", BY_MONTH)
def test_the_months_of_a_table_are_the_same_on_both_engines_byte_for_byte(runs, shared, name):
    one, other = (
        contents(folder / name) for folder in (shared.exports, shared.folder / "export/more")
    )
    assert len(one) > 12
    assert one == other


def test_a_query_for_a_month_reads_its_file_alone(runs, shared):
    files = f"{shared.exports}/int_deal_losses/*/*.parquet"
    with duckdb.connect() as connection:
        query = f"SELECT count(*) FROM read_parquet('{files}') WHERE month = '2025-03-01'"
        [(_, plan)] = connection.execute(f"EXPLAIN ANALYZE {query}").fetchall()
    assert re.search(r"Scanning Files: 1/\d\d", plan)


def test_months_are_those_of_the_time_zone_of_the_report(sandbox, export):
    changes = """
        deal_id,change_time,changed_field_key,new_value
        7,2024-01-31 12:00:00,stage_id,1
        7,2024-01-31 09:00:00,stage_id,1
        """
    source = export(deal_changes=changes)
    options = ("--export", sandbox.exports)
    run = sandbox.run("--source", source, *options, timezone="Pacific/Auckland")
    assert run.returncode == 0
    assert names(sandbox.exports / "int_deal_stage_transitions") == {
        "month=2024-01-01",
        "month=2024-02-01",
    }


def test_only_months_that_are_others_are_replaced(tmp_path):
    def write(place: Path, **months: str) -> Path:
        for month, rows in months.items():
            file = place / f"int_deal_losses/month={month}/rows.parquet"
            file.parent.mkdir(parents=True)
            file.write_text(rows)
        return place

    write(tmp_path, equal="1", other="2", gone="3", also_gone="4")
    mine = tmp_path / "int_deal_losses/month=gone/notes"
    mine.write_text("mine")
    (equal,) = (tmp_path / "int_deal_losses/month=equal").iterdir()
    before = equal.stat()
    put_files_in_place(write(tmp_path / ".place", equal="1", other="9", new="5"))
    shutil.rmtree(tmp_path / ".place")
    assert contents(tmp_path / "int_deal_losses") == {
        "month=equal/rows.parquet": b"1",
        "month=other/rows.parquet": b"9",
        "month=new/rows.parquet": b"5",
        "month=gone/notes": b"mine",
    }
    assert names(mine.parents[1]) == {"month=equal", "month=other", "month=new", "month=gone"}
    assert (equal.stat().st_ino, equal.stat().st_mtime_ns) == (before.st_ino, before.st_mtime_ns)


def test_a_table_without_rows_has_no_months_any_more(tmp_path):
    old = tmp_path / "int_deal_losses/month=2024-01-01/rows.parquet"
    old.parent.mkdir(parents=True)
    old.write_text("1")
    place = tmp_path / ".place"
    place.mkdir()
    backend = ibis.duckdb.connect()
    schema = {"deal_id": "int64", "month": "date"}
    rows = backend.create_table("losses", schema=schema, temp=True)
    write_months(backend, rows, ["deal_id"], place / "int_deal_losses")
    put_files_in_place(place)
    assert contents(tmp_path) == {}
    assert names(tmp_path / "int_deal_losses") == set()


# Text


def test_no_text_is_a_formula_for_a_spreadsheet_and_parquet_has_it_as_it_is(place, export):
    deals = "deal_id,status,value\n1,open,-12.5\n"
    source = export(stages=STAGES, deal_changes=deals_in_stages(), deals=deals)
    run = place.run("--source", source, "--export", place.sandbox.exports)
    assert run.returncode == 0, run.stderr
    names = [row["stage_name"] for row in of_csv(place.sandbox.exports / "obt_deals.csv")]
    assert names == ["Lead Generation", *(f"'{text}" for text in FORMULAS), "a b"]
    rows = rows_of(place.sandbox.exports / "obt_deals.parquet")
    assert [row[6] for row in rows] == ["Lead Generation", *FORMULAS, "a b"]
    # A number below zero is none.
    [value] = {row["value"] for row in of_csv(place.sandbox.exports / "obt_deals.csv")} - {""}
    assert value == "-12.5"


def deals_in_stages() -> str:
    """A deal in each of the stages."""
    return "deal_id,change_time,changed_field_key,new_value\n" + "".join(
        f"{number},2024-01-0{number} 08:00:00,{change}\n"
        for number in range(1, 7)
        for change in (f"stage_id,{number}", "user_id,1")
    )


# Reps with few deals


FEW = """
    deal_id,change_time,changed_field_key,new_value
    1,2024-01-02 08:00:00,user_id,1
    2,2024-01-02 08:00:00,user_id,1
    3,2024-01-02 08:00:00,user_id,1
    4,2024-01-02 08:00:00,user_id,2
    5,2024-01-02 08:00:00,user_id,3
    6,2024-01-02 08:00:00,user_id,99
    7,2024-01-02 08:00:00,stage_id,1
    """


def test_reps_with_few_deals_are_named_in_no_file(place, export):
    users = "id,name,email,modified\n" + "".join(f"{n},Al {n},{n}@b.c,\n" for n in range(1, 5))
    activity = "activity_id,type,assigned_to_user,deal_id,done,due_to\n" + "".join(
        f"{n},meeting,{1 if n <= 3 else 4 if n <= 8 else n - 7},{n},True,2024-01-08\n"
        for n in range(1, 11)
    )
    source = export(users=users, activity=activity, deal_changes=FEW)
    folder = place.sandbox.exports
    assert place.run("--source", source, "--export", folder, min_deals_per_rep=3).returncode == 0
    names = dict(place.query("SELECT user_id, sales_rep_name FROM staging.stg_users"))
    owners = [(row["user_id"], row["sales_rep_name"]) for row in of_csv(folder / "obt_deals.csv")]
    others = ("", "3 other reps")
    assert owners == [("1", names[1])] * 3 + [others] * 3 + [("", "")]
    files = contents(folder)
    for user in (2, 3):
        for name, content in files.items():
            assert names[user].encode() not in content, name
    performance = of_csv(folder / "rep_sales_rep_performance_monthly.csv")
    assert {row["sales_rep_name"] for row in performance} == {names[1], names[4], "2 other reps"}
    assert {row["user_id"] for row in performance} == {"1", "4", ""}


# What is refused, and what fails


@pytest.mark.parametrize("where", ["file", "file/below/it"])
def test_a_file_in_place_of_the_folder_is_refused_before_anything_is_done(sandbox, export, where):
    (sandbox.folder / "export").mkdir(parents=True)
    file = sandbox.folder / "export/file"
    file.write_text("my notes")
    folder = sandbox.folder / "export" / where
    for options in ([], ["--dry-run"]):
        run = sandbox.run("--source", export(), "--export", folder, *options)
        assert (run.returncode, run.stdout) == (2, "")
        assert run.stderr == (
            f"Error: {folder}: cannot export to it: {file} is no folder; name a folder\n"
        )
    assert [each.name for each in sandbox.folder.iterdir()] == ["export"]
    assert file.read_text() == "my notes"


def test_a_folder_that_cannot_be_written_to_is_refused(tmp_path, without_privileges):
    with pytest.raises(InputError, match="cannot export to it: you cannot write to /"):
        check_export_folder(load_settings(export="/somewhere/else"))


def test_a_folder_with_the_name_of_a_file_is_refused_and_nothing_is_published(sandbox, export):
    (sandbox.exports / "obt_deals.csv").mkdir(parents=True)
    run = sandbox.run("--quiet", "--source", export(), "--export", sandbox.exports)
    assert run.returncode == 2
    assert run.stderr == (
        f"Error: {sandbox.exports}/obt_deals.csv: cannot export to it: is a folder;"
        " a file must be there\n"
    )
    assert (sandbox.published(), sandbox.leftovers()) == ({}, [])
    assert names(sandbox.exports) == {"obt_deals.csv"}


@pytest.mark.parametrize("where", ["int_deal_losses", "int_deal_losses/month=2024-01-01"])
def test_a_file_with_the_name_of_a_folder_is_refused_and_nothing_is_published(
    sandbox, export, where
):
    file = sandbox.exports / where
    file.parent.mkdir(parents=True)
    file.write_text("my notes")
    changes = """
        deal_id,change_time,changed_field_key,new_value
        7,2024-01-02 08:00:00,stage_id,1
        7,2024-01-03 08:00:00,lost_reason,1
        """
    source = export(deal_changes=changes)
    run = sandbox.run("--quiet", "--source", source, "--export", sandbox.exports)
    assert run.returncode == 2
    assert run.stderr == f"Error: {file}: cannot export to it: is a file; a folder must be there\n"
    assert (sandbox.published(), contents(sandbox.exports)) == ({}, {where: b"my notes"})


@contextmanager
def small_disk(folder: Path, kib: int) -> Iterator[None]:
    """A file system of so many KiB."""
    folder.mkdir(parents=True)
    mount = ["mount", "-t", "tmpfs", "-o", f"size={kib}k,mode=777", "none", str(folder)]
    if subprocess.run(mount, stderr=subprocess.DEVNULL, check=False).returncode:
        pytest.skip("a file system can be mounted by root only")
    try:
        yield
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


@pytest.mark.parametrize("kib", [16, 400])
def test_a_full_disk_is_named_and_nothing_is_published(place, kib):
    folder = place.sandbox.exports
    with small_disk(folder, kib):
        (folder / "obt_deals.csv").write_text("old")
        run = place.run("--quiet", "--export", folder)
        assert run.returncode == 1
        assert re.fullmatch(rf"Error: {folder}\S*: the disk is full\n", run.stderr), run.stderr
        assert contents(folder) == {"obt_deals.csv": b"old"}
    assert not place.sandbox.report.exists()
    assert place.sandbox.kept() == []
    if place.url.startswith("duckdb"):
        assert not place.sandbox.warehouse.exists()
    else:
        assert place.marts() == {}


def test_a_check_that_fails_leaves_the_files_of_the_run_before(sandbox, export):
    assert sandbox.run("--source", export(), export=sandbox.exports).returncode == 0
    before = contents(sandbox.exports)
    other = export(folder="other", stages="stage_id,stage_name\n1,Lead Generation\n")
    assert sandbox.run_with_a_broken_rule("--source", other, export=sandbox.exports).returncode == 1
    assert contents(sandbox.exports) == before


def test_a_folder_that_is_new_is_not_left_behind_by_a_run_that_fails(sandbox, export):
    run = sandbox.run_with_a_broken_rule("--source", export(), export=sandbox.exports)
    assert run.returncode == 1
    assert not sandbox.exports.exists()


KILLED_BEFORE_PUBLISHING = """
    import os
    import signal
    from flows import flow
    from flows.main import command

    def stop(*_):
        os.kill(os.getpid(), signal.{signal})
        signal.sigtimedwait([], 5)

    flow.publish = stop
    command()
    """


def test_a_run_that_is_killed_leaves_the_old_files_and_the_next_one_tidies_up(place, export):
    folder = place.sandbox.exports
    assert place.run("--source", export(), export=folder).returncode == 0
    before = contents(folder)
    other = export(folder="other", stages="stage_id,stage_name\n1,Lead Generation\n")
    for number in (signal.SIGTERM, signal.SIGKILL):
        code = KILLED_BEFORE_PUBLISHING.format(signal=number.name)
        killed = place.run("--source", other, code=code, export=folder)
        assert killed.returncode in (-number, 128 + number)
        hidden = [file for file in folder.iterdir() if file.name.startswith(".")]
        assert bool(hidden) == (number == signal.SIGKILL)
        assert {name: (folder / name).read_bytes() for name in before} == before
    assert place.run("--source", other, export=folder).returncode == 0
    assert place.sandbox.leftovers() == []
    assert contents(folder).keys() == before.keys()
    assert contents(folder) != before


def test_a_mode_that_was_given_to_a_file_stays(sandbox, export):
    for _ in range(2):
        assert sandbox.run("--source", export(), export=sandbox.exports).returncode == 0
        shown = sandbox.exports / "obt_deals.csv"
        mode = shown.stat().st_mode & 0o777
        shown.chmod(0o644)
    assert mode == 0o644


def test_a_dry_run_says_it_and_writes_nothing(sandbox, export):
    run = sandbox.run("--dry-run", "--source", export(), "--export", sandbox.exports)
    assert run.stderr.splitlines()[-2] == f"Export: {sandbox.exports}"
    assert [*sandbox.folder.iterdir()] == []
