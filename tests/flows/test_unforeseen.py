"""What is said of an error that nobody foresaw: what it is and where, and never its text."""

import re
import subprocess
import sys

import pytest

from flows import signals
from flows.errors import InterruptedRunError, RunFailedError, SalesFunnelError
from flows.unforeseen import of_another_process, told_in_short


def ended(code: str) -> str:
    """What is said of a process that ran this code."""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=False)
    return of_another_process(done.returncode, done.stderr)


@pytest.mark.parametrize(
    "text", ["secret", "two\nlines: secret", "\n", "", '\n  File "/secret", line 7\nsecret: x']
)
def test_of_another_process_the_kind_of_its_error_is_told_and_no_text(text):
    assert ended(f"raise ValueError({text!r})").partition(" in ")[0] == "ValueError"
    assert "secret" not in ended(f"raise ValueError({text!r})")


def test_the_line_of_ours_is_told_in_place_of_one_that_it_calls():
    said = ended("from transforms.graph import load_models as f; f.__globals__['MODELS'] = 7; f()")
    assert said.startswith("TypeError in graph.py:")


def test_of_errors_that_led_to_each_other_the_line_of_ours_is_told_too():
    said = ended("""
import reports.findings.time, pandas
try:
    {}["secret"]
except KeyError:
    reports.findings.time.longest_stay(None).send(None)
""")
    assert re.fullmatch(r"KeyError in time\.py:\d+", said)


def test_of_a_process_that_was_killed_its_code_is_told():
    assert ended("import os; os.kill(os.getpid(), 9)") == "it ended with -9"


@pytest.mark.parametrize("made_of_it", [RuntimeError("lost"), RunFailedError("the server is gone")])
def test_whatever_is_made_of_a_signal_it_is_told_as_one(monkeypatch, made_of_it):
    monkeypatch.setattr(signals, "received", [15])
    with (
        pytest.raises(InterruptedRunError, match="raw_deals: interrupted"),
        told_in_short("raw_deals"),
    ):
        raise made_of_it


def test_without_a_signal_an_error_of_ours_is_told_as_it_is():
    with pytest.raises(SalesFunnelError, match="the server is gone"), told_in_short("raw_deals"):
        raise RunFailedError("the server is gone")
