"""The wait of a task: by the watcher beside it in a pod, else in this process."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from flytekit import FlyteContextManager
from objectstore_watcher import contract, uri, waiting
from objectstore_watcher.contract import Ready, Request, WatchSpec
from objectstore_watcher.patterns import Pattern

from objectstore_sensor.errors import InvalidArgument, MarkerError, WaitError, as_flyte


def wait_for(spec: WatchSpec) -> Ready:
    """Wait for the object, by whatever watches where this runs; returns what was found.

    Raises:
        WaitError: what ended the wait; a `FlyteRecoverableException`, too, where a new attempt can help.
    """
    try:
        return _watch_here(spec) if _is_local() else _wait_for_watcher(spec)
    except WaitError as error:
        raise as_flyte(error) from None


def found_for(spec: WatchSpec, ready: Ready) -> str:
    """The path of the object that was found for a pattern.

    Raises:
        MarkerError: it does not match: somebody else than the watcher wrote the marker.
    """
    asked = uri.parse(spec.uri)
    bucket, pattern = ("", asked.path) if isinstance(asked, uri.FileLocation) else (asked.bucket, asked.key)
    if ready.bucket != bucket or not Pattern(pattern if bucket else os.path.abspath(pattern)).matches(ready.key):
        raise as_flyte(
            MarkerError(
                f"path {spec.uri!r}", f"the marker tells of {ready.found!r}", cure="find out who else writes there"
            )
        )
    return ready.found


def _is_local() -> bool:
    state = FlyteContextManager.current_context().execution_state
    return state is None or state.mode is None or state.is_local_execution()


def _watch_here(spec: WatchSpec) -> Ready:
    """The watcher's own loop, in this process."""
    from objectstore_watcher import logs
    from objectstore_watcher.live import LiveLine
    from objectstore_watcher.stores import listen, open_store
    from objectstore_watcher.watch import Event, watch

    logs.configure("text")
    log = logs.EventLog()
    with LiveLine() as live:

        def observe(event: Event) -> None:
            log.observe(event)
            live.observe(event)

        s3 = FlyteContextManager.current_context().file_access.data_config.s3  # as the rest of flytekit is configured
        key_pair = (s3.access_key_id, s3.secret_access_key) if s3.access_key_id and s3.secret_access_key else None
        if s3.endpoint and not spec.endpoint:
            spec = WatchSpec(**{**vars(spec), "endpoint": s3.endpoint})
        return watch(
            Request(spec=spec),
            stop=threading.Event(),
            observe=observe,
            opened_by=partial(open_store, key_pair=key_pair),
            heard_by=partial(listen, key_pair=key_pair),
        )


def _wait_for_watcher(spec: WatchSpec) -> Ready:
    """Ask the watcher beside this container, and wait for its answer."""
    if isinstance(uri.parse(spec.uri), uri.FileLocation):
        raise InvalidArgument(
            f"path {spec.uri!r}", "is a file of this machine, which a pod cannot see", cure="write s3://bucket/key"
        )
    directory = Path(os.environ.get(contract.DIRECTORY_VARIABLE) or contract.DEFAULT_DIRECTORY)
    with _ending_on_sigterm():
        request = waiting.ask(directory, spec)
        return waiting.wait(directory, spec.heartbeat_interval, until=request.answer_due)


@contextmanager
def _ending_on_sigterm() -> Iterator[None]:
    """As process 1 of its container, main would ignore SIGTERM and linger for the whole grace period."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
