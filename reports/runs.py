"""The page that lists the runs, with links to the reports that are kept."""

from collections.abc import Mapping, Sequence

from reports.template import template

TEMPLATE = template("runs.html.j2")


def index(runs: Sequence[Mapping[str, object]], latest: str) -> str:
    """Write the page.

    Args:
        runs: newest first, each with `started_at`, `as_of`, `rows_read`, `checks`, `warnings`, and
            as `page` the name of its report beside the page, or None.
        latest: the name of the latest report, one folder up.
    """
    return TEMPLATE.render(runs=runs, latest=latest)
