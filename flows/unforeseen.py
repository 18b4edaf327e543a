"""Errors that nobody foresaw, in one short line: their own text can quote the data."""

import re
import traceback
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from flows import ROOT, signals
from flows.errors import InterruptedRunError, RunFailedError, SalesFunnelError, ServerGoneError
from flows.installed import OURS, does_not_fit, is_of_ours
from flows.warehouse import in_our_words

# What comes behind the kind of the error can quote the data.
_TRACEBACK = re.compile(
    r"^Traceback \(most recent call last\):\n(?P<frames>(?: .*\n)+)(?P<kind>[\w.]+)", re.MULTILINE
)
_FRAME = re.compile(r'^  File "(.+)", line (\d+)', re.MULTILINE)


@contextmanager
def told_in_short(what: str) -> Iterator[None]:
    """Every error as one of ours.

    Raises:
        ServerGoneError: in place of one of Prefect's server, or of the connection to it.
        RunFailedError: in place of any other error that is not ours.
        InterruptedRunError: in place of whatever is made of a signal, by the engine or by us.
    """
    try:
        yield
    except InterruptedRunError:
        raise
    except Exception as error:
        if signals.received:
            raise InterruptedRunError(f"{what}: interrupted") from None
        if isinstance(error, SalesFunnelError):
            raise
        if (known := in_our_words(what, error)) is not None:
            raise known from None
        if _is_of_the_server(error):
            done = "the results are published, but" if signals.published.is_set() else f"{what}:"
            raise ServerGoneError(f"{done} the Prefect server {_its_answer(error)}") from None
        if isinstance(error, ImportError) and not is_of_ours(error):
            raise RunFailedError(does_not_fit(error)) from None
        if said := _of_the_models(error):
            raise RunFailedError(said) from None
        raise RunFailedError(f"{what}: {type(error).__name__} in {_place(error)}") from None


def _of_the_models(error: Exception) -> str | None:
    """What is wrong with the code of a model: its text has no data in it."""
    from transforms.graph import GraphError  # takes a while

    if isinstance(error, GraphError):
        return str(error)
    if isinstance(error, SyntaxError):
        return f"{error.filename}:{error.lineno}: {error.msg}"
    return None


def of_another_process(code: int, stderr: bytes) -> str:
    """The error that ended a process of Python, if it printed one: its type, and where."""
    printed = _TRACEBACK.search(stderr.decode(errors="replace"))
    if printed is None:
        return f"it ended with {code}"
    # Of errors that led to each other all have frames; the first has the kind.
    frames = _FRAME.findall(printed["frames"]), _FRAME.findall(printed.string)
    first, every = ([(Path(file), int(line)) for file, line in found] for found in frames)
    ours = [frame for frame in every if _is_ours(frame[0])]
    return f"{printed['kind']} in {_innermost([*first, *ours])}"


def _place(error: Exception) -> str:
    frames = traceback.extract_tb(error.__traceback__)
    return _innermost([(Path(frame.filename), frame.lineno or 0) for frame in frames])


def _innermost(frames: Sequence[tuple[Path, int]]) -> str:
    """The last line of ours, if there is one: of a model, say, in place of Ibis's."""
    file, line = [*frames, *(frame for frame in frames if _is_ours(frame[0]))][-1]
    return f"{file.name}:{line}"


def _is_ours(file: Path) -> bool:
    return file != Path(__file__) and any(file.is_relative_to(ROOT / part) for part in OURS)


def _is_of_the_server(error: Exception) -> bool:
    """Whether it is an error of httpx, or of Prefect made of one; importing these takes a while."""
    return any(kind.__module__.partition(".")[0] == "httpx" for kind in type(error).__mro__)


def _its_answer(error: Exception) -> str:
    response = getattr(error, "response", None)  # of an error that is an answer
    if response is None:
        return f"does not answer any more ({type(error).__name__})"
    return f"answered with HTTP status {response.status_code}; see its log, or run again later"
