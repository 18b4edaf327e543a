"""The models: their declaration, their registry, and their order.

A model is a function whose **parameter names name its inputs**: positional parameters are upstream
tables (models, or the raw tables of `transforms.sources`), keyword-only ones are settings of the
run; `before` is the table itself, as the run before left it. Order and lineage follow from the
signatures; they are written down nowhere else.
"""

import importlib
import inspect
import pkgutil
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from graphlib import CycleError, TopologicalSorter
from typing import Any, TypeVar

import ibis
from ibis import Table
from ibis.expr.types import BooleanValue

import transforms
from transforms.checks import Check, not_null, parameters, unique
from transforms.sources import RAW_TABLES

# In the order of the data flow: a model reads its own layer and those before it.
LAYERS = ("masking", "staging", "intermediate", "marts", "snapshots", "quality")
BEFORE = "before"

Columns = Mapping[str, str]
Function = TypeVar("Function", bound=Callable[..., Table])


class GraphError(Exception):
    """The models do not fit together; the message names the model and the mend."""


@dataclass(frozen=True)
class Model:
    """One table of the warehouse: the function that makes it, and what is promised of it.

    `declared`: columns and their Ibis types, or a function of run settings that gives them.
    `grain`: the first line of the docstring, "One row per …".
    `refresh_by`: the column by which an incremental run replaces rows. Rows with one value of it
    depend only on rows with that value in models refreshed by a column and in raw tables; other
    tables are read whole. None: it is made whole in every run.
    `moves`: its rows that change when only `as_of` does.
    `by_month`: a column of time, by whose month the rows are filed where files are written.
    `in_parts`: if what it reads has more rows than an engine takes at once
    (`Warehouse.rows_at_once`), its rows are made range by range of `refresh_by`.
    """

    name: str
    layer: str
    function: Callable[..., Table]
    key: tuple[str, ...]
    declared: Columns | Callable[..., Columns]
    checks: tuple[Check, ...]
    refresh_by: str | None = None
    moves: Callable[[Table], BooleanValue] | None = None
    by_month: str | None = None
    in_parts: bool = False

    @property
    def schema(self) -> str:
        """The warehouse schema it lives in; what masking makes is a staging table."""
        return "staging" if self.layer == "masking" else self.layer

    @property
    def upstream(self) -> tuple[str, ...]:
        """The other tables it reads, in the order of its parameters."""
        return tuple(name for name in self.inputs if name != BEFORE)

    @property
    def inputs(self) -> tuple[str, ...]:
        """The tables it reads; of one that remembers, with BEFORE."""
        return parameters(self.function)[0]

    @property
    def remembers(self) -> bool:
        """Whether it reads what the run before left of it."""
        return BEFORE in self.inputs

    @property
    def settings(self) -> tuple[str, ...]:
        """The run settings it takes."""
        return parameters(self.function)[1]

    @property
    def grain(self) -> str:
        """What one row is."""
        return (inspect.getdoc(self.function) or "").partition("\n")[0]

    @property
    def about(self) -> str:
        """What else its docstring says before "Columns:", a line per paragraph."""
        _, _, rest = (inspect.getdoc(self.function) or "").partition("\n")
        paragraphs = rest.partition("\nColumns:\n")[0].strip().split("\n\n")
        return "\n\n".join(" ".join(paragraph.split()) for paragraph in paragraphs)

    def columns(self, settings: Mapping[str, Any]) -> Columns:
        """The declared columns and their Ibis types."""
        if not callable(self.declared):
            return self.declared
        return self.declared(**{name: settings[name] for name in parameters(self.declared)[1]})

    def expression(self, tables: Mapping[str, Table], settings: Mapping[str, Any]) -> Table:
        """The model over the given tables, with exactly the declared columns in their order.

        Of one that remembers, BEFORE is among the tables.
        """
        if unknown := [name for name in self.settings if name not in settings]:
            known = ", ".join(settings)
            raise GraphError(f"{self.name}: takes {', '.join(unknown)}; the settings are {known}")
        made = self.function(
            *(tables[name] for name in self.inputs),
            **{name: settings[name] for name in self.settings},
        )
        declared = self._declared(settings)
        differing = set(declared.items()) ^ set(made.schema().items())
        if differing:
            names = ", ".join(sorted({name for name, _ in differing}))
            raise GraphError(f"{self.name}: its table and its declared schema differ in {names}")
        return made.select(*declared)

    def _declared(self, settings: Mapping[str, Any]) -> ibis.Schema:
        """The declared columns, which have types, and are those that the declaration names."""
        columns = self.columns(settings)
        try:
            declared = ibis.schema(columns)
        except Exception as error:  # of a type of Ibis's own, which is not public
            raise GraphError(
                f"{self.name}: Ibis does not know a type of its declared schema: {columns}"
            ) from error
        named = {*self.key, self.refresh_by, self.by_month} - {None}
        if missing := sorted(named - declared.keys()):
            raise GraphError(
                f"{self.name}: declares {', '.join(missing)} as key, refresh_by or by_month, which"
                " is no column of its schema"
            )
        return declared

    def describe(self, column: str) -> str:
        """What the docstring's "Columns:" section says of a column; "" if nothing."""
        section = (inspect.getdoc(self.function) or "").partition("\nColumns:\n")[2]
        lines = re.findall(r"^    (\S+): (.+(?:\n {8}.+)*)", section, flags=re.MULTILINE)
        texts = (text for pattern, text in lines if fnmatchcase(column, pattern))
        return " ".join(next(texts, "").split())


MODELS: dict[str, Model] = {}


def model(
    *,
    schema: Columns | Callable[..., Columns],
    key: Iterable[str] = (),
    checks: Iterable[Check] = (),
    refresh_by: str | None = None,
    moves: Callable[[Table], BooleanValue] | None = None,
    by_month: str | None = None,
    in_parts: bool = False,
) -> Callable[[Function], Function]:
    """Register a function as the model of the same name, and return it unchanged.

    `key`: the columns that identify a row; they are checked to be unique and never null (`error`).
    `refresh_by`, `moves`: how an incremental run refreshes it, `by_month`: how its files are,
    `in_parts`: how it is made where it is large, see Model.
    """

    def register(function: Function) -> Function:
        name = function.__name__
        identity = (unique(*key), *(not_null(column) for column in key)) if key else ()
        made = Model(
            name=name,
            layer=function.__module__.split(".")[-2],
            function=function,
            key=tuple(key),
            declared=schema,
            checks=(*identity, *checks),
            refresh_by=refresh_by,
            moves=moves,
            by_month=by_month,
            in_parts=in_parts,
        )
        if not made.grain.startswith("One row"):
            raise GraphError(f'{name}: the docstring begins with its grain, "One row per …"')
        _check_refresh(made)
        if name in MODELS and MODELS[name].function.__module__ != function.__module__:
            raise GraphError(f"{name}: two modules make a table of that name")
        MODELS[name] = made
        return function

    return register


def load_models() -> dict[str, Model]:
    """All models of the layer packages, upstream first, always in the same order.

    Raises:
        GraphError: a model reads a table that nothing makes, or the models form a cycle.
    """
    for layer in LAYERS:
        package = importlib.import_module(f"{transforms.__name__}.{layer}")
        for module in pkgutil.iter_modules(package.__path__, package.__name__ + "."):
            importlib.import_module(module.name)
    return in_order(MODELS)


def in_order(models: Mapping[str, Model]) -> dict[str, Model]:
    """The models, each after the ones it reads, layer by layer."""
    for made in models.values():
        for name in made.upstream:
            if name not in models and name not in RAW_TABLES:
                raise GraphError(f"{made.name} reads {name}, which no model makes")
            if name in models and _depth(models[name]) > _depth(made):
                raise GraphError(
                    f"{made.name} reads {name} of the later layer {models[name].layer}"
                )
    sorter = TopologicalSorter(
        {name: sorted(set(models[name].upstream) - set(RAW_TABLES)) for name in sorted(models)}
    )
    try:
        ordered = sorted(sorter.static_order(), key=lambda name: _depth(models[name]))
    except CycleError as error:
        raise GraphError(
            f"models read each other in a circle: {' -> '.join(error.args[1])}"
        ) from None
    return {name: models[name] for name in ordered}


def _check_refresh(made: Model) -> None:
    """A model of which rows stay from run to run must not use what differs between runs."""
    if made.refresh_by is None:
        if made.in_parts:
            raise GraphError(f"{made.name}: `refresh_by` says by what it is cut in parts")
        return
    # Of another funnel, and after other users are forgotten, all is made anew; and what is dated by
    # the run that saw it stays as it was dated.
    known = {"funnel", "as_of", "forgotten", *(("now",) if made.remembers else ())}
    others = sorted({*made.settings} - known)
    if others:
        raise GraphError(f"{made.name}: takes {', '.join(others)}, and is refreshed by a column")
    if not made.remembers and ("as_of" in made.settings) != (made.moves is not None):
        raise GraphError(f"{made.name}: `moves` says which rows change with as_of")
    if made.moves is not None and not made.key:
        raise GraphError(f"{made.name}: rows that move have a key, by which they are replaced")


def _depth(made: Model) -> int:
    return LAYERS.index(made.layer)
