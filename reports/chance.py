"""Whether a difference is larger than chance makes it."""

import math

# Standard deviations: one difference goes beyond by chance in one of 20 cases; of those of a dozen
# steps since one other month, one does in one month of 30.
CLEAR, CLEAR_OF_MANY = 1.96, 3.0


def between_counts(now: float, before: float) -> float:
    """How far apart two counts are, in standard deviations of chance (a Poisson test)."""
    return abs(now - before) / math.sqrt(now + before) if now + before else 0.0


def between_shares(now: float, of_now: float, before: float, of_before: float) -> float:
    """How far apart two shares are, in standard deviations of chance (a z-test).

    Args:
        now: how many of `of_now`.
        of_now: at least one.
        before: the same of the other share.
        of_before: at least one.
    """
    pooled = (now + before) / (of_now + of_before)
    deviation = math.sqrt(pooled * (1 - pooled) * (1 / of_now + 1 / of_before))
    return abs(now / of_now - before / of_before) / deviation if deviation else 0.0
