"""Starts watchers by forking: the program is loaded once, so that one more costs milliseconds instead of half a second.

Orders come as lines of JSON on standard input, reports go to standard output. When the input ends, all end.
"""

from __future__ import annotations

import json
import os
import select
import signal
import sys
import time
import traceback
from typing import Any

from objectstore_watcher import cli, live, logs, metrics, process, sidecar, stores, watch  # noqa: F401  # to be loaded

from tests.chaos import clock

stores.preload({"FLYTE_AWS_ENDPOINT": "http://minio"})


class Nursery:
    """All children, by the number in their order."""

    def __init__(self) -> None:
        self._pids: dict[int, int] = {}
        self._wake, wake = os.pipe()
        for end in (self._wake, wake):
            os.set_blocking(end, False)
        signal.set_wakeup_fd(wake)
        signal.signal(signal.SIGCHLD, lambda number, frame: None)

    def run(self) -> None:
        """Follow orders until there are no more."""
        pending = b""
        while True:
            readable, _, _ = select.select([0, self._wake], [], [])
            self._reap()
            if self._wake in readable:
                os.read(self._wake, 4096)
                self._reap()
            if 0 in readable:
                data = os.read(0, 65536)
                if not data:
                    break
                *lines, pending = (pending + data).split(b"\n")
                for line in lines:
                    self._follow(json.loads(line))
        for pid in self._pids.values():
            os.kill(pid, signal.SIGKILL)

    def _follow(self, order: dict[str, Any]) -> None:
        if "signal" in order:
            if pid := self._pids.get(order["id"]):  # not reaped, so the number is still its own
                os.kill(pid, order["signal"])
        elif pid := os.fork():
            self._pids[order["id"]] = pid
        else:
            _become_watcher(order)

    def _reap(self) -> None:
        for number, pid in list(self._pids.items()):
            done, status = os.waitpid(pid, os.WNOHANG)
            if done:
                del self._pids[number]
                report = {"id": number, "code": os.waitstatus_to_exitcode(status), "at": time.monotonic()}
                os.write(1, json.dumps(report).encode() + b"\n")


def _become_watcher(order: dict[str, Any]) -> None:
    code: Any = 1
    try:
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        process.block()  # as __main__ does before its imports
        for descriptor, path in ((0, os.devnull), (1, os.devnull), (2, order["log"])):
            os.dup2(os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND), descriptor)
        os.environ.update(order["env"])
        if order["step"]:
            clock.step(order["step_at"], order["step"])
        cli.main(order["argv"])
    except SystemExit as end:
        code = end.code
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(code)


if __name__ == "__main__":
    sys.stderr.flush()
    Nursery().run()
