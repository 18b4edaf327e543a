"""Errors of Spark in our words: its own can quote the data."""

import os
from collections.abc import Iterator
from contextlib import contextmanager

from py4j.protocol import Py4JError
from pyspark.errors import PySparkException

from flows import signals
from flows.errors import FULL, InputError, InterruptedRunError, RunFailedError, SalesFunnelError

STOPPED = ("SparkContext was shut down", "stopped SparkContext", "All masters are unresponsive")


@contextmanager
def told_in_short(what: object) -> Iterator[None]:
    """Spark's errors in our words.

    Raises:
        InterruptedRunError: a signal came while Java was at work.
        InputError: the Java that is there is none for Spark.
        RunFailedError: anything else.
    """
    try:
        yield
    except (Py4JError, PySparkException) as error:
        if signals.received:
            raise InterruptedRunError(f"{what}: interrupted") from None
        raise in_our_words(what, error) from None


def in_our_words(what: object, error: Exception) -> SalesFunnelError:
    """What an error of Spark means."""
    text = str(error)
    for number, said in FULL.items():
        if os.strerror(number) in text:
            return RunFailedError(f"{what}: {said}")
    if isinstance(error, Py4JError) and not hasattr(error, "java_exception"):
        return RunFailedError(f"{what}: the Java of this run ended; run again")
    if any(words in text for words in STOPPED):
        return RunFailedError(f"{what}: the Spark cluster gave the run up; run again")
    if "JAVA_GATEWAY_EXITED" in text:
        return InputError(f"{what}: Java did not start; Spark needs Java 17 or 21 (JAVA_HOME)")
    condition = error.getCondition() if isinstance(error, PySparkException) else None
    return RunFailedError(f"{what}: Spark failed ({condition or type(error).__name__})")
