"""All metrics, and the one function that updates them. Never a bucket or a key as a label."""

from __future__ import annotations

import os
import time
from importlib.metadata import version

# Not a series of its own for every counter's creation time; read by prometheus_client when it is imported.
os.environ.setdefault("PROMETHEUS_DISABLE_CREATED_SERIES", "true")

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, Info
from prometheus_client.gc_collector import GCCollector
from prometheus_client.process_collector import ProcessCollector

from objectstore_watcher.errors import StoreError, WaitError
from objectstore_watcher.stores.hints import Heard, Streamed
from objectstore_watcher.watch import Event, GaveUp, Pausing, Polled, Requested, Started, Succeeded

PHASES = ("idle", "waiting", "ready", "failed")
"""``idle``: no request yet."""

LAG_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 900, 3600, 86400)
"""Seconds: from an event's milliseconds to a day."""

WAIT_BUCKETS = (1, 5, 10, 30, 60, 300, 600, 1800, 3600, 7200, 14400, 28800, 43200, 86400)
"""Seconds: a wait lasts from a second to a day."""


class Metrics:
    """The metrics of one watcher, in a registry of its own."""

    def __init__(self) -> None:
        self.registry = registry = CollectorRegistry()
        ProcessCollector(registry=registry)
        GCCollector(registry=registry)
        self._requests = Counter(
            "objectstore_watcher_requests",
            "Requests to the object store.",
            ["operation", "outcome"],
            registry=registry,
        )
        self._polls = Counter("objectstore_watcher_polls", "Looks at the object.", registry=registry)
        self._errors = Counter(
            "objectstore_watcher_errors",
            "Looks that failed, and other ends of a wait without its object, by kind of error.",
            ["kind"],
            registry=registry,
        )
        self._phase = Gauge(
            "objectstore_watcher_phase", "1 for the phase that the wait is in, else 0.", ["phase"], registry=registry
        )
        self.enter("idle")
        self._since = Gauge(
            "objectstore_watcher_waiting_since_timestamp_seconds",
            "When the wait was asked for, in Unix time; 0 before.",
            registry=registry,
        )
        self._deadline = Gauge(
            "objectstore_watcher_deadline_timestamp_seconds",
            "When the wait will be given up, in Unix time; 0 before it is asked for.",
            registry=registry,
        )
        self._last_poll = Gauge(
            "objectstore_watcher_last_successful_poll_timestamp_seconds",
            "When the store last said whether the object is there, in Unix time; 0 before.",
            registry=registry,
        )
        self._backoff = Gauge(
            "objectstore_watcher_backoff_seconds",
            "The current pause after an error; 0 without one.",
            registry=registry,
        )
        self._streams = Counter(
            "objectstore_watcher_event_streams",
            "Streams of events that began, ended or did not begin, by outcome.",
            ["outcome"],
            registry=registry,
        )
        self._flows = Gauge(
            "objectstore_watcher_event_stream_connected",
            "1 while the store's events come, and polls are rare; else 0.",
            registry=registry,
        )
        self._events = Counter(
            "objectstore_watcher_events",
            "Events for what is waited for; several for one object before one look count once.",
            registry=registry,
        )
        self._lag = Histogram(
            "objectstore_watcher_detection_lag_seconds",
            "From the object's last modification, by the server's clock (whole seconds), to its detection."
            " Objects that were there before the wait are left out.",
            ["detected_by"],
            buckets=LAG_BUCKETS,
            registry=registry,
        )
        self._wait = Histogram(
            "objectstore_watcher_wait_duration_seconds",
            "From the request to its end.",
            ["outcome"],
            buckets=WAIT_BUCKETS,
            registry=registry,
        )
        Info("objectstore_watcher_build", "Version of the watcher.", registry=registry).info(
            {"version": version("objectstore-watcher")}
        )
        self._started = time.monotonic()  # a request that cannot be read is never started

    def observe(self, event: Event) -> None:
        """Count ``event``."""
        match event:
            case Started(request):
                self._start(request.deadline, request.requested_monotonic)
            case Requested(operation, outcome):
                self._requests.labels(operation, outcome).inc()
            case Polled(error):
                self._polls.inc()
                if error:
                    self._errors.labels(error.kind.label).inc()
                else:
                    self._last_poll.set_to_current_time()
            case Pausing(seconds, error):
                self._backoff.set(seconds if error and error.kind.action.is_pausing else 0)
            case Streamed() | Heard():
                self._observe_events(event)
            case Succeeded(ready, lag):
                self._end("ready")
                if lag is not None and ready.polls > 1:
                    self._lag.labels(ready.detected_by).observe(max(lag, 0))
            case GaveUp(error):
                self._give_up(error)

    def _observe_events(self, event: Streamed | Heard) -> None:
        if isinstance(event, Heard):
            self._events.inc(event.names)
        else:
            self._streams.labels(event.outcome).inc()
            self._flows.set(event.flows)

    def _start(self, deadline: float, requested: float) -> None:
        self._started = requested
        to_unix = time.time() - time.monotonic()
        self._since.set(requested + to_unix)
        self._deadline.set(deadline + to_unix)
        self.enter("waiting")

    def _give_up(self, error: WaitError) -> None:
        if not isinstance(error, StoreError):  # the look that met one of those has been counted
            self._errors.labels(error.kind.label).inc()
        self._end("failed")

    def _end(self, phase: str) -> None:
        self._backoff.set(0)
        self._flows.set(0)
        self.enter(phase)
        self._wait.labels(phase).observe(time.monotonic() - self._started)

    def enter(self, phase: str) -> None:
        """Show that the wait is in ``phase``, one of `PHASES`."""
        for each in PHASES:
            self._phase.labels(each).set(each == phase)
