"""Told bit by bit, a warehouse is what it would be if it were told all at once.

Batches overlap, come late and out of order, and correct each other. After each, every table of
either engine is held against that of a whole run, on DuckDB, over all rows that count. How many
random histories are tried on each engine is FUNNEL_TEST_HISTORIES.
"""

import json
import os
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from functools import wraps
from typing import Any

import ibis
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from ibis import Table

from flows.errors import InputError
from flows.run import Run, read_funnel
from tests.flows.batches import LOOKUPS, Batch, whole, write_batch
from tests.stored import opened
from transforms.checks import rule, unique
from transforms.graph import MODELS, Model, load_models

HISTORIES = int(os.environ.get("FUNNEL_TEST_HISTORIES", "2"))

FIRST: Batch = LOOKUPS | {
    "activity": [
        (1, "meeting", 1, 7, "True", "2024-01-08 09:00:00"),
        (2, "SC 2", 2, 8, "True", "2024-02-08 09:00:00"),
        (3, "meeting", 2, 8, "False", "2024-02-09 09:00:00"),
        (4, "call", 2, "", "True", "2024-02-09 09:00:00"),
    ],
    "deal_changes": [
        (7, "2024-01-02 08:00:00", "add_time", "2024-01-02T08:00:00"),
        (7, "2024-01-02 08:00:00", "user_id", "1"),
        (7, "2024-01-02 08:00:00", "stage_id", "1"),
        (7, "2024-01-20 08:00:00", "stage_id", "2"),
        (7, "2024-02-01 08:00:00", "lost_reason", "1"),
        (8, "2024-02-02 08:00:00", "add_time", "2024-02-02T08:00:00"),
        (8, "2024-02-02 08:00:00", "user_id", "2"),
        (8, "2024-02-02 08:00:00", "stage_id", "1"),
        (8, "2024-02-03 08:00:00", "stage_id", "2"),
        (9, "2024-02-02 08:00:00", "stage_id", "1"),
    ],
}
NEXT: dict[str, Batch] = {
    "deals that are new, late and corrected": {
        "deal_changes": [
            (10, "2024-03-01 08:00:00", "add_time", "2024-03-01T08:00:00"),
            (10, "2024-03-01 08:00:00", "stage_id", "1"),
            (9, "2024-01-10 08:00:00", "stage_id", "7"),
            (7, "2024-01-20 08:00:00", "stage_id", "7"),
        ]
    },
    "activities that were done since, or belong to another deal": {
        "activity": [
            (3, "meeting", 2, 8, "True", "2024-02-09 09:00:00"),
            (1, "meeting", 1, 8, "True", "2024-01-08 09:00:00"),
            (4, "call", 2, 9, "True", "2024-02-09 09:00:00"),
        ],
    },
    "two activities with the id of one": {
        "activity": [
            (1, "meeting", 1, 7, "True", "2024-01-08 09:00:00"),
            (1, "sc_2", 1, 9, "True", "2024-01-09 09:00:00"),
        ]
    },
    "a stage with another name": {"stages": [(2, "Negotiation")]},
    "a user and a reason with another name": {
        "users": [(2, "Bo Lee", "bo@example.com", "2024-03-01 00:00:00")],
        "fields": [(4, "lost_reason", "Lost reason", '[{"id": 1, "label": "Cost"}]')],
    },
    "a deals table": {"deals": [(8, "won"), (11, "lost")]},
    "all of it once more": FIRST,
    "nothing": {"deal_changes": []},
}


def tables(url: str, run_id: str) -> dict[str, list[str]]:
    """All rows of all models, sorted; of those in quality, of one run; no history of deals."""
    with opened(url) as ask:
        found = {}
        for model in load_models().values():
            columns = ", ".join(f'"{name}"' for name in model.columns(GIVEN))
            of_run = f"WHERE run_id = '{run_id}'" if model.schema == "quality" else ""
            if not model.remembers:
                rows = ask(f"SELECT {columns} FROM {model.schema}.{model.name} {of_run}")
                found[model.name] = sorted(map(str, rows))
    return found


GIVEN = {"funnel": read_funnel()}


@pytest.fixture(scope="module")
def made_whole() -> dict[str, dict[str, list[str]]]:
    """By what the batches say, the tables of a whole run over it."""
    return {}


@pytest.fixture
def whole_tables(
    made_whole, tmp_path_factory: pytest.TempPathFactory, tell: Callable[..., Run]
) -> Callable[[list[Batch]], dict[str, list[str]]]:
    """The tables of a whole run over all that the batches say, on DuckDB."""

    def made(batches: list[Batch]) -> dict[str, list[str]]:
        said = repr(whole(batches))
        if said not in made_whole:
            url = f"duckdb://{tmp_path_factory.mktemp('whole')}/sales.duckdb"
            tell(url, whole(batches), "whole")
            made_whole[said] = tables(url, "whole")
        return made_whole[said]

    return made


@pytest.fixture(scope="module")
def first_told() -> dict[str, str]:
    """By engine, a warehouse that was told FIRST by an incremental run."""
    return {}


@pytest.fixture
def told_first(request, new_warehouse, tell, first_told) -> str:
    """A warehouse that was told FIRST by an incremental run."""
    engine = request.node.callspec.params["new_warehouse"]
    if engine not in first_told:
        first_told[engine] = new_warehouse()
        tell(first_told[engine], FIRST, "first", incremental=True)
    return str(new_warehouse(like=first_told[engine]))


@pytest.mark.parametrize("batch", NEXT.values(), ids=NEXT)
def test_what_comes_next_leaves_what_a_whole_run_would(told_first, tell, whole_tables, batch):
    url = told_first
    run = tell(url, batch, "second", incremental=True)
    assert run.refresh.name == "incremental"
    assert tables(url, "second") == whole_tables([FIRST, batch])


def test_earlier_rows_are_counted_where_others_take_their_place(told_first, tell):
    first, *_, fourth = FIRST["activity"]
    corrected = (fourth[0], "call", 2, 9, *fourth[4:])
    new = (5, "call", 2, 9, "True", "2024-03-09 09:00:00")
    batch = {"activity": [first, corrected, new], "stages": [(2, "Negotiation")]}
    run = tell(told_first, batch, "second", incremental=True)
    assert run.refresh.replaced == {"activity": 1, "stages": 1}


@pytest.mark.parametrize(("before", "after"), [(2, 1), (1, 2)])
def test_rows_of_forgotten_users_are_counted(new_warehouse, tell, before, after):
    """They differ in nothing that is kept."""
    rows = [(5, "meeting", user, 7, "True", "2024-01-08 09:00:00") for user in (1, 2)]
    url, options = new_warehouse(), {"incremental": True, "forgotten": [1, 2]}
    tell(url, FIRST | {"activity": rows[:before]}, "first", **options)
    tell(url, {"activity": rows[:after]}, "second", **options)
    with opened(url) as ask:
        count = "SELECT count(*) FROM staging.stg_activities WHERE activity_id = 5"
        assert ask(count) == [(after,)]


TIMES = [f"2024-0{month}-{day} 08:00:00" for month in (1, 2, 4) for day in (10, 20)]
DEALS = st.sampled_from([1, 2, 3, 4])
CHANGES = st.tuples(
    DEALS,
    st.sampled_from(TIMES),
    st.sampled_from(["add_time", "user_id", "stage_id", "Stage ID", "lost_reason", "title"]),
    st.sampled_from(["1", "2", "7", "99", "", "2024-01-10T08:00:00"]),
)
ACTIVITIES = st.tuples(
    st.sampled_from([1, 2, 3, 4]),
    st.sampled_from(["meeting", "SC 2", "sc_2", "call", ""]),
    st.sampled_from([1, 2, 3, ""]),
    st.one_of(DEALS, st.just("")),
    st.sampled_from(["True", "False", ""]),
    st.sampled_from([*TIMES, ""]),
)
TABLES = {
    "deal_changes": st.lists(CHANGES, max_size=12),
    "activity": st.lists(ACTIVITIES, max_size=6),
    "deals": st.lists(st.tuples(DEALS, st.sampled_from(["won", "lost", "open", ""])), max_size=3),
    "users": st.lists(
        st.tuples(
            st.sampled_from([1, 2, 3]),
            st.sampled_from(["Ada Byron", "Bo Li", ""]),
            st.sampled_from(["ada@example.com", "bo@example.com", ""]),
            st.sampled_from([*TIMES, ""]),
        ),
        max_size=3,
    ),
    "stages": st.lists(
        st.tuples(
            st.sampled_from([1, 2, 7, 99]), st.sampled_from(["Lead Generation", "Closing", "?"])
        ),
        max_size=2,
    ),
}
BATCHES = st.fixed_dictionaries({}, optional=TABLES).filter(bool)


@settings(
    max_examples=HISTORIES,
    deadline=None,
    database=None,
    suppress_health_check=list(HealthCheck),
)
@given(first=BATCHES, later=st.lists(BATCHES, min_size=1, max_size=3))
def test_after_every_batch_each_table_is_that_of_a_whole_run(
    new_warehouse, tell, whole_tables, first, later
):
    url = new_warehouse()
    batches: list[Batch] = [LOOKUPS | {"deal_changes": [], "activity": []} | first]
    tell(url, batches[0], "0", incremental=True)
    for number, batch in enumerate(later, 1):
        batches.append(batch)
        tell(url, batch, str(number), incremental=True)
        assert tables(url, str(number)) == whole_tables(batches)


def with_another_column(model: Model) -> Model:
    """As another version had it."""

    @wraps(model.function)
    def function(*tables: Table, **settings: Any) -> Table:
        return model.function(*tables, **settings).mutate(another=ibis.literal(1, "int64"))

    return replace(model, function=function, declared={**model.declared, "another": "int64"})


STOPPING = {
    "int_deal_losses": unique("deal_id", "lost_reason_label"),
    "stg_deal_changes": rule("no_deal_10", lambda changes: changes.deal_id != 10),
    "int_deal_stage_transitions": unique("deal_id", "user_id"),
}
BREAKING: Batch = {
    "deal_changes": [
        (7, "2024-03-01 08:00:00", "stage_id", "1"),
        (7, "2024-03-02 08:00:00", "lost_reason", "1"),
        (10, "2024-03-01 08:00:00", "add_time", "2024-03-01T08:00:00"),
        (10, "2024-03-01 08:00:00", "stage_id", "1"),
    ]
}


def test_checks_find_what_those_of_a_whole_run_do(new_warehouse, told_first, tell, monkeypatch):
    models = load_models()
    for name, check in STOPPING.items():
        changed = replace(models[name], checks=(*models[name].checks, check))
        monkeypatch.setitem(MODELS, name, changed)
    run = tell(told_first, BREAKING, "second", incremental=True)
    found, expected = (
        {(each.model, each.check_name): each for each in one.checks if each.model in models}
        for one in (run, tell(new_warehouse(), whole([FIRST, BREAKING]), "whole"))
    )
    remembered = {name for name, model in models.items() if model.remembers}
    differ = {key for key, result in expected.items() if found[key] != result}
    assert not {key for key in differ if key[0] not in remembered}
    failed = {result.model for result in found.values() if result.status == "fail"}
    assert failed == {*STOPPING}


def test_the_run_before_is_the_last_one_also_where_a_clock_went_back(told_first, tell, monkeypatch):
    nothing = NEXT["nothing"]
    with monkeypatch.context() as patched:
        patched.setattr("flows.records.record.now", lambda: datetime(2200, 1, 1))
        tell(told_first, nothing, "second", incremental=True)
    tell(told_first, nothing, "third", incremental=True, as_of=datetime(2024, 4, 1))
    fourth = tell(told_first, nothing, "fourth", incremental=True)
    assert fourth.before["as_of"] == datetime(2024, 4, 1)


def test_a_change_that_lay_in_the_future_counts_as_soon_as_it_does_not(
    told_first, tell, monkeypatch
):
    """The deals table, which was read before, says later than it what the deal is."""
    ahead = {
        "deals": [(8, "open")],
        "deal_changes": [(8, "2024-05-01 09:00:00", "stage_id", "7")],
    }
    for moment, batch in (("2024-05-01 08:00", ahead), ("2024-05-02 08:00", NEXT["nothing"])):
        start = datetime.fromisoformat(moment)
        monkeypatch.setattr("flows.run.now", lambda start=start: start)
        tell(told_first, batch, moment, incremental=True)
    current = "SELECT status FROM snapshots.deals WHERE deal_id = 8 AND is_current"
    with opened(told_first) as ask:
        assert [*map(tuple, ask(current))] == [("open",)]


def test_another_version_of_the_code_makes_every_model_anew(
    new_warehouse, tell, whole_tables, monkeypatch
):
    url = new_warehouse()
    with monkeypatch.context() as patched:
        patched.setattr("flows.records.record.code_version", lambda: "another one")
        patched.setitem(MODELS, "stg_stages", with_another_column(load_models()["stg_stages"]))
        tell(url, FIRST, "first", incremental=True)
    batch = NEXT["deals that are new, late and corrected"]
    run = tell(url, batch, "second", incremental=True)
    assert run.refresh.why_whole == "the code or the funnel changed"
    assert run.refresh.fresh == {}
    assert tables(url, "second") == whole_tables([FIRST, batch])


def test_where_more_is_touched_than_fits_into_memory_it_is_made_in_parts(
    told_first, tell, whole_tables, put_in, monkeypatch
):
    monkeypatch.setattr("flows.warehouse.duckdb.MOST_AT_ONCE", 3)
    batch = NEXT["deals that are new, late and corrected"]
    tell(told_first, batch, "second", incremental=True)
    assert (put_in.count("_aside_new_deals") > 1) == told_first.startswith("duckdb")
    monkeypatch.undo()
    assert tables(told_first, "second") == whole_tables([FIRST, batch])


def test_rows_that_another_version_read_otherwise_are_refused(
    new_warehouse, tell, whole_tables, monkeypatch
):
    url, refused = new_warehouse(), "its rows were kept by another version of this; run once"
    with monkeypatch.context() as patched:
        patched.setattr("flows.records.record.READING_RULES", 1)
        tell(url, FIRST, "first", incremental=True)
    with pytest.raises(InputError, match=refused):
        tell(url, FIRST, "second", incremental=True)
    with opened(url, read_only=False) as ask:  # as before there were such numbers
        ask("ALTER TABLE quality.runs DROP COLUMN reading_rules")
    with pytest.raises(InputError, match=refused):
        tell(url, FIRST, "second", incremental=True)
    tell(url, FIRST, "third", incremental=True, full_refresh=True)
    tell(url, FIRST, "fourth", incremental=True)
    assert tables(url, "fourth") == whole_tables([FIRST])


def rep_gone(stg_stages: Table) -> Table:
    """One row per stage."""
    return stg_stages.select("stage_id")


GONE = Model("rep_gone", "marts", rep_gone, ("stage_id",), {"stage_id": "int64"}, ())


@pytest.mark.parametrize("incremental", [False, True])
def test_the_table_of_a_model_that_is_gone_goes_and_that_of_somebody_stays(
    new_warehouse, tell, monkeypatch, incremental
):
    url = new_warehouse()
    with monkeypatch.context() as patched:
        patched.setitem(MODELS, "rep_gone", GONE)
        tell(url, FIRST, "first", incremental=incremental)
    with opened(url, read_only=False) as ask:
        ask("CREATE TABLE marts.mine AS SELECT 1 AS n")
    assert tell(url, FIRST, "second", incremental=incremental).made_before > {("marts", "rep_gone")}
    with opened(url) as ask:
        found = ask("SELECT table_name FROM information_schema.tables WHERE table_schema = 'marts'")
        names = {name for (name,) in found}
        told = ask("SELECT count(*) FROM quality.data_dictionary WHERE table_name = 'rep_gone'")
    assert ("mine" in names, "rep_gone" in names, told) == (True, False, [(0,)])


def test_a_first_run_leaves_tables_of_others_alone(new_warehouse, tell):
    url = new_warehouse()
    with opened(url, read_only=False) as ask:
        ask("CREATE SCHEMA marts")
        ask("CREATE TABLE marts.obt_deals AS SELECT 42 AS mine")
        ask("CREATE SCHEMA landed")
        ask("CREATE TABLE landed.mine AS SELECT 43 AS mine")
    with pytest.raises(InputError, match=r"marts\.obt_deals is there, and no run made it"):
        tell(url, FIRST)
    with opened(url, read_only=False) as ask:
        assert ask("SELECT mine FROM marts.obt_deals") == [(42,)]
        ask("DROP TABLE marts.obt_deals")
    tell(url, FIRST)
    with opened(url) as ask:
        assert ask("SELECT mine FROM landed.mine") == [(43,)]


def test_a_full_refresh_knows_nothing_of_before(told_first, tell, whole_tables):
    url = told_first
    since = {**FIRST, "activity": FIRST["activity"][:1]}
    tell(url, since, "second", incremental=True, full_refresh=True)
    assert tables(url, "second") == whole_tables([since])
    batch = NEXT["a deals table"]
    tell(url, batch, "third", incremental=True)
    assert tables(url, "third") == whole_tables([since, batch])


def test_rows_that_are_kept_are_given_up_only_if_it_is_said(told_first, tell):
    url = told_first
    before = tables(url, "first")
    with pytest.raises(InputError, match=r"add --incremental .* or --full-refresh"):
        tell(url, FIRST, "second")
    assert tables(url, "first") == before
    tell(url, FIRST, "third", full_refresh=True)
    with pytest.raises(InputError, match="keeps no rows of earlier exports"):
        tell(url, FIRST, "fourth", incremental=True)


def test_rows_of_another_key_or_time_zone_are_not_joined(told_first, tell, monkeypatch):
    url = told_first
    with pytest.raises(InputError, match="another masking key, or for other forgotten users"):
        tell(url, FIRST, "second", incremental=True, forgotten=[2])
    monkeypatch.setenv("FUNNEL_SOURCE_TIMEZONE", "Europe/Berlin")
    with pytest.raises(InputError, match="were read with FUNNEL_SOURCE_TIMEZONE=UTC"):
        tell(url, FIRST, "third", incremental=True)


def test_the_command_joins_what_is_new_and_says_what_it_made_anew(place, export, tmp_path):
    whole_export = export()
    assert place.run("--incremental", "--source", whole_export).returncode == 0
    batch = {
        "deal_changes": [(8, "2024-02-05 08:00:00", "stage_id", "2")],
        "activity": [(3, "meeting", 2, 8, "True", "2024-02-09 09:00:00")],
    }
    with opened(place.url, read_only=False) as ask:
        ask("DROP TABLE marts.obt_deals")
    new = write_batch(tmp_path / "new", batch)
    done = place.run("--incremental", "--source", new, "--json")
    assert (done.returncode, json.loads(done.stdout)["rows_loaded"]) == (0, 2)
    said = {line.split()[0]: line for line in done.stderr.splitlines() if line.strip()}
    assert said["raw_activity"].endswith("ok; 1 earlier rows replaced")
    assert said["stg_deals"].endswith("1 made anew")
    assert said["raw_users"].endswith("not in the export")
    assert said["obt_deals"].endswith("whole: it was not there")
    assert place.query("SELECT stage_id FROM marts.obt_deals WHERE deal_id = 8") == [(2,)]
    refused = place.run("--source", whole_export)
    assert refused.returncode == 2
    assert "holds the rows of earlier exports; add --incremental" in refused.stderr
    again = place.run("--incremental", "--dry-run", "--source", new)
    assert again.returncode == 0
    known = place.query("SELECT refresh, count(*) FROM quality.runs GROUP BY refresh")
    assert dict(known) == {"whole": 1, "incremental": 1}


def test_the_first_run_needs_a_whole_export(sandbox, tmp_path):
    new = write_batch(tmp_path / "new", {"stages": [(1, "Lead Generation")]})
    done = sandbox.run("--incremental", "--source", new)
    assert done.returncode == 2
    assert "users: is missing; the first run needs a whole export" in done.stderr


def test_a_folder_without_any_table_is_no_export(sandbox, tmp_path):
    done = sandbox.run("--incremental", "--source", tmp_path)
    assert done.returncode == 2
    assert "there is no table of an export in it" in done.stderr


def test_a_file_that_could_be_a_missing_table_is_told(sandbox, tmp_path):
    new = write_batch(tmp_path / "new", {"stages": [(1, "Lead Generation")]})
    (new / "deal_change.csv").write_text("deal_id\n")
    done = sandbox.run("--incremental", "--source", new)
    assert done.returncode == 2
    assert "deal_change.csv: is no table of an export" in done.stderr
