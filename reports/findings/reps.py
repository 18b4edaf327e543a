"""What is said of the reps."""

from pandas import DataFrame

from reports.findings.finding import Finding, Findings
from reports.latest import FEWEST
from reports.text import rate

FEW_REPS = 10
UNASSIGNED = "Unassigned"  # whose activities are nobody's


def most_active_reps(rep_sales_rep_totals: DataFrame) -> Findings:
    """How much of the work the most active reps do, where each is shown by name."""
    reps = rep_sales_rep_totals
    named = reps[reps["user_id"].notna()]
    if (reps["sales_rep_name"] == UNASSIGNED).sum() < len(reps) - len(named):
        return  # the most active ones may be among "other reps"
    done = named["activities_completed"].sort_values(ascending=False, kind="stable")
    everything = reps["activities_completed"].sum()
    if len(done) > FEW_REPS and everything >= FEWEST:
        share = rate(100 * done.head(FEW_REPS).sum() / everything)
        yield Finding(
            f"The {FEW_REPS} most active reps completed {share} of all activities with a due date.",
            "chart-most_active_reps",
        )
