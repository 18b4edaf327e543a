"""What the charts share: their look, their declaration, and the parts of a bar chart."""

import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from inspect import signature
from typing import Any

import matplotlib
import seaborn
from matplotlib.axes import Axes
from matplotlib.colors import Colormap, LinearSegmentedColormap
from matplotlib.figure import Figure
from pandas import DataFrame

from reports.text import breadth, compact

INK, GRID = "#20242a", "#d4d8de"  # svg.py hands these two to the page, which has a dark mode
MAIN, SIDE, LOSS = "#2f7fc1", "#1f9d78", "#d5602b"  # distinct for colour-blind readers too
OTHER, PALE = "#9aa3ad", "#2f7fc144"
ROW = 23  # points
WIDTH, PHONE = 490, 356  # points; the latter is shown on a phone without scrolling
LEAST_ROOM = 120  # points for what is drawn, however long the labels
FAINTEST, STRONGEST = 0.08, 0.7  # of a cell's colour: its number can be read on all, light and dark

STYLE: dict[Any, Any] = {
    "font.family": ["DejaVu Sans"],  # comes with matplotlib: the same layout on every machine
    "font.size": 9,
    "text.parse_math": False,
    "text.color": INK,
    "axes.axisbelow": True,
    "axes.edgecolor": GRID,
    "axes.facecolor": "none",
    "axes.grid": True,
    "axes.grid.axis": "x",
    "axes.labelcolor": INK,
    "axes.spines.left": False,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "figure.facecolor": "none",
    "grid.color": GRID,
    "grid.linewidth": 0.6,
    "legend.frameon": False,
    "xtick.color": INK,
    "xtick.major.size": 0,
    "ytick.color": INK,
    "ytick.major.size": 0,
}


class Drawing(Figure):
    """A figure of labelled rows that carries the numbers it shows, for the table under it.

    Margins are points, estimated from the labels: matplotlib's layout engines, which measure them,
    would take a quarter of the time of the whole report.
    """

    def __init__(
        self,
        numbers: DataFrame,
        labels: Sequence[str],
        *,
        top: float = 4,
        right: float = 12,
        bottom: float = 20,
        width: float = WIDTH,
    ) -> None:
        left = 8 + max(map(breadth, labels))
        width = max(width, left + LEAST_ROOM + right)
        height = top + ROW * len(labels) + bottom
        super().__init__(figsize=(width / 72, height / 72))
        self.subplots_adjust(left / width, bottom / height, 1 - right / width, 1 - top / height)
        self.numbers, self.labels = numbers, labels

    def rows(self, longest: float, places: Sequence[float]) -> Axes:
        """Add axes for horizontal bars, the first label on top, with room behind the longest."""
        axes = self.add_subplot()
        axes.set_yticks(places, self.labels)
        axes.set_ylim(max(places) + 0.6, min(places) - 0.6)
        axes.set_xlim(0, longest * 1.15 or 1)
        axes.locator_params(axis="x", nbins=6, integer=not 0 < longest < 1)
        axes.xaxis.set_major_formatter(lambda tick, _: compact(tick))
        return axes

    def cells(
        self, shares: DataFrame, texts: DataFrame, columns: Sequence[str], colour: str = MAIN
    ) -> Axes:
        """Add axes for a table of cells, the higher the share the stronger; one of 0 is empty."""
        axes = self.add_subplot()
        most = shares.max(axis=None)
        longest = max((len(text) for row in texts.to_numpy() for text in row), default=0)
        seaborn.heatmap(
            shares,
            mask=~(shares > 0),
            annot=texts,
            fmt="",
            annot_kws={"size": 8 if longest <= 3 else 6.5, "color": INK},
            vmin=0,
            vmax=most or 1,
            cmap=_shades(colour),
            cbar=False,
            linewidths=0.6,
            linecolor=GRID,
            xticklabels=False,  # seaborn would draw the whole chart to see whether its own overlap
            yticklabels=False,
            ax=axes,
        )
        axes.grid(visible=False)
        axes.set(xlabel="", ylabel="")
        axes.set_yticks([place + 0.5 for place in range(len(self.labels))], self.labels)
        axes.set_xticks([place + 0.5 for place in range(len(columns))], columns)
        return axes

    def key(self, axes: Axes, *names: str) -> None:
        """Explain the colours above the chart, in place of the legend that seaborn puts inside."""
        handles, labels = axes.get_legend_handles_labels()
        handle = dict(zip(labels, handles, strict=True))
        names = names or tuple(handle)
        if legend := axes.get_legend():
            legend.remove()
        self.legend(
            [handle[name] for name in names],
            names,
            loc="upper left",
            ncols=len(names),
            borderaxespad=0,
            handlelength=1,
        )


def _shades(colour: str) -> Colormap:
    ends = [(colour, FAINTEST), (colour, STRONGEST)]  # over the page, which has a dark mode
    return LinearSegmentedColormap.from_list(colour, ends)


@contextmanager
def house_style(**settings: Any) -> Iterator[None]:
    """Draw in the report's style; signs that its font lacks are the business of the browser."""
    with warnings.catch_warnings(), matplotlib.rc_context(STYLE | settings):
        warnings.filterwarnings("ignore", "Glyph .* missing")
        yield


@dataclass(frozen=True)
class Chart:
    """A function that draws marts, with its place and its title in the report."""

    function: Callable[..., Figure]
    section: str
    title: str

    def __call__(self, *marts: DataFrame) -> Figure:
        """Draw in the report's style; without rows in the first mart there is nothing to show."""
        with house_style():
            return nothing_to_show() if marts[0].empty else self.function(*marts)

    @property
    def name(self) -> str:
        """The function's name."""
        return self.function.__name__

    @property
    def caption(self) -> str:
        """The function's docstring, as one paragraph."""
        return " ".join((self.function.__doc__ or "").split())

    @property
    def marts(self) -> tuple[str, ...]:
        """The marts it draws: the names of its parameters."""
        return tuple(signature(self.function).parameters)


def chart(section: str, title: str) -> Callable[[Callable[..., Figure]], Chart]:
    """Put a function into the report."""
    return partial(Chart, section=section, title=title)


def nothing_to_show() -> Drawing:
    """Stand in for a chart whose mart has no rows."""
    figure = Drawing(DataFrame(), ["", ""])
    figure.text(0.5, 0.5, "No data to show", ha="center", va="center", fontstyle="italic")
    return figure


def note(axes: Axes, places: Sequence[float], ends: Iterable[float], texts: Iterable[str]) -> None:
    """Write a value just behind the end of each bar."""
    for place, end, text in zip(places, ends, texts, strict=True):
        axes.annotate(text, (end, place), (4, 0), textcoords="offset points", va="center")


def column(
    axes: Axes, points: float, places: Sequence[float], heading: str, texts: Iterable[str]
) -> None:
    """Write a column of text that ends some points to the right of the bars."""
    lines = [(axes.get_ylim()[1], heading), *zip(places, texts, strict=True)]
    for place, text in lines:
        axes.annotate(
            text,
            (1, place),
            (points, 0),
            xycoords=axes.get_yaxis_transform(),
            textcoords="offset points",
            ha="right",
            va="center",
        )
