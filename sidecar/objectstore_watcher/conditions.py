"""Whether what is there counts: enough of it, large enough, new enough, unchanged for long enough, readable."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from objectstore_watcher.contract import Request, newer_than
from objectstore_watcher.stores import Found


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """What is said of what a look found.

    Attributes:
        counts: whether it is what is waited for.
        objects: those that count.
        unmet: why something that is there does not count; empty where nothing is there, or it counts.
    """

    counts: bool
    objects: Sequence[Found] = ()
    unmet: str = ""


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
        self._unchanged: dict[str, tuple[Found, float]] = {}  # by key: as it was seen, and since when

    def judge(self, found: Sequence[Found]) -> Verdict:
        """The verdict on what a look found."""
        if self._spec.absent:
            return Verdict(counts=not found, unmet=_still_there(found))
        judged = [(each, self._judge_content(each)) for each in found]
        now = self._clock()
        before, self._unchanged = self._unchanged, {}
        for each, wrong in judged:
            if not wrong:
                seen, since = before.get(each.key, (None, now))
                self._unchanged[each.key] = each, since if seen == each else now
        judged = [(each, wrong or self._judge_stability(each, now)) for each, wrong in judged]
        return self._told(judged)

    def _told(self, judged: Sequence[tuple[Found, str]]) -> Verdict:
        objects = [each for each, wrong in judged if not wrong]
        if len(objects) >= self._spec.min_count:
            return Verdict(counts=True, objects=objects)
        key, wrong = next(((each.key, wrong) for each, wrong in judged if wrong), ("", ""))
        if self._spec.match == "exact":
            return Verdict(counts=False, unmet=f"the object {wrong}" if wrong else "")
        enough = f"{len(objects)} of at least {self._spec.min_count} objects"
        return Verdict(counts=False, unmet=f"{enough}; {key!r} {wrong}" if wrong else enough if judged else "")

    def _judge_content(self, found: Found) -> str:
        spec = self._spec
        if found.unreadable:
            return f"cannot be read: {found.unreadable}"
        if found.size < spec.min_size:
            return f"has {found.size} of at least {spec.min_size} bytes"
        if found.last_modified < self._oldest:
            return f"is older than {spec.newer_than}" if found.last_modified else "does not tell when it was modified"
        if spec.etag and found.etag != spec.etag:
            return f"has the ETag {found.etag}" if found.etag else "has no ETag"
        return ""

    def _judge_stability(self, found: Found, now: float) -> str:
        _, since = self._unchanged[found.key]
        wanted = self._spec.stable_for
        return "" if now - since >= wanted else f"has not yet been unchanged for {wanted:g} s"

    def stable_in(self) -> float:
        """Seconds until one more of those seen last has been unchanged for long enough; infinite where none will."""
        ends = [since + self._spec.stable_for - self._clock() for _, since in self._unchanged.values()]
        return min((end for end in ends if end > 0), default=math.inf)


def _still_there(found: Sequence[Found]) -> str:
    if len(found) > 1:
        return f"{len(found)} objects are still there"
    return "the object is still there" if found else ""
