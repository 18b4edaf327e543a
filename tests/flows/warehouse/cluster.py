"""A Spark cluster of this machine: a master, and two workers with a processor each."""

import os
import shutil
import signal
import subprocess
from collections.abc import Collection, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import pyspark
import pytest

from tests.flows.serving import free_port, wait_until

# What is good for long runs makes short ones slow.
SHORT_RUNS = "-XX:TieredStopAtLevel=1"
DEFAULTS = f"""
spark.executor.extraJavaOptions {SHORT_RUNS}
spark.executor.memory 700m
spark.locality.wait 0
spark.sql.adaptive.enabled false
spark.sql.shuffle.partitions 1
"""
KEPT = ("PATH", "JAVA_HOME", "HOME", "LANG", "TMPDIR")
LOCAL = {"SPARK_LOCAL_IP": "127.0.0.1"}


@dataclass(frozen=True)
class Cluster:
    """`master`: its URL. `environment`: of a run that is to be quick."""

    master: str
    environment: dict[str, str]
    workers: list["subprocess.Popen[bytes]"]
    folder: Path

    def url(self, folder: Path) -> str:
        """The warehouse in a folder."""
        return f"{self.master}?catalog={folder}"

    def kill_a_worker(self) -> None:
        """End a worker, and what it is at work on, as if its machine were gone."""
        worker = self.workers.pop()
        os.killpg(worker.pid, signal.SIGKILL)


@contextmanager
def running_cluster(folder: Path, workers: Collection[str] = ("one", "two")) -> Iterator[Cluster]:
    """A cluster whose files are in a folder; all of it is gone at the end."""
    if shutil.which("java") is None and "JAVA_HOME" not in os.environ:
        pytest.skip("there is no Java for Spark")
    folder.mkdir()
    with ExitStack() as stack:
        port = str(free_port())
        master = f"spark://127.0.0.1:{port}"
        stack.enter_context(_started(folder / "master", "master.Master", "--port", port))
        limits = ("--cores", "1", "--memory", "1g")
        started = [
            stack.enter_context(_started(folder / name, "worker.Worker", *limits, master))
            for name in workers
        ]
        log = folder / "master/log"
        wait_until(lambda: "I have been elected leader" in log.read_text(), seconds=60)
        wait_until(lambda: log.read_text().count("Registering worker") == len(workers), seconds=60)
        (folder / "spark-defaults.conf").write_text(DEFAULTS)
        environment = LOCAL | {"SPARK_CONF_DIR": str(folder), "JAVA_TOOL_OPTIONS": SHORT_RUNS}
        yield Cluster(master, environment, started, folder)


@contextmanager
def _started(folder: Path, part: str, *options: str) -> Iterator["subprocess.Popen[bytes]"]:
    """A part of the cluster, which works and logs in a folder of its own."""
    folder.mkdir()
    spark_class = Path(pyspark.__file__).parent / "bin/spark-class"
    work_in = ("-d", str(folder)) if part == "worker.Worker" else ()
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            [
                *(str(spark_class), f"org.apache.spark.deploy.{part}", "--host", "127.0.0.1"),
                *("--webui-port", "0", *work_in, *options),
            ],
            env={name: os.environ[name] for name in KEPT if name in os.environ} | LOCAL,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    try:
        yield process
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
