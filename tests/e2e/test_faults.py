"""Things go wrong on kind."""

from __future__ import annotations

import re

import pytest
from kubernetes.client import V1Pod

from tests.e2e import workflows
from tests.e2e.cluster import WATCHER, Cluster, main_status, watcher_status
from tests.e2e.sensors import Sensors

pytestmark = pytest.mark.timeout(1800)

SIGKILL = 137
SIGTERM = 143
OUTAGE = re.compile('"kind": "(connection|timeout|server_error|throttled)"')
"""What a poll may meet, depending on how far the server and its endpoints have gone down."""


def test_a_watcher_killed_before_ready_is_restarted_and_the_wait_still_ends_rightly(
    sensors: Sensors, cluster: Cluster
) -> None:
    path = sensors.path("killed")
    sensors.start("killed", workflows.sensor, path)
    cluster.waiting(sensors.namespace, "killed")
    cluster.kill(sensors.namespace, "killed", WATCHER)
    cluster.eventually(sensors.namespace, "killed", restarted, "the kubelet restarts the watcher")
    sensors.put(path)
    pod = sensors.succeeded("killed", path)
    assert watcher_status(pod).restart_count == 1


def restarted(pod: V1Pod) -> bool:
    status = watcher_status(pod)
    return bool(status.restart_count == 1 and status.state.running)


def test_a_watcher_killed_after_ready_finds_its_marker_again(sensors: Sensors, cluster: Cluster) -> None:
    """The plain pod's main waits for a file of the test's own, so that the watcher can be killed before it ends."""
    cluster.api.create_namespaced_pod(
        sensors.namespace, plain_pod("slow", sensors.path("slow"), "[ -e /markers/ready ] && [ -e /tmp/go ]")
    )
    sensors.put(sensors.path("slow"))
    cluster.eventually(
        sensors.namespace, "slow", lambda _: '"ready: ' in sensors.watcher_log("slow"), "the watcher is ready"
    )
    cluster.kill(sensors.namespace, "slow", WATCHER)
    pod = cluster.eventually(
        sensors.namespace,
        "slow",
        lambda p: watcher_status(p).last_state.terminated and "answered before: ready" in sensors.watcher_log("slow"),
        "the restarted watcher finds its marker",
    )
    assert watcher_status(pod).last_state.terminated.exit_code == SIGKILL
    let_main_end(cluster, sensors.namespace, "slow")
    assert cluster.ended(sensors.namespace, "slow").status.phase == "Succeeded"


def test_the_watchers_own_exit_code_does_not_matter(sensors: Sensors, cluster: Cluster) -> None:
    """Main ends well while the watcher still waits, whose exit code then tells that it was stopped."""
    cluster.api.create_namespaced_pod(sensors.namespace, plain_pod("careless", sensors.path("never"), "[ -e /tmp/go ]"))
    cluster.waiting(sensors.namespace, "careless")
    let_main_end(cluster, sensors.namespace, "careless")
    pod = cluster.ended(sensors.namespace, "careless")
    assert watcher_status(pod).state.terminated.exit_code == SIGTERM
    assert pod.status.phase == "Succeeded"


def let_main_end(cluster: Cluster, namespace: str, name: str) -> None:
    cluster.shell(namespace, name, "main", "touch /tmp/go")


def plain_pod(name: str, path: str, until: str) -> dict[str, object]:
    """The example's pod with a main that ends well once ``until`` holds."""
    from tests.k8s.manifests import load

    (pod,) = load("examples/plain-pod.yaml")
    pod["metadata"]["name"] = name
    pod["spec"]["initContainers"][0]["args"][-1] = path
    main = pod["spec"]["containers"][0]
    main["command"] = ["sh", "-c", f"until {until}; do sleep 0.2; done"]
    main["securityContext"]["readOnlyRootFilesystem"] = False
    return pod


def test_a_killed_main_is_a_failed_pod(sensors: Sensors, cluster: Cluster) -> None:
    sensors.start("main", workflows.sensor, sensors.path("main"))
    cluster.waiting(sensors.namespace, "main")
    cluster.kill(sensors.namespace, "main", "primary")
    pod = cluster.ended(sensors.namespace, "main")
    assert pod.status.phase == "Failed"
    assert main_status(pod).state.terminated.exit_code == SIGKILL


def test_a_missing_watcher_image_is_seen_in_the_pod_status(sensors: Sensors, cluster: Cluster) -> None:
    sensors.start("image", workflows.without_image, sensors.path("image"))
    pod = cluster.eventually(sensors.namespace, "image", image_is_missing, "the image is reported as missing")
    assert pod.status.phase == "Pending"
    description = cluster.kubectl("describe", "pod", f"--namespace={sensors.namespace}", "image")
    assert "objectstore-watcher:never-built" in description


def image_is_missing(pod: V1Pod) -> bool:
    waiting = watcher_status(pod).state.waiting if pod.status.init_container_statuses else None
    return bool(waiting and waiting.reason in ("ErrImagePull", "ImagePullBackOff"))


def test_minio_restarted_while_sensors_wait_loses_none_of_them(sensors: Sensors, cluster: Cluster) -> None:
    pods = ["first", "second"]
    for name in pods:
        sensors.start(name, workflows.sensor, sensors.path(name))
    for name in pods:
        cluster.waiting(sensors.namespace, name)
    (server,) = cluster.api.list_namespaced_pod(
        "objectstore", label_selector="app.kubernetes.io/component=server"
    ).items
    (status,) = server.status.container_statuses
    # Stopped first, until every watcher has noticed: the kubelet restarts a killed server in about a second, which
    # may fall between two polls.
    cluster.kill("objectstore", server.metadata.name, "minio", "STOP")
    try:
        for name in pods:
            cluster.eventually(
                sensors.namespace, name, lambda p: noticed_an_outage(sensors, p), "the watcher notices the outage"
            )
    finally:
        cluster.kill("objectstore", server.metadata.name, "minio")
    cluster.eventually(
        "objectstore",
        server.metadata.name,
        lambda p: (
            p.status.container_statuses[0].restart_count > status.restart_count and p.status.container_statuses[0].ready
        ),
        "MinIO is back",
    )
    for name in pods:
        sensors.put(sensors.path(name))
    for name in pods:
        sensors.succeeded(name, sensors.path(name))


def noticed_an_outage(sensors: Sensors, pod: V1Pod) -> bool:
    return bool(OUTAGE.search(sensors.watcher_log(pod.metadata.name)))
