"""Signals that end a run, and when they do not."""

import signal
import time

import pytest

from flows import signals


@pytest.fixture(autouse=True)
def handlers(monkeypatch):
    """Whoever handles signals, handles them again afterwards."""
    monkeypatch.setattr(signals, "A_MOMENT", 0.5)  # also on a busy machine it comes later
    numbers = (*signals.STOPPING, signal.SIGALRM)
    before = {number: signal.getsignal(number) for number in numbers}
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signals.begin()
    yield
    signals.begin()
    for number, handler in before.items():
        signal.signal(number, handler)


class Dying:
    """What gets a signal in its destructor, where Python would drop what is raised."""

    def __del__(self) -> None:
        signal.raise_signal(signal.SIGINT)


def test_a_signal_that_had_to_wait_comes_a_moment_later():
    def wait() -> None:
        Dying()
        time.sleep(5)

    with pytest.raises(KeyboardInterrupt):
        wait()
    assert signals.received == [signal.SIGINT]


def test_a_signal_that_had_to_wait_has_no_effect_while_results_are_put_in_place():
    Dying()
    with signals.ignored():
        time.sleep(1)
    assert signals.received == []
