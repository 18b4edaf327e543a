"""The page about the funnel as it was known at an earlier time."""

import pickle
import sys
from collections import defaultdict
from collections.abc import Mapping
from typing import Any

from reports.template import template

TEMPLATE = template("known_at.html.j2")


def page(found: Mapping[str, Any]) -> str:
    """Write the page.

    Args:
        found: `known_at`, `timezone`; `then` and `now`: the runs, with `started_at` and `as_of`;
            `funnel`: rows of month, step_order, funnel_step, kpi_name, deals_then, deals_now;
            `restatements`: rows of month, funnel_step, reason, deals_change; `reasons`: what the
            reasons mean.
    """
    cells = {(row["month"], row["funnel_step"]): row for row in found["funnel"]}
    in_order = sorted(cells.values(), key=lambda row: row["step_order"] or len(cells))
    why = defaultdict(list)
    for row in found["restatements"]:
        why[row["month"], row["funnel_step"]].append(row)
    return TEMPLATE.render(
        found,
        cells=cells,
        months=sorted({month for month, _ in cells}),
        steps={row["funnel_step"]: row["kpi_name"] for row in in_order},
        changed=[(cells[place], why[place]) for place in sorted(why)],
        used={row["reason"] for row in found["restatements"]},
    )


if __name__ == "__main__":
    sys.stdout.buffer.write(page(pickle.load(sys.stdin.buffer)).encode())
