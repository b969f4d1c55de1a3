"""Looks that end in time: whatever the network does, a look takes no longer than it may."""

from __future__ import annotations

import math
import threading
import time
from typing import Protocol

from objectstore_watcher.errors import StoreError
from objectstore_watcher.stores import Found

SHORTEST_LOOK = 1.0
"""Seconds that a look may take even at the deadline, so that the last one has a chance."""


class Abortable(Protocol):
    """A store whose look may take long."""

    def look(self, within: float) -> Found | None:
        """As `objectstore_watcher.stores.Store`; no single step takes longer than ``within`` seconds."""

    def give_up(self, after: float) -> StoreError:
        """Break off the look that is under way, from another thread; the error to tell after ``after`` seconds."""


class BoundedStore:
    """Looks in a thread of its own, and gives up where that takes too long.

    Time-outs of sockets are not enough: a name server that is silent, ten addresses of which none answers, or a server
    that sends a byte now and then outlast them. A look that cannot be broken off (the resolver's cannot) is let go on,
    and no other begins before it ends: a dead server makes nothing pile up.

    Args:
        store: where to look.
        longest: seconds that a look may take.
    """

    def __init__(self, store: Abortable, longest: float) -> None:
        self._store = store
        self._longest = longest
        self._left_behind: _Look | None = None

    def look(self, within: float = math.inf) -> Found | None:
        """The object, or None while it is absent.

        Raises:
            StoreError: what the store met; or ``timeout`` after ``within`` or the longest time of a look.
        """
        limit = min(self._longest, max(SHORTEST_LOOK, within))
        end = time.monotonic() + limit
        if self._left_behind:
            self._wait_for(self._left_behind, limit, end)
        look = _Look(self._store, max(0.001, end - time.monotonic()))
        look.start()
        self._wait_for(look, limit, end)
        try:
            if look.error:
                raise look.error
            return look.found
        finally:
            look.error = None  # the error knows this frame: a cycle for each failed look would stay for long

    def _wait_for(self, look: _Look, limit: float, end: float) -> None:
        self._left_behind = look
        look.join(max(0.0, end - time.monotonic()))
        if look.is_alive():
            raise self._store.give_up(limit)
        self._left_behind = None


class _Look(threading.Thread):
    """One look. A daemon: the end of the process does not wait for it."""

    def __init__(self, store: Abortable, limit: float) -> None:
        super().__init__(name="look", daemon=True)
        self._store = store
        self._limit = limit
        self.found: Found | None = None
        self.error: BaseException | None = None

    def run(self) -> None:
        try:
            self.found = self._store.look(self._limit)
        except BaseException as error:
            self.error = error
