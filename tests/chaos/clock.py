"""A wall clock that steps, in a watcher's process: the machine's own is left alone."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from datetime import datetime, timedelta, tzinfo

import minio.time
from objectstore_watcher import contract


def step(at: float, seconds: float) -> None:
    """Let all clocks of this process but the monotonic one be ``seconds`` further from ``at`` on.

    The times of files too, as the kernel would: the heartbeat's.
    """
    real_time, real_utime = time.time, os.utime

    def offset() -> float:
        return seconds if time.monotonic() >= at else 0.0

    class Stepped(datetime):
        @classmethod
        def now(cls, tz: tzinfo | None = None) -> datetime:  # type: ignore[override]  # a plain one will do
            return datetime.now(tz) + timedelta(seconds=offset())

    def utime(path: int) -> None:
        now = time.time_ns() + int(offset() * 1e9)
        real_utime(path, ns=(now, now))

    stepped_time: Callable[[], float] = lambda: real_time() + offset()  # noqa: E731
    time.time, os.utime = stepped_time, utime  # type: ignore[assignment]  # the one way in which it is called
    for module in (contract, minio.time):
        module.datetime = Stepped  # type: ignore[attr-defined]
