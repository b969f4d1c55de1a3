"""Notices at once when a file appears in a directory, by Linux's inotify, which Python itself does not offer.

Looking fifty times a second instead takes 1 to 2 % of a core, all the time that a pod waits.
"""

from __future__ import annotations

import os
import threading
import time

TYPE_CHECKING = False  # as in the contract
if TYPE_CHECKING:
    from pathlib import Path
    from types import TracebackType

CHECK_INTERVAL = 0.02
"""Seconds between two looks at the directory where there is no inotify: 10 ms of delay at the median."""

_CREATED, _MOVED_TO = 0x100, 0x80
"""IN_CREATE and IN_MOVED_TO of inotify(7): files of the contract appear by a link or a rename."""


class Changes:
    """What appears in ``directory`` from now on."""

    def __init__(self, directory: Path) -> None:
        self._descriptor = _inotify(os.fsencode(directory))

    def __enter__(self) -> Changes:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        if self._descriptor is not None:
            # Not here: the kernel takes 10 to 20 ms for it, and main has its answer.
            threading.Thread(target=os.close, args=(self._descriptor,), daemon=True).start()

    def wait(self, seconds: float) -> None:
        """Wait until something has appeared since the last call, or for so long; where nobody tells, look soon."""
        if self._descriptor is None:
            time.sleep(min(seconds, CHECK_INTERVAL))
            return
        import select

        poll = select.poll()
        poll.register(self._descriptor, select.POLLIN)
        if poll.poll(seconds * 1000):
            os.read(self._descriptor, 65536)  # which files does not matter


def _inotify(directory: bytes) -> int | None:
    """A descriptor that can be read once something has appeared; None where there is no such thing."""
    try:
        import ctypes

        libc = ctypes.CDLL(None)
        descriptor: int = libc.inotify_init1(os.O_CLOEXEC | os.O_NONBLOCK)
        if descriptor < 0:
            return None
        if libc.inotify_add_watch(descriptor, directory, _CREATED | _MOVED_TO) < 0:
            os.close(descriptor)
            return None
    except (ImportError, OSError, AttributeError):
        return None
    return descriptor
