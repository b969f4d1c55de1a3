from __future__ import annotations

import re
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from email.utils import formatdate
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest
from objectstore_watcher.contract import Ready, WatchSpec
from objectstore_watcher.errors import KINDS, StoreError, WaitError
from objectstore_watcher.metrics import PHASES, Metrics, target_hash
from objectstore_watcher.sidecar import Sidecar
from objectstore_watcher.stores.hints import OUTCOMES, Heard, Streamed
from objectstore_watcher.watch import Beat, GaveUp, Polled, Requested, Started, Succeeded, Wrote, watch
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.exposition import choose_encoder

from tests.fake_s3 import Answer, FakeS3, error, found
from tests.servers import prometheus_command
from tests.sidecar.conftest import Start
from tests.sidecar.tools import VirtualTime, highest, metrics_url, samples

PREFIX = "objectstore_watcher_"

ABSENT = error(404, "NoSuchKey", x_minio_error_code="NoSuchKey")


@pytest.fixture(autouse=True)
def credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "key")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")


def waited(
    *answers: Answer,
    uri: str = "s3://secret-bucket/secret-key",
    **options: Any,  # noqa: ANN401  # of a spec
) -> CollectorRegistry:
    """The metrics after a wait on a server that answers so."""
    metrics, virtual = Metrics(), VirtualTime()
    with FakeS3(*answers) as server:
        virtual.now = time.monotonic()
        request = virtual.request(uri, endpoint=server.endpoint, **options)
        with suppress(WaitError):
            watch(request, stop=virtual, observe=metrics.observe, clock=virtual.clock, uniform=highest)
    return metrics.registry


def found_now() -> Answer:
    """The object is there, and has just come."""
    return found(Last_Modified=formatdate(usegmt=True))


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


def test_a_look_after_one_that_failed_is_a_retry_of_its_kind() -> None:
    registry = waited(ABSENT, Answer(500), Answer(503), Answer(503), ABSENT, found())
    assert value(registry, "retries_total", kind="server_error") == 1
    assert value(registry, "retries_total", kind="throttled") == 2


def test_an_error_that_ends_the_wait_is_not_retried() -> None:
    assert value(waited(error(404, "NoSuchBucket")), "retries_total", kind="bucket_missing") is None


def test_requests_cost_what_aws_takes_by_their_class() -> None:
    assert value(waited(ABSENT, ABSENT, found()), "request_cost_dollars_total") == pytest.approx(3 * 0.0004 / 1000)
    metrics = Metrics()
    metrics.observe(Started(VirtualTime().request("s3://bucket/*", match="glob")))
    for operation in ("list", "tags", "get"):
        metrics.observe(Requested(operation, "found"))
    assert value(metrics.registry, "request_cost_dollars_total") == pytest.approx(0.0058 / 1000)


def test_what_is_not_s3_costs_nothing(tmp_path: Path) -> None:
    metrics, virtual = Metrics(), VirtualTime()
    (tmp_path / "file").touch()
    watch(virtual.request(str(tmp_path / "file")), stop=virtual, observe=metrics.observe, clock=virtual.clock)
    assert value(metrics.registry, "requests_total", operation="stat", outcome="found") == 1
    assert value(metrics.registry, "request_cost_dollars_total") == 0


def test_each_marker_is_counted_by_how_its_writing_ended() -> None:
    metrics = Metrics()
    metrics.observe(Wrote("candidate", "refused"))
    metrics.observe(Wrote("ready", "written"))
    assert value(metrics.registry, "marker_writes_total", marker="candidate", outcome="refused") == 1
    assert value(metrics.registry, "marker_writes_total", marker="ready", outcome="written") == 1


def test_the_last_heartbeat_is_told_in_unix_time() -> None:
    metrics = Metrics()
    assert value(metrics.registry, "heartbeat_timestamp_seconds") == 0
    metrics.observe(Beat())
    assert abs(time.time() - (value(metrics.registry, "heartbeat_timestamp_seconds") or 0)) < 60


def test_what_was_asked_for_is_told() -> None:
    registry = waited(found(), timeout=600, poll_interval=7, heartbeat_interval=4, expected_within=300)
    since, expected = value(registry, "waiting_since_timestamp_seconds"), value(registry, "expected_timestamp_seconds")
    assert since
    assert expected
    assert expected - since == pytest.approx(300, abs=0.1)
    assert value(registry, "poll_interval_seconds") == 7
    assert value(registry, "heartbeat_interval_seconds") == 4
    assert value(waited(found()), "expected_timestamp_seconds") == 0


def test_waits_for_the_same_paths_share_a_number_that_a_sample_holds_whole() -> None:
    def hashed(*uris: str, **options: object) -> int:
        return target_hash(WatchSpec.from_mapping({"uri": list(uris), **options}))

    uris = ["s3://bucket/b", "s3://bucket/a"]
    assert hashed(*uris[::-1]) == hashed(*uris) != hashed(*uris[:1])
    assert hashed('s3://bucket/a", "s3://bucket/b') != hashed(*uris)
    assert 2**32 < hashed(*uris) < 2**48
    metrics, request = Metrics(), VirtualTime().request("s3://bucket/key")
    assert value(metrics.registry, "target_hash") == 0
    metrics.observe(Started(request))
    assert value(metrics.registry, "target_hash") == target_hash(request.spec)


def test_waits_in_different_stores_or_for_the_end_of_an_object_share_no_number(monkeypatch: pytest.MonkeyPatch) -> None:
    spec = WatchSpec(uri="s3://bucket/key")
    numbers = {target_hash(replace(spec, absent=True)), target_hash(spec)}
    monkeypatch.setenv("FLYTE_AWS_ENDPOINT", "http://minio.one:9000")
    assert target_hash(replace(spec, endpoint="http://minio.one:9000")) == target_hash(spec), "by whichever way"
    numbers |= {target_hash(spec), target_hash(replace(spec, endpoint="http://minio.other:9000"))}
    assert len(numbers) == 4
    file = WatchSpec(uri="/file")
    assert target_hash(file) == target_hash(replace(file))


def openmetrics(metrics: Metrics) -> str:
    """The page that a scraper gets which asks for OpenMetrics."""
    encode, _ = choose_encoder("application/openmetrics-text; version=1.0.0")
    return encode(metrics.registry).decode()


EXECUTION = "f3b0c44298fc1c149afb"


def test_openmetrics_tell_the_execution_of_what_took_how_long() -> None:
    metrics = Metrics(EXECUTION)
    metrics.observe(Succeeded(Ready(uri="s3://secret-bucket/secret-key", polls=2), 0.5))
    page = openmetrics(metrics)
    exemplars = re.findall(rf"^{PREFIX}(\w+)_bucket\{{.*?\}} 1.0 # (\{{.*?\}}) ", page, re.MULTILINE)
    told = f'{{execution="{EXECUTION}"}}'
    assert exemplars == [("detection_lag_seconds", told), ("wait_duration_seconds", told)]
    assert "secret" not in page


@pytest.mark.parametrize("execution", ["", "e" * 120])
def test_no_execution_or_one_that_openmetrics_does_not_take_is_not_told(execution: str) -> None:
    metrics = Metrics(execution)
    metrics.observe(GaveUp(StoreError("s3://bucket/key")))
    assert "# {" not in openmetrics(metrics)


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


def test_an_error_of_the_store_that_no_look_met_is_counted() -> None:
    """As of credentials that cannot be read when the store is opened."""
    metrics = Metrics()
    metrics.observe(Polled(StoreError("s3://bucket/key", kind="timeout")))
    metrics.observe(GaveUp(StoreError("s3://bucket/key", kind="credentials_missing")))
    assert value(metrics.registry, "errors_total", kind="credentials_missing") == 1


def test_an_error_of_a_look_that_ends_the_wait_is_counted_once() -> None:
    assert value(waited(error(404, "NoSuchBucket")), "errors_total", kind="bucket_missing") == 1


def test_a_found_object_ends_in_phase_ready_with_its_duration_and_lag() -> None:
    registry = waited(ABSENT, found_now())
    assert phase(registry) == ["ready"]
    assert value(registry, "wait_duration_seconds_count", outcome="ready") == 1
    assert value(registry, "detection_lag_seconds_count", detected_by="poll") == 1
    assert value(registry, "backoff_seconds") == 0


def lags(*answers: Answer, **options: Any) -> float | None:  # noqa: ANN401  # of a spec
    """How many lags were measured."""
    return value(waited(*answers, **options), "detection_lag_seconds_count", detected_by="poll")


def test_an_object_that_was_there_before_has_no_lag_whichever_look_finds_it() -> None:
    assert lags(found()) is None
    assert lags(Answer(500), found()) is None
    assert lags(found(), stable_for=20) is None


def test_an_object_that_came_since_the_request_has_a_lag_though_the_first_look_of_a_restarted_watcher_finds_it() -> (
    None
):
    assert lags(found_now()) == 1


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


LISTED = Answer(
    200,
    body=b"<ListBucketResult><Contents><Key>secret-key</Key><LastModified>2026-06-01T12:00:00.000Z</LastModified>"
    b"<ETag>e</ETag><Size>4</Size></Contents></ListBucketResult>",
)
TAGGED = Answer(200, body=b"<Tagging><TagSet><Tag><Key>owner</Key><Value>secret</Value></Tag></TagSet></Tagging>")


def every_kind_of_wait(folder: Path) -> Iterator[CollectorRegistry]:
    """The metrics of waits that ask in all ways, and are answered in all."""
    yield waited(ABSENT, Answer(500), found())
    yield waited(error(404, "NoSuchKey"), found())
    yield waited(error(403, "AccessDenied"))
    yield waited(error(400, "PermanentRedirect", x_amz_bucket_region="eu-west-1"), found(), timeout=60)
    yield waited(LISTED, timeout=60, uri="s3://secret-bucket/*", match="glob")
    yield waited(found(), TAGGED, timeout=60, tags={"owner": "secret"})
    metrics, file = Metrics(), folder / "secret-file"
    for outcome in OUTCOMES:
        metrics.observe(Streamed(outcome, "secret"))
    file.touch()
    sidecar = Sidecar(folder, WatchSpec(uri=str(file)), metrics.observe, threading.Event())
    sidecar.check()
    sidecar.work()
    yield metrics.registry


def test_labels_have_few_values_and_never_a_bucket_or_a_key(tmp_path: Path) -> None:
    bounded = {
        "operation": {"head", "list", "get", "tags", "stat"},
        "outcome": {"found", "absent", "other_region", "error"}  # of requests
        | {"ready", "failed"}  # of waits
        | {"written", "refused", "error"}  # of markers
        | set(OUTCOMES),
        "kind": set(KINDS),
        "phase": set(PHASES),
        "detected_by": {"poll", "event"},
        "marker": {"ready", "failed", "candidate"},
    }
    known = {"le", "version", "generation"}
    seen: dict[str, set[str]] = {name: set() for name in bounded}
    for registry in every_kind_of_wait(tmp_path):
        for family in registry.collect():
            for sample in family.samples:
                assert "secret" not in str(sample)
                assert sample.labels.keys() <= bounded.keys() | known
                for name in sample.labels.keys() - known:
                    seen[name].add(sample.labels[name])
    assert {name: seen[name] - bounded[name] for name in bounded} == {name: set() for name in bounded}
    assert seen["operation"] == bounded["operation"]
    assert seen["outcome"] >= {"found", "absent", "other_region", "error", "ready", "failed", "written"}


def test_names_have_the_prefix_base_units_and_help() -> None:
    families = [family for family in Metrics().registry.collect() if family.name.startswith(PREFIX)]
    for family in families:
        assert family.documentation.endswith(".")
        assert family.type in {"counter", "info"} or family.name.endswith(("_seconds", "_phase", "_connected", "_hash"))


def test_promtool_finds_nothing_to_complain_of_on_a_page_with_all_series() -> None:
    metrics = Metrics(EXECUTION)
    virtual = VirtualTime()
    for event in (
        Started(virtual.request("s3://bucket/key", expected_within=60)),
        Requested("head", "absent"),
        Polled(StoreError("s3://bucket/key", kind="timeout")),
        Polled(),
        Streamed("connected"),
        Heard(1),
        Beat(),
        Wrote("ready", "written"),
        Succeeded(Ready(uri="s3://bucket/key", polls=2), 0.5),
    ):
        metrics.observe(event)
    page = generate_latest(metrics.registry)
    names = {sample.name for family in metrics.registry.collect() for sample in family.samples}
    families = {family.name for family in metrics.registry.collect()}
    assert all(any(name.startswith(family) for name in names) for family in families), "every family has a sample"
    promtool = prometheus_command("promtool")
    done = subprocess.run([promtool, "check", "metrics"], input=page, capture_output=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")


def test_a_process_serves_its_metrics_without_a_series_for_each_time_of_creation(start: Start, tmp_path: Path) -> None:
    watcher = start(tmp_path / "absent", "--metrics-address=127.0.0.1:0")
    served = samples(metrics_url(watcher))
    assert served[f'{PREFIX}phase{{phase="waiting"}}'] == 1
    assert served[f'{PREFIX}build_info{{version="{version("objectstore-watcher")}"}}'] == 1
    assert served["process_resident_memory_bytes"] > 0
    assert [name for name in served if "_created" in name] == []
