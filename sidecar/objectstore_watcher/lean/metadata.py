"""Flyte's metadata store: where a task finds its inputs and leaves its outputs, by the stores that the watcher has."""

from __future__ import annotations

import os
import random
import sys
import time
from collections.abc import Callable
from functools import lru_cache
from typing import TypeVar

from objectstore_watcher.contract import DEFAULT_REQUEST_TIMEOUT, WatchSpec
from objectstore_watcher.errors import StoreError, TooManyObjects
from objectstore_watcher.stores import Store, open_store
from objectstore_watcher.targets import exact

T = TypeVar("T")


PAUSES = (0.5, 1.0, 2.0, 4.0, 8.0, 16.0)
"""Seconds between two tries, at most: a metadata store that restarts is back within the half minute of all of them;
what lasts longer is a new attempt's."""


MOST_BYTES = 16 * 1024 * 1024
"""Of a file of Flyte's. More than a third of it cannot be a request, and all of it would fill main's memory."""


@lru_cache(maxsize=1)
def opened(path: str) -> MetadataStore:
    """The store of ``path``; the same each time, with its connection and its credentials.

    Takes MinIO's variables out of this process: they are of the objects that the watcher looks for, and flytekit, too,
    does not take them for Flyte's own bucket.
    """
    for name in [each for each in os.environ if each.startswith("MINIO_")]:
        del os.environ[name]
    return MetadataStore(path)


class MetadataStore:
    """Flyte's own bucket, with the endpoint and the credentials that Flyte gives to all containers.

    Args:
        path: an object in it.
        sleep: how to pause, in seconds.

    Raises:
        InvalidArgument: the path, or the endpoint of the environment, cannot be used.
        StoreError: the credentials cannot be read.
    """

    def __init__(self, path: str, sleep: Callable[[float], None] = time.sleep) -> None:
        self._store: Store = open_store(WatchSpec(uri=path), lambda operation, outcome: None)
        self._sleep = sleep

    def read(self, path: str) -> bytes:
        """What is at ``path``.

        Raises:
            StoreError: it is not there, or cannot be had.
            TooManyObjects: it has more than `MOST_BYTES`.
        """
        data = self._patiently(lambda: self._store.read(DEFAULT_REQUEST_TIMEOUT, exact(path), MOST_BYTES + 1))
        if data is None:
            raise StoreError(path, cure="look for what removes objects from Flyte's bucket", kind="absent")
        if len(data) > MOST_BYTES:
            raise TooManyObjects(path, f"the inputs have more than {MOST_BYTES} bytes")
        return data

    def write(self, path: str, data: bytes) -> None:
        """Store ``data`` at ``path``.

        Raises:
            StoreError: it cannot be stored.
        """
        self._patiently(lambda: self._store.write(DEFAULT_REQUEST_TIMEOUT, exact(path), data))

    def _patiently(self, ask: Callable[[], T]) -> T:
        for pause in PAUSES:
            try:
                return ask()
            except StoreError as error:
                if not error.kind.action.is_pausing:
                    raise
                print(f"objectstore-watcher-main: {error}; again within {pause:g} s", file=sys.stderr, flush=True)
            self._sleep(random.uniform(pause / 2, pause))  # noqa: S311  # no secret: only not in step
        return ask()
