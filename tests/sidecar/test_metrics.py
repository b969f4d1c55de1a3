from __future__ import annotations

import time
from contextlib import suppress
from pathlib import Path

import pytest
from objectstore_watcher.contract import Ready
from objectstore_watcher.errors import KINDS, StoreError, WaitError
from objectstore_watcher.metrics import PHASES, Metrics
from objectstore_watcher.watch import GaveUp, Polled, watch
from prometheus_client import CollectorRegistry

from tests.fake_s3 import Answer, FakeS3, error, found
from tests.sidecar.conftest import Start
from tests.sidecar.tools import VirtualTime, highest, metrics_url, samples

PREFIX = "objectstore_watcher_"

ABSENT = error(404, "NoSuchKey", x_minio_error_code="NoSuchKey")


@pytest.fixture(autouse=True)
def credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "key")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")


def waited(*answers: Answer, **options: float) -> CollectorRegistry:
    """The metrics after a wait on a server that answers so."""
    metrics, virtual = Metrics(), VirtualTime()
    with FakeS3(*answers) as server:
        virtual.now = time.monotonic()
        request = virtual.request("s3://secret-bucket/secret-key", endpoint=server.endpoint, **options)
        with suppress(WaitError):
            watch(request, stop=virtual, observe=metrics.observe, clock=virtual.clock, uniform=highest)
    return metrics.registry


def value(registry: CollectorRegistry, name: str, **labels: str) -> float | None:
    return registry.get_sample_value(PREFIX + name, labels)


def phase(registry: CollectorRegistry) -> list[str]:
    return [name for name in PHASES if value(registry, "phase", phase=name) == 1]


def test_a_watcher_without_a_request_is_idle() -> None:
    registry = Metrics().registry
    assert phase(registry) == ["idle"]
    assert value(registry, "deadline_timestamp_seconds") == 0


def test_looks_requests_and_errors_are_counted() -> None:
    registry = waited(ABSENT, ABSENT, Answer(500), Answer(503), Answer(503), found())
    assert value(registry, "polls_total") == 6
    assert value(registry, "requests_total", operation="head", outcome="absent") == 2
    assert value(registry, "requests_total", operation="head", outcome="error") == 3
    assert value(registry, "requests_total", operation="head", outcome="found") == 1
    assert value(registry, "errors_total", kind="server_error") == 1
    assert value(registry, "errors_total", kind="throttled") == 2


def test_an_answer_that_tells_of_a_missing_bucket_is_no_absence_of_an_object() -> None:
    registry = waited(error(404, "NoSuchBucket", x_minio_error_code="NoSuchBucket"))
    assert value(registry, "requests_total", operation="head", outcome="absent") is None
    assert value(registry, "requests_total", operation="head", outcome="error") == 1


def test_a_deadline_is_counted_beside_the_look_that_failed_at_it() -> None:
    registry = waited(Answer(500), timeout=1, poll_interval=1)
    assert value(registry, "errors_total", kind="server_error") == 2
    assert value(registry, "errors_total", kind="deadline_exceeded") == 1


def test_a_request_that_is_sent_again_on_a_new_connection_counts_twice() -> None:
    """What the store is sent, and what it costs: the one that a broken connection swallowed, too."""
    registry = waited(ABSENT, Answer(reset=True), found())
    assert value(registry, "requests_total", operation="head", outcome="absent") == 1
    assert value(registry, "requests_total", operation="head", outcome="error") == 1
    assert value(registry, "requests_total", operation="head", outcome="found") == 1
    assert value(registry, "polls_total") == 2


def test_an_error_of_a_look_that_ends_the_wait_is_counted_once() -> None:
    assert value(waited(error(404, "NoSuchBucket")), "errors_total", kind="bucket_missing") == 1


def test_a_found_object_ends_in_phase_ready_with_its_duration_and_lag() -> None:
    registry = waited(ABSENT, found())
    assert phase(registry) == ["ready"]
    assert value(registry, "wait_duration_seconds_count", outcome="ready") == 1
    assert value(registry, "detection_lag_seconds_count", detected_by="poll") == 1
    assert value(registry, "backoff_seconds") == 0


def test_an_object_that_was_there_before_has_no_lag() -> None:
    assert value(waited(found()), "detection_lag_seconds_count", detected_by="poll") is None


def test_a_wait_that_fails_ends_in_phase_failed() -> None:
    registry = waited(error(404, "NoSuchBucket"))
    assert phase(registry) == ["failed"]
    assert value(registry, "wait_duration_seconds_count", outcome="failed") == 1


def test_a_wait_that_fails_before_it_begins_is_not_taken_for_a_long_one() -> None:
    begun = time.monotonic()
    metrics = Metrics()
    metrics.observe(GaveUp(StoreError("s3://bucket/key")))
    duration = value(metrics.registry, "wait_duration_seconds_sum", outcome="failed")
    assert duration is not None
    assert duration <= time.monotonic() - begun


def test_since_when_and_until_when_is_told_in_unix_time() -> None:
    registry = waited(found(), timeout=600)
    since, deadline = value(registry, "waiting_since_timestamp_seconds"), value(registry, "deadline_timestamp_seconds")
    assert since
    assert deadline
    assert abs(time.time() - since) < 60
    assert deadline - since == pytest.approx(600, abs=0.1)


def test_only_a_look_that_the_store_answered_counts_as_successful() -> None:
    metrics = Metrics()
    metrics.observe(Polled(StoreError("s3://bucket/key", kind="timeout")))
    assert value(metrics.registry, "last_successful_poll_timestamp_seconds") == 0
    metrics.observe(Polled())
    last = value(metrics.registry, "last_successful_poll_timestamp_seconds")
    assert last
    assert abs(time.time() - last) < 60


def test_a_restarted_watcher_shows_the_phase_that_was_reached_before() -> None:
    metrics = Metrics()
    metrics.enter(Ready.NAME)
    assert phase(metrics.registry) == ["ready"]


def test_labels_have_few_values_and_never_a_bucket_or_a_key() -> None:
    bounded = {
        "operation": {"head", "get", "stat"},
        "outcome": {"found", "absent", "error", "ready", "failed"},
        "kind": set(KINDS),
        "phase": set(PHASES),
        "detected_by": {"poll"},
    }
    known = {"le", "version", "generation"}
    for answers in ([ABSENT, Answer(500), found()], [error(404, "NoSuchKey"), found()], [error(403, "AccessDenied")]):
        for family in waited(*answers).collect():
            for sample in family.samples:
                assert "secret" not in str(sample)
                assert sample.labels.keys() <= bounded.keys() | known
                assert all(sample.labels[name] in bounded[name] for name in sample.labels.keys() - known)


def test_names_have_the_prefix_base_units_and_help() -> None:
    families = [family for family in Metrics().registry.collect() if family.name.startswith(PREFIX)]
    assert len(families) == 14
    for family in families:
        assert family.documentation.endswith(".")
        assert family.type in {"counter", "info"} or family.name.endswith(("_seconds", "_phase", "_connected"))


def test_a_process_serves_its_metrics_without_a_series_for_each_time_of_creation(start: Start, tmp_path: Path) -> None:
    watcher = start(tmp_path / "absent", "--metrics-address=127.0.0.1:0")
    served = samples(metrics_url(watcher))
    assert served[f'{PREFIX}phase{{phase="waiting"}}'] == 1
    assert served[f'{PREFIX}build_info{{version="0.1.0"}}'] == 1
    assert served["process_resident_memory_bytes"] > 0
    assert [name for name in served if "_created" in name] == []
