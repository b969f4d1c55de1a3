"""All metrics, and the one function that updates them. Never a bucket or a key as a label."""

from __future__ import annotations

import hashlib
import json
import os
import time
from importlib.metadata import version

# Not a series of its own for every counter's creation time; read by prometheus_client when it is imported.
os.environ.setdefault("PROMETHEUS_DISABLE_CREATED_SERIES", "true")

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, Info
from prometheus_client.gc_collector import GCCollector
from prometheus_client.process_collector import ProcessCollector

from objectstore_watcher.contract import DEFAULT_HEARTBEAT_INTERVAL, Request, WatchSpec
from objectstore_watcher.errors import InvalidArgument, WaitError
from objectstore_watcher.prices import dollars
from objectstore_watcher.stores.hints import Heard, Streamed
from objectstore_watcher.uri import ObjectLocation
from objectstore_watcher.watch import (
    Beat,
    Event,
    GaveUp,
    Pausing,
    Polled,
    Requested,
    Started,
    Succeeded,
    Wrote,
)

PHASES = ("idle", "waiting", "ready", "failed")
"""``idle``: no request yet."""

LAG_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 900, 3600, 86400)
"""Seconds: from an event's milliseconds to a day."""

WAIT_BUCKETS = (1, 5, 10, 30, 60, 300, 600, 1800, 3600, 7200, 14400, 28800, 43200, 86400)
"""Seconds: a wait lasts from a second to a day."""

HASH_BYTES = 6
"""Of the hash of what is waited for: as many as the number of a sample holds whole."""

LONGEST_EXEMPLAR = 128
"""Characters of an exemplar's names and values together: OpenMetrics allows no more."""


class Metrics:
    """The metrics of one watcher, in a registry of its own.

    Args:
        execution: Flyte's id of the execution that the wait belongs to: the exemplar of what took how long; empty:
            none. Only who asks for OpenMetrics gets it.
    """

    def __init__(self, execution: str = "") -> None:
        fits = 0 < len(execution) <= LONGEST_EXEMPLAR - len("execution")
        self._exemplar = {"execution": execution} if fits else None
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
        self._retries = Counter(
            "objectstore_watcher_retries",
            "Looks that were repeated after an error, by its kind.",
            ["kind"],
            registry=registry,
        )
        self._cost = Counter(
            "objectstore_watcher_request_cost_dollars",
            "What the requests cost at most, by AWS's list prices for S3 Standard in us-east-1, which takes nothing for"
            " those without an answer or with 5xx; 0 where the path is not s3://.",
            registry=registry,
        )
        self._writes = Counter(
            "objectstore_watcher_marker_writes",
            "Markers that were written, refused since one was there already, or could not be written.",
            ["marker", "outcome"],
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
        self._expected = Gauge(
            "objectstore_watcher_expected_timestamp_seconds",
            "When the object is expected (expected_within), in Unix time; 0 where that was not said.",
            registry=registry,
        )
        self._poll_interval = Gauge(
            "objectstore_watcher_poll_interval_seconds",
            "The poll interval, as it was asked for; 0 before.",
            registry=registry,
        )
        self._target = Gauge(
            "objectstore_watcher_target_hash",
            "48 bits of a hash of endpoint and paths, the same in all waits for them; 0 before they are asked for.",
            registry=registry,
        )
        self._heartbeat = Gauge(
            "objectstore_watcher_heartbeat_timestamp_seconds",
            "When the heartbeat in the marker directory was refreshed, in Unix time; 0 without such a directory.",
            registry=registry,
        )
        self._heartbeat_interval = Gauge(
            "objectstore_watcher_heartbeat_interval_seconds",
            "How often the heartbeat is to be refreshed.",
            registry=registry,
        )
        self._heartbeat_interval.set(DEFAULT_HEARTBEAT_INTERVAL)
        self._last_poll = Gauge(
            "objectstore_watcher_last_successful_poll_timestamp_seconds",
            "When the store last said whether the object is there, in Unix time; 0 before.",
            registry=registry,
        )
        self._backoff = Gauge(
            "objectstore_watcher_backoff_seconds",
            "The pause after the last look, where it failed; 0 where it did not.",
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
        self._uri = ""  # of the first path, by which requests have their price
        self._error: WaitError | None = None  # that the last look ended in

    def observe(self, event: Event) -> None:
        """Count ``event``."""
        match event:
            case Started(request):
                self._start(request)
            case Requested(operation, outcome):
                self._requests.labels(operation, outcome).inc()
                self._cost.inc(dollars(self._uri, operation))
            case Polled(error):
                self._poll(error)
            case Pausing(seconds, error):
                self._backoff.set(seconds if error and error.kind.action.is_pausing else 0)
            case Streamed() | Heard():
                self._observe_events(event)
            case Succeeded(ready, lag):
                self._end("ready")
                if lag is not None:
                    self._lag.labels(ready.detected_by).observe(max(lag, 0), self._exemplar)
            case GaveUp(error):
                self._give_up(error)
            case Wrote() | Beat():
                self._observe_files(event)

    def _observe_files(self, event: Wrote | Beat) -> None:
        if isinstance(event, Beat):
            self._heartbeat.set_to_current_time()
        else:
            self._writes.labels(event.marker, event.outcome).inc()

    def _poll(self, error: WaitError | None) -> None:
        self._polls.inc()
        if self._error:
            self._retries.labels(self._error.kind.label).inc()
        self._error = error
        if error:
            self._errors.labels(error.kind.label).inc()
        else:
            self._last_poll.set_to_current_time()

    def _observe_events(self, event: Streamed | Heard) -> None:
        if isinstance(event, Heard):
            self._events.inc(event.names)
        else:
            self._streams.labels(event.outcome).inc()
            self._flows.set(event.flows)

    def _start(self, request: Request) -> None:
        spec, to_unix = request.spec, time.time() - time.monotonic()
        self._started = request.requested_monotonic
        self._since.set(self._started + to_unix)
        self._deadline.set(request.deadline + to_unix)
        self._expected.set(self._started + to_unix + spec.expected_within if spec.expected_within else 0)
        self._poll_interval.set(spec.poll_interval)
        self._heartbeat_interval.set(spec.heartbeat_interval)
        self._target.set(target_hash(spec))
        self._uri = spec.uris[0]
        self.enter("waiting")

    def _give_up(self, error: WaitError) -> None:
        if error is not self._error:  # that of the last look has been counted
            self._errors.labels(error.kind.label).inc()
        self._end("failed")

    def _end(self, phase: str) -> None:
        self._backoff.set(0)
        self._flows.set(0)
        self.enter(phase)
        self._wait.labels(phase).observe(time.monotonic() - self._started, self._exemplar)

    def enter(self, phase: str) -> None:
        """Show that the wait is in ``phase``, one of `PHASES`."""
        for each in PHASES:
            self._phase.labels(each).set(each == phase)


def target_hash(spec: WatchSpec) -> int:
    """A number that waits for the same share: the paths, in the same store, and whether they are to come or to go.

    Who can guess the paths can confirm them by it, and no more.
    """
    told = json.dumps([_endpoint(spec), spec.absent, sorted(spec.uris)]).encode()
    return int.from_bytes(hashlib.sha256(told).digest()[:HASH_BYTES], "big")


def _endpoint(spec: WatchSpec) -> str:
    """Where the paths are: each tenant may have a MinIO, and a bucket of the same name in it."""
    if spec.endpoint or not isinstance(spec.location, ObjectLocation):
        return spec.endpoint
    from objectstore_watcher.stores import credentials  # late: it loads S3's client, which this wait needs

    try:
        return credentials.endpoint()
    except InvalidArgument:
        return ""  # the store refuses it, with its variable's name
