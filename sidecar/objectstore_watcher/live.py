"""The live line: what a person at a terminal sees during a wait."""

from __future__ import annotations

import sys
import time
from types import TracebackType
from typing import TYPE_CHECKING

from objectstore_watcher.errors import one_line
from objectstore_watcher.stores.hints import Streamed
from objectstore_watcher.watch import Event, GaveUp, Pausing, Polled, Started, Succeeded

if TYPE_CHECKING:
    from rich.console import Console, ConsoleOptions, RenderResult
    from rich.status import Status
    from rich.text import Text

LONGEST_PATH = 5000
"""Characters: any S3 key, escaped."""

LEAST_PATH = 16
"""Columns: in fewer, a path says nothing; the log above has it."""


class LiveLine:
    """One line on standard error that tells elapsed time, next look and last error; nothing where it is no terminal."""

    def __init__(self) -> None:
        self._status: Status | None = None
        self._uri = ""
        self._began = self._next = 0.0
        self._timeout = 0.0
        self._polls = 0
        self._error = self._unmet = ""
        self._flows = False

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
                self._uri, self._timeout = one_line(request.spec.name, LONGEST_PATH), request.spec.timeout
                self._began, self._next = request.requested_monotonic, time.monotonic()
            case Polled(error, unmet):
                self._polls, self._error = self._polls + 1, error.detail if error else ""
                self._unmet = unmet
            case Streamed():
                self._flows = event.flows
            case Pausing(seconds):
                self._next = time.monotonic() + seconds
            case Succeeded() | GaveUp():
                self._stop()

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """The line, in the columns that there are."""
        yield self.text(options.max_width)

    def text(self, columns: int) -> Text:
        """The line in so many columns; what is longer ends in an ellipsis."""
        from rich.text import Text

        return Text(self._line(columns) if self._uri else "", no_wrap=True, overflow="ellipsis")

    def _line(self, width: int) -> str:
        now = time.monotonic()
        parts = [
            f"waiting {_clock(now - self._began)} of {_clock(self._timeout)}",
            f"look {self._polls + 1} {_due(self._next - now)}",
            *(["events connected"] if self._flows else []),
            *([f"last error: {self._error}"] if self._error else []),
            *([f"not yet: {self._unmet}"] if self._unmet else []),
        ]
        line = "  ".join(parts)
        room = width - _columns(line) - 2
        return f"{line}  {_middle_cut(self._uri, room)}" if room >= LEAST_PATH else line


def _due(seconds: float) -> str:
    """When a look is, or since when it is under way: one that hangs is seen."""
    if round(seconds) > 0:
        return f"in {seconds:.0f} s"
    return f"for {-seconds:.0f} s" if round(seconds) < 0 else "now"


def _columns(text: str) -> int:
    from rich.cells import cell_len

    return cell_len(text)


def _middle_cut(text: str, columns: int) -> str:
    """``text`` in so many columns at most, shortened in the middle: of a path, both ends tell most."""
    from rich.cells import set_cell_size

    if _columns(text) <= columns:
        return text
    begin = (columns - 1) // 2
    end = set_cell_size(text[::-1], columns - 1 - begin)[::-1]
    return f"{set_cell_size(text, begin)}…{end}"


def _clock(seconds: float) -> str:
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
