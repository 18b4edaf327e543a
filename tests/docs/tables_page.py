"""What the docs say of the tables: `python -m tests.docs.tables_page` writes it.

It writes `docs/tables.md`, and the table of the marts in the README.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from inspect import getdoc, isfunction, signature
from pathlib import Path

from flows.records.dictionary import DocumentedTable, documented
from transforms import checks
from transforms.funnel import load_funnel
from transforms.graph import load_models
from transforms.sources import SOURCES, Column, Source

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs/tables.md"
README = ROOT / "README.md"
MARTS = re.compile(r"(?<=<!-- marts -->\n).*?(?=<!-- end of marts -->)", re.DOTALL)
EXPORT = "export"

INTRODUCTION = """\
# The tables

Written by `make docs` from the declarations in `transforms/` and `flows/records/record.py`; a test
fails where the two differ. In the warehouse the same is in `quality.data_dictionary`,
`quality.lineage` and the comments of tables and columns, in the report under "Tables".

Types are as Ibis names them. A check of severity *error* stops the run before anything is
published, one of severity *warn* is recorded and shown. The columns `step_…` of `obt_deals` are
those of the funnel in `transforms/funnel.toml`.

## What is made from what
"""
SCHEMAS = {
    EXPORT: "The tables of the export, typed, masked and free of equal rows. They are there during"
    " the run only. A column in bold must have a value, or the row is rejected; one in italics may"
    " be missing in the export.",
    "staging": "Names, codes and times as the rest of the project knows them.",
    "intermediate": "What happened to the deals.",
    "marts": "What is published: query these.",
    "snapshots": "What was true of the deals when, as far as any run has seen: each run adds to"
    " what the one before left ([the history](history.md)).",
    "quality": "What runs found out about their data. All but `data_dictionary` and `lineage`"
    " keep the rows of earlier runs: their keys hold within a `run_id`. Readers see the run whose"
    " row of `runs` has the status `published` and the greatest `finished_at`.",
}
CHECKS = (
    "What a check asks of its table, by the beginning of its name. A name that is not here is a"
    " rule about single rows, and says what holds: `activities_add_up`. Its code is in the file of"
    " the model."
)


def page() -> str:
    """The page `docs/tables.md`."""
    tables = _tables()
    parts = [INTRODUCTION, "```mermaid\n" + mermaid(tables) + "```\n"]
    for schema, about in SCHEMAS.items():
        parts.append(f"## {schema}\n\n{about}\n")
        if schema == EXPORT:
            parts += map(_of_source, SOURCES.values())
        parts += [_of_table(table) for table in tables if table.schema == schema]
    parts.append(f"## Checks\n\n{CHECKS}\n\n{_kinds_of_checks()}")
    return "\n".join(parts)


def marts() -> str:
    """The marts in the README: name and grain."""
    rows = [
        (f"[{table.name}](docs/tables.md#{table.name})", table.grain)
        for table in sorted(_tables(), key=lambda table: table.name)
        if table.schema == "marts"
    ]
    shown = [(name, re.sub(r"^One row (per )?|\.$", "", grain)) for name, grain in rows]
    return _grid(("mart", "one row per"), shown)


def mermaid(tables: Sequence[DocumentedTable]) -> str:
    """The lineage as a diagram of Mermaid: the export on the left, each schema a box."""
    boxes: dict[str, list[str]] = {EXPORT: [source.raw_name for source in SOURCES.values()]}
    arrows = [(upstream, table.name) for table in tables for upstream in table.upstream]
    with_arrows = {name for arrow in arrows for name in arrow}
    for table in tables:
        if table.name in with_arrows:
            boxes.setdefault(table.schema, []).append(table.name)
    drawn = (
        f"  subgraph {schema}\n" + "".join(f"    {name}\n" for name in names) + "  end\n"
        for schema, names in boxes.items()
    )
    lines = (f"  {upstream} --> {name}\n" for upstream, name in arrows)
    return "".join(["flowchart LR\n", *drawn, *lines])


def _tables() -> list[DocumentedTable]:
    return documented(load_models().values(), {"funnel": load_funnel()})


def _of_table(table: DocumentedTable) -> str:
    facts = {
        "Key": ", ".join(map(_code, table.key)),
        "Made from": ", ".join(f"[{name}](#{name})" for name in table.upstream),
        "Checks": ", ".join(f"{_code(check.name)} {check.severity}" for check in table.checks),
    }
    columns = [(_code(name), dtype, _text(said)) for name, (dtype, said) in table.columns.items()]
    about = f"{_text(table.grain)}\n\n{_text(table.about)}".strip()
    return _section(table.name, about, facts, ("column", "type", "meaning"), columns)


def _of_source(source: Source) -> str:
    about = f"The table `{source.name}` of the export{', optional' if source.optional else ''}."
    facts = {"Checks": ", ".join(f"{_code(rule)} warn" for rule in source.checks)}
    columns = [(_marked(column), _code(column.kind), _becomes(column)) for column in source.columns]
    return _section(source.raw_name, about, facts, ("column", "kind", "becomes"), columns)


def _kinds_of_checks() -> str:
    kinds = [
        kind
        for kind in vars(checks).values()
        if isfunction(kind) and signature(kind).return_annotation is checks.Check
    ]
    rows = [(_code(kind.__name__), _text(" ".join((getdoc(kind) or "").split()))) for kind in kinds]
    return _grid(("check", "what holds"), rows)


def _marked(column: Column) -> str:
    mark = "**" if column.required else "*" if column.optional else ""
    return f"{mark}{_code(column.name)}{mark}"


def _becomes(column: Column) -> str:
    return ", ".join(f"{_code(name)} {dtype}" for name, dtype in column.raw.items())


def _section(
    name: str,
    about: str,
    facts: Mapping[str, str],
    heading: tuple[str, ...],
    rows: Iterable[tuple[str, ...]],
) -> str:
    told = [f"- {fact}: {what}\n" for fact, what in facts.items() if what]
    return "\n".join([f"### {name}\n", f"{about}\n", "".join(told), _grid(heading, rows)])


def _grid(heading: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    lines = (heading, ["---"] * len(heading), *rows)
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def _code(name: str) -> str:
    return f"`{name}`"


def _text(said: str) -> str:
    """Words of a docstring, in which `code` stays code and nothing else is markup."""
    return re.sub(r"[*<|]", r"\\\g<0>", said)


if __name__ == "__main__":
    PAGE.write_text(page(), "utf-8")
    README.write_text(MARTS.sub(lambda _: marts(), README.read_text("utf-8")), "utf-8")
