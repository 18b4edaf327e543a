"""The warehouse of a run, held before anything slow: whoever comes second is told so at once."""

from contextlib import ExitStack

from flows.settings import Settings
from flows.warehouse import Warehouse, open_warehouse

_held: list[Warehouse] = []


def hold(stack: ExitStack, settings: Settings) -> None:
    """Hold the warehouse of the next run now, for as long as the stack lasts.

    Raises:
        InputError: the URL names none, or it cannot be used.
        WarehouseBusyError: another run holds it.
    """
    warehouse = open_warehouse(settings.warehouse_with_password, settings.limits)
    stack.enter_context(warehouse.held())
    stack.callback(_held.clear)
    _held.append(warehouse)


def held_warehouse(stack: ExitStack, settings: Settings) -> Warehouse:
    """The warehouse that is held for this run, or else the one it names, held from now on."""
    if not _held:
        hold(stack, settings)
    return _held.pop()
