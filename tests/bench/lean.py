"""The figures of a pod with a lean main: what it holds and burns while it waits, and its way from exec to request."""

from __future__ import annotations

import io
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from flyteidl.core.literals_pb2 import LiteralMap
from objectstore_watcher.contract import DIRECTORY_VARIABLE, Ready, Request
from objectstore_watcher.lean import handover
from objectstore_watcher.lean.task import LeanTask

from tests.bench.instruments import MIB, Usage, cpu_seconds
from tests.bench.laboratory import Laboratory
from tests.bench.report import Figure, ms
from tests.bench.watchers import ServedWatcher
from tests.servers import eventually

COMMAND = Path(sys.executable).with_name("objectstore-watcher-main")

MOST_RESIDENT = 60 * MIB
MOST_CPU = 0.001
"""Of a core."""

POLL_INTERVAL = 10.0


class LeanMain:
    """The lean main as a process, its inputs in MinIO.

    Attributes:
        pid: of the process, also after it has handed over.
        directory: the marker directory.
    """

    def __init__(self, lab: Laboratory, uri: str) -> None:
        self.directory = lab.new_directory()
        prefix = f"{lab.bucket}/{self.directory.name}"
        inputs = LiteralMap()
        inputs.literals["path"].scalar.primitive.string_value = uri
        data = inputs.SerializeToString()
        lab.minio.client().put_object(lab.bucket, f"{self.directory.name}/inputs.pb", io.BytesIO(data), len(data))
        task = LeanTask(input="path", is_list=False, spec={"poll_interval": POLL_INTERVAL, "detection": "poll"})
        self._process = subprocess.Popen(
            [COMMAND, f"--task={task.encoded()}", f"--inputs=s3://{prefix}/inputs.pb", f"--outputs=s3://{prefix}"],
            env={**os.environ, **lab.minio.flyte_env(), DIRECTORY_VARIABLE: str(self.directory)},
            stderr=subprocess.DEVNULL,
        )
        self.pid = self._process.pid

    def await_small(self) -> None:
        """Wait until it has handed over to a process that only waits."""
        environment = Path(f"/proc/{self.pid}/environ")
        eventually(lambda: f"{handover.VARIABLE}=".encode() in environment.read_bytes(), "main hands over", timeout=60)

    def end(self) -> None:
        """End it."""
        self._process.kill()
        self._process.wait()


@contextmanager
def lean_main(lab: Laboratory, uri: str) -> Iterator[LeanMain]:
    """A lean main that has begun."""
    main = LeanMain(lab, uri)
    try:
        yield main
    finally:
        main.end()


def waiting_pod(lab: Laboratory, seconds: int) -> Iterator[Figure]:
    """What a watcher and a lean main take while they wait together."""
    with lean_main(lab, lab.new_uri()) as main, ServedWatcher(main.directory, lab.minio.flyte_env()) as watcher:
        main.await_small()
        time.sleep(5)
        before, began = cpu_seconds(main.pid) + cpu_seconds(watcher.pid), time.monotonic()
        time.sleep(seconds)
        cpu = (cpu_seconds(main.pid) + cpu_seconds(watcher.pid) - before) / (time.monotonic() - began)
        held = {"main": Usage.of(main.pid).rss, "watcher": watcher.usage().rss}
    told = " and ".join(f"{name} {size / MIB:.1f} MiB" for name, size in held.items())
    yield Figure(
        name="lean main and watcher waiting: memory",
        limit="60 MiB RSS",
        measured=f"{sum(held.values()) / MIB:.1f} MiB RSS: {told}",
        reached=sum(held.values()) <= MOST_RESIDENT,
        method="both as processes, main after it has handed over to a process that only waits; what they share counts"
        " twice",
    )
    yield Figure(
        name="lean main and watcher waiting: CPU",
        limit="0.1 % of a core (1 millicore)",
        measured=f"{cpu:.3%} over {seconds} s",
        reached=cpu <= MOST_CPU,
        method=f"the same wait, a poll each {POLL_INTERVAL:g} s: the CPU clocks of both over the time that passed",
    )


def starts(lab: Laboratory, runs: int) -> Iterator[Figure]:
    """From exec to the first request of each."""
    uri = lab.new_uri()
    lab.put(uri)
    mains, watchers, walls = [], [], []
    for _ in range(runs):
        began = time.monotonic()
        with lean_main(lab, uri) as main, ServedWatcher(main.directory, lab.minio.flyte_env()) as watcher:
            mains.append(_cpu_until(main.pid, main.directory / Request.NAME))
            watchers.append(_cpu_until(watcher.pid, main.directory / Ready.NAME))
            walls.append(time.monotonic() - began)
    yield Figure(
        name="exec → request written, lean main",
        limit="none",
        measured=f"median {ms(statistics.median(mains))} of CPU, n = {runs}",
        reached=None,
        method="from a fresh process to the file `request`: Python, the client of S3, Flyte's messages, inputs.pb",
    )
    yield Figure(
        name="exec → object found, watcher",
        limit="none",
        measured=f"median {ms(statistics.median(watchers))} of CPU, n = {runs}; of both, started at once,"
        f" {ms(statistics.median(walls))} of time",
        reached=None,
        method="from a fresh process to `ready`, of an object that is there",
    )


def _cpu_until(pid: int, file: Path) -> float:
    end = time.monotonic() + 60
    while not file.exists():
        assert time.monotonic() < end, file
        time.sleep(0.002)
    return cpu_seconds(pid)
