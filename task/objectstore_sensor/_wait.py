"""The wait of a task: by the watcher beside it in a pod, else in this process."""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial

from flytekit import FlyteContextManager
from objectstore_watcher import mains, termination, uri, waiting
from objectstore_watcher.cloud_uris import AZURE, CloudLocation
from objectstore_watcher.contract import Failed, Ready, Request, WatchSpec
from objectstore_watcher.waiting import Judge

from objectstore_sensor.errors import InvalidArgument, WaitError, as_flyte

Tell = Callable[[Ready | Failed], None]
"""Is told how the wait ended, with its history."""


def wait_for(spec: WatchSpec, judge: Judge | None = None, tell: Tell = lambda answer: None) -> Ready:
    """Wait for the object, by whatever watches where this runs; returns what was found.

    Args:
        spec: what to wait for.
        judge: the task's own condition, which runs in this process; what it raises ends the wait.
        tell: is told how the wait ended, by such an error, too.

    Raises:
        WaitError: what ended the wait; a `FlyteRecoverableException`, too, where a new attempt can help.
    """
    try:
        return (_watch_here if _is_local() else _wait_in_pod)(spec, judge, tell)
    except WaitError as error:
        raise as_flyte(error) from None


def _is_local() -> bool:
    state = FlyteContextManager.current_context().execution_state
    return state is None or state.mode is None or state.is_local_execution()


def _watch_here(spec: WatchSpec, judge: Judge | None, tell: Tell) -> Ready:
    """The watcher's own loop, in this process."""
    from objectstore_watcher import logs
    from objectstore_watcher.live import LiveLine
    from objectstore_watcher.recorder import Recorder
    from objectstore_watcher.stores import listen, open_store
    from objectstore_watcher.watch import Event, GaveUp, watch

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
    except Exception as error:
        if not isinstance(error, WaitError):  # the wait has told of those
            recorder.observe(GaveUp(_as_told(error, judge)))
        raise
    finally:
        if recorder.answer:
            tell(recorder.answer)


def _as_flytekit_is_configured(spec: WatchSpec) -> tuple[WatchSpec, tuple[str, str] | None]:
    """With the endpoint of flytekit's own configuration, and its credentials, where it has them for the path."""
    config, location = FlyteContextManager.current_context().file_access.data_config, spec.location
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
    try:
        ready = _wait_for_watcher(spec, judge)
    except Exception as error:
        told = _as_told(error, judge)
        termination.leave(str(told))
        tell(mains.account_of(spec, told))
        raise
    tell(ready)
    return ready


def _as_told(error: Exception, judge: Judge | None) -> WaitError:
    """``error`` as people are told of it; one that is not ours is of the task's own condition, where it has one."""
    if isinstance(error, WaitError):
        return error
    what = f"{type(error).__name__}: {error}"
    if judge is None:
        return WaitError("the wait", what)
    return InvalidArgument("when", f"raised {what}", cure="correct the function: the task's log has the trace")


def _wait_for_watcher(spec: WatchSpec, judge: Judge | None) -> Ready:
    """Ask the watcher, and wait for its answer."""
    with _ending_on_sigterm():
        request = mains.ask(spec, candidates=judge is not None)
        return waiting.wait(mains.marker_directory(), spec.heartbeat_interval, until=request.answer_due, judge=judge)


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
