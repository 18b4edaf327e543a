"""Rates: null where there is nothing to compare with."""

from ibis.expr.types import FloatingValue, NumericValue


def percent(part: NumericValue, whole: NumericValue) -> FloatingValue:
    """Part in percent of whole; null where whole is zero or null."""
    return part * 100.0 / whole.nullif(0)


def per(part: NumericValue, whole: NumericValue) -> FloatingValue:
    """Part over whole; null where whole is zero or null."""
    return part * 1.0 / whole.nullif(0)
