"""Errors that nobody foresaw, in one short line: their own text can quote the data."""

import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from flows import signals
from flows.errors import InterruptedRunError, RunFailedError, SalesFunnelError, ServerGoneError
from flows.installed import does_not_fit, is_of_ours
from flows.warehouse import in_our_words


@contextmanager
def told_in_short(what: str) -> Iterator[None]:
    """Every error as one of ours.

    Raises:
        ServerGoneError: in place of one of Prefect's server, or of the connection to it.
        RunFailedError: in place of any other error that is not ours.
        InterruptedRunError: in place of whatever the engine makes of a signal.
    """
    try:
        yield
    except SalesFunnelError:
        raise
    except Exception as error:
        if signals.received:
            raise InterruptedRunError(f"{what}: interrupted") from None
        if (known := in_our_words(what, error)) is not None:
            raise known from None
        if _is_of_the_server(error):
            done = "the results are published, but" if signals.published.is_set() else f"{what}:"
            raise ServerGoneError(f"{done} the Prefect server {_its_answer(error)}") from None
        if isinstance(error, ImportError) and not is_of_ours(error):
            raise RunFailedError(does_not_fit(error)) from None
        frame = traceback.extract_tb(error.__traceback__)[-1]
        place = f"{Path(frame.filename).name}:{frame.lineno}"
        raise RunFailedError(f"{what}: {type(error).__name__} in {place}") from None


def _is_of_the_server(error: Exception) -> bool:
    """Whether it is an error of httpx, or of Prefect made of one; importing these takes a while."""
    return any(kind.__module__.partition(".")[0] == "httpx" for kind in type(error).__mro__)


def _its_answer(error: Exception) -> str:
    response = getattr(error, "response", None)  # of an error that is an answer
    if response is None:
        return f"does not answer any more ({type(error).__name__})"
    return f"answered with HTTP status {response.status_code}; see its log, or run again later"
