"""Where objects are looked for: one narrow Protocol, a module for each kind of store."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from objectstore_watcher import manifests
from objectstore_watcher.contract import WatchSpec
from objectstore_watcher.stores.hints import Listener
from objectstore_watcher.targets import Target
from objectstore_watcher.uri import ObjectLocation

MANIFEST = manifests.MAX_BYTES + 1
"""Bytes that are read of a manifest: one that has so many is too long."""


@dataclass(frozen=True, kw_only=True)
class Found:
    """An object that is there.

    Attributes:
        bucket: bucket; empty for files.
        key: key; the absolute path for files, the URL for what a web server has.
        size: bytes.
        etag: ETag without quotes; empty for files.
        version_id: version in a versioned bucket, else empty.
        last_modified: when it was written, by the store's clock: seconds since the epoch, 0 where it does not say.
        unreadable: why its content cannot be read, in words: it is archived, say; else empty.
        is_deleted: a delete marker: where the absence of the object is waited for, it is gone.
        user_metadata: of ``x-amz-meta-*``, the names in lower case; None where that was not asked for, as by a listing.
        sha256: of the whole content, in hexadecimal; empty where it was not asked for, or the store does not say.
        asked: the path that it was found for: `Target.uri`.
        refused: why it cannot be told whether it is there, in words, where others can be and the spec waits for such;
            else empty.
    """

    bucket: str
    key: str
    size: int
    etag: str = ""
    version_id: str = ""
    last_modified: float = 0.0
    unreadable: str = ""
    is_deleted: bool = False
    user_metadata: Mapping[str, str] | None = field(default=None, compare=False)
    sha256: str = field(default="", compare=False)
    asked: str = field(default="", compare=False)
    refused: str = field(default="", compare=False)


class Store(Protocol):
    """Where objects are, or some of them."""

    def look(self, within: float, targets: Sequence[Target]) -> Sequence[Found]:
        """What of ``targets`` is there.

        Those of a pattern come in the order of their keys, at most one more than `MOST_MATCHES`. Raises StoreError
        where the store cannot say. A look is given up after ``within`` seconds, and where no answer comes for the
        spec's request timeout.
        """

    def read(self, within: float, target: Target, most: int = MANIFEST) -> bytes | None:
        """The content of a small object, ``most`` bytes of it at most, or None where it is absent; in the same time.

        Raises StoreError where it cannot be had.
        """

    def tags(self, within: float, target: Target) -> Mapping[str, str] | None:
        """The tags of one object, or None where it is absent; in the same time.

        Raises StoreError where they cannot be had.
        """

    def write(self, within: float, target: Target, data: bytes) -> None:
        """Store a small object, whole or not at all, and over what is there; in the same time.

        No watch does: what Flyte is to get of a task is written so. Raises StoreError where it cannot be stored.
        """


def media_type(name: str) -> str:
    """The Content-Type for an object that is stored under ``name``: a browser shows no page without it."""
    return "text/html" if name.endswith(".html") else "application/octet-stream"


OnRequest = Callable[[str, str], None]
"""Called after each request with its operation and its outcome, both of few values: they label a metric."""


KeyPair = tuple[str, str]
"""Access key and secret key; for Azure: storage account and its key."""


def open_store(spec: WatchSpec, on_request: OnRequest, key_pair: KeyPair | None = None) -> Store:
    """Where the paths of ``spec`` are; sends nothing yet.

    Args:
        spec: how to ask.
        on_request: is told each request.
        key_pair: credentials that come before those of the environment.

    Raises:
        InvalidArgument: the endpoint, region or CA file cannot be used, or what the scheme needs is not installed.
        StoreError: the credentials cannot be read.
    """
    from objectstore_watcher.stores.bounded import BoundedStore
    from objectstore_watcher.stores.routing import Routes

    return BoundedStore(Routes(spec, on_request, key_pair), spec.request_timeout)


def listen(spec: WatchSpec, key_pair: KeyPair | None = None) -> Listener:
    """How a wait for ``spec`` hears of events; sends nothing yet.

    Args:
        spec: what to wait for.
        key_pair: credentials that come before those of the environment.

    Raises:
        InvalidArgument: events are demanded where there are none.
    """
    if spec.detection == "poll" or spec.match == "manifest" or not isinstance(spec.location, ObjectLocation):
        return Listener()
    from objectstore_watcher.stores.events import listener  # late, as the S3 client

    return listener(spec, key_pair)


_S3_VARIABLES = ("FLYTE_AWS_", "MINIO_", "AWS_ACCESS_KEY_ID", "AWS_ENDPOINT_URL", "AWS_WEB_", "AWS_CONTAINER_")
_CLOUD_VARIABLES = ("GOOGLE_", "STORAGE_EMULATOR_HOST", "AZURE_", "FLYTE_AZURE_")
"""How the names of variables begin that say where the objects are."""


def preload(environment: Mapping[str, str]) -> None:
    """Load the S3 client, which takes 0.3 s of CPU, before anybody waits for it: most objects are in S3.

    Not where the client of other clouds is installed, too, unless ``environment`` speaks of S3 alone: it would be 6 MiB
    that nobody uses.
    """
    is_of_s3 = _speaks_of(_S3_VARIABLES, environment) and not _speaks_of(_CLOUD_VARIABLES, environment)
    if not is_of_s3 and importlib.util.find_spec("obstore"):
        return
    import objectstore_watcher.stores.events
    import objectstore_watcher.stores.s3  # noqa: F401  # late, and used by `open_store`


def _speaks_of(beginnings: tuple[str, ...], environment: Mapping[str, str]) -> bool:
    return any(value and name.startswith(beginnings) for name, value in environment.items())
