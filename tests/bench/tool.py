"""A tool that waits, as the processes of one of the benchmark's waiters."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
import time
from contextlib import suppress
from types import TracebackType

import psutil

from tests.bench.instruments import cpu_seconds
from tests.bench.laboratory import Laboratory
from tests.bench.waiters import Waiter
from tests.servers import MinioServer

NOTICED = b"noticed\n"
"""What a program that waits for several objects says of each."""

PATIENCE = 120.0
"""Seconds after which a tool that has not noticed its object is ended, which is an error."""


class Tool:
    """Waits for one object at a time; its context manager ends it.

    Attributes:
        began: when its processes were started, in seconds on the monotonic clock.
    """

    def __init__(self, lab: Laboratory, waiter: Waiter) -> None:
        self._lab = lab
        self._waiter = waiter
        self._process: subprocess.Popen[bytes] | None = None
        self.began = 0.0

    def __enter__(self) -> Tool:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self.end()

    def begin(self, uri: str) -> None:
        """Begin to wait, in new processes where there are none."""
        if not self._process:
            command = self._waiter.command(self._lab, uri)
            self.began = time.monotonic()
            self._process = subprocess.Popen(
                command,
                env=_environment(self._lab),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                start_new_session=True,  # a pod is several processes
            )
        if self._waiter.lasts and self._process.stdin:
            self._process.stdin.write(f"{uri}\n".encode())
            self._process.stdin.flush()

    def still_waits(self) -> bool:
        """Whether its first process has not ended: flytekit's ends with 0 even where it fails."""
        return self._process is not None and self._process.poll() is None

    def noticed(self) -> float:
        """When it has noticed its object, in seconds on the monotonic clock: it says so, or its first process ends."""
        assert self._process
        assert self._process.stdout
        watchdog = threading.Timer(PATIENCE, self._process.kill)
        watchdog.start()
        try:
            for line in self._process.stdout if self._waiter.lasts else ():
                if line == NOTICED:
                    return time.monotonic()
            status = self._process.wait()
            ended = time.monotonic()
        finally:
            watchdog.cancel()
        assert (status, self._waiter.lasts) == (0, False), f"{self._waiter.name} ended with {status}"
        self.end()
        return ended

    def end(self) -> None:
        """End all its processes."""
        if self._process:
            with suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)
            self._process.communicate()
            self._process = None

    def rss(self) -> int:
        """Resident bytes of all its processes."""
        return sum(process.memory_info().rss for process in self._processes())

    def cpu(self) -> float:
        """Processor time of all its processes so far, in seconds."""
        return sum(cpu_seconds(process.pid) for process in self._processes())

    def _processes(self) -> list[psutil.Process]:
        assert self._process
        root = psutil.Process(self._process.pid)
        return [root, *root.children(recursive=True)]


def _environment(lab: Laboratory) -> dict[str, str]:
    """The settings by which each of the tools finds the server and its credentials."""
    home = {name: os.environ[name] for name in ("PATH", "HOME")}
    aws = {
        "AWS_ACCESS_KEY_ID": MinioServer.ACCESS_KEY,
        "AWS_SECRET_ACCESS_KEY": MinioServer.SECRET_KEY,
        "AWS_ENDPOINT_URL": lab.proxy.endpoint,
        "AWS_DEFAULT_REGION": "us-east-1",
    }
    flyte = {**lab.minio.flyte_env(), "FLYTE_AWS_ENDPOINT": lab.proxy.endpoint}
    airflow = {"AIRFLOW_HOME": str(lab.place / "airflow"), "AIRFLOW_CONN_AWS_DEFAULT": "aws://"}
    return {**home, **aws, **flyte, **airflow}
