"""Whether an object that is there counts: large enough, new enough, unchanged for long enough, readable."""

from __future__ import annotations

import math
from collections.abc import Callable

from objectstore_watcher.contract import Request, newer_than
from objectstore_watcher.stores import Found

COUNTS = ""
"""The verdict on what is waited for; each other one says what is wrong, in words that follow "the object"."""

MISSING = "is not there"


class Conditions:
    """The conditions of one wait, and what they have to remember from look to look.

    Args:
        request: what is waited for, and since when.
        clock: seconds that only grow.
    """

    def __init__(self, request: Request, clock: Callable[[], float]) -> None:
        self._spec = request.spec
        oldest = newer_than(request.spec.newer_than, request.asked)
        self._oldest = 0.0 if oldest is None else math.floor(oldest)  # servers tell whole seconds
        self._clock = clock
        self._seen: Found | None = None
        self._since = 0.0

    def judge(self, found: Found | None) -> str:
        """`COUNTS`, or what is wrong with what a look found."""
        if self._spec.absent:
            return "is still there" if found else COUNTS
        wrong = self._judge_content(found) if found else MISSING
        if wrong:
            self._seen = None
            return wrong
        return self._judge_stability(found)

    def _judge_content(self, found: Found) -> str:
        spec = self._spec
        if found.unreadable:
            return f"cannot be read: {found.unreadable}"
        if found.size < spec.min_size:
            return f"has {found.size} of at least {spec.min_size} bytes"
        if found.last_modified < self._oldest:
            return f"is older than {spec.newer_than}"
        if spec.etag and found.etag != spec.etag:
            return f"has the ETag {found.etag}"
        return COUNTS

    def _judge_stability(self, found: Found | None) -> str:
        if found != self._seen:
            self._seen, self._since = found, self._clock()
        return COUNTS if self.stable_in() <= 0 else f"has not yet been unchanged for {self._spec.stable_for:g} s"

    def stable_in(self) -> float:
        """Seconds until what was seen last has been unchanged for long enough; infinite where that will not do."""
        return self._since + self._spec.stable_for - self._clock() if self._seen else math.inf
