"""A figure as SVG that stands inside an HTML page."""

import io
import re
from xml.etree import ElementTree as ET

from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure

from reports.drawing import GRID, INK, house_style

FROM_PAGE = {INK: "currentColor", GRID: "var(--grid)", "'DejaVu Sans'": "inherit"}
NOT_IN_A_PAGE = {"metadata", "style"}  # web addresses; rules that would reach beyond the picture
NAMESPACE = re.compile(r"\{.*\}")
REFERENCE = re.compile(r"#(\w+)")
LARGEST = 1.65  # times its size; one of the usual width then fills the page


def inline(figure: Figure, name: str) -> str:
    """Draw a figure as an ``<svg>``, the same bytes for the same figure.

    The page says what is to be seen in it: for readers who hear it, it is a part of that image.
    Ids that nothing refers to go; the others come from the hash salt, so that two names share none.
    """
    buffer = io.BytesIO()
    with house_style(**{"svg.fonttype": "none", "svg.hashsalt": name}):
        canvas = FigureCanvasSVG(figure)  # savefig() would draw twice
        canvas.print_svg(buffer, metadata={"Date": None})  # type: ignore[no-untyped-call]
    root = ET.fromstring(buffer.getvalue())
    for parent in list(root.iter()):
        for child in list(parent):
            if NAMESPACE.sub("", child.tag) in NOT_IN_A_PAGE:
                parent.remove(child)
    elements = list(root.iter())
    used = {
        reference
        for element in elements
        for key, value in element.items()
        if key.endswith(("href", "clip-path"))
        for reference in REFERENCE.findall(value)
    }
    for element in elements:
        element.tag = NAMESPACE.sub("", element.tag)
        element.attrib = {
            NAMESPACE.sub("", key): _from_page(value) if key == "style" else value
            for key, value in element.items()
            if key != "id" or value in used
        }
    view = root.get("viewBox", "")
    root.attrib = {"viewBox": view, "aria-hidden": "true"}
    width = float(view.split()[2])  # letters are of one size, whatever the width of the chart
    root.set("style", f"min-width: {width:.0f}px; max-width: {LARGEST * width:.0f}px")
    return ET.tostring(root, encoding="unicode")


def _from_page(style: str) -> str:
    """Let the page decide on ink, grid and font."""
    for drawn, inherited in FROM_PAGE.items():
        style = style.replace(drawn, inherited)
    return style
