"""Things go wrong on kind."""

from __future__ import annotations

import pytest
from kubernetes.client import V1Pod

from tests.e2e import workflows
from tests.e2e.cluster import Cluster, main_status, watcher_status
from tests.e2e.sensors import Sensors

pytestmark = pytest.mark.timeout(1800)

SIGKILL = 137


def test_a_watcher_killed_before_ready_is_restarted_and_the_wait_still_ends_rightly(
    sensors: Sensors, cluster: Cluster
) -> None:
    path = sensors.path("killed")
    sensors.start("killed", workflows.sensor, path)
    pod = cluster.waiting(sensors.namespace, "killed")
    cluster.kill(watcher_status(pod))
    cluster.eventually(sensors.namespace, "killed", restarted, "the kubelet restarts the watcher")
    sensors.put(path)
    pod = sensors.succeeded("killed", path)
    assert watcher_status(pod).restart_count == 1


def restarted(pod: V1Pod) -> bool:
    status = watcher_status(pod)
    return bool(status.restart_count == 1 and status.state.running)


def test_a_watcher_killed_after_ready_finds_its_marker_again_and_its_exit_code_does_not_matter(
    sensors: Sensors, cluster: Cluster
) -> None:
    """The plain pod's main waits for a file of the test's own, so that the watcher can be killed before it ends."""
    cluster.api.create_namespaced_pod(sensors.namespace, slow_reader(sensors.path("slow")))
    sensors.put(sensors.path("slow"))
    pod = cluster.eventually(
        sensors.namespace, "slow", lambda _: '"ready: ' in sensors.watcher_log("slow"), "the watcher is ready"
    )
    cluster.kill(watcher_status(pod))
    pod = cluster.eventually(
        sensors.namespace,
        "slow",
        lambda p: watcher_status(p).last_state.terminated and "answered before: ready" in sensors.watcher_log("slow"),
        "the restarted watcher finds its marker",
    )
    assert watcher_status(pod).last_state.terminated.exit_code == SIGKILL
    cluster.kubectl("exec", f"--namespace={sensors.namespace}", "slow", "--container=main", "--", "touch", "/tmp/go")
    assert cluster.ended(sensors.namespace, "slow").status.phase == "Succeeded"


def slow_reader(path: str) -> dict[str, object]:
    from tests.k8s.manifests import load

    (pod,) = load("examples/plain-pod.yaml")
    pod["metadata"]["name"] = "slow"
    pod["spec"]["initContainers"][0]["args"][-1] = path
    main = pod["spec"]["containers"][0]
    main["command"] = ["sh", "-c", "until [ -e /markers/ready ] && [ -e /tmp/go ]; do sleep 0.2; done"]
    main["securityContext"]["readOnlyRootFilesystem"] = False
    return pod


def test_a_killed_main_is_a_failed_pod(sensors: Sensors, cluster: Cluster) -> None:
    sensors.start("main", workflows.sensor, sensors.path("main"))
    pod = cluster.waiting(sensors.namespace, "main")
    cluster.kill(main_status(pod))
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
    before = server.status.container_statuses[0].restart_count
    cluster.kill(server.status.container_statuses[0])
    cluster.eventually(
        "objectstore",
        server.metadata.name,
        lambda p: p.status.container_statuses[0].restart_count == before + 1 and p.status.container_statuses[0].ready,
        "MinIO is back",
    )
    for name in pods:
        sensors.put(sensors.path(name))
    for name in pods:
        sensors.succeeded(name, sensors.path(name))
    assert any('"kind": "connection"' in sensors.watcher_log(name) for name in pods), "no watcher noticed"
