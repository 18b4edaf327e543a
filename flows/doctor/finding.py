"""What the doctor finds: in one line, with a fix where there is something to mend."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Literal

from flows.errors import SalesFunnelError, WarehouseBusyError
from flows.settings import Settings

Status = Literal["ok", "warning", "problem"]
Told = tuple[Status, str, str | None]  # what was found, and the fix


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at."""

    check: str
    status: Status
    said: str
    fix: str | None = None


@dataclass(frozen=True)
class Check:
    """Something to look at.

    `look` gives what it finds, without the name; an error of ours that it raises is a problem, for
    which `fix` says what to do, if the error itself does not. `relies_on`: settings; where one of
    them is wrong, there is nothing to look at.
    """

    name: str
    look: Callable[[Settings], Iterable[Told]]
    fix: str
    relies_on: tuple[str, ...] = ()

    def told(self, error: SalesFunnelError) -> list[Finding]:
        """What an error of ours says: a line for each thing that is wrong."""
        if isinstance(error, WarehouseBusyError):
            fix = "wait until it is over; if it hangs, end that process"
            return [Finding(self.name, "warning", str(error), fix)]
        lines = [line.strip().partition("; ") for line in str(error).splitlines()]
        return [Finding(self.name, "problem", said, fix or self.fix) for said, _, fix in lines]


def ok(said: str) -> Told:
    """All is well."""
    return "ok", said, None


def warning(said: str, fix: str) -> Told:
    """A run can succeed, and somebody should look at this."""
    return "warning", said, fix


def problem(said: str, fix: str) -> Told:
    """A run cannot succeed, or not do what it should."""
    return "problem", said, fix
