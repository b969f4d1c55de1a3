"""Main's side of a wait: the real code, in a thread."""

from __future__ import annotations

import threading
import time
from pathlib import Path

from objectstore_watcher import waiting
from objectstore_watcher.contract import WatchSpec
from objectstore_watcher.errors import WaitError

from tests.chaos.record import Record


class _Restarted(Exception):  # nothing went wrong
    """Main's container begins anew."""


class Main(threading.Thread):
    """Asks, and waits for the answer.

    Args:
        directory: the marker directory.
        spec: what to ask.
        record: is told what happens.
        restarts_at: when to begin anew, on the monotonic clock.
    """

    def __init__(self, directory: Path, spec: WatchSpec, record: Record, restarts_at: float) -> None:
        super().__init__(name=f"main-{record.plan.index}", daemon=True)
        self._directory = directory
        self._spec = spec
        self._record = record
        self._restarts_at = restarts_at

    def run(self) -> None:
        """Wait, and note how it ends."""
        record = self._record
        record.asked = time.monotonic()
        try:
            while not record.end:
                self._ask_and_wait()
        except WaitError as error:
            record.detail, record.ended = str(error), time.monotonic()
            record.end = error.kind.label
        except BaseException as error:
            record.detail, record.ended = repr(error), time.monotonic()
            record.end = "crash"

    def _ask_and_wait(self) -> None:
        record = self._record
        request = waiting.ask(self._directory, self._spec)
        record.deadline = request.deadline
        record.deadlines.add(request.deadline)
        record.waits.append(time.monotonic())
        try:
            waiting.wait(self._directory, self._spec.heartbeat_interval, until=request.answer_due, sleep=self._sleep)
        except _Restarted:
            return
        record.ended = time.monotonic()
        record.end = "ready"

    def _sleep(self, pause: float) -> None:
        time.sleep(pause)
        now = time.monotonic()
        if now >= self._restarts_at:
            self._restarts_at = float("inf")
            raise _Restarted
        self._record.looks.append(now)
