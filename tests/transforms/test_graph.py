"""The models fit together, each alone and all of them."""

import importlib
import inspect
import os
import pkgutil
import shutil
import subprocess
import sys
from collections.abc import Callable
from datetime import datetime
from fnmatch import fnmatchcase
from pathlib import Path
from textwrap import dedent

import ibis
import pytest
from ibis import Table

import transforms
from transforms.funnel import Funnel, load_funnel
from transforms.graph import BEFORE, LAYERS, MODELS, GraphError, Model, in_order, load_models, model
from transforms.sources import SOURCES

SCHEMA = {"user_id": "int64"}


@pytest.fixture
def registry():
    """The models that are registered; those that a test adds are gone after it."""
    before = dict(MODELS)
    yield MODELS
    MODELS.clear()
    MODELS.update(before)


def in_layer(layer: str, function: Callable[..., Table]) -> Callable[..., Table]:
    """The function, as if it stood in a file of the layer."""
    function.__module__ = f"transforms.{layer}.{function.__name__}"
    return function


def models_of(*functions: Callable[..., Table], layer: str = "marts") -> dict[str, Model]:
    """Functions as models that are in no registry."""
    return {f.__name__: Model(f.__name__, layer, f, (), SCHEMA, ()) for f in functions}


# Declaring a model.


def test_registration_returns_the_function_unchanged(registry):
    def rep_new(stg_users: Table, *, timezone: str) -> Table:
        """One row per user."""
        return stg_users.filter(timezone == "UTC")

    given = dict(vars(in_layer("marts", rep_new)))
    assert model(schema=SCHEMA)(rep_new) is rep_new
    assert vars(rep_new) == given
    assert registry["rep_new"].function is rep_new


def test_parameters_name_the_tables_and_keyword_only_ones_the_settings(registry):
    def rep_new(stg_users: Table, stg_deals: Table, *, funnel: object, timezone: str) -> Table:
        """One row per user."""

    model(schema=SCHEMA)(in_layer("marts", rep_new))
    assert registry["rep_new"].upstream == ("stg_users", "stg_deals")
    assert registry["rep_new"].settings == ("funnel", "timezone")


def test_what_the_run_before_left_of_it_is_nothing_it_is_made_from(registry):
    def dim_new(before: Table, stg_users: Table) -> Table:
        """One row per user."""
        return before.union(stg_users)

    model(schema=SCHEMA)(in_layer("snapshots", dim_new))
    made = registry["dim_new"]
    assert (made.upstream, made.remembers) == (("stg_users",), True)
    tables = {name: ibis.table(SCHEMA, name=name) for name in (BEFORE, "stg_users")}
    assert made.expression(tables, {}).columns == ("user_id",)
    assert not registry["stg_deals"].remembers


def test_the_first_line_of_the_docstring_is_the_grain(registry):
    def rep_new(stg_users: Table) -> Table:
        """One row per user.

        More to say.
        """

    model(schema=SCHEMA)(in_layer("marts", rep_new))
    assert registry["rep_new"].grain == "One row per user."


def test_rows_that_are_left_as_they_are_depend_on_nothing_a_run_is_told(registry):
    def int_new(stg_deals: Table, *, timezone: str, funnel: Funnel) -> Table:
        """One row per deal."""

    with pytest.raises(GraphError, match=r"^int_new: takes timezone, and is refreshed by"):
        model(schema=SCHEMA, refresh_by="deal_id")(in_layer("intermediate", int_new))


def test_only_rows_that_are_dated_by_the_run_that_saw_them_can_take_its_time(registry):
    def dim_new(stg_deals: Table, *, now: datetime) -> Table:
        """One row per deal."""

    def dim_other(before: Table, stg_deals: Table, *, now: datetime) -> Table:
        """One row per deal."""

    with pytest.raises(GraphError, match=r"^dim_new: takes now, and is refreshed by"):
        model(schema=SCHEMA, refresh_by="deal_id")(in_layer("snapshots", dim_new))
    model(schema=SCHEMA, refresh_by="deal_id")(in_layer("snapshots", dim_other))


def test_a_model_that_is_refreshed_by_a_column_says_what_moves_with_as_of(registry):
    def int_new(stg_deals: Table, *, as_of: datetime) -> Table:
        """One row per deal."""

    with pytest.raises(GraphError, match=r"^int_new: `moves` says which rows change with as_of$"):
        model(schema=SCHEMA, refresh_by="deal_id")(in_layer("intermediate", int_new))
    moving = model(schema=SCHEMA, refresh_by="deal_id", moves=lambda rows: rows.left_at.isnull())
    with pytest.raises(GraphError, match=r"^int_new: rows that move have a key"):
        moving(in_layer("intermediate", int_new))


@pytest.mark.parametrize("docstring", [None, "", "Users.", "Users.\n\nOne row per user."])
def test_a_model_without_its_grain_is_refused(registry, docstring):
    def rep_new(stg_users: Table) -> Table: ...

    rep_new.__doc__ = docstring
    with pytest.raises(GraphError, match=r"^rep_new: the docstring begins with its grain"):
        model(schema=SCHEMA)(in_layer("marts", rep_new))
    assert "rep_new" not in registry


def test_a_key_is_checked_to_be_unique_and_never_null(registry):
    def rep_new(stg_users: Table) -> Table:
        """One row per user and month."""

    model(schema=SCHEMA, key=["user_id", "month"])(in_layer("marts", rep_new))
    assert [(check.name, check.severity) for check in registry["rep_new"].checks] == [
        ("unique(user_id, month)", "error"),
        ("not_null(user_id)", "error"),
        ("not_null(month)", "error"),
    ]


@pytest.mark.parametrize(
    ("columns", "named"),
    [
        ({"user_id": "int64", "more": "string"}, "more"),
        ({"user_id": "int32"}, "user_id"),
        ({"id": "int64"}, "id, user_id"),
    ],
)
def test_a_table_that_differs_from_its_declared_schema_is_refused(columns, named):
    def rep_new(stg_users: Table) -> Table:
        return stg_users.select(**{name: ibis.null(dtype) for name, dtype in columns.items()})

    users = ibis.table(SCHEMA, name="stg_users")
    said = f"rep_new: its table and its declared schema differ in {named}"
    with pytest.raises(GraphError, match=f"^{said}$"):
        models_of(rep_new)["rep_new"].expression({"stg_users": users}, {})


@pytest.mark.parametrize(
    ("declared", "said"),
    [
        ({"schema": {"user_id": "integr"}}, "Ibis does not know a type of its declared schema"),
        ({"key": ["id"]}, "declares id as key, refresh_by or by_month, which is no column"),
        ({"refresh_by": "deal_id"}, "declares deal_id as key, refresh_by or by_month, which"),
        ({"by_month": "at"}, "declares at as key, refresh_by or by_month, which is no column"),
    ],
)
def test_a_declaration_that_its_schema_does_not_bear_out_is_refused(registry, declared, said):
    def rep_new(stg_users: Table) -> Table:
        """One row per user."""
        return stg_users

    model(**{"schema": SCHEMA, **declared})(in_layer("marts", rep_new))
    with pytest.raises(GraphError, match=f"^rep_new: {said}"):
        registry["rep_new"].expression({"stg_users": ibis.table(SCHEMA, name="stg_users")}, {})


def test_a_setting_that_no_run_has_is_told_with_those_that_it_has():
    def rep_new(*, rate: str) -> Table: ...

    with pytest.raises(GraphError, match=r"^rep_new: takes rate; the settings are as_of, now$"):
        models_of(rep_new)["rep_new"].expression({}, {"as_of": None, "now": None})


def test_the_columns_come_in_the_order_of_the_declared_schema():
    def rep_new(stg_users: Table) -> Table:
        return stg_users.select(b=stg_users.user_id, a=stg_users.user_id)

    made = Model("rep_new", "marts", rep_new, (), {"a": "int64", "b": "int64"}, ())
    users = ibis.table(SCHEMA, name="stg_users")
    assert made.expression({"stg_users": users}, {}).columns == ("a", "b")


def test_settings_reach_the_model_and_its_schema():
    def rep_new(*, funnel: tuple[str, ...]) -> Table:
        return ibis.memtable({step: [1] for step in funnel}, schema=columns(funnel=funnel))

    def columns(*, funnel: tuple[str, ...]) -> dict[str, str]:
        return dict.fromkeys(funnel, "int64")

    made = Model("rep_new", "marts", rep_new, (), columns, ())
    assert made.expression({}, {"funnel": ("x", "y"), "other": 1}).columns == ("x", "y")


# Their order.


def test_order_follows_from_the_signatures():
    def c(b: Table) -> Table: ...
    def b(a: Table) -> Table: ...
    def a(raw_users: Table) -> Table: ...
    def d(a: Table, c: Table) -> Table: ...

    assert list(in_order(models_of(d, c, b, a))) == ["a", "b", "c", "d"]


def test_layers_come_one_after_the_other():
    def a_mart() -> Table: ...
    def a_user(raw_users: Table) -> Table: ...
    def b_stage(a_user: Table) -> Table: ...

    models = models_of(a_mart) | models_of(b_stage, layer="staging")
    models |= models_of(a_user, layer="masking")
    assert list(in_order(models)) == ["a_user", "b_stage", "a_mart"]


def test_of_a_table_that_nothing_makes_it_is_said_who_reads_it():
    def rep_new(stg_nothing: Table) -> Table: ...

    with pytest.raises(GraphError, match=r"^rep_new reads stg_nothing, which no model makes$"):
        in_order(models_of(rep_new))


def test_every_table_of_the_export_can_be_read():
    reads = ", ".join(source.raw_name for source in SOURCES.values())
    function = eval(f"lambda {reads}: None")
    assert list(in_order({"all": Model("all", "staging", function, (), SCHEMA, ())})) == ["all"]


def test_models_that_read_each_other_in_a_circle_are_named():
    def a(c: Table) -> Table: ...
    def b(a: Table) -> Table: ...
    def c(b: Table) -> Table: ...

    with pytest.raises(GraphError, match=r"^models read each other in a circle: ") as caught:
        in_order(models_of(a, b, c))
    assert all(f" {name}" in str(caught.value) for name in "abc")


def test_a_model_that_reads_itself_is_a_circle():
    def a(a: Table) -> Table: ...

    with pytest.raises(GraphError, match=r"circle: a -> a$"):
        in_order(models_of(a))


def test_a_model_cannot_read_a_later_layer():
    def stg_new(rep_new: Table) -> Table: ...
    def rep_new() -> Table: ...

    models = models_of(stg_new, layer="staging") | models_of(rep_new)
    with pytest.raises(GraphError, match=r"^stg_new reads rep_new of the later layer marts$"):
        in_order(models)


# The models of the project, each of them.

ALL = load_models()
SETTINGS = {
    "funnel": load_funnel(),
    "timezone": "Europe/Berlin",  # one that has to be converted to
    "as_of": datetime(2024, 12, 31),
    "now": datetime(2025, 1, 1),
    "forgotten": (7,),
}
SCHEMAS = {source.raw_name: source.raw_schema for source in SOURCES.values()} | {
    name: made.columns(SETTINGS) for name, made in ALL.items()
}
UNBOUND = {name: ibis.table(schema, name=name) for name, schema in SCHEMAS.items()}


@pytest.fixture(params=ALL, ids=str)
def each(request: pytest.FixtureRequest) -> Model:
    return ALL[request.param]


def read_by(each: Model) -> dict[str, Table]:
    """What a model reads, unbound; what the run before left of it, too."""
    return UNBOUND | {BEFORE: ibis.table(SCHEMAS[each.name], name="before")}


def test_file_function_and_table_have_one_name(each):
    assert each.function.__module__ == f"transforms.{each.layer}.{each.name}"


def test_the_model_is_a_plain_function_of_its_module(each):
    module = importlib.import_module(each.function.__module__)
    assert getattr(module, each.name) is each.function
    assert inspect.isfunction(each.function)


def test_the_unbound_call_has_exactly_the_declared_schema(each):
    tables = read_by(each)
    names = inspect.signature(each.function).parameters
    made = each.function(
        *(tables[name] for name in names if name in tables),
        **{name: SETTINGS[name] for name in each.settings},
    )
    assert dict(made.schema()) == dict(ibis.schema(SCHEMAS[each.name]))


def test_every_column_is_described_and_no_other(each):
    columns = SCHEMAS[each.name]
    assert [column for column in columns if not each.describe(column)] == []
    section = inspect.getdoc(each.function).partition("\nColumns:\n")[2].splitlines()
    described = [line.split(":")[0].strip() for line in section if line[4:5].strip()]
    assert [name for name in described if not any(fnmatchcase(c, name) for c in columns)] == []


def test_the_key_is_among_the_columns(each):
    assert set(each.key) <= set(SCHEMAS[each.name])


def test_what_it_is_refreshed_by_is_a_column_of_all_that_is_read_in_part(each):
    if each.refresh_by is None:
        return
    in_part = [name for name in each.upstream if name in ALL and ALL[name].refresh_by]
    assert [n for n in (each.name, *in_part) if each.refresh_by not in SCHEMAS[n]] == []


def test_what_it_is_filed_by_is_a_time(each):
    assert each.by_month is None or SCHEMAS[each.name][each.by_month] == "timestamp(6)"


def test_checks_have_names_of_their_own(each):
    names = [check.name for check in each.checks]
    assert len(names) == len(set(names))


def test_every_check_compiles_with_the_tables_it_needs(each, engine):
    for check in each.checks:
        assert set(check.needs) <= set(ALL), f"{check.name} needs a table that no model makes"
        needed = {name: UNBOUND[name] for name in check.needs}
        assert engine.compile(check.failing(UNBOUND[each.name], needed, SETTINGS).count())


def test_the_model_compiles(each, engine):
    assert engine.compile(each.expression(read_by(each), SETTINGS))


def test_the_model_and_its_checks_run_on_empty_tables(each, engine, draw):
    empty = {name: draw("", **schema) for name, schema in SCHEMAS.items()}
    rows = each.expression(empty | {BEFORE: empty[each.name]}, SETTINGS)
    assert engine.to_pyarrow(rows).column_names == list(SCHEMAS[each.name])
    for check in each.checks:
        broken = check.failing(empty[each.name], empty, SETTINGS)
        assert engine.to_pyarrow(broken.count()).as_py() == 0


def test_every_file_of_a_layer_is_a_model():
    files = {
        module.name
        for layer in LAYERS
        for module in pkgutil.iter_modules([str(Path(transforms.__file__).with_name(layer))])
    }
    assert files - set(ALL) == {"pseudonyms"}


# Files that come and go.


@pytest.fixture
def copied(tmp_path) -> Path:
    """A copy of transforms/, to change."""
    source = Path(transforms.__file__).parent
    ignored = shutil.ignore_patterns("__pycache__", ".*_cache")
    return Path(shutil.copytree(source, tmp_path / "transforms", ignore=ignored))


def python(folder: Path, code: str, **env: str) -> subprocess.CompletedProcess[str]:
    """Run code in another process, with the folder's transforms."""
    return subprocess.run(
        [sys.executable, "-c", code],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": str(folder)} | env,
        capture_output=True,
        text=True,
        check=False,
    )


def loaded(folder: Path, **env: str) -> list[str]:
    """Names of the models, in their order; or the last line of what is said instead."""
    code = "from transforms.graph import load_models; print('\\n'.join(load_models()))"
    done = python(folder, code, **env)
    return done.stdout.split() if done.returncode == 0 else done.stderr.splitlines()[-1:]


@pytest.mark.parametrize("seed", ["1", "3"])
def test_the_order_is_the_same_in_every_process(seed):
    assert loaded(Path(transforms.__file__).parents[1], PYTHONHASHSEED=seed) == list(ALL)


def test_a_leaf_that_is_deleted_breaks_nothing_else(copied):
    (copied / "marts" / "rep_days_to_close.py").unlink()
    assert loaded(copied.parent) == [name for name in ALL if name != "rep_days_to_close"]


def test_of_a_deleted_model_it_is_said_who_reads_it(copied):
    (copied / "masking" / "stg_users.py").unlink()
    [said] = loaded(copied.parent)
    readers = [name for name, made in ALL.items() if "stg_users" in made.upstream]
    assert said in [
        f"transforms.graph.GraphError: {reader} reads stg_users, which no model makes"
        for reader in readers
    ]


def test_a_mart_is_added_by_one_file(copied):
    mart = '''
        """Users by the letter of their name."""

        from ibis import Table

        from transforms.graph import model


        @model(schema={"letter": "string", "users": "int64"})
        def rep_letters(stg_users: Table) -> Table:
            """One row per letter."""
            letter = stg_users.name_masked.substr(0, 1)
            return stg_users.group_by(letter=letter).agg(users=stg_users.count())
    '''
    (copied / "marts" / "rep_letters.py").write_text(dedent(mart), encoding="utf-8")
    names = loaded(copied.parent)
    assert sorted(names) == sorted([*ALL, "rep_letters"])
    assert names.index("rep_letters") > names.index("stg_users")


def test_transforms_imports_ibis_and_the_standard_library_only():
    code = """
        import importlib, pkgutil, sys
        import ibis
        before = set(sys.modules)
        import transforms
        for module in pkgutil.walk_packages(transforms.__path__, "transforms."):
            importlib.import_module(module.name)
        added = {name.split(".")[0] for name in set(sys.modules) - before}
        print(*sorted(added - sys.stdlib_module_names - {"ibis", "transforms"}))
        loaded = sys.modules.keys() & {"prefect", "pandas", "seaborn", "duckdb", "flows", "reports"}
        print(*sorted(loaded))
    """
    done = python(Path(transforms.__file__).parent.parent, dedent(code))
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == []
