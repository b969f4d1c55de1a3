"""The cluster's Prometheus sees every metric that the README documents."""

from __future__ import annotations

import re
import time

import pytest

from tests.e2e import workflows
from tests.e2e.cluster import Cluster, watcher_status
from tests.e2e.sensors import Sensors
from tests.servers import eventually
from tools import readme

pytestmark = pytest.mark.timeout(1800)


def series(metric: str, kind: str) -> str:
    return metric + ("_count" if kind == "histogram" else "")


def documented() -> dict[str, str]:
    """Metric and type, of the README's table."""
    return dict(re.findall(r"^\| `(objectstore_watcher_\w+)` \| (\w+)", readme.README.read_text(), re.MULTILINE))


LATER = {
    "objectstore_watcher_errors_total",
    "objectstore_watcher_retries_total",
    "objectstore_watcher_marker_writes_total",
    "objectstore_watcher_detection_lag_seconds",
    "objectstore_watcher_wait_duration_seconds",
}
"""Those that have no series before they first count, by name: the tests of the end and of a stall see them."""


def value(cluster: Cluster, metric: str, pod: str, namespace: str, labels: str = "") -> float | None:
    found = cluster.query(f'{metric}{{namespace="{namespace}",pod="{pod}"{labels}}}')
    return float(found[0]["value"][1]) if found else None


def test_prometheus_scrapes_a_waiting_watcher_with_sane_values(sensors: Sensors, cluster: Cluster) -> None:
    began = time.time()
    manifest = sensors.start("scraped", workflows.sensor, sensors.path("scraped"))
    cluster.waiting(sensors.namespace, "scraped")

    def seen(metric: str, labels: str = "") -> float | None:
        return value(cluster, metric, "scraped", sensors.namespace, labels)

    eventually(lambda: (seen("objectstore_watcher_polls_total") or 0) >= 2, "two polls are scraped", timeout=120)
    assert seen("objectstore_watcher_phase", ',phase="waiting"') == 1
    assert seen("objectstore_watcher_phase", ',phase="ready"') == 0
    assert began - 5 < (seen("objectstore_watcher_waiting_since_timestamp_seconds") or 0) < time.time() + 5
    since = seen("objectstore_watcher_waiting_since_timestamp_seconds") or 0
    assert (seen("objectstore_watcher_deadline_timestamp_seconds") or 0) - since == pytest.approx(600, abs=1)
    assert began - 5 < (seen("objectstore_watcher_last_successful_poll_timestamp_seconds") or 0) < time.time() + 5
    assert seen("objectstore_watcher_backoff_seconds") == 0
    assert seen("objectstore_watcher_build_info") == 1
    assert (seen("objectstore_watcher_requests_total", ',operation="head",outcome="absent"') or 0) >= 2
    (found,) = cluster.query(f'objectstore_watcher_polls_total{{namespace="{sensors.namespace}"}}')
    labels = manifest["metadata"]["labels"]
    for ours, flytes in {"workflow": "workflow-name", "task": "task-name", "execution": "execution-id"}.items():
        assert found["metric"][ours] == labels[flytes]
    assert documented().keys() >= LATER
    # Those of events have series once the stream was answered, which the scrape above may have come before.
    for name in {series(metric, documented()[metric]) for metric in documented().keys() - LATER}:
        eventually(lambda name=name: seen(name) is not None, name, timeout=60)  # type: ignore[misc]


def test_prometheus_has_the_last_values_of_a_wait_of_two_seconds(sensors: Sensors, cluster: Cluster) -> None:
    """The wait ends between two scrapes, and main at once: the watcher stays until one has come."""
    from tests.k8s.manifests import load

    (pod,) = load("examples/plain-pod.yaml")
    path = sensors.path("ended")
    (watcher,) = pod["spec"]["initContainers"]
    watcher["args"][-1] = path
    watcher["env"].append({"name": "FLYTE_INTERNAL_EXECUTION_ID", "value": sensors.namespace})  # as Flyte does
    cluster.api.create_namespaced_pod(sensors.namespace, pod)
    cluster.waiting(sensors.namespace, "plain-pod")
    time.sleep(1.5)  # a second poll: an object that is there at once has no detection lag
    sensors.put(path)
    ended = cluster.ended(sensors.namespace, "plain-pod")
    assert watcher_status(ended).state.terminated.exit_code == 0

    def last(metric: str, labels: str = "") -> float | None:
        ours = f'{{namespace="{sensors.namespace}",pod="plain-pod"{labels}}}'
        found = cluster.query(f"last_over_time({metric}{ours}[10m])")
        return float(found[0]["value"][1]) if found else None

    assert last("objectstore_watcher_phase", ',phase="ready"') == 1
    assert last("objectstore_watcher_wait_duration_seconds_count", ',outcome="ready"') == 1
    assert last("objectstore_watcher_marker_writes_total", ',marker="ready",outcome="written"') == 1
    # The event is the rule; a look may come first while it is on its way.
    assert last("objectstore_watcher_detection_lag_seconds_count", ',detected_by=~"event|poll"') == 1
    # One interval of a second, and the second that last-modified is rounded down by.
    lag = last("objectstore_watcher_detection_lag_seconds_sum")
    assert lag is not None
    assert 0 <= lag < 10
    ours = f'objectstore_watcher_wait_duration_seconds_bucket{{namespace="{sensors.namespace}"}}'
    (exemplar,) = cluster.exemplars(ours)
    assert exemplar["labels"] == {"execution": sensors.namespace}


def test_prometheus_sees_why_a_wait_stalls(sensors: Sensors, cluster: Cluster) -> None:
    from tests.k8s.manifests import load

    (pod,) = load("examples/plain-pod.yaml")
    args = pod["spec"]["initContainers"][0]["args"]
    args[args.index("--endpoint=http://minio.objectstore:9000")] = "--endpoint=http://127.0.0.1:9999"  # refused
    cluster.api.create_namespaced_pod(sensors.namespace, pod)
    ours = f'namespace="{sensors.namespace}"'
    for what in (
        f'objectstore_watcher_errors_total{{{ours},kind="connection"}} > 0',
        f"objectstore_watcher_backoff_seconds{{{ours}}} > 0",
    ):
        eventually(lambda promql=what: bool(cluster.query(promql)), what, timeout=180)  # type: ignore[misc]


def test_the_alerts_fire_for_the_sensors_that_are_broken_and_for_no_other(sensors: Sensors, cluster: Cluster) -> None:
    """One whose object is late, one that cannot reach its store, and one that has nothing to complain of."""
    sensors.start("late", workflows.late, sensors.path("late"))
    sensors.start("lost", workflows.lost, sensors.path("lost"))
    sensors.start("fine", workflows.sensor, sensors.path("fine"))
    wanted = {("ObjectStoreSensorStuck", "late"), ("ObjectStoreSensorErrors", "lost")}

    def alerts(state: str) -> set[tuple[str, str]]:
        found = cluster.query(f'ALERTS{{namespace="{sensors.namespace}"{state}}}')
        return {(each["metric"]["alertname"], each["metric"]["pod"]) for each in found}

    eventually(lambda: alerts(',alertstate="firing"') >= wanted, "they fire", timeout=300)
    assert alerts("") == wanted, "neither others, nor others that are pending"
