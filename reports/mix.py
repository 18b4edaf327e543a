"""What the export holds, category by category."""

from collections.abc import Iterator

from pandas import DataFrame, to_datetime, to_numeric

# What happens at the times of a category, by its first word.
TIMES = {
    "changes": "changed",
    "activities": "due",
    "completed": "due",
    "unknown": "due",
    "stage": "entered",
    "stages": "entered",
    "deals": "created",
}
OUTSIDE = {"stages outside the funnel", "unknown activity types"}  # a matter of quality


def mixes(source_mix: DataFrame) -> Iterator[tuple[str, DataFrame]]:
    """Each category with its values: numbers in their order, others with most rows first."""
    for category, rows in source_mix.groupby("category", sort=False, dropna=False):
        numbers = to_numeric(rows["value"], errors="coerce")
        by = (
            numbers.argsort(kind="stable")
            if numbers.notna().all()
            else (-rows["rows_count"].astype(float)).argsort(kind="stable")
        )
        ordered = rows.iloc[by.array]
        happens = TIMES.get(str(category).split()[0], "at")
        counts = ordered["rows_count"].astype(float)
        yield (
            str(category),
            DataFrame(
                {
                    "value": ordered["value"],
                    "rows": ordered["rows_count"],
                    "share_pct": 100 * counts / counts.sum(),
                    f"first_{happens}_utc": to_datetime(ordered["first_at"]),
                    f"last_{happens}_utc": to_datetime(ordered["last_at"]),
                }
            ),
        )
