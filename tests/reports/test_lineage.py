"""What each table means and is made from: the picture, and the same in words."""

import re

import pytest

from reports.lineage import Box, Picture, in_words, picture
from reports.render import render
from tests.reports.conftest import RUN, typical_tables
from transforms.graph import load_models
from transforms.sources import RAW_TABLES

ENDS = re.compile(r"M(\d+) (\d+)C.* (\d+) (\d+)")


@pytest.fixture
def drawn() -> Picture:
    """The picture of the typical tables."""
    tables = typical_tables()
    return picture(tables["data_dictionary"], tables["lineage"])


def ends(line: str) -> tuple[tuple[int, int], tuple[int, int]]:
    """Where a line begins and ends."""
    x, y, to_x, to_y = map(int, ENDS.fullmatch(line).groups())
    return (x, y), (to_x, to_y)


def at_the_right(box: Box) -> tuple[int, int]:
    return round(box.x + box.width), round(box.y + box.height / 2)


def test_every_table_with_a_line_is_drawn_once_and_no_other(drawn):
    lineage = typical_tables()["lineage"]
    names = [box.name for box in drawn.boxes]
    assert sorted(names) == sorted({*lineage["table_name"], *lineage["upstream_table"]})
    assert "runs" not in names


def test_a_line_leads_from_each_table_to_the_ones_made_from_it(drawn):
    boxes = {box.name: box for box in drawn.boxes}
    for table, upstream in typical_tables()["lineage"].itertuples(index=False):
        assert at_the_right(boxes[upstream]) in [ends(line)[0] for line in boxes[table].lines]
    found = sum(len(box.lines) for box in drawn.boxes)
    assert found == len(typical_tables()["lineage"])


def test_a_table_stands_to_the_right_of_what_it_is_made_from_or_below_it(drawn):
    boxes = {box.name: box for box in drawn.boxes}
    for table, upstream in typical_tables()["lineage"].itertuples(index=False):
        before, after = boxes[upstream], boxes[table]
        assert (before.x, before.y) < (after.x, after.y)


def test_no_two_boxes_overlap_and_all_are_within_the_picture(drawn):
    for one in drawn.boxes:
        assert one.x + one.width <= drawn.width
        assert one.y + one.height <= drawn.height
        for other in drawn.boxes:
            if one is not other and one.x == other.x:
                assert abs(one.y - other.y) > one.height


def test_every_schema_of_the_models_has_its_place(drawn):
    headings = {text for text, _, _ in drawn.headings}
    assert {model.schema for model in load_models().values()} | {"export"} == headings


def test_tables_are_told_in_words_with_their_checks():
    tables = typical_tables()
    told = {table["name"]: table for table in in_words(tables)}
    assert list(told) == list(tables["data_dictionary"]["table_name"].unique())
    activities = told["stg_activities"]
    assert activities["made_from"] == ["raw_activity"]
    assert activities["checks"] == ["references(deal_id) (warns)", "unique(activity_id) (warns)"]
    assert activities["columns"][1] == ["activity_type", "string", "a code"]


def test_what_is_said_of_a_table_is_text_and_links_to_tables_that_are_told():
    html = render(typical_tables(), RUN)
    assert "One row per user &amp; no other." in html
    assert "who &lt;did&gt; it" in html
    assert 'Made from <a href="#of-stg_activities">stg_activities</a>' in html
    assert not any(f'href="#of-{name}"' in html for name in RAW_TABLES)
