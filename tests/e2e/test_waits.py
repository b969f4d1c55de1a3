"""Waits on kind that end as they should."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from flyteidl.core.errors_pb2 import ContainerError
from kubernetes.client import V1Pod
from objectstore_sensor import WaitForObjectStoreFile

from tests import flyte_backend
from tests.e2e import workflows
from tests.e2e.cluster import Cluster, main_status, names, watcher_status
from tests.e2e.sensors import Sensors

pytestmark = pytest.mark.timeout(1800)  # the first test creates the cluster, on a fresh machine its images too

ODD = "a b/c?d=e/#f/%20/'\"/{{.input}}/ümläut/" + "k" * 200 + "/"
LONGEST_KEY_BYTES = 1024


def test_an_object_that_is_there_before_the_pod(sensors: Sensors) -> None:
    path = sensors.path("before")
    sensors.put(path)
    sensors.start("before", workflows.sensor, path)
    sensors.succeeded("before", path)


@pytest.mark.parametrize("sensor", [workflows.sensor, workflows.hasty], ids=["once scraped", "linger=0"])
def test_an_object_that_comes_5_s_later(sensors: Sensors, cluster: Cluster, sensor: WaitForObjectStoreFile) -> None:
    """With its last values scraped, each 2 s here, or with ``linger=0``, the pod ends within 5 s of main's end."""
    path = sensors.path("later")
    sensors.start("later", sensor, path)
    cluster.waiting(sensors.namespace, "later")
    time.sleep(5)
    assert main_status(cluster.pod(sensors.namespace, "later")).state.running, "main must still wait"
    sensors.put(path)
    pod = sensors.succeeded("later", path)
    assert seconds_that_the_pod_outlived_main(pod) <= 6  # 5 s, of timestamps that are whole seconds
    # It obeyed SIGTERM: 137 would be the kubelet's SIGKILL after the grace period.
    assert watcher_status(pod).state.terminated.exit_code == 0


def seconds_that_the_pod_outlived_main(pod: V1Pod) -> float:
    main, watcher = main_status(pod).state.terminated, watcher_status(pod).state.terminated
    return float((watcher.finished_at - main.finished_at).total_seconds())


def test_twenty_sensors_at_once_each_get_their_own_object(sensors: Sensors, cluster: Cluster) -> None:
    pods = names(20, "one")
    for name in pods:
        sensors.start(name, workflows.sensor, sensors.path(name))
    for name in pods[:10]:
        cluster.waiting(sensors.namespace, name)
    with ThreadPoolExecutor() as pool:
        list(pool.map(lambda name: sensors.put(sensors.path(name)), pods))
    for name in pods:
        sensors.succeeded(name, sensors.path(name))


def test_a_key_of_1024_bytes_with_odd_characters(sensors: Sensors) -> None:
    prefix = sensors.path("").removeprefix("s3://data/")
    key = prefix + ODD * 10
    key = key.encode()[:LONGEST_KEY_BYTES].decode(errors="ignore")
    key += "z" * (LONGEST_KEY_BYTES - len(key.encode()))
    path = f"s3://data/{key}"
    sensors.put(path)
    sensors.start("odd", workflows.sensor, path)
    sensors.succeeded("odd", path)


def test_a_deadline_that_passes_is_a_retryable_error_and_ends_the_pod(sensors: Sensors, cluster: Cluster) -> None:
    path = sensors.path("never")
    sensors.start("never", workflows.impatient, path)
    cluster.ended(sensors.namespace, "never")
    error = sensors.error("never")
    assert error.kind == ContainerError.RECOVERABLE
    assert error.code == "USER:DeadlineExceeded"
    assert f"{path}: the object did not appear within 5 s" in error.message


def test_a_missing_bucket_is_an_error_that_flyte_does_not_retry(sensors: Sensors, cluster: Cluster) -> None:
    sensors.start("missing", workflows.sensor, "s3://no-such-bucket/key")
    cluster.ended(sensors.namespace, "missing")
    error = sensors.error("missing")
    assert error.kind == ContainerError.NON_RECOVERABLE
    assert "the bucket does not exist" in error.message


def test_the_least_privileged_user_suffices(sensors: Sensors, cluster: Cluster) -> None:
    path = sensors.path("own")
    sensors.start("own", workflows.with_own_secret, path)
    cluster.waiting(sensors.namespace, "own")
    sensors.put(path)
    sensors.succeeded("own", path)


def test_a_function_runs_once_the_object_is_there(sensors: Sensors, cluster: Cluster) -> None:
    path = sensors.path("greet")
    sensors.start("greet", workflows.greet, path)
    cluster.waiting(sensors.namespace, "greet")
    sensors.put(path)
    pod = cluster.ended(sensors.namespace, "greet")
    assert pod.status.phase == "Succeeded", sensors.error("greet")
    assert flyte_backend.outputs(cluster.minio, sensors.execution("greet")) == {"o0": f"found {path}"}
