"""A chart of the report in a notebook."""

from dataclasses import dataclass
from html import escape

from matplotlib.figure import Figure

from reports.drawing import GRID, Chart
from reports.svg import inline


@dataclass(frozen=True)
class Picture:
    """Drawn as in the report: the same picture, and the ink of the page, dark or light."""

    figure: Figure
    chart: Chart

    def _repr_html_(self) -> str:
        width = self.figure.get_figwidth() * 72
        return (
            f'<figure style="--grid: {GRID}; margin: 0; max-width: {1.3 * width:.0f}px">'
            f"<b>{escape(self.chart.title)}</b>{inline(self.figure, self.chart.name)}"
            f"<figcaption>{escape(self.chart.caption)}</figcaption></figure>"
        )
