"""Questions about tables that are made, answered while the next ones are being made."""

from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import contextmanager, suppress
from typing import Any

import psycopg

from flows.warehouse.address import shown
from flows.warehouse.postgres.faults import told_in_short
from flows.warehouse.postgres.server import connect_ibis

# A query, and what gives its only row: at once, or as soon as the server has it.
Ask = Callable[[str], Callable[[], dict[str, Any]]]


@contextmanager
def answering(url: str) -> Iterator[Ask]:
    """A session that answers one question after the other; what is not answered is given up."""

    def answer(query: str) -> dict[str, Any]:
        with told_in_short(shown(url)):
            cursor = backend.raw_sql(query)
            [row] = cursor.fetchall()
            return dict(zip((column.name for column in cursor.description), row, strict=True))

    asked: list[Future[dict[str, Any]]] = []

    def ask(query: str) -> Callable[[], dict[str, Any]]:
        asked.append(pool.submit(answer, query))
        return asked[-1].result

    with connect_ibis(url) as backend, ThreadPoolExecutor(1) as pool:
        # Beside the run, and not in its way.
        backend.raw_sql("SET max_parallel_workers_per_gather = 0")
        try:
            yield ask
        finally:
            for question in asked:
                question.cancel()
            while wait(asked, timeout=0.1).not_done:
                with suppress(psycopg.Error):
                    backend.con.cancel()
