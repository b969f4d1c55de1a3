"""The wait itself: look, pause, look again, until the object is there or waiting can no longer help."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Protocol

from objectstore_watcher.contract import Matched, Ready, Request, WatchSpec, encoded, iso, now_iso
from objectstore_watcher.errors import Action, DeadlineExceeded, StoreError, WaitError
from objectstore_watcher.stores import Found, OnRequest, Store, open_store
from objectstore_watcher.targets import Target
from objectstore_watcher.wanted import Verdict, Wanted

BACKOFF_FIRST = 1.0
"""Seconds that the first pause after an error takes at most: most faults of a busy store pass within a second."""

BACKOFF_CAP = 30.0
"""Seconds that any pause after an error takes at most: a server that comes back is noticed within them."""


class Stop(Protocol):
    """How a wait is told to stop; a `threading.Event` is one."""

    def wait(self, timeout: float) -> bool:
        """Pause for ``timeout`` seconds, or until told to stop; True when told to stop."""


class Stopped(Exception):  # nothing went wrong
    """The wait was told to stop."""


@dataclass(frozen=True)
class Started:
    """The wait begins."""

    request: Request


@dataclass(frozen=True)
class Requested:
    """The store answered a request, or did not.

    Attributes:
        operation: ``head``, ``list``, ``get``, ``tags`` or ``stat``.
        outcome: ``found``, ``absent``, ``other_region`` or ``error``.
    """

    operation: str
    outcome: str


@dataclass(frozen=True)
class Polled:
    """A look ended.

    Attributes:
        error: why it could not be told whether the object is there, if so.
        unmet: why what is there does not count; empty where it does, or nothing is there.
    """

    error: WaitError | None = None
    unmet: str = ""


@dataclass(frozen=True)
class Pausing:
    """The next look comes later.

    Attributes:
        seconds: how much later.
        error: what the look met that the wait goes on after, if so.
    """

    seconds: float
    error: WaitError | None = None


@dataclass(frozen=True)
class Succeeded:
    """The object is there."""

    ready: Ready
    lag: float | None
    """Seconds from the object's last modification, by the server's clock, to its detection; None where unknown."""


@dataclass(frozen=True)
class GaveUp:
    """The wait ended without the object."""

    error: WaitError


Event = Started | Requested | Polled | Pausing | Succeeded | GaveUp
Observer = Callable[[Event], None]
Open = Callable[[WatchSpec, OnRequest], Store]

Judge = Callable[[Ready], bool]
"""The waiting task's own condition: whether what was found is what is waited for."""

REFUSED = "the task's own condition (when=) refuses it"


def watch(
    request: Request,
    *,
    stop: Stop,
    observe: Observer,
    opened_by: Open = open_store,
    judge: Judge | None = None,
    clock: Callable[[], float] = time.monotonic,
    uniform: Callable[[float, float], float] = random.uniform,
) -> Ready:
    """Wait for the object that ``request`` names.

    Args:
        request: what to wait for, and since when.
        stop: ends the wait early.
        observe: is told each `Event`.
        opened_by: makes the store.
        judge: the task's own condition, asked at each look that finds all else right; what it raises ends the wait.
        clock: seconds, on the clock of ``request.requested_monotonic``.
        uniform: a random number between two others.

    Raises:
        DeadlineExceeded: it did not appear in time. A last look is taken at the deadline.
        StoreError: waiting cannot help; or the look at the deadline failed.
        InvalidArgument: the endpoint, region or CA file cannot be used.
        TooManyObjects: more are there than a wait can have.
        Stopped: told to stop.
    """
    observe(Started(request))
    try:
        wait = _Wait(request, stop, observe, clock, uniform)
        event = wait.until_found(opened_by(request.spec, wait.requested), judge)
    except WaitError as error:
        observe(GaveUp(error))
        raise
    observe(event)
    return event.ready


class _Wait:
    """The state of one wait."""

    def __init__(
        self,
        request: Request,
        stop: Stop,
        observe: Observer,
        clock: Callable[[], float],
        uniform: Callable[[float, float], float],
    ) -> None:
        self._request = request
        self._stop = stop
        self._observe = observe
        self._clock = clock
        self._uniform = uniform
        self._wanted = Wanted(request, clock)
        self._unmet = ""
        self._polls = self._requests = self._errors_in_row = 0

    def requested(self, operation: str, outcome: str) -> None:
        self._requests += 1
        self._observe(Requested(operation, outcome))

    def until_found(self, store: Store, judge: Judge | None) -> Succeeded:
        """Return once the objects are there, or gone where their absence counts, and ``judge`` accepts them."""
        while True:
            started, error = self._clock(), None
            try:
                verdict = self._look(store)
            except StoreError as failure:
                if self._action(failure) is Action.FAIL:
                    raise
                error = failure
            else:
                event = self._success() if verdict.counts else None
                if event and judge and not judge(event.ready):
                    event, verdict = None, Verdict(counts=False, unmet=REFUSED)
                self._unmet = verdict.unmet
                self._observe(Polled(unmet=verdict.unmet))
                if event:
                    return event
            self._pause(started, error)

    def _action(self, error: WaitError) -> Action:
        kind = error.kind
        return Action.WAIT if kind.policy and getattr(self._request.spec, kind.policy) == "wait" else kind.action

    def _look(self, store: Store) -> Verdict:
        self._polls += 1
        try:
            return self._wanted.look(store, lambda: self._request.deadline - self._clock())
        except StoreError as error:
            self._observe(Polled(error))
            raise

    def _pause(self, started: float, error: StoreError | None) -> None:
        # A look that began before the deadline can miss what came while it was under way.
        if started >= self._request.deadline:
            raise self._too_late(error)
        now = self._clock()
        remaining = max(0.0, self._request.deadline - now)
        pause = min(self._next_pause(now - started, error), remaining)
        self._observe(Pausing(pause, error))
        if self._stop.wait(pause):
            raise Stopped

    def _next_pause(self, taken: float, error: StoreError | None) -> float:
        if error and self._action(error) is Action.BACK_OFF:
            self._errors_in_row += 1
            return self._uniform(0, min(BACKOFF_CAP, BACKOFF_FIRST * 2.0 ** min(self._errors_in_row - 1, 10)))
        self._errors_in_row = 0
        interval = self._request.spec.poll_interval
        # Sensors that were started together must not poll in step.
        pause = self._uniform(0, interval) if self._polls == 1 else max(0.0, interval - taken)
        return min(pause, max(0.0, self._wanted.stable_in()))

    def _too_late(self, error: StoreError | None) -> WaitError:
        spec = self._request.spec
        after = f"within {spec.timeout:g} s in {self._polls} looks"
        what = "no object that matches appeared" if spec.match == "glob" else "the object did not appear"
        if error is not None:
            told = f"{what} {after}, the last of which failed: {error.detail}"
            return DeadlineExceeded(spec.name, told, cure=error.cure)
        if not self._unmet:
            return DeadlineExceeded(spec.name, f"{what} {after}")
        return DeadlineExceeded(
            spec.name,
            f"what is there did not become what is waited for {after}: {self._unmet}",
            cure="check its producer and the conditions of the wait, or raise the timeout",
        )

    def _success(self) -> Succeeded:
        objects = self._wanted.objects
        ready = Ready(
            uri=self._request.spec.name,
            objects=tuple(_matched(target, found) for target, found in objects),
            detected_at=now_iso(),
            polls=self._polls,
            requests=self._requests,
            waited=round(self._clock() - self._request.requested_monotonic, 3),
        )
        encoded(ready)  # what cannot be told has not been found
        written = max((found.last_modified for _, found in objects), default=0.0)  # the last to come ended the wait
        return Succeeded(ready, time.time() - written if written else None)


def _matched(target: Target, found: Found) -> Matched:
    written = datetime.fromtimestamp(found.last_modified, timezone.utc) if found.last_modified else None
    return Matched(
        uri=target.uri_of(found.key),
        size=found.size,
        etag=found.etag,
        version_id=found.version_id,
        last_modified=iso(written) if written else "",
    )
