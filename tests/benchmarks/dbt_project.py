"""The same tables and the same rules as a dbt project.

Its models are the handwritten SQL, cut up, and its tests are the checks, in the SQL that Ibis makes
of them.
"""

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import ibis
import yaml

from transforms.funnel import load_funnel
from transforms.graph import load_models

WORK = "work"  # the schema of what the handwritten SQL has for its own use only
AS_OF = f"(SELECT as_of FROM {WORK}.as_of)"
KEY = bytes(32)
PLACE = re.compile(rf'"?\b(staging|intermediate|marts|snapshots|{WORK})"?\."?(\w+)"?')


@dataclass(frozen=True)
class DbtModel:
    """A table: where it is, its query, and what dbt is told of it besides."""

    schema: str
    name: str
    query: str
    config: Mapping[str, Any] = field(default_factory=dict)

    @property
    def title(self) -> str:
        """What dbt calls it: a name that no other model has."""
        return f"{WORK}_{self.name}" if self.schema == WORK else self.name


@dataclass(frozen=True)
class DbtProject:
    """A project on one engine: its connection, what it does first, and its models.

    `dialect`: the engine, as Ibis calls it. `config`: of every model.
    """

    dialect: str
    target: Mapping[str, Any]
    on_run_start: list[str]
    models: list[DbtModel]
    config: Mapping[str, Any] = field(default_factory=dict)

    def write(self, folder: Path) -> int:
        """Write it into a new folder, for `dbt build`; gives the number of its tests."""
        config = {f"+{name}": value for name, value in self.config.items()}
        project = {
            "name": "funnel",
            "profile": "funnel",
            "version": "1.0",
            "flags": {"send_anonymous_usage_stats": False},
            "on-run-start": self.on_run_start,
            "models": {"+materialized": "table", **config},
        }
        profile = {"funnel": {"target": "bench", "outputs": {"bench": dict(self.target)}}}
        (folder / "macros").mkdir(parents=True)
        (folder / "dbt_project.yml").write_text(yaml.safe_dump(project))
        (folder / "profiles.yml").write_text(yaml.safe_dump(profile))
        # dbt would put the name of the schema of the target before that of the model.
        (folder / "macros/schema.sql").write_text(
            "{% macro generate_schema_name(name, node) %}{{ name or target.schema }}{% endmacro %}"
        )
        titles = {(model.schema, model.name): model.title for model in self.models}
        for model in self.models:
            place = folder / "models" / model.schema
            place.mkdir(parents=True, exist_ok=True)
            given = {"schema": model.schema, "alias": model.name, **model.config}
            text = f"{_config(given)}{_referring(model.query, titles)}"
            (place / f"{model.title}.sql").write_text(text)
        return self._write_tests(folder / "tests", titles)

    def _write_tests(self, folder: Path, titles: Mapping[tuple[str, str], str]) -> int:
        """A test for each rule of a table that is there; it gives the rows that break the rule."""
        folder.mkdir()
        models = load_models()
        settings = {
            "funnel": load_funnel(),
            "timezone": "UTC",
            "as_of": datetime(2199, 12, 31),  # after all there is, as what the models have is
            "now": datetime(2026, 10, 1),
            "forgotten": (),
        }
        tables = {
            name: ibis.table(model.columns(settings), name=name, database=model.schema)
            for name, model in models.items()
        }
        there = {name for name, model in models.items() if (model.schema, name) in titles}
        written = 0
        for name in sorted(there):
            for place, check in enumerate(models[name].checks):
                if there.issuperset(check.needs):
                    failing = check.failing(tables[name], tables, settings)
                    query = _referring(str(ibis.to_sql(failing, self.dialect)), titles)
                    text = f"{_config({'severity': check.severity})}{query}"
                    (folder / f"{name}_{place}.sql").write_text(text)
                    written += 1
        return written


def change_settings(in_force: dict[str, str | None], statement: str) -> None:
    """Remember what `SET name = value` or `RESET name` changes, for the statements after it."""
    if found := re.fullmatch(r"SET (\w+) = (.+)", statement):
        in_force[found[1]] = found[2]
    elif found := re.fullmatch(r"RESET (\w+)", statement):
        in_force[found[1]] = None


def hooks(in_force: Mapping[str, str | None], local: str = "") -> list[str]:
    """Statements before that of a model, so that it has the settings of the handwritten one.

    `local`: what lets a setting end with the transaction, which then needs no RESET.
    """
    return [
        f"RESET {name}" if value is None else f"SET {local}{name} = {value}"
        for name, value in in_force.items()
        if value is not None or not local
    ]


def named(query: str, tables: Collection[str]) -> str:
    """The query with the schema of these tables, which are there without one."""

    def with_schema(found: re.Match[str]) -> str:
        return f"{found[1]} {WORK}.{found[2]} AS {found[3] or found[2]}"

    names = "|".join(sorted(tables))
    return re.sub(rf"\b(FROM|JOIN)\s+({names})\b(?:\s+AS\s+(\w+))?", with_schema, query)


def _config(given: Mapping[str, Any]) -> str:
    return f"{{{{ config({', '.join(f'{name}={value!r}' for name, value in given.items())}) }}}}\n"


def _referring(query: str, titles: Mapping[tuple[str, str], str]) -> str:
    """The query with references to models in place of the names of tables."""

    def reference(found: re.Match[str]) -> str:
        title = titles.get((found[1], found[2]))
        return f"{{{{ ref('{title}') }}}}" if title else found[0]

    return PLACE.sub(reference, query)
