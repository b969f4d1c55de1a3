"""Looks that end in time: whatever the network does, a look goes on no longer than answers come."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Generic, Protocol, TypeVar

from objectstore_watcher.contract import LAST_LOOK, title
from objectstore_watcher.errors import StoreError
from objectstore_watcher.stores import MANIFEST, Found
from objectstore_watcher.targets import Target

T = TypeVar("T")

SHORTEST_LOOK = 1.0
"""Seconds that an answer may take even at the deadline, so that the last look has a chance."""


class Abortable(Protocol):
    """A store whose look may take long."""

    @property
    def answers(self) -> int:
        """How many of several answers that a look needs have come: each gets the time of a look."""

    def look(self, within: float, targets: Sequence[Target]) -> Sequence[Found]:
        """As `objectstore_watcher.stores.Store`; no single step takes longer than ``within`` seconds."""

    def read(self, within: float, target: Target, most: int = MANIFEST) -> bytes | None:
        """The same."""

    def tags(self, within: float, target: Target) -> Mapping[str, str] | None:
        """The same."""

    def write(self, within: float, target: Target, data: bytes) -> None:
        """The same."""

    def give_up(self, after: float) -> StoreError:
        """Break off the look that is under way, from another thread; the error to tell after ``after`` seconds."""


class BoundedStore:
    """Looks in a thread of its own, and gives up where that takes too long.

    Time-outs of sockets are not enough: a name server that is silent, ten addresses of which none answers, or a server
    that sends a byte now and then outlast them. A look that cannot be broken off (the resolver's cannot) is let go on,
    and no other begins before it ends: a dead server makes nothing pile up.

    Args:
        store: where to look.
        longest: seconds that an answer may take.
        knows_deadline: what it is asked to do ``within`` is until the deadline; else for one answer.
    """

    def __init__(self, store: Abortable, longest: float, *, knows_deadline: bool = True) -> None:
        self._store = store
        self._longest = longest
        self._knows_deadline = knows_deadline
        self._left_behind: _Look[Any] | None = None

    def look(self, within: float, targets: Sequence[Target]) -> Sequence[Found]:
        """What is there.

        A look that is under way at the deadline is broken off, for the last one to begin; that one, which has no time
        left, goes on for `LAST_LOOK` seconds at most.

        Raises:
            StoreError: what the store met; or ``timeout``, too long without an answer, or at its end.
        """
        return self._ask(within, lambda limit: self._store.look(limit, targets))

    def read(self, within: float, target: Target, most: int = MANIFEST) -> bytes | None:
        """The content of a small object, or None where it is absent; raises as `look` does."""
        return self._ask(within, lambda limit: self._store.read(limit, target, most))

    def tags(self, within: float, target: Target) -> Mapping[str, str] | None:
        """The tags of one object, or None where it is absent; raises as `look` does."""
        return self._ask(within, lambda limit: self._store.tags(limit, target))

    def write(self, within: float, target: Target, data: bytes) -> None:
        """Store a small object; raises as `look` does."""
        self._ask(within, lambda limit: self._store.write(limit, target, data))

    def _ask(self, within: float, ask: Callable[[float], T]) -> T:
        limit, last = min(self._longest, within), math.inf
        began = time.monotonic()
        if self._knows_deadline:
            limit = min(self._longest, max(SHORTEST_LOOK, within))
            last = began + max(SHORTEST_LOOK, within if within > 0 else within + LAST_LOOK)
        if self._left_behind:
            self._wait_for(self._left_behind, limit, began + limit)
        look = _Look(ask, max(0.001, began + limit - time.monotonic()))
        look.start()
        self._wait_for(look, limit, began + limit, last)
        try:
            if look.error:
                raise look.error
            return look.answers[0]
        finally:
            look.error = None  # the error knows this frame: a cycle for each failed look would stay for long

    def _wait_for(self, look: _Look[Any], limit: float, end: float, last: float = 0.0) -> None:
        """Wait until ``end``, or, while answers come, until ``last``."""
        self._left_behind = look
        answers, is_silent = self._store.answers, True
        while True:
            look.join(max(0.0, end - time.monotonic()))
            if not look.is_alive():
                self._left_behind = None
                return
            came = self._store.answers != answers
            if end >= last or not came:
                error = self._store.give_up(limit)
                raise error if is_silent and not came else _unfinished(error)
            now = time.monotonic()
            answers, end, is_silent = self._store.answers, min(now + limit, last), now + limit <= last


def _unfinished(error: StoreError) -> StoreError:
    """The error for a look that was given up with ``error`` although the server is not to blame."""
    detail = "the look was not finished in time, although answers came: there is much to look through"
    cure = f"wait for fewer objects, with a narrower pattern, say, or raise {title('timeout')}"
    return StoreError(error.subject, detail, cure=cure, kind=error.kind.label)


class _Look(threading.Thread, Generic[T]):
    """One look. A daemon: the end of the process does not wait for it."""

    def __init__(self, ask: Callable[[float], T], limit: float) -> None:
        super().__init__(name="look", daemon=True)
        self._ask = ask
        self._limit = limit
        self.answers: list[T] = []
        self.error: BaseException | None = None

    def run(self) -> None:
        try:
            self.answers.append(self._ask(self._limit))
        except BaseException as error:
            self.error = error
