"""The wait itself: look, pause, look again, until the object is there or waiting can no longer help."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timezone

from objectstore_watcher.advice import advice
from objectstore_watcher.contract import Matched, Ready, Request, WatchSpec, encoded, flag, iso, now_iso
from objectstore_watcher.errors import Action, DeadlineExceeded, StoreError, WaitError, one_line
from objectstore_watcher.history import NOTHING, History
from objectstore_watcher.stores import Found, OnRequest, Store, listen, open_store
from objectstore_watcher.stores.hints import Heard, Hints, Listener, Stop, Streamed, Waking
from objectstore_watcher.targets import Target
from objectstore_watcher.wanted import Verdict, Wanted
from objectstore_watcher.words import many

BACKOFF_FIRST = 1.0
"""Seconds that the first pause after an error takes at most: most faults of a busy store pass within a second."""

BACKOFF_CAP = 30.0
"""Seconds that any pause after an error takes at most, besides the poll interval where the server is overloaded: one
that comes back is noticed within them."""

SAFETY_POLLS = 6
"""Poll intervals between two looks while events flow: a look a minute at the default."""

SAFETY_CAP = 60.0
"""Seconds between them at most, where the poll interval itself is not longer: events can be lost without a sign."""

REST = 4
"""Times what a look took, between it and one that an event causes: a burst costs a fifth of the time at most."""


WHOLE_SECOND = 1.0
"""Seconds by which a server's last-modified is rounded down."""


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
    """Seconds from the object's last modification, by the server's clock, to its detection; None where that is not
    known, or was before the wait."""


@dataclass(frozen=True)
class GaveUp:
    """The wait ended without the object."""

    error: WaitError


@dataclass(frozen=True)
class Wrote:
    """A marker was written, or not.

    Attributes:
        marker: ``ready``, ``failed`` or ``candidate``.
        outcome: ``written``; ``refused``, where another watcher's was there; or ``error``.
    """

    marker: str
    outcome: str


@dataclass(frozen=True)
class Beat:
    """The heartbeat was refreshed."""


Event = Started | Requested | Polled | Pausing | Streamed | Heard | Succeeded | GaveUp | Wrote | Beat
Observer = Callable[[Event], None]
Open = Callable[[WatchSpec, OnRequest], Store]
Listen = Callable[[WatchSpec], Listener]

Judge = Callable[[Ready], bool]
"""The waiting task's own condition: whether what was found is what is waited for."""

REFUSED = "the task's own condition (when=) refuses it"


def watch(
    request: Request,
    *,
    stop: Stop,
    observe: Observer,
    opened_by: Open = open_store,
    heard_by: Listen = listen,
    judge: Judge | None = None,
    before: History = NOTHING,
    clock: Callable[[], float] = time.monotonic,
    uniform: Callable[[float, float], float] = random.uniform,
) -> Ready:
    """Wait for the object that ``request`` names.

    Args:
        request: what to wait for, and since when.
        stop: ends the wait early.
        observe: is told each `Event`.
        opened_by: makes the store.
        heard_by: says how to listen to its events.
        judge: the task's own condition, asked at each look that finds all else right; what it raises ends the wait.
        before: what a watcher of the same wait told, which was killed: its looks and requests count.
        clock: seconds, on the clock of ``request.requested_monotonic``.
        uniform: a random number between two others.

    Raises:
        DeadlineExceeded: it did not appear in time. A last look is taken at the deadline.
        StoreError: waiting cannot help; or the look at the deadline failed.
        InvalidArgument: the endpoint, region or CA file cannot be used, or has no events where they are demanded.
        TooManyObjects: more are there than a wait can have.
        Stopped: told to stop.
    """
    observe(Started(request))
    try:
        wait = _Wait(request, stop, observe, before=before, clock=clock, uniform=uniform)
        store, listener = opened_by(request.spec, wait.requested), heard_by(request.spec)
        try:
            event = wait.until_found(store, listener, judge)
        finally:
            listener.close()
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
        *,
        before: History,
        clock: Callable[[], float],
        uniform: Callable[[float, float], float],
    ) -> None:
        self._request = request
        self._stop = stop
        self._observe = observe
        self._before = before
        self._clock = clock
        self._uniform = uniform
        self._wanted = Wanted(request, clock)
        self._unmet = ""
        self._polls = self._requests = self._errors_in_row = 0
        self._hints = Hints()

    def requested(self, operation: str, outcome: str) -> None:
        self._requests += 1
        self._observe(Requested(operation, outcome))

    def until_found(self, store: Store, listener: Listener, judge: Judge | None) -> Succeeded:
        """Return once the objects are there, or gone where their absence counts, and ``judge`` accepts them."""
        self._ear, self._has_judge = listener.ear, judge is not None
        while True:
            started, error = self._clock(), None
            self._hints = self._ear.take()  # before the look: what comes during it causes another
            if self._hints.names:
                self._observe(Heard(len(self._hints.names)))
            try:
                verdict = self._look(store)
            except StoreError as failure:
                if self._action(failure) is Action.FAIL:
                    raise
                error = failure
                self._ear.look_at_everything()
            else:
                event = self._success() if verdict.counts else None
                if event and judge and not judge(event.ready):
                    event, verdict = None, Verdict(counts=False, unmet=REFUSED)
                self._unmet = verdict.unmet
                self._observe(Polled(unmet=verdict.unmet))
                if event:
                    return event
            listener.start()  # a first look that finds the object needs no events
            self._pause(started, error)

    def _action(self, error: WaitError) -> Action:
        kind = error.kind
        return Action.WAIT if kind.policy and getattr(self._request.spec, kind.policy) == "wait" else kind.action

    def _look(self, store: Store) -> Verdict:
        self._polls += 1
        try:
            return self._wanted.look(store, lambda: self._request.deadline - self._clock(), self._hints)
        except StoreError as error:
            self._fit(error)
            self._observe(Polled(error))
            raise

    def _fit(self, error: StoreError) -> None:
        """Name the manifest that lists what the error is about, and advise nothing that is done already."""
        spec = self._request.spec
        if spec.match == "manifest" and not error.subject.startswith(tuple(map(one_line, spec.uris))):
            error.subject = f"{one_line(spec.name)}: {error.subject}"
        if self._action(error) is Action.WAIT:
            done = f"{flag(error.kind.policy)}=wait"
            error.cure = "; ".join(part for part in error.cure.split("; ") if done not in part)

    def _pause(self, started: float, error: StoreError | None) -> None:
        # A look that began before the deadline can miss what came while it was under way.
        if started >= self._request.deadline:
            raise self._too_late(error)
        now = self._clock()
        pause = self._next_pause(now - started, error)
        backs_off = error is not None and self._action(error).is_pausing
        rest = pause if backs_off else min(self._request.spec.poll_interval, REST * (now - started))
        self._until_due(min(pause, max(0.0, self._request.deadline - now)), rest, error)

    def _until_due(self, pause: float, rest: float, error: StoreError | None) -> None:
        """Pause, but not while there is a reason to look, nor for long when events no longer come."""
        began = self._clock()
        left, waking = pause, Waking.NEWS
        while waking in {Waking.NEWS, Waking.LOST}:
            self._observe(Pausing(left, error))
            waking = self._ear.pause(self._stop, left, began + rest - self._clock())
            for news in self._ear.news():
                self._observe(news)
            left = max(0.0, began + pause - self._clock())
            if waking is Waking.LOST:  # by many at once: they must not look at once, too
                left = min(left, self._uniform(0, self._request.spec.poll_interval))
                pause = self._clock() - began + left
        if waking is Waking.STOP:
            raise Stopped

    def _next_pause(self, taken: float, error: StoreError | None) -> float:
        interval = self._request.spec.poll_interval
        action = self._action(error) if error else Action.WAIT
        if action.is_pausing:
            self._errors_in_row += 1
            backoff = min(BACKOFF_CAP, BACKOFF_FIRST * 2.0 ** min(self._errors_in_row - 1, 10))
            if action is Action.BACK_OFF:
                return self._uniform(0, backoff)
            if self._polls == 1:  # sensors that were started together must not come back together
                backoff = max(backoff, min(BACKOFF_CAP, interval))
            # The backoff alone can be shorter than the interval, and ask more of a server that asks for less.
            return interval + self._uniform(0, backoff)
        self._errors_in_row = 0
        # Of what the task's own condition depends on, no event tells.
        if self._ear.flows and not self._has_judge:
            interval = max(interval, min(SAFETY_CAP, SAFETY_POLLS * interval))
        # Sensors that were started together must not poll in step.
        pause = self._uniform(0, interval) if self._polls == 1 else max(0.0, interval - taken)
        return min(pause, max(0.0, self._wanted.stable_in()))

    def _too_late(self, error: StoreError | None) -> WaitError:
        spec = self._request.spec
        after = f"within {spec.timeout:g} s in {many(self._before.polls + self._polls, 'look')}"
        what = "no object that matches appeared" if spec.match == "glob" else "the object did not appear"
        what = "the object was not gone" if spec.absent else what
        if error is not None:
            told = f"{what} {after}, the last of which failed: {error.detail}"
            return DeadlineExceeded(spec.name, told, cure=error.cure)
        if not self._unmet:
            hint = advice(spec)
            cure = f"{hint}; else check its producer, or raise the timeout" if hint else ""
            return DeadlineExceeded(spec.name, f"{what} {after}", cure=cure)
        return DeadlineExceeded(
            spec.name,
            f"what is there did not become what is waited for {after}: {self._unmet}",
            cure="check its producer and the conditions of the wait, or raise the timeout",
        )

    def _success(self) -> Succeeded:
        objects = self._wanted.objects
        told = {each.uri: each for each in (_matched(target, found) for target, found in objects)}
        ready = Ready(
            uri=self._request.spec.name,
            objects=tuple(told.values()),  # once, though several patterns match it
            gone=tuple(self._wanted.gone),
            detected_at=now_iso(),
            detected_by="event" if self._hints.names else "poll",
            polls=self._before.polls + self._polls,
            requests=sum(self._before.operations.values()) + self._requests,
            waited=round(self._clock() - self._request.requested_monotonic, 3),
        )
        encoded(ready)  # what cannot be told has not been found
        return Succeeded(ready, self._lag(max((found.last_modified for _, found in objects), default=0.0)))

    def _lag(self, written: float) -> float | None:
        """Seconds since the last of the objects came, whose coming ended the wait; None of what was there before it."""
        return time.time() - written if written >= self._request.asked.timestamp() - WHOLE_SECOND else None


def _matched(target: Target, found: Found) -> Matched:
    written = datetime.fromtimestamp(found.last_modified, timezone.utc) if found.last_modified else None
    return Matched(
        uri=target.uri_of(found.key),
        size=found.size,
        etag=found.etag,
        version_id=found.version_id,
        last_modified=iso(written) if written else "",
    )
