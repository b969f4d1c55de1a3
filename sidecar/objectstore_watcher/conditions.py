"""Whether an object that is there counts: large enough, new enough, unchanged for long enough, readable."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping, Sequence

from objectstore_watcher.contract import Request, newer_than
from objectstore_watcher.pairs import Pairs
from objectstore_watcher.stores import Found
from objectstore_watcher.targets import Target


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
        self._unchanged: dict[Target, dict[str, tuple[Found, float]]] = {}  # by key: as it was seen, and since when

    def judge(self, target: Target, found: Sequence[Found]) -> Sequence[str]:
        """For each of the objects that a look found for ``target``: why it does not count; empty where it does."""
        now = self._clock()
        wrong = [self._judge_content(each, target) for each in found]
        before = self._unchanged.pop(target, {})
        unchanged = {}
        for each in (each for each, reason in zip(found, wrong, strict=True) if not reason):
            seen, since = before.get(each.key, (None, now))
            unchanged[each.key] = each, since if seen and _is_same(seen, each) else now
        if self._spec.stable_for:
            self._unchanged[target] = unchanged
        return [
            reason or self._judge_stability(now - unchanged[each.key][1])
            for each, reason in zip(found, wrong, strict=True)
        ]

    def _judge_content(self, found: Found, target: Target) -> str:
        spec = self._spec
        if wrong := _unreadable(found):
            return wrong
        if found.size < spec.min_size:
            return f"has {found.size} of at least {spec.min_size} bytes"
        if target.size is not None and found.size != target.size:
            return f"has {found.size} bytes, not the {target.size} of the manifest"
        return self._judge_age(found) or self._judge_identity(found)

    def of_this_run(self, found: Found) -> str:
        """Why a flag or a manifest does not count; empty where it does: of what it says, the objects are judged."""
        return _unreadable(found) or self._judge_age(found)

    def _judge_age(self, found: Found) -> str:
        if found.last_modified >= self._oldest:
            return ""
        return f"is older than {self._spec.newer_than}" if found.last_modified else "does not tell when it was modified"

    def _judge_identity(self, found: Found) -> str:
        spec = self._spec
        if spec.etag and _folded(found.etag) != _folded(spec.etag):
            return f"has the ETag {found.etag}, not {spec.etag}" if found.etag else "has no ETag"
        if spec.sha256 and found.sha256 != spec.sha256:
            return f"has the SHA-256 {found.sha256}, not {spec.sha256}" if found.sha256 else _NO_CHECKSUM
        return "" if found.user_metadata is None else lacking("metadata", spec.user_metadata, found.user_metadata)

    def _judge_stability(self, unchanged_for: float) -> str:
        wanted = self._spec.stable_for
        return "" if unchanged_for >= wanted else f"has not yet been unchanged for {wanted:g} s"

    def steady(self, target: Target) -> int:
        """How many of those judged last for ``target`` pass all, or will once they have been unchanged long enough."""
        return len(self._unchanged.get(target, ()))

    def stable_in(self) -> float:
        """Seconds until one more of those seen last has been unchanged for long enough; infinite where none will."""
        seen = (since for each in self._unchanged.values() for _, since in each.values())
        ends = (since + self._spec.stable_for - self._clock() for since in seen)
        return min((end for end in ends if end > 0), default=math.inf)


def _folded(etag: str) -> str:
    """S3's ETags are hexadecimal, and some tools write that in capitals; what others mean by theirs, nobody knows."""
    return etag.lower() if re.fullmatch(r"(?a)[0-9A-Fa-f]{32}(-\d+)?", etag) else etag


def _unreadable(found: Found) -> str:
    if found.refused:
        return f"cannot be told: {found.refused}"
    return f"cannot be read: {found.unreadable}" if found.unreadable else ""


_NO_CHECKSUM = "was stored without a SHA-256 of its whole content: upload it at once, with that checksum"


def lacking(what: str, wanted: Pairs, there: Mapping[str, str]) -> str:
    """Why an object with the ``what`` ``there`` does not count; empty where it has all that are ``wanted``."""
    missing = next((f"{name}={value}" for name, value in wanted if there.get(name) != value), "")
    return f"lacks the {what} {missing}" if missing else ""


def _is_same(one: Found, other: Found) -> bool:
    """Whether nothing was written between two looks: by what HEAD and LIST tell alike."""
    return (one.etag, one.size, int(one.last_modified)) == (other.etag, other.size, int(other.last_modified))
