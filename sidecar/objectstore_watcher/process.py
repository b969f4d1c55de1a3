"""Signals and the watching thread: the process answers SIGTERM at once, whatever a request is blocked in.

The signals are blocked and waited for, not handled: a handler that sets an event can deadlock with the wait for it,
and process 1 of a container would lose a signal that has no handler yet.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from collections.abc import Callable

STOPPING = {signal.SIGTERM, signal.SIGINT}

_STANDARD_ERROR = 2

FINISHED = signal.SIGUSR1
"""Sent to this process's own main thread when the watching thread ends, or its last values were scraped."""


def block() -> None:
    """Keep the signals pending until `hear` takes them; to be called before threads are started."""
    signal.pthread_sigmask(signal.SIG_BLOCK, STOPPING | {FINISHED})


def open_standard_files() -> None:
    """Open what the caller has closed (`2>&-`): else the next connection would be standard error, and read the log."""
    while (opened := os.open(os.devnull, os.O_RDWR)) <= _STANDARD_ERROR:
        pass
    os.close(opened)
    sys.stderr = sys.stderr or open(os.devnull, "w")  # noqa: SIM115  # until the end


def hear(timeout: float) -> int | None:
    """The next signal, or None after ``timeout`` seconds without one."""
    heard = signal.sigtimedwait(STOPPING | {FINISHED}, timeout)
    return heard.si_signo if heard else None


class Worker(threading.Thread):
    """Runs ``work`` in a daemon thread, which the end of the process does not wait for."""

    def __init__(self, work: Callable[[], object]) -> None:
        super().__init__(name="watch", daemon=True)
        self._work = work
        self.error: BaseException | None = None
        self.ended = False

    def run(self) -> None:
        """Do the work, then tell the main thread."""
        try:
            self._work()
        except BaseException as error:
            self.error = error
        finally:
            self.ended = True
            _wake()


class LastScrape:
    """Whether the metrics were scraped once after the wait had ended: they do not change any more."""

    def __init__(self) -> None:
        self.has_happened = False

    def happened(self) -> None:
        """Note it; by the thread that served it."""
        self.has_happened = True
        _wake()

    def wait(self, limit: float) -> None:
        """Return once it has happened, after ``limit`` seconds, or at the next signal that tells to stop."""
        end = time.monotonic() + limit
        while not self.has_happened and (left := end - time.monotonic()) > 0:
            if hear(left) in STOPPING:
                return


def _wake() -> None:
    signal.pthread_kill(threading.main_thread().ident or 0, FINISHED)
