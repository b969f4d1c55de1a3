"""Keeps the history of a wait, and so the whole answer: what was found or not, and what happened until then."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import replace

from objectstore_watcher.contract import Failed, Ready, Request
from objectstore_watcher.errors import WaitError
from objectstore_watcher.history import NOTHING, Chronicle, History
from objectstore_watcher.stores.hints import Heard, Streamed
from objectstore_watcher.watch import Event, GaveUp, Pausing, Polled, Requested, Started, Succeeded


class Recorder:
    """An observer of a wait that remembers it.

    Args:
        clock: seconds, on the clock of the request.
        before: what a watcher of the same wait told, which was killed.

    Attributes:
        answer: the wait's end, with its history; None while it goes on.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic, before: History = NOTHING) -> None:
        self.answer: Ready | Failed | None = None
        self._clock = clock
        self._lock = threading.Lock()  # others read while the wait writes
        self._chronicle = Chronicle(before.entries)
        self._operations: Counter[str] = Counter(before.operations)
        self._request: Request | None = None
        self._began = clock()
        self._polls = before.polls
        self._look: Polled | None = None  # that is written down once it is known what follows

    def observe(self, event: Event) -> None:
        """Write ``event`` down."""
        with self._lock:
            self._observe(event)

    def history(self) -> History:
        """What happened until now."""
        with self._lock:
            return self.answer.history if self.answer else self._history(None)

    def _observe(self, event: Event) -> None:
        match event:
            case Started(request):
                self._request, self._began = request, request.requested_monotonic
                self._add("began")
            case Requested(operation):
                self._operations[operation] += 1
            case Polled():
                self._polls += 1
                self._look = event
            case Pausing(seconds, error):
                self._write_look(seconds if error and error.kind.action.is_pausing else 0.0)
            case Streamed(outcome, detail):
                self._add("events", outcome, detail)
            case Heard(names):
                self._add("heard", count=names)
            case Succeeded(ready, lag):
                self._add("found", ready.detected_by)
                self.answer = replace(ready, history=self._history(lag))
            case GaveUp(error):
                self._give_up(error)

    def _give_up(self, error: WaitError) -> None:
        if self._look and self._look.error is not error:  # else it would be told twice
            self._write_look(0.0)
        self._add("failed", error.kind.label, str(error))
        name = self._request.spec.name if self._request else ""
        self.answer = replace(Failed.of(name, error), history=self._history(None))

    def _write_look(self, pause: float) -> None:
        look, self._look = self._look, None
        if look is None:
            return
        if look.error:
            self._add("error", look.error.kind.label, look.error.detail, pause=pause)
        else:
            self._add("unmet" if look.unmet else "absent", detail=look.unmet)

    def _add(self, what: str, kind: str = "", detail: str = "", *, count: int = 1, pause: float = 0.0) -> None:
        self._chronicle.add(self._clock() - self._began, what, kind, detail, count=count, pause=pause)

    def _history(self, lag: float | None) -> History:
        return History(
            requested_at=self._request.requested_at if self._request else "",
            entries=self._chronicle.entries,
            operations=dict(self._operations),
            polls=self._polls,
            waited=round(self._clock() - self._began, 3),
            lag=None if lag is None else round(lag, 3),
        )
