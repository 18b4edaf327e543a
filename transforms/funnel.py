"""The funnel: read from `funnel.toml`, checked, and given to the models as a run setting."""

import re
import tomllib
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from transforms.text import NOT_LETTER_OR_DIGIT

FUNNEL_FILE = Path(__file__).with_name("funnel.toml")
KINDS = ("stage", "activity", "loss")
MAX_STEPS = 60  # a bit each, in a 64-bit integer
LONGEST_NAME = 63  # of a column, in bytes: PostgreSQL cuts off the rest
CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")
NAME = "a text in one line, with a letter or digit in it"


class FunnelError(Exception):
    """funnel.toml is wrong; the message says where and what to do."""


@dataclass(frozen=True)
class Step:
    """One step, as the file gives it; see the head of funnel.toml for the fields."""

    step: str
    kpi: str
    kind: str
    match: tuple[str, ...] = ()
    won: bool = False

    @property
    def codes(self) -> tuple[str, ...]:
        """What it matches, normalised as `transforms.text.code` normalises the data."""
        return tuple(_code(text) for text in self.match)

    @property
    def column(self) -> str:
        """Its column in obt_deals: "2.1" -> "step_2_1_entered_at"."""
        return f"step_{_code(self.step)}_entered_at"


@dataclass(frozen=True)
class Funnel:
    """The steps in order."""

    steps: tuple[Step, ...]

    def of_kind(self, kind: str) -> tuple[Step, ...]:
        """The steps of a kind, in order."""
        return tuple(step for step in self.steps if step.kind == kind)

    def step_by_code(self, kind: str) -> dict[str, str]:
        """Normalised stage name or activity type -> step."""
        return {code: step.step for step in self.of_kind(kind) for code in step.codes}


def load_funnel(path: Path = FUNNEL_FILE) -> Funnel:
    """Read and check a funnel file.

    Raises:
        FunnelError: not readable, not TOML, an unknown kind or key, a step or match given twice.
    """
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except UnicodeDecodeError:
        raise FunnelError(f"{path.name}: not UTF-8; save it as UTF-8") from None
    except (OSError, ValueError, RecursionError) as error:
        raise FunnelError(f"{path.name}: {error}") from None
    entries = content.get("step")
    if not isinstance(entries, list) or not entries or content.keys() != {"step"}:
        raise FunnelError(f"{path.name}: it must hold [[step]] entries, and nothing else")
    if len(entries) > MAX_STEPS:
        raise FunnelError(f"{path.name}: {len(entries)} steps; at most {MAX_STEPS} can be counted")
    steps = [_read_step(path.name, number, entry) for number, entry in enumerate(entries, 1)]
    for wrong in _contradictions(steps):
        raise FunnelError(f"{path.name}: {wrong}")
    return Funnel(tuple(steps))


def _read_step(file: str, number: int, entry: Any) -> Step:
    where = f"{file}: step number {number}"
    if not isinstance(entry, dict):
        raise FunnelError(f"{where}: write it as a [[step]] entry")
    where += f" ({entry['step']!r})" if "step" in entry else ""
    known = {field.name for field in fields(Step)}
    if unknown := sorted(entry.keys() - known):
        raise FunnelError(
            f"{where}: unknown key {unknown[0]!r}; known are {', '.join(sorted(known))}"
        )
    for name in ("step", "kpi", "kind"):
        if not _is_name(entry.get(name)):
            raise FunnelError(f"{where}: {name} must be {NAME}")
    if entry["kind"] not in KINDS:
        raise FunnelError(f"{where}: unknown kind {entry['kind']!r}; use one of {', '.join(KINDS)}")
    match = entry.get("match", [])
    if not isinstance(match, list) or not all(map(_is_name, match)):
        raise FunnelError(f"{where}: match must be a list of names, each {NAME}")
    if bool(match) is (entry["kind"] == "loss"):
        raise FunnelError(f"{where}: a loss step matches nothing, every other kind something")
    if not isinstance(entry.get("won", False), bool):
        raise FunnelError(f"{where}: won must be true or false")
    if entry.get("won") and entry["kind"] != "stage":
        raise FunnelError(f"{where}: only a stage can be won")
    return Step(**{**entry, "match": tuple(match)})


def _is_name(text: object) -> bool:
    return isinstance(text, str) and bool(_code(text)) and not CONTROL.search(text)


def _contradictions(steps: list[Step]) -> Iterable[str]:
    for step in steps:
        if len(step.column.encode()) > LONGEST_NAME:
            yield f"step {step.step!r} is too long for the name of a column; shorten it"
    for name in _twice(step.column for step in steps):
        yield f"step {[s.step for s in steps if s.column == name][-1]!r} is there twice"
    for kpi in _twice(step.kpi for step in steps):
        yield f"kpi {kpi!r} is there twice"
    for kind in ("stage", "activity"):
        of_kind = [step for step in steps if step.kind == kind]
        for code in _twice(code for step in of_kind for code in step.codes):
            both = ", ".join(repr(step.step) for step in of_kind if code in step.codes)
            yield f"{kind} {code!r} is matched more than once ({both}); leave it in one step"
    if not any(step.kind == "stage" for step in steps):
        yield "it needs at least one step of kind 'stage'"
    if "loss" in [step.kind for step in steps[:-1]]:
        yield "only the last step can be of kind 'loss'"


def _twice(names: Iterable[str]) -> list[str]:
    return [name for name, count in Counter(names).items() if count > 1]


def _code(text: str) -> str:
    small = "".join(letter.lower()[0] for letter in text)  # one for one, as engines do
    return re.sub(NOT_LETTER_OR_DIGIT, "_", small, flags=re.ASCII).strip("_")
