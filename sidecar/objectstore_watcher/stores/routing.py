"""Which store is asked for which path: one for each bucket, and one for files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from objectstore_watcher.cloud_uris import CloudLocation, WebLocation
from objectstore_watcher.contract import WatchSpec
from objectstore_watcher.errors import StoreError
from objectstore_watcher.stores import MANIFEST, Found, KeyPair, OnRequest
from objectstore_watcher.stores.bounded import SHORTEST_LOOK, Abortable, BoundedStore
from objectstore_watcher.targets import Target, targets
from objectstore_watcher.uri import FileLocation


class Routes:
    """The stores of one wait, each opened when it is first needed: a manifest may name further buckets.

    Args:
        spec: what to wait for; the stores of its paths are opened at once.
        on_request: is told each request.
        key_pair: credentials that come before those of the environment.

    Raises:
        InvalidArgument: the endpoint, region or CA file cannot be used.
    """

    def __init__(self, spec: WatchSpec, on_request: OnRequest, key_pair: KeyPair | None) -> None:
        self._spec = spec
        self._on_request = on_request
        self._key_pair = key_pair
        self._stores: dict[str, Abortable] = {}
        self._bounded: dict[str, BoundedStore] = {}
        self._refused = 0
        for target in targets(spec):
            self._asked = self._store_of(target)
        # A host that swallows packets must not use up the look in which another has the object. Many hosts get a
        # second each all the same: what is given up counts as an answer, after which the look goes on.
        longest = spec.request_timeout
        self._share = max(longest / max(1, len(self._stores)), min(SHORTEST_LOOK, longest / 2))

    @property
    def answers(self) -> int:
        """How many answers have come, from all of them."""
        return self._refused + sum(store.answers for store in list(self._stores.values()))

    def look(self, within: float, targets: Sequence[Target]) -> Sequence[Found]:
        """What of ``targets`` is there, bucket by bucket.

        One that is refused, where the spec waits on, does not keep the others from being found; nor does a store that
        cannot say now, where any will do.

        Raises:
            StoreError: one of the stores cannot say; or of all that was asked for, none can.
        """
        together: dict[str, list[Target]] = {}
        for target in targets:
            together.setdefault(_place(target), []).append(target)
        refusals: list[StoreError] = []
        found = [each for group in together.values() for each in self._look_at(within, group, refusals)]
        if refusals and sum(bool(each.refused) for each in found) == len(targets):
            raise refusals[0]
        return found

    def _look_at(self, within: float, group: Sequence[Target], refusals: list[StoreError]) -> Sequence[Found]:
        """What of one bucket is there; appends to ``refusals``."""
        self._asked = self._store_of(group[0])
        try:
            return self._look_in(within, group)
        except StoreError as error:
            policy, is_any = error.kind.policy, self._spec.require == "any"
            is_waited_out = policy and getattr(self._spec, policy) == "wait"
            if not is_waited_out and not (is_any and error.kind.action.is_pausing):
                raise
            if len(group) > 1 and policy == "on_forbidden":  # one of them was refused: which others?
                return [each for target in group for each in self._look_at(within, [target], refusals)]
            refusals.append(error)
            self._refused += 1
            return [Found(bucket="", key=each.name, size=0, asked=each.uri, refused=error.detail) for each in group]

    def read(self, within: float, target: Target, most: int = MANIFEST) -> bytes | None:
        """The content of a small object, or None where it is absent; raises StoreError where it cannot be had."""
        self._asked = self._store_of(target)
        return self._asked.read(within, target, most)

    def tags(self, within: float, target: Target) -> Mapping[str, str] | None:
        """The tags of one object, or None where it is absent; raises StoreError where they cannot be had."""
        self._asked = self._store_of(target)
        return self._asked.tags(within, target)

    def write(self, within: float, target: Target, data: bytes) -> None:
        """Store a small object; raises StoreError where it cannot be stored."""
        self._asked = self._store_of(target)
        self._asked.write(within, target, data)

    def give_up(self, after: float) -> StoreError:
        """Break off what is under way."""
        return self._asked.give_up(after)

    def _store_of(self, target: Target) -> Abortable:
        place = _place(target)
        if place not in self._stores:
            self._stores[place] = self._open(target)
        return self._stores[place]

    def _look_in(self, within: float, group: Sequence[Target]) -> Sequence[Found]:
        """What of one bucket is there; of several of which any will do, each has its share of the time."""
        store, place = self._store_of(group[0]), _place(group[0])
        if self._spec.require != "any" or len(self._stores) == 1:
            return store.look(within, group)
        bounded = self._bounded.setdefault(place, BoundedStore(store, self._share, knows_deadline=False))
        return bounded.look(within / 2, group)  # at the deadline, too, before all of them are given up

    def _open(self, target: Target) -> Abortable:
        if isinstance(target.location, FileLocation):
            from objectstore_watcher.stores.local import LocalStore

            return LocalStore(target.uri, self._on_request)
        if isinstance(target.location, WebLocation):
            from objectstore_watcher.stores.web import WebStore

            return WebStore(target.location, self._spec, self._on_request)
        if isinstance(target.location, CloudLocation):
            from objectstore_watcher.stores.cloud import CloudStore

            return CloudStore(target.location, self._spec, self._on_request, self._key_pair)
        from objectstore_watcher.stores.s3 import S3Store  # late: most of this process's memory is the S3 client

        return S3Store(target.location, self._spec, self._on_request, self._key_pair)


def _place(target: Target) -> str:
    """What of the path says which store it is in: all but the key."""
    location = target.location
    if isinstance(location, FileLocation):
        return ""
    if isinstance(location, WebLocation):
        return "/".join(location.uri.split("/")[:3])  # scheme and host: a connection for each
    return location.uri[: -len(location.key)]
