"""The live line: what a person at a terminal sees during a wait."""

from __future__ import annotations

import sys
import time
from types import TracebackType
from typing import TYPE_CHECKING

from objectstore_watcher.errors import one_line
from objectstore_watcher.watch import Event, GaveUp, Pausing, Polled, Started, Succeeded

if TYPE_CHECKING:
    from rich.status import Status
    from rich.text import Text


class LiveLine:
    """One line on standard error that tells elapsed time, next look and last error; nothing where it is no terminal."""

    def __init__(self) -> None:
        self._status: Status | None = None
        self._uri = ""
        self._began = self._next = 0.0
        self._timeout = 0.0
        self._polls = 0
        self._error = self._unmet = ""

    def __enter__(self) -> LiveLine:
        if sys.stderr.isatty():
            from rich.console import Console  # late: only people at a terminal need it
            from rich.status import Status

            self._status = Status(self, console=Console(stderr=True, soft_wrap=True), refresh_per_second=4)
            self._status.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self._stop()

    def _stop(self) -> None:
        if self._status:
            self._status.stop()

    def observe(self, event: Event) -> None:
        """Remember what the line shows."""
        match event:
            case Started(request):
                self._uri, self._timeout = one_line(request.spec.name, 200), request.spec.timeout
                self._began = request.requested_monotonic
            case Polled(error, unmet):
                self._polls, self._error = self._polls + 1, error.detail if error else ""
                self._unmet = unmet
            case Pausing(seconds):
                self._next = time.monotonic() + seconds
            case Succeeded() | GaveUp():
                self._stop()

    def __rich__(self) -> Text:
        from rich.text import Text

        if not self._uri:  # the wait has not begun
            return Text()
        now = time.monotonic()
        parts = [
            f"waiting {_clock(now - self._began)} of {_clock(self._timeout)}",
            f"look {self._polls + 1} in {max(self._next - now, 0):.0f} s",
            *([f"last error: {self._error}"] if self._error else []),
            *([f"not yet: {self._unmet}"] if self._unmet else []),
            self._uri,  # last: it may be longer than the line, and the log above has it
        ]
        return Text("  ".join(parts), no_wrap=True, overflow="ellipsis")


def _clock(seconds: float) -> str:
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
