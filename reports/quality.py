"""What the run found out about its data, summarised for a reader."""

from collections.abc import Mapping

from pandas import DataFrame, Timestamp, concat, isna

from reports.text import MISSING, rate, whole

FIRST_LINES = 5


def open_checks(check_results: DataFrame) -> DataFrame:
    """Pick the checks that did not pass, failures first."""
    columns = ["model", "check_name", "status", "failing_rows", "total_rows", "example"]
    found = check_results.loc[check_results["status"] != "pass", columns]
    return found.sort_values("status", kind="stable")  # "fail" sorts before "warn"


def scores_by_table(scores: DataFrame) -> DataFrame:
    """Lay the measures beside each other, with the rows behind each score."""
    shares = 100 * scores["score"].astype(float)
    columns = zip(shares, scores["passing_rows"], scores["total_rows"], strict=True)
    return (
        scores.assign(text=[_score(*values) for values in columns])
        .pivot_table(
            index="table_name", columns="measure", values="text", aggfunc="first", sort=False
        )
        .fillna("")
        .reset_index()
    )


def _score(share: float, passing: float, total: float) -> str:
    if isna(share) or isna(total):
        return rate(share)
    return f"{rate(share)} ({whole(passing)} of {whole(total)})"


def score_history(tables: Mapping[str, DataFrame], as_of: Timestamp) -> DataFrame:
    """Lay the overall scores of this export above those of the exports before it, newest first."""
    scores = tables["scores"]
    now = scores.loc[scores["measure"] == "overall", ["table_name", "score"]].assign(as_of=as_of)
    runs = concat([now.assign(place=-1), tables["score_history"]])
    runs["score"] = [rate(100 * score) for score in runs["score"].astype(float)]
    wide = runs.pivot_table(index="place", columns="table_name", values="score", aggfunc="first")
    ends = runs.groupby("place")["as_of"].first().reindex(wide.index)
    wide.insert(0, "data_up_to", [MISSING if isna(end) else f"{end:%Y-%m-%d}" for end in ends])
    return wide.fillna("")


def deal_links(scores: DataFrame) -> DataFrame:
    """Pick the tables that link to deals, with the rows whose deal is missing or not known."""
    links = scores.loc[scores["measure"] == "deal_link_validity"]
    return links.assign(orphans=links["total_rows"] - links["passing_rows"])


def rejected_by_reason(rejected_rows: DataFrame) -> DataFrame:
    """Count the rejected rows and name the first lines of each kind."""
    kinds = rejected_rows.sort_values("line", kind="stable").groupby(
        ["table_name", "column_name", "reason"], dropna=False
    )["line"]
    first = kinds.agg(lambda lines: ", ".join(f"{line:.0f}" for line in lines.head(FIRST_LINES)))
    counted = DataFrame({"rows": kinds.size(), "first_lines": first}).reset_index()
    return counted.sort_values("rows", ascending=False, kind="stable")
