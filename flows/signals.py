"""Signals that end a run.

They are remembered, because Python can drop what a handler raises; they have no effect while the
results are put in place; and they wait
- until the flow of the command has begun: Prefect would leave a run that it is creating Pending;
- while a destructor is running: Python would drop what is raised there;
- while a line is logged: a lock of logging that nobody lets go of would stop the process.
"""

import os
import select
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

STOPPING = (signal.SIGINT, signal.SIGTERM)
NOT_WITHIN = {"logging", "queue", "__del__"}  # modules and functions
A_MOMENT = 0.01  # seconds
PATIENCE = 20.0  # seconds that a process has to tidy up

received: list[int] = []
published = threading.Event()  # the results are in place: it is too late to stop the run
_begun = threading.Event()
_early: list[int] = []  # what came before that
_watching: dict[int, Callable[[int, FrameType | None], None]] = {}


def begin() -> None:
    """Begin a run: a process can have more than one, after a signal too."""
    received.clear()
    published.clear()
    watch()
    deliver()


def deliver() -> None:
    """Let a signal through that came before the run had begun, and every later one."""
    _begun.set()
    if _early:
        signal.raise_signal(_early.pop())


def watch() -> None:
    """Remember SIGINT and SIGTERM, whoever handles them now (Prefect takes SIGTERM in a flow)."""
    if threading.current_thread() is not threading.main_thread():
        return
    for number in STOPPING:
        handler = signal.getsignal(number)
        if callable(handler) and handler is not _watching.get(number):
            _watching[number] = _remembering(handler)
            signal.signal(number, _watching[number])


def what_became_of_it() -> str:
    """What to say of a run that a signal ended."""
    done = "the results are published" if published.is_set() else "nothing was changed"
    return f"Stopped; {done}."


@contextmanager
def ignored() -> Iterator[None]:
    """Let a signal that comes in the meantime have no effect."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    handlers: dict[int, Any] = {}
    try:
        for each in (signal.SIGALRM, *STOPPING):  # the alarm brings a signal that had to wait
            handlers[each] = signal.signal(each, signal.SIG_IGN)
        yield
    finally:
        for number, handler in handlers.items():
            signal.signal(number, signal.SIG_DFL if handler is None else handler)


def ignore() -> None:
    """Let no signal have an effect any more: the run is over, whatever became of it."""
    for each in (signal.SIGALRM, *STOPPING):
        signal.signal(each, signal.SIG_IGN)


def end_at_last() -> None:
    """End this process some time after a signal, whatever keeps it: as if it were killed then.

    For a process that is there for one run. Its last words are what became of the results.
    """
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    signal.set_wakeup_fd(writing, warn_on_full_buffer=False)

    def wait() -> None:
        while (number := os.read(reading, 1)[0]) not in STOPPING:
            pass
        time.sleep(PATIENCE)
        try:  # sys.stderr could be what keeps it
            if select.select([], [2], [], 0)[1]:
                os.write(2, f"{what_became_of_it()}\n".encode())
        finally:
            os._exit(128 + number)

    threading.Thread(target=wait, daemon=True).start()


def _remembering(handler: Callable[..., Any]) -> Callable[[int, FrameType | None], None]:
    def remember(number: int, frame: FrameType | None) -> None:
        if not _begun.is_set():
            _early[:] = [number]
        elif not NOT_WITHIN.isdisjoint(_whereabouts(frame)):
            signal.signal(signal.SIGALRM, lambda _, later: remember(number, later))
            signal.setitimer(signal.ITIMER_REAL, A_MOMENT)
        else:
            received.append(number)
            handler(number, frame)

    return remember


def _whereabouts(frame: FrameType | None) -> Iterator[str]:
    """The modules and the functions that are at work, innermost first."""
    while frame is not None:
        yield frame.f_globals.get("__name__", "")
        yield frame.f_code.co_name
        frame = frame.f_back
