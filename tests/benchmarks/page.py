"""What `results.json` says, for people: `python -m tests.benchmarks.page` writes it.

It writes the table of the README, and the picture beside it.
"""

import io
import re
from statistics import median

from matplotlib.figure import Figure

from reports.drawing import INK, MAIN, OTHER, house_style
from tests.benchmarks.measured import OURS, ROOT, Measured, kept_results

README = ROOT / "README.md"
TABLE = re.compile(r"(?<=<!-- benchmarks -->\n).*(?=<!-- end of benchmarks -->)", re.DOTALL)
PICTURE = ROOT / "docs/benchmarks.svg"
HEADING = ("what", "this project", "beside it", "ratio", "ratio of memory", "measured")
NOT_MEASURED = "n/a"  # the memory of a server that does the work


def table() -> str:
    """One row per comparison and what we are compared with: median seconds (least to most)."""
    rows = [HEADING, ("---",) * len(HEADING)]
    for found in kept_results():
        for other in found.took:
            if other != OURS:
                memory = median(found.ratios(OURS, other, "memory"))
                rows.append(
                    (
                        found.what,
                        _seconds(found.took[OURS]),
                        f"{short(other)}: {_seconds(found.took[other])}",
                        f"{median(found.ratios(OURS, other, 'wall')):.2f}",
                        f"{memory:.2f}" if found.all_here else NOT_MEASURED,
                        f"{found.measured_on}, rounds: {found.rounds}, cores: {found.cores}",
                    )
                )
    return "".join(f"| {' | '.join(row)} |\n" for row in rows)


def _seconds(took: list[Measured]) -> str:
    seconds = [one.wall for one in took]
    if len(seconds) == 1:
        return f"{seconds[0]:.1f} s"
    return f"{median(seconds):.1f} s ({min(seconds):.1f} to {max(seconds):.1f})"


def short(name: str) -> str:
    """How it is called beside this project."""
    return name.removeprefix(f"{OURS}, ")


def picture() -> Figure:
    """A row of bars per comparison, each on a scale of its own; lines go from least to most."""
    found = kept_results()
    bars = [len(one.took) for one in found]
    figure = Figure(figsize=(8, 0.42 * sum(bars) + 0.7 * len(bars)), layout="constrained")
    grid = figure.subplots(len(found), 1, height_ratios=bars, squeeze=False)
    for axes, one in zip(grid[:, 0], found, strict=True):
        names = list(one.took)[::-1]
        seconds = [[run.wall for run in one.took[name]] for name in names]
        middle = [median(runs) for runs in seconds]
        reach = [
            [mid - min(runs) for mid, runs in zip(middle, seconds, strict=True)],
            [max(runs) - mid for mid, runs in zip(middle, seconds, strict=True)],
        ]
        colours = [MAIN if name == OURS else OTHER for name in names]
        axes.barh(list(map(short, names)), middle, color=colours, height=0.7)
        axes.errorbar(middle, range(len(names)), xerr=reach, fmt="none", ecolor=INK, linewidth=1)
        for place, (mid, runs) in enumerate(zip(middle, seconds, strict=True)):
            end = (max(runs), place)
            axes.annotate(f"{mid:.1f} s", end, (6, 0), textcoords="offset points", va="center")
        axes.set_title(one.what, loc="left")
        axes.set_xlim(0, 1.15 * max(map(max, seconds)))
        axes.xaxis.set_visible(False)
        axes.spines[:].set_visible(False)
    return figure


def main() -> None:
    """Write both."""
    drawn = io.StringIO()
    with house_style(**{"svg.hashsalt": "benchmarks", "svg.fonttype": "none"}):
        picture().savefig(drawn, format="svg", facecolor="white", metadata={"Date": None})
    lines = map(str.rstrip, drawn.getvalue().splitlines())  # as the hooks of the repository ask
    PICTURE.write_text("\n".join(lines) + "\n", encoding="utf-8")
    text = TABLE.sub(lambda _: table(), README.read_text(encoding="utf-8"))
    README.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
