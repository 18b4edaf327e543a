"""A session on a Spark cluster: the run is its driver, and the workers need nothing of ours."""

import os
import shutil
import signal
import socket
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from logging import getLogger
from pathlib import Path

from py4j.protocol import Py4JError
from pyspark.errors import PySparkException
from pyspark.sql import SparkSession

from flows.errors import InputError, WarehouseBusyError
from flows.warehouse.spark.compiler import SparkBackend

SETTINGS: dict[str, bool | float | int | str | None] = {
    "spark.app.name": "sales-funnel",
    "spark.driver.extraJavaOptions": "-Dlog4j2.configurationFile="
    + Path(__file__).with_name("log4j2.properties").as_uri(),
    "spark.hadoop.mapreduce.fileoutputcommitter.marksuccessfuljobs": "false",
    "spark.sql.ansi.enabled": "true",
    "spark.sql.session.timeZone": "UTC",
    "spark.ui.enabled": "false",
    "spark.ui.showConsoleProgress": "false",
}
# Seconds. Spark would try to reach a master for a minute, and then stop with its whole driver; it
# would wait for a worker for ever.
PATIENCE_WITH_MASTER, PATIENCE_WITH_WORKERS = 5.0, 120.0


def check_reachable(master: str) -> None:
    """See whether a session could begin.

    Args:
        master: spark://HOST:PORT, or more than one HOST:PORT with commas between them.

    Raises:
        InputError: there is no Java, or nobody listens there.
    """
    if not os.environ.get("JAVA_HOME") and shutil.which("java") is None:
        raise InputError(f"{master}: Spark needs Java 17 or 21; install it, or set JAVA_HOME")
    for place in master.removeprefix("spark://").split(","):
        host, _, port = place.rpartition(":")
        try:
            socket.create_connection((host, int(port)), PATIENCE_WITH_MASTER).close()
            return
        except (OSError, ValueError, OverflowError):
            continue
    raise InputError(f"{master}: no Spark master answers there; start it, or correct the address")


@contextmanager
def connected(master: str) -> Iterator[SparkBackend]:
    """An Ibis connection to the cluster, for as long as it lasts.

    Raises:
        WarehouseBusyError: no worker has room for a run.
    """
    getLogger("SQLQueryContextLogger").disabled = True  # quotes the data
    with _signals_left_alone(), _no_words_of_java():
        session = SparkSession.builder.master(master).config(map=SETTINGS).getOrCreate()
    try:
        _wait_for_a_worker(session, master)
        SparkBackend.register_options()
        backend = SparkBackend()
        backend.do_connect(session)
        yield backend
    finally:
        session.stop()


def _wait_for_a_worker(session: SparkSession, master: str) -> None:
    gave_up = threading.Event()

    def give_up() -> None:
        gave_up.set()
        session.sparkContext.cancelAllJobs()

    patience = threading.Timer(PATIENCE_WITH_WORKERS, give_up)
    patience.start()
    try:
        session.range(1).collect()
    except (Py4JError, PySparkException):
        if not gave_up.is_set():
            raise
        raise WarehouseBusyError(
            f"{master}: no worker has room for a run: others have taken all, or none is as large as"
            " spark.executor.memory and spark.executor.cores ask for; try again later"
        ) from None
    finally:
        patience.cancel()


@contextmanager
def _signals_left_alone() -> Iterator[None]:
    """Spark would answer SIGINT in its own way."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.getsignal(signal.SIGINT)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


@contextmanager
def _no_words_of_java() -> Iterator[None]:
    """What Java says before its log is set up, it says to whatever stderr is when it starts."""
    sys.stderr.flush()
    stderr = os.dup(2)
    nothing = os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nothing, 2)
        yield
    finally:
        os.dup2(stderr, 2)
        os.close(nothing)
        os.close(stderr)
