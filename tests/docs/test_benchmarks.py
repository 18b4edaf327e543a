"""What the README says of speed is what was measured last."""

from statistics import median

from tests.benchmarks.measured import OURS, kept_results
from tests.benchmarks.page import PICTURE, README, TABLE, short, table


def test_the_table_of_the_readme_is_what_was_measured():
    assert TABLE.findall(README.read_text()) == [table()], "run: python -m tests.benchmarks.page"


def test_the_picture_has_a_bar_for_each():
    drawn = PICTURE.read_text()
    for found in kept_results():
        assert found.what in drawn
        for name, took in found.took.items():
            assert short(name) in drawn
            assert f"{median(one.wall for one in took):.1f} s" in drawn


def test_everybody_took_part_in_every_round():
    for found in kept_results():
        assert OURS in found.took
        assert {len(took) for took in found.took.values()} == {found.rounds}
