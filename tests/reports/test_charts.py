"""Each chart draws what its mart says, whatever the mart holds."""

from collections.abc import Callable
from xml.etree import ElementTree as ET

import pandas
import pytest

from reports import charts
from reports.drawing import INK, LEAST_ROOM, STRONGEST, Chart, Drawing
from reports.svg import inline

CHARTS = [item for item in vars(charts).values() if isinstance(item, Chart)]
HOSTILE = "<script>alert('$x_1$')</script> & \"quotes\" \x08 \u202e 長い名前 " + "long " * 30
TEXTS = ["kpi_name", "funnel_step", "lost_reason_label", "sales_rep_name"]

Tables = dict[str, pandas.DataFrame]
Change = Callable[[pandas.DataFrame], pandas.DataFrame]


def no_rows(mart: pandas.DataFrame) -> pandas.DataFrame:
    """Leave the columns."""
    return mart.head(0)


def one_row(mart: pandas.DataFrame) -> pandas.DataFrame:
    """Leave the first row."""
    return mart.head(1)


def zeros(mart: pandas.DataFrame) -> pandas.DataFrame:
    """Set every number to 0."""
    return mart.assign(**dict.fromkeys(mart.select_dtypes("number"), 0))


def nulls(mart: pandas.DataFrame) -> pandas.DataFrame:
    """Set every second row to NULL, the first included."""
    return mart.convert_dtypes().where(mart.index.to_series() % 2 == 1)


def only_nulls(mart: pandas.DataFrame) -> pandas.DataFrame:
    """Set everything to NULL."""
    return mart.convert_dtypes().where(mart.index.to_series() < 0)


def more_months(mart: pandas.DataFrame) -> pandas.DataFrame:
    """Repeat the months 15 months later."""
    if "month" not in mart:
        return mart
    return pandas.concat([mart, mart.assign(month=mart["month"] + pandas.DateOffset(months=15))])


def large_numbers(mart: pandas.DataFrame) -> pandas.DataFrame:
    """Multiply every number by a million."""
    return mart.assign(**{name: mart[name] * 1e6 for name in mart.select_dtypes("number")})


def hostile_names(mart: pandas.DataFrame) -> pandas.DataFrame:
    """Put markup, math, control characters and great length into every name."""
    return mart.assign(**{name: mart[name] + HOSTILE for name in TEXTS if name in mart})


def drawn(chart: Chart, tables: Tables, change: Change = lambda mart: mart) -> Drawing:
    """Draw a chart of the fixture's marts, changed."""
    figure = chart(*(change(tables[mart]) for mart in chart.marts))
    assert isinstance(figure, Drawing)
    return figure


def texts(svg: str) -> list[str]:
    """Read the texts of a picture, top to bottom as drawn."""
    return ["".join(text.itertext()) for text in ET.fromstring(svg).iter("text")]


@pytest.mark.parametrize("chart", CHARTS, ids=lambda chart: chart.name)
@pytest.mark.parametrize(
    "change",
    [no_rows, one_row, zeros, nulls, only_nulls, more_months, large_numbers, hostile_names],
)
def test_a_chart_survives(chart: Chart, change: Change, tables: Tables) -> None:
    """Odd content gives a picture, well-formed and without elements out of the data."""
    svg = inline(drawn(chart, tables, change), chart.name)
    tags = {element.tag for element in ET.fromstring(svg).iter()}
    assert tags <= {"svg", "title", "defs", "clipPath", "rect", "g", "path", "use", "text"}
    assert "nan" not in " ".join(texts(svg)).lower().split()


@pytest.mark.parametrize("chart", CHARTS, ids=lambda chart: chart.name)
def test_the_caption_is_the_docstring(chart: Chart) -> None:
    """What a function says of itself is what the reader is told."""
    assert chart.caption.split() == (chart.function.__doc__ or "").split()
    assert len(chart.caption) > 80


@pytest.mark.parametrize("chart", CHARTS, ids=lambda chart: chart.name)
def test_a_chart_is_the_same_twice(chart: Chart, tables: Tables) -> None:
    """No date, no random id."""
    first, second = (inline(drawn(chart, tables), chart.name) for _ in range(2))
    assert first == second


def test_an_empty_mart_says_so(tables: Tables) -> None:
    """The reader sees that there is nothing, not an empty frame."""
    assert texts(inline(drawn(charts.funnel, tables, no_rows), "f")) == ["No data to show"]


def test_names_are_drawn_as_they_are(tables: Tables) -> None:
    """Dollar signs are no mathematics, markup is text, and underscores lower nothing."""
    name = "$x_1$ <b> & co"
    tables["rep_losses_monthly"]["lost_reason_label"] = name
    assert name in texts(inline(drawn(charts.losses_by_reason, tables), "l"))


def test_the_funnel_keeps_the_order_of_the_mart(tables: Tables) -> None:
    """Row order is funnel order; main steps are those with a dwell time, the outcome is apart."""
    axes = drawn(charts.funnel, tables).axes[0]
    names = [label.get_text() for label in axes.get_yticklabels()]
    assert names[:3] == ["1 Lead Generation", "2 Qualified Lead", "2.1 Sales Call 1"]
    assert names[-1] == "Lost"
    places = list(axes.get_yticks())
    assert places == [*range(len(names) - 1), len(names) - 0.5]
    legend = drawn(charts.funnel, tables).legends[0]
    assert [text.get_text() for text in legend.get_texts()][:3] == [
        "main step",
        "call step",
        "outcome",
    ]


def test_a_rate_without_denominator_is_not_available(tables: Tables) -> None:
    """NULL is neither 0 nor blank: the first row, both calls and Lost have no previous rate.

    Nor a rate of what is decided; and calls and Lost none of the first step.
    """
    found = texts(inline(drawn(charts.funnel, tables), "f"))
    assert found.count("n/a") == 4 + 4 + 3


def test_months_are_columns_and_zeros_are_blank(tables: Tables) -> None:
    """Months in order with the year where it changes, steps in funnel order."""
    figure = drawn(charts.entries_by_month, tables)
    months = [label.get_text() for label in figure.axes[0].get_xticklabels()]
    assert months[:2] == ["Jan\n2024", "Feb"]
    assert months[12] == "Jan\n2025"
    assert "0" not in texts(inline(figure, "m"))
    assert list(figure.numbers.columns)[:2] == ["month", "1 Lead Generation"]


def test_of_many_months_the_latest_are_shown(tables: Tables) -> None:
    """Thirty-six columns are what one can read."""
    mart = tables["rep_sales_funnel_monthly"]
    years = [mart.assign(month=mart["month"] + pandas.DateOffset(years=n)) for n in range(5)]
    shown = charts.entries_by_month(pandas.concat(years))
    assert isinstance(shown, Drawing)
    assert len(shown.numbers) == 36
    assert shown.numbers["month"].iloc[-1] == pandas.Timestamp("2029-03-01")


def test_rare_reasons_are_summed_up(tables: Tables) -> None:
    """Nothing is left out: the rest has a bar of its own, and the shares add up."""
    mart = pandas.DataFrame({"lost_reason_label": [f"r{n:02}" for n in range(20)]})
    figure = charts.losses_by_reason(mart.assign(deals_count=range(20, 0, -1)))
    assert isinstance(figure, Drawing)
    assert figure.numbers["reason"].iloc[-1] == "5 other reasons"
    assert figure.numbers["losses"].sum() == 210
    assert figure.numbers["share_of_losses_pct"].sum() == pytest.approx(100)


def test_losses_without_a_step_stand_last(tables: Tables) -> None:
    """Steps stand in funnel order, not by size."""
    labels = drawn(charts.losses_by_step, tables).numbers["last_step"].tolist()
    assert labels[0] == "1 Lead Generation"
    assert labels[-2:] == ["9 Renewal/Expansion", "No step"]


def test_reps_with_equal_names_stay_apart() -> None:
    """Masked names can be equal; the user id tells who is who. The busiest comes first."""
    mart = pandas.DataFrame({"user_id": [7, 8], "sales_rep_name": "J*** D***"})
    counts = {"sales_call_1_completed": [1, 2], "sales_call_2_completed": 2, "other_activities": 3}
    totals = {"activities_completed": [6, 7], "deals_worked": [4, 0], "activities_per_deal": 1.5}
    steps = pandas.DataFrame(
        {"kind": ["stage", "activity"], "funnel_step": ["1", "1.1"], "kpi_name": ["Lead", "Demo"]}
    )
    figure = charts.most_active_reps(mart.assign(**counts, **totals), steps)
    assert isinstance(figure, Drawing)
    key = figure.legends[0] if figure.legends else figure.axes[0].get_legend()
    assert [text.get_text() for text in key.get_texts()] == ["1.1 Demo", "other activities"]
    assert figure.numbers["activities_completed"].tolist() == [7, 6]
    assert len(figure.axes[0].get_yticklabels()) == 2


def test_every_step_has_a_small_chart_and_the_incomplete_months_a_shade(tables: Tables) -> None:
    """The intake ends with the ninth of fifteen months."""
    figure = drawn(charts.steps_by_month, tables)
    assert [axes.get_title(loc="left") for axes in figure.axes][:2] == [
        "1 Lead Generation",
        "2 Qualified Lead",
    ]
    assert len(figure.axes) == 12
    [shade] = figure.axes[0].patches
    assert (shade.get_x(), shade.get_x() + shade.get_width()) == (8.5, 14.5)


def test_one_month_of_one_step_can_be_seen_and_read(tables: Tables) -> None:
    """A dot where there is no line, and a label that lies."""
    mart = tables["rep_sales_funnel_monthly"]
    tables["rep_sales_funnel_monthly"] = mart.head(1)
    [axes] = drawn(charts.steps_by_month, tables).axes
    assert [line.get_marker() for line in axes.lines] == ["."]
    [table] = drawn(charts.entries_by_month, tables).axes
    assert [label.get_rotation() for label in table.get_yticklabels()] == [0]


def test_no_name_of_a_usual_step_is_cut(tables: Tables) -> None:
    shown = [axes.get_title(loc="left") for axes in drawn(charts.steps_by_month, tables).axes]
    assert not any(name.endswith("…") for name in shown)


def test_a_cell_lets_the_paper_shine_through_so_that_its_number_can_be_read(tables: Tables) -> None:
    """In the ink of the page, light or dark."""
    [axes] = drawn(charts.entries_by_month, tables).axes
    opacities = axes.collections[0].get_facecolor()[:, 3]
    assert 0 < opacities[opacities > 0].min() < opacities.max() <= STRONGEST
    assert {text.get_color() for text in axes.texts} == {INK}


def test_long_labels_leave_room_for_the_bars(tables: Tables) -> None:
    mart = tables["rep_losses_monthly"].assign(lost_reason_label="長い理由" * 20)
    [axes] = drawn(charts.losses_by_reason, tables | {"rep_losses_monthly": mart}).axes
    assert axes.get_window_extent().width * 72 / axes.figure.dpi > LEAST_ROOM - 1


def test_while_deals_come_in_only_the_last_month_is_incomplete(tables: Tables) -> None:
    """The data ends within it."""
    mart = tables["rep_sales_funnel_monthly"]
    tables["rep_sales_funnel_monthly"] = mart.assign(deals_count=5)
    tables["rep_monthly_figures"] = tables["rep_monthly_figures"].assign(deals_created=5)
    [shade] = drawn(charts.steps_by_month, tables).axes[0].patches
    assert (shade.get_x(), shade.get_width()) == (13.5, 1)


def test_cohorts_are_months_with_their_deals_and_gray_where_not_mature(tables: Tables) -> None:
    """The last three of the nine months of the intake are not."""
    figure = drawn(charts.cohorts, tables)
    labels = [label.get_text() for label in figure.axes[0].get_yticklabels()]
    assert (labels[0], len(labels)) == ("Jan 2024 (200)", 9)
    assert [shade.get_y() for shade in figure.axes[0].patches] == [6, 7, 8]
    assert "90" in texts(inline(figure, "c"))  # 180 of 200 reached step 2


def test_reasons_and_steps_are_in_their_order(tables: Tables) -> None:
    """The most frequent reason first, the steps as in the funnel, losses without one last."""
    figure = drawn(charts.losses_by_reason_and_step, tables)
    columns = [label.get_text() for label in figure.axes[0].get_xticklabels()]
    assert (columns[0], columns[-1]) == ("1", "no step")
    wide = figure.numbers.set_index("reason")
    assert wide.sum(axis=1).is_monotonic_decreasing
    assert wide.sum().sum() == tables["rep_losses_monthly"]["deals_count"].sum()


def test_months_without_a_loss_are_there(tables: Tables) -> None:
    """A gap is nothing that happened, not a month left out."""
    mart = tables["rep_losses_monthly"]
    tables["rep_losses_monthly"] = mart[mart["month"] != "2024-03-01"]
    numbers = drawn(charts.losses_by_month, tables).numbers
    assert len(numbers) == 15
    assert numbers.iloc[2, 1:].sum() == 0
    assert numbers.iloc[:, 1:].sum().sum() == tables["rep_losses_monthly"]["deals_count"].sum()


def test_a_loss_of_long_ago_leaves_the_last_three_years_in_sight(tables: Tables) -> None:
    """A wrong date is one of 2005, not a chart of 240 months."""
    mart = tables["rep_losses_monthly"]
    stray = mart.head(1).assign(month=pandas.Timestamp("2005-03-01"))
    tables["rep_losses_monthly"] = pandas.concat([stray, mart], ignore_index=True)
    numbers = drawn(charts.losses_by_month, tables).numbers
    assert (len(numbers), numbers["month"].max()) == (36, mart["month"].max())


def test_a_table_has_the_whole_name_of_what_is_cut_in_the_chart(tables: Tables) -> None:
    """So has what is downloaded."""
    mart = tables["rep_losses_monthly"]
    name = "A reason that nobody would ever have thought of giving"
    tables["rep_losses_monthly"] = mart.assign(lost_reason_label=name)
    figure = drawn(charts.losses_by_reason, tables)
    assert figure.numbers["reason"].tolist() == [name]
    assert figure.labels == ["A reason that nobody would ever hav…"]


def test_the_table_of_cohorts_has_a_row_per_month(tables: Tables) -> None:
    """All months that are drawn, with what the brackets and the gray say."""
    numbers = drawn(charts.cohorts, tables).numbers
    assert len(numbers) == 9
    assert list(numbers)[:3] == ["month", "deals_created", "1_pct"]
    assert numbers["mature"].tolist() == [True] * 6 + [False] * 3


def test_codes_of_steps_have_room_beside_each_other(tables: Tables) -> None:
    """A code can be a word."""
    narrow = drawn(charts.cohorts, tables).get_size_inches()[0]
    mart = tables["rep_cohorts"]
    tables["rep_cohorts"] = mart.assign(funnel_step="Qualification " + mart["funnel_step"])
    assert drawn(charts.cohorts, tables).get_size_inches()[0] > 1.5 * narrow


def test_open_deals_stand_beside_closed_ones(tables: Tables) -> None:
    """What is not over is not mixed with what is."""
    axes = drawn(charts.days_to_close, tables).axes[0]
    assert [label.get_text() for label in axes.get_yticklabels()] == ["won", "open", "lost"]
