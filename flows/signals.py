"""Signals that end a run.

They are remembered, because Python drops what a handler raises in a destructor, and have no effect
while the results are put in place.
"""

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

STOPPING = (signal.SIGINT, signal.SIGTERM)

received: list[int] = []
published = threading.Event()  # the results are in place: it is too late to stop the run
_watching: dict[int, Callable[[int, FrameType | None], None]] = {}


def forget() -> None:
    """Begin a run: a process can have more than one, after a signal too."""
    received.clear()
    published.clear()


def watch() -> None:
    """Remember SIGINT and SIGTERM, whoever handles them now (Prefect takes SIGTERM in a flow)."""
    if threading.current_thread() is not threading.main_thread():
        return
    for number in STOPPING:
        handler = signal.getsignal(number)
        if callable(handler) and handler is not _watching.get(number):
            _watching[number] = _remembering(handler)
            signal.signal(number, _watching[number])


@contextmanager
def ignored() -> Iterator[None]:
    """Let a signal that comes in the meantime have no effect."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    handlers = {number: signal.signal(number, signal.SIG_IGN) for number in STOPPING}
    try:
        yield
    finally:
        for number, handler in handlers.items():
            signal.signal(number, signal.SIG_DFL if handler is None else handler)


def _remembering(handler: Callable[..., Any]) -> Callable[[int, FrameType | None], None]:
    def remember(number: int, frame: FrameType | None) -> None:
        received.append(number)
        handler(number, frame)

    return remember
