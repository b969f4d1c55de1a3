"""The wait of a task: by the watcher beside it in a pod, else in this process."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from functools import partial
from pathlib import Path

from flytekit import FlyteContextManager
from objectstore_watcher import contract, termination, uri, waiting
from objectstore_watcher.cloud_uris import AZURE, CloudLocation
from objectstore_watcher.contract import Failed, Ready, Request, WatchSpec
from objectstore_watcher.targets import targets
from objectstore_watcher.waiting import Judge

from objectstore_sensor.errors import InvalidArgument, MarkerError, WaitError, as_flyte

Tell = Callable[[Ready | Failed], None]
"""Is told how the wait ended, with its history."""


def wait_for(spec: WatchSpec, judge: Judge | None = None, tell: Tell = lambda answer: None) -> Ready:
    """Wait for the object, by whatever watches where this runs; returns what was found.

    Args:
        spec: what to wait for.
        judge: the task's own condition, which runs in this process; what it raises ends the wait.
        tell: is told how the wait ended.

    Raises:
        WaitError: what ended the wait; a `FlyteRecoverableException`, too, where a new attempt can help.
    """
    try:
        return (_watch_here if _is_local() else _wait_in_pod)(spec, judge, tell)
    except WaitError as error:
        raise as_flyte(error) from None


def found_for(spec: WatchSpec, ready: Ready) -> list[str]:
    """The paths that were found: those that were asked for, or what they stand for as patterns or manifests.

    Raises:
        MarkerError: one of them was not asked for: somebody else than the watcher wrote the marker.
    """
    if spec.absent or (spec.match == "exact" and spec.require == "all"):
        return [spec.uri] if isinstance(spec.uri, str) else list(spec.uri)
    found = [each.uri for each in ready.objects]
    was_asked = _asked(spec)
    other = [each for each in found if not was_asked(each)]
    if other or not found:
        told = repr(other[0]) if other else "no object"
        raise as_flyte(
            MarkerError(f"path {spec.name!r}", f"the marker tells of {told}", cure="find out who else writes there")
        )
    return found


def _asked(spec: WatchSpec) -> Callable[[str], bool]:
    """Whether ``spec`` may stand for the object of a path; of what a manifest lists, only the store is known here."""
    wanted = targets(spec)
    exact = {target.uri for target in wanted if target.pattern is None}  # there can be thousands of either
    patterns = [(target.uri_of(""), target.pattern) for target in wanted if target.pattern]

    def was_asked(path: str) -> bool:
        if spec.match == "manifest":
            with suppress(InvalidArgument):
                return uri.kind_of(uri.parse(path)) == uri.kind_of(wanted[0].location)
            return False
        return path in exact or any(path.startswith(begin) and of.matches(path[len(begin) :]) for begin, of in patterns)

    return was_asked


def _is_local() -> bool:
    state = FlyteContextManager.current_context().execution_state
    return state is None or state.mode is None or state.is_local_execution()


def _watch_here(spec: WatchSpec, judge: Judge | None, tell: Tell) -> Ready:
    """The watcher's own loop, in this process."""
    from objectstore_watcher import logs
    from objectstore_watcher.live import LiveLine
    from objectstore_watcher.recorder import Recorder
    from objectstore_watcher.stores import listen, open_store
    from objectstore_watcher.watch import Event, watch

    logs.configure("text")
    log, recorder = logs.EventLog(), Recorder()
    try:
        with LiveLine() as live:

            def observe(event: Event) -> None:
                for observer in (recorder, log, live):
                    observer.observe(event)

            spec, key_pair = _as_flytekit_is_configured(spec)
            return watch(
                Request(spec=spec),
                stop=threading.Event(),
                observe=observe,
                opened_by=partial(open_store, key_pair=key_pair),
                heard_by=partial(listen, key_pair=key_pair),
                judge=judge,
            )
    finally:
        if recorder.answer:
            tell(recorder.answer)


def _as_flytekit_is_configured(spec: WatchSpec) -> tuple[WatchSpec, tuple[str, str] | None]:
    """With the endpoint of flytekit's own configuration, and its credentials, where it has them for the path."""
    config, location = FlyteContextManager.current_context().file_access.data_config, uri.parse(spec.uris[0])
    if isinstance(location, uri.ObjectLocation):
        if config.s3.endpoint and not spec.endpoint:
            spec = WatchSpec(**{**vars(spec), "endpoint": config.s3.endpoint})
        pair = config.s3.access_key_id, config.s3.secret_access_key
    elif isinstance(location, CloudLocation) and location.cloud == AZURE:
        pair = config.azure.account_name, config.azure.account_key
    else:
        return spec, None
    return spec, pair if all(pair) else None


def _wait_in_pod(spec: WatchSpec, judge: Judge | None, tell: Tell) -> Ready:
    """Wait for the watcher beside this container; flytekit exits with 0 whatever happened, so the reason is left."""
    directory = Path(os.environ.get(contract.DIRECTORY_VARIABLE) or contract.DEFAULT_DIRECTORY)
    try:
        ready = _wait_for_watcher(spec, judge, directory)
    except WaitError as error:
        termination.leave(str(error))
        tell(_failed(spec, error, directory))
        raise
    tell(ready)
    return ready


def _failed(spec: WatchSpec, error: WaitError, directory: Path) -> Failed:
    """The watcher's own account of ``error``, or as much as main knows."""
    with suppress(WaitError):
        told = contract.read(directory, Failed)
        if told and told.message == str(error):
            return told
    return replace(Failed.of(spec.name, error), history=contract.progress(directory))


def _wait_for_watcher(spec: WatchSpec, judge: Judge | None, directory: Path) -> Ready:
    """Ask the watcher, and wait for its answer."""
    path = spec.uris[0]  # all are of one kind
    if isinstance(uri.parse(path), uri.FileLocation):
        raise InvalidArgument(
            f"path {path!r}", "is a file of this machine, which a pod cannot see", cure="write s3://bucket/key"
        )
    with _ending_on_sigterm():
        request = waiting.ask(directory, spec, candidates=judge is not None)
        return waiting.wait(directory, spec.heartbeat_interval, until=request.answer_due, judge=judge)


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
