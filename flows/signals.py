"""Signals that end a run are remembered: Python drops what a handler raises in a destructor."""

import signal
import threading
from collections.abc import Callable
from types import FrameType
from typing import Any

received: list[int] = []
_watching: dict[int, Callable[[int, FrameType | None], None]] = {}


def watch() -> None:
    """Remember SIGINT and SIGTERM, whoever handles them now (Prefect takes SIGTERM in a flow)."""
    if threading.current_thread() is not threading.main_thread():
        return
    for number in (signal.SIGINT, signal.SIGTERM):
        handler = signal.getsignal(number)
        if callable(handler) and handler is not _watching.get(number):
            _watching[number] = _remembering(handler)
            signal.signal(number, _watching[number])


def _remembering(handler: Callable[..., Any]) -> Callable[[int, FrameType | None], None]:
    def remember(number: int, frame: FrameType | None) -> None:
        received.append(number)
        handler(number, frame)

    return remember
