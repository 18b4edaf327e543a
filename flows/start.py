"""From the command to the flow.

The slow parts start first, side by side: a Prefect server if there is none, the process that draws
the report, and, while these come up, the imports of the flow (`flows.flow`).
"""

import gc
import logging
import os
import signal
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from contextvars import copy_context
from typing import Any

import click

from flows import signals
from flows.errors import RunFailedError
from flows.holding import hold
from flows.people import forget
from flows.people.masking_key import check_can_rotate
from flows.places import check_places
from flows.report.process import prepare
from flows.server import TemporaryServer, no_server_is_named
from flows.settings import Settings, load_settings
from flows.settings.secret_blocks import with_secrets
from flows.show import warn_of_unknown_variables
from flows.warehouse.address import has_password


def start(
    stack: ExitStack,
    quiet: bool,
    action: str | None,
    user_id: int | None,
    *,
    dry_run: bool,
    full_refresh: bool,
    **given: Any,
) -> dict[str, Any]:
    """Start what is slow, look at the input, then import and run the flow."""
    keep_quiet()
    os.umask(0o077)
    if dry_run:
        from flows.plan import plan

        if not quiet:
            warn_of_unknown_variables()
        return plan(with_secrets(load_settings(**given)), full_refresh=full_refresh)
    servers = [TemporaryServer(stack)] if no_server_is_named() else []
    prepare(stack)

    settings = load_settings(**given)
    check_places(settings, full_refresh=full_refresh)
    if action == "rotate-key":
        check_can_rotate(settings)
    if not settings.blocks:  # else Prefect has the password
        _hold(stack, settings, user_id)

    _settle(stack, servers)
    with ThreadPoolExecutor() as pool:
        ready = pool.submit(copy_context().run, _reach_the_server, servers)
        from flows.flow import sales_funnel
        from flows.watching.progress import showing_steps

        ready.result()
    if settings.blocks:
        _hold(stack, with_secrets(settings), user_id)
    gc.freeze()
    gc.set_threshold(50_000, 20, 50)  # expressions are many small objects, and soon gone
    gc.enable()
    signals.end_at_last()
    signal.signal(signal.SIGTERM, lambda number, _: sys.exit(stopped(number)))
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signals.watch()
    stack.enter_context(showing_steps(not quiet))
    places = {"source": settings.source, "warehouse": settings.warehouse}
    for name, url in places.items():
        if has_password(url):  # not as a parameter of the flow: Prefect stores those
            os.environ[f"FUNNEL_{name.upper()}"] = url
    try:
        return sales_funnel(
            **{name: "" if has_password(url) else url for name, url in places.items()},
            report=str(settings.report),
            export=str(settings.export or ""),
            as_of=settings.as_of,
            incremental=settings.incremental,
            full_refresh=full_refresh,
            dry_run=False,
            rotate_key=action == "rotate-key",
        )
    finally:
        signals.deliver()  # what came while Prefect could not begin the run


def keep_quiet() -> None:
    """The terminal shows our step lines; what Prefect says besides goes to its server only."""
    os.environ.setdefault("DO_NOT_TRACK", "1")
    os.environ.setdefault("PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL", "CRITICAL")
    os.environ.setdefault("PREFECT_LOGGING_INTERNAL_LEVEL", "CRITICAL")
    logging.raiseExceptions = False  # of a server that is gone, the run itself tells


def _settle(stack: ExitStack, servers: list[TemporaryServer]) -> None:
    """Make Prefect's settings those of this run; `servers` gets one of our own if none is there."""
    from prefect.settings import (
        PREFECT_API_URL,
        PREFECT_FLOWS_HEARTBEAT_FREQUENCY,
        temporary_settings,
    )

    if not servers and PREFECT_API_URL.value() is None:
        servers.append(TemporaryServer(stack))
    for server in servers:
        stack.enter_context(temporary_settings({PREFECT_API_URL: server.api_url}))
        stack.callback(logging.shutdown)  # hands the log on while the server is still there
    # Whoever started the run sees it end; Prefect's heart would beat on for up to a second.
    stack.enter_context(temporary_settings({PREFECT_FLOWS_HEARTBEAT_FREQUENCY: None}))


def _hold(stack: ExitStack, settings: Settings, user_id: int | None) -> None:
    """Hold the warehouse; whatever becomes of this run then, the next one knows who is to go."""
    hold(stack, settings)
    if user_id is not None:
        forget(settings, user_id)


def _reach_the_server(servers: list[TemporaryServer]) -> None:
    """Wait for the server of our own, or see whether the one that is configured is there."""
    from prefect.client.orchestration import get_client

    for server in servers:
        server.wait()
    with get_client(sync_client=True) as client:
        if client.api_healthcheck() is not None:
            raise RunFailedError(
                "the Prefect server does not answer; start it, or unset PREFECT_API_URL"
                " and the run starts one for itself"
            )


def stopped(number: int) -> int:
    """Say that a signal ended the run, and what became of its results; gives the exit code."""
    try:
        click.echo(signals.what_became_of_it(), err=True)
    except OSError:  # nobody is listening any more: Python would try again at the end, and fail
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stderr.fileno())
    return 128 + number
