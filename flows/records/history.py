"""What earlier runs found, for the report of this one."""

import ibis
import pyarrow as pa

from flows.records.record import earlier_runs
from flows.run import Run
from flows.warehouse.rows import read

MOST_EXPORTS = 12


def score_history(run: Run, fingerprint: str) -> pa.Table:
    """The overall scores of the exports before this one, each as its latest run found them.

    Runs on the export at hand are left out, so that its report is the same however often it runs.

    Returns:
        place (0: the export before this one), as_of, table_name, score.
    """
    runs, scores = earlier_runs(run.warehouse), run.warehouse.kept("scores")
    if runs is None or scores is None:
        return pa.Table.from_batches([], pa.schema(list(_COLUMNS.items())))
    others = runs.filter(runs.status == "published", runs.source_fingerprint != fingerprint)
    newest_first = others.finished_at.desc()
    by_export = ibis.window(group_by=others.source_fingerprint, order_by=newest_first)
    latest = others.mutate(rerun=ibis.row_number().over(by_export))
    latest = latest.filter(latest.rerun == 0)
    latest = latest.mutate(place=ibis.row_number().over(order_by=latest.finished_at.desc()))
    overall = scores.filter(scores.measure == "overall").select("run_id", "table_name", "score")
    shown = latest.filter(latest.place < MOST_EXPORTS).inner_join(overall, "run_id")
    return read(shown.order_by("place", "table_name").select(*_COLUMNS))


_COLUMNS = {
    "place": pa.int64(),
    "as_of": pa.timestamp("us"),
    "table_name": pa.string(),
    "score": pa.float64(),
}
