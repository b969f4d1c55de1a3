"""Where objects are looked for: one narrow Protocol, a module for each kind of store."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from objectstore_watcher.contract import WatchSpec
from objectstore_watcher.stores.hints import Listener
from objectstore_watcher.uri import FileLocation, parse


@dataclass(frozen=True, kw_only=True)
class Found:
    """An object that is there.

    Attributes:
        bucket: bucket; empty for files.
        key: key; the absolute path for files.
        size: bytes.
        etag: ETag without quotes; empty for files.
        version_id: version in a versioned bucket, else empty.
        last_modified: when it was written, by the store's clock: seconds since the epoch, 0 where it does not say.
        unreadable: why its content cannot be read, in words: it is archived, say; else empty.
    """

    bucket: str
    key: str
    size: int
    etag: str = ""
    version_id: str = ""
    last_modified: float = 0.0
    unreadable: str = ""


class Store(Protocol):
    """What a path names in one store: one object, or all that match a pattern."""

    def look(self, within: float = math.inf) -> Sequence[Found]:
        """What is there, in the order of the keys, at most `contract.MOST_MATCHES`.

        Raises StoreError where the store cannot say. A look is given up after ``within`` seconds, and where no answer
        comes for the spec's request timeout.
        """


OnRequest = Callable[[str, str], None]
"""Called after each request with its operation and its outcome, both of few values: they label a metric."""


KeyPair = tuple[str, str]
"""Access key and secret key."""


def open_store(spec: WatchSpec, on_request: OnRequest, key_pair: KeyPair | None = None) -> Store:
    """The store that ``spec.uri`` points to; sends nothing yet.

    Args:
        spec: what to wait for.
        on_request: is told each request.
        key_pair: credentials that come before those of the environment.

    Raises:
        InvalidArgument: the endpoint, region or CA file cannot be used.
    """
    from objectstore_watcher.stores.bounded import BoundedStore

    location = parse(spec.uri)
    if isinstance(location, FileLocation):
        from objectstore_watcher.stores.local import LocalStore

        return BoundedStore(LocalStore(location, spec, on_request), spec.request_timeout)
    from objectstore_watcher.stores.s3 import S3Store  # late: most of this process's memory is the S3 client

    return BoundedStore(S3Store(location, spec, on_request, key_pair), spec.request_timeout)


def listen(spec: WatchSpec, key_pair: KeyPair | None = None) -> Listener:
    """How a wait for ``spec`` hears of events; sends nothing yet.

    Args:
        spec: what to wait for.
        key_pair: credentials that come before those of the environment.

    Raises:
        InvalidArgument: events are demanded where there are none.
    """
    location = parse(spec.uri)
    if spec.detection == "poll" or isinstance(location, FileLocation):
        return Listener()
    from objectstore_watcher.stores.events import listener  # late, as the S3 client

    return listener(spec, location, key_pair)


def preload() -> None:
    """Load the S3 client, which takes 0.3 s of CPU, before anybody waits for it: most objects are in S3."""
    import objectstore_watcher.stores.events
    import objectstore_watcher.stores.s3  # noqa: F401  # late, and used by `open_store`
