"""The tables of the warehouse: what each is made from, as a picture and in words."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from itertools import accumulate
from typing import Any

from pandas import DataFrame

# Side by side; the ends of the flow are one below the other.
COLUMNS = (("export",), ("staging",), ("intermediate",), ("marts", "snapshots", "quality"))
LETTER, PADDING, GAP, ROW = 6.0, 14, 42, 24


@dataclass(frozen=True)
class Box:
    """A table in the picture, and the lines that lead to it from the tables it is made from."""

    name: str
    x: float
    y: float
    width: float
    lines: tuple[str, ...] = ()
    height: float = ROW - 6


@dataclass(frozen=True)
class Picture:
    """The boxes, a heading above those of each schema (text, x, y), and the size of it all."""

    boxes: list[Box]
    headings: list[tuple[str, float, float]]
    width: float
    height: float


def picture(dictionary: DataFrame, lineage: DataFrame) -> Picture:
    """Draw what is made from what; a table that is made from none, and none from it, is left out.

    The boxes come from right to left: a line is drawn before the boxes that it passes.
    """
    by_schema = _names(dictionary, lineage)
    longest = [
        max(len(name) for schema in column for name in (schema, *by_schema.get(schema, [])))
        for column in COLUMNS
    ]
    widths = [letters * LETTER + PADDING for letters in longest]
    lefts = accumulate((width + GAP for width in widths[:-1]), initial=1.0)
    boxes: dict[str, Box] = {}
    headings, bottom = [], 0.0
    for column, x, width in zip(COLUMNS, lefts, widths, strict=True):
        y = 0.0
        for schema in column:
            headings.append((schema, x, y + ROW / 2))
            for name in by_schema.get(schema, []):
                y += ROW
                boxes[name] = Box(name, x, y, width)
            y += 1.5 * ROW
        bottom = max(bottom, y)
    made_from = _lists(lineage, "table_name", "upstream_table")
    drawn = [
        replace(box, lines=tuple(_line(boxes[name], box) for name in made_from.get(box.name, [])))
        for box in reversed(boxes.values())
    ]
    return Picture(drawn, headings, x + width + GAP / 2, bottom)


def in_words(tables: Mapping[str, DataFrame]) -> list[dict[str, Any]]:
    """Of each table its grain, what it is made from, its checks and its columns."""
    checks = tables["check_results"]
    severity = checks["severity"].map({"error": "", "warn": " (warns)"})
    checks = checks.assign(rule=checks["check_name"] + severity)
    made_from = _lists(tables["lineage"], "table_name", "upstream_table")
    checked = _lists(checks, "model", "rule")
    of_table = ["schema_name", "table_name", "grain"]
    of_column = ["column_name", "column_type", "description"]
    return [
        {
            "schema": schema,
            "name": name,
            "grain": grain,
            "made_from": made_from.get(name, []),
            "checks": checked.get(name, []),
            "columns": columns[of_column].values.tolist(),
        }
        for (schema, name, grain), columns in tables["data_dictionary"].groupby(
            of_table, sort=False
        )
    ]


def _names(dictionary: DataFrame, lineage: DataFrame) -> dict[str, list[str]]:
    """The tables to be drawn, in the order in which they are made; what no schema has is read."""
    known = dictionary.drop_duplicates("table_name")
    read, made = lineage["upstream_table"], lineage["table_name"]
    export = read[~read.isin(known["table_name"])].drop_duplicates()
    linked = known[known["table_name"].isin([*read, *made])]
    return {"export": export.tolist()} | _lists(linked, "schema_name", "table_name")


def _lists(frame: DataFrame, key: str, value: str) -> dict[str, list[str]]:
    return {name: values.tolist() for name, values in frame.groupby(key, sort=False)[value]}


def _line(start: Box, end: Box) -> str:
    """A curve from the right side of a box to the left side of one, or beside their column."""
    x, y, to_y = start.x + start.width, start.y + start.height / 2, end.y + end.height / 2
    to_x, bend, to_bend = end.x, x + GAP / 2, end.x - GAP / 2
    if start.x == end.x:
        to_x, bend = x, x + min(GAP / 2, 8 + abs(to_y - y) / 8)
        to_bend = bend
    return f"M{x:.0f} {y:.0f}C{bend:.0f} {y:.0f} {to_bend:.0f} {to_y:.0f} {to_x:.0f} {to_y:.0f}"
