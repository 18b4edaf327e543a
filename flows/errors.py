"""What can go wrong, in the words a user reads, with the exit code of the command.

The messages are our own and hold no text of the data: they reach the terminal, the logs and
Prefect. Raise them `from None`, so that the error behind them does not travel along.
"""

from errno import EDQUOT, EFBIG, ENOSPC

# What is wrong with the disk, and not with what the user wrote.
FULL = {
    ENOSPC: "the disk is full",
    EDQUOT: "your share of the disk is used up",
    EFBIG: "a file would be larger than is allowed (ulimit -f)",
}


class SalesFunnelError(Exception):
    """A run that ends with one short message."""

    exit_code = 1


class RunFailedError(SalesFunnelError):
    """The run failed, or a check stopped it."""


class ServerGoneError(RunFailedError):
    """Prefect's server went away during the run, or refuses what it is told."""


class InterruptedRunError(SalesFunnelError):
    """A signal ended the run in the middle of a query."""


class InputError(SalesFunnelError):
    """The source, the settings or the command line are wrong; nothing was changed."""

    exit_code = 2


class WarehouseBusyError(SalesFunnelError):
    """Somebody else holds the warehouse; try again later (EX_TEMPFAIL)."""

    exit_code = 75


def of_held(what: object, holder: str) -> WarehouseBusyError:
    """What it means that somebody else holds a warehouse."""
    return WarehouseBusyError(
        f"{what}: another run holds the warehouse ({holder}); try again later"
    )


def of_file(what: object, error: OSError, doing: str = "cannot be used") -> SalesFunnelError:
    """What a file error means."""
    if error.errno in FULL:
        return RunFailedError(f"{what}: {FULL[error.errno]}")
    return InputError(f"{what}: {doing}: {error.strerror}")
