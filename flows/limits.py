"""Whether the server limits how many tasks of a tag run at once: asked before the tasks do.

Each task run asks for its tags. On a server with SQLite that question fails now and then while the
server writes down the tasks before it, and Prefect waits two seconds to ask again. A "no limit" is
remembered for five seconds: asked at once, before there is anything to write, it is one for a
whole run on a small export.
"""

import logging
from uuid import uuid4

import httpx
from prefect.client.schemas.objects import ConcurrencyLeaseHolder
from prefect.concurrency.asyncio import ConcurrencySlotAcquisitionError
from prefect.concurrency.sync import concurrency
from transforms.graph import LAYERS

from flows.errors import RunFailedError

INGEST = "ingest"
TAGS = (INGEST, *LAYERS)


def ask_for_limits() -> None:
    """Ask for the limit of each tag of our tasks, one after the other, as a task run asks.

    Raises:
        RunFailedError: the server does not answer.
    """
    logging.getLogger("prefect.concurrency").setLevel(logging.ERROR)  # no limit is no warning
    for tag in TAGS:
        holder = ConcurrencyLeaseHolder(type="task_run", id=uuid4())
        try:
            with concurrency(f"tag:{tag}", holder=holder):
                pass
        except (httpx.HTTPError, ConcurrencySlotAcquisitionError):
            raise RunFailedError(
                "the Prefect server does not answer; start it, or unset PREFECT_API_URL"
                " and the run starts one for itself"
            ) from None
