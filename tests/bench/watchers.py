"""Watchers to measure: fresh processes and forked ones; and what the contract loads."""

from __future__ import annotations

import json
import multiprocessing
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from multiprocessing.process import BaseProcess
from pathlib import Path
from types import TracebackType

import urllib3
from objectstore_watcher import cli, contract

from tests.bench.instruments import RecordingProxy, Usage, thread_states
from tests.servers import Watcher, eventually, free_port

NO_PAUSE = 0.001
"""Seconds: a poll interval so short that the watcher does nothing but poll."""

WARM_UP = 500
"""Polls after which caches are filled: growth counts from here."""


class ServedWatcher:
    """A fresh watcher process in sidecar mode that serves its metrics, as in a pod."""

    def __init__(self, directory: Path, env: Mapping[str, str], args: Sequence[str] = ()) -> None:
        self._port = free_port()
        self._directory = directory
        self._watcher = Watcher([f"--dir={directory}", f"--metrics-address=127.0.0.1:{self._port}", *args], env)
        self.pid = self._watcher.process.pid

    def __enter__(self) -> ServedWatcher:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self._watcher.__exit__(kind, error, tb)

    def scrape(self) -> str:
        """The metrics."""
        return urllib3.request("GET", f"http://127.0.0.1:{self._port}/metrics", retries=False, timeout=10).data.decode()

    def usage(self) -> Usage:
        """What the process holds, just after a scrape whose thread has ended."""
        self.scrape()
        time.sleep(0.2)
        return Usage.of(self.pid)

    def await_idle(self) -> None:
        """Wait until it has started and only looks for the request: in a pod, main takes seconds to write it."""
        eventually((self._directory / contract.HEARTBEAT).exists, "the first heartbeat")
        eventually(self._idles, "the watcher has started")

    def _idles(self) -> bool:
        """Whether all threads sleep, ten times in a row: one that is short of a core counts as running."""
        for _ in range(10):
            if thread_states(self.pid) != {"S"}:
                return False
            time.sleep(0.02)
        return True


@contextmanager
def polling(proxy: RecordingProxy, directory: Path, env: Mapping[str, str], uri: str) -> Iterator[ServedWatcher]:
    """A watcher that polls ``uri`` through ``proxy`` without a pause, its first `WARM_UP` polls done."""
    proxy.requests.clear()
    to_proxy = {**env, "FLYTE_AWS_ENDPOINT": proxy.endpoint}
    with ServedWatcher(directory, to_proxy, [f"--poll-interval={NO_PAUSE}", "--detection=poll", "--", uri]) as watcher:
        await_requests(proxy, WARM_UP, watcher)
        yield watcher


def await_requests(proxy: RecordingProxy, number: int, watcher: ServedWatcher) -> None:
    """Wait for so many requests, with a scrape every half second."""
    eventually(lambda: bool(proxy.requests), "the first request")
    end = time.monotonic() + 120
    while len(proxy.requests) < number:
        assert time.monotonic() < end, f"{len(proxy.requests)} requests, not {number}"
        watcher.scrape()
        time.sleep(0.5)


def await_ready(directory: Path) -> contract.Ready:
    """The marker ``ready``, once it is there."""
    eventually((directory / contract.Ready.NAME).exists, "the marker ready")
    marker = contract.read(directory, contract.Ready)
    assert marker
    return marker


def forked_watcher(args: Sequence[str]) -> BaseProcess:
    """The watcher's command in a process of its own, forked from one that has the modules loaded: starts in 20 ms."""
    forks = multiprocessing.get_context("forkserver")
    forks.set_forkserver_preload(
        [
            __name__,
            "objectstore_watcher.sidecar",
            "objectstore_watcher.live",
            "objectstore_watcher.stores.events",
            "objectstore_watcher.stores.s3",
        ]
    )
    process = forks.Process(target=_run_quietly, args=(args,))
    process.start()
    return process


def _run_quietly(args: Sequence[str]) -> None:
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stderr.fileno())
    cli.main(args)


def loaded_with_contract() -> set[str]:
    """The top-level modules that a fresh Python loads for the contract, besides those it starts with."""
    code = (
        "import sys, json; bare = set(sys.modules); import objectstore_watcher.contract;"
        "print(json.dumps(sorted(set(sys.modules) - bare)))"
    )
    shown = subprocess.run([sys.executable, "-c", code], check=True, stdout=subprocess.PIPE, text=True).stdout
    return {name.partition(".")[0] for name in json.loads(shown)}


def foreign(modules: set[str]) -> set[str]:
    """Those that are neither of the standard library nor of the watcher itself."""
    return modules - sys.stdlib_module_names - {"objectstore_watcher"}
