"""Conditions that cost a request for each object: metadata of what a listing found, and tags.

Only objects that pass everything else are looked at closer, each on its own. Metadata is asked for once, and again only
when the object was written again, which its ETag, size or last modification tells. Tags change without a sign: they are
asked for at each look.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from objectstore_watcher.conditions import lacking
from objectstore_watcher.contract import WatchSpec
from objectstore_watcher.errors import InvalidArgument, TooManyObjects
from objectstore_watcher.stores import Found, Store
from objectstore_watcher.targets import Target, exact

MOST_ASKED = 1000
"""Objects of one pattern that a look asks for one by one: S3 takes a cent for 25 such looks."""

SURE_AFTER = 2.0
"""Seconds after an object was first seen as it is, from which on what is learned of it holds until it is written again:
who writes it twice within the second that servers tell leaves no sign."""

TimeLeft = Callable[[], float]


@dataclass(frozen=True)
class _Known:
    """What is known of an object: as the listing told it, since when, and what the last HEAD told, and when."""

    listed: Found
    since: float
    headed: Found
    at: float

    def holds_for(self, listed: Found) -> bool:
        return listed == self.listed and self.at >= self.since + SURE_AFTER


class Closer:
    """The second look at what has passed the first.

    Args:
        spec: what is wanted.
        clock: seconds that only grow.
    """

    def __init__(self, spec: WatchSpec, clock: Callable[[], float]) -> None:
        self._spec = spec
        self._clock = clock
        self._known: dict[Target, dict[str, _Known]] = {}

    def look(
        self, store: Store, time_left: TimeLeft, target: Target, objects: Sequence[Found]
    ) -> Sequence[tuple[Found, str]]:
        """Each of ``objects``, with all that is known of it, and why it does not count; empty where it does.

        Args:
            store: where they are.
            time_left: seconds until the deadline.
            target: what they were found for.
            objects: those that pass what costs nothing.

        Raises:
            StoreError: the store cannot say.
            TooManyObjects: there are more than `MOST_ASKED`.
        """
        needs_head = bool(self._spec.user_metadata) and any(each.user_metadata is None for each in objects)
        if not (needs_head or self._spec.tags):
            return [(each, "") for each in objects]
        if len(objects) > MOST_ASKED:
            raise TooManyObjects(
                self._spec.name,
                f"{len(objects)} objects would have to be asked for their metadata or tags; at most {MOST_ASKED} can",
            )
        before, self._known[target] = self._known.get(target, {}), {}
        return [self._look_at(store, time_left, target, each, before.get(each.key)) for each in objects]

    def _look_at(
        self, store: Store, time_left: TimeLeft, target: Target, listed: Found, known: _Known | None
    ) -> tuple[Found, str]:
        try:
            one = exact(target.uri_of(listed.key)) if target.pattern else target
        except InvalidArgument as error:  # a key that a listing may tell, and no path name
            return listed, f"cannot be asked for its metadata or tags: {error.detail}"
        found: Found | None = listed
        if self._spec.user_metadata and listed.user_metadata is None:
            found = self._headed(lambda: store.look(time_left(), [one]), target, listed, known)
        if found is None:
            return listed, "is gone"
        if found is not listed and (found.etag, found.size) != (listed.etag, listed.size):
            return listed, "is just being written again"
        reason = lacking("metadata", self._spec.user_metadata, found.user_metadata or {})
        if reason or not self._spec.tags:
            return found, reason
        tags = store.tags(time_left(), one)
        return found, "is gone" if tags is None else lacking("tag", self._spec.tags, tags)

    def _headed(
        self, ask: Callable[[], Sequence[Found]], target: Target, listed: Found, known: _Known | None
    ) -> Found | None:
        if known is None or not known.holds_for(listed):
            now = self._clock()
            headed = ask()
            if not headed or headed[0].is_deleted:
                return None
            since = known.since if known and known.listed == listed else now
            known = _Known(listed, since, replace(headed[0], asked=target.uri), now)
        self._known[target][listed.key] = known
        return known.headed
