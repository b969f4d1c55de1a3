"""The manifests under k8s/ are accepted by a real API server, and the examples do what they say."""

from __future__ import annotations

import pytest
import yaml

from tests.e2e.cluster import Cluster
from tests.e2e.sensors import Sensors
from tests.k8s.manifests import load, unlabelled
from tests.servers import ROOT, eventually, pinned

pytestmark = pytest.mark.timeout(1800)


FOLDERS = sorted(path.parent.relative_to(ROOT).as_posix() for path in (ROOT / "k8s").rglob("kustomization.yaml"))


@pytest.mark.parametrize("folder", FOLDERS)
def test_everything_is_labelled_as_kubernetes_recommends(cluster: Cluster, folder: str) -> None:
    manifests = list(yaml.safe_load_all(cluster.kubectl("kustomize", str(ROOT / folder))))
    assert manifests
    for manifest in manifests:
        assert not unlabelled(manifest)


@pytest.mark.parametrize("folder", ["k8s", "k8s/minio-persistent"])
def test_the_api_server_accepts_the_kustomizations(cluster: Cluster, folder: str) -> None:
    told = cluster.kubectl("apply", "--dry-run=server", "--kustomize", str(ROOT / folder))
    assert "deployment.apps/minio" in told


def test_the_api_server_accepts_what_is_for_the_prometheus_operator(cluster: Cluster) -> None:
    definitions = pinned("operator.sh")
    cluster.kubectl("apply", "--server-side", f"--filename={definitions}")
    cluster.kubectl("wait", "--for=condition=Established", f"--filename={definitions}", "--timeout=60s")
    folder = str(ROOT / "k8s" / "monitoring-operator")
    told = cluster.kubectl("apply", "--dry-run=server", "--validate=strict", "--kustomize", folder)
    assert {line.partition(" ")[0] for line in told.splitlines()} == {
        "podmonitor.monitoring.coreos.com/objectstore-watcher",
        "prometheusrule.monitoring.coreos.com/objectstore-sensor",
    }


def test_the_api_server_accepts_the_rendered_sensor_pod(cluster: Cluster, namespace: str) -> None:
    (pod,) = load("examples/sensor-pod.yaml")
    pod["metadata"]["namespace"] = namespace
    assert cluster.api.create_namespaced_pod(namespace, pod, dry_run="All").metadata.name == "later"


def test_the_plain_pod_ends_with_the_marker_in_its_log(sensors: Sensors, cluster: Cluster) -> None:
    (pod,) = load("examples/plain-pod.yaml")
    path = sensors.path("plain")
    pod["spec"]["initContainers"][0]["args"][-1] = path
    cluster.api.create_namespaced_pod(sensors.namespace, pod)
    cluster.waiting(sensors.namespace, "plain-pod")
    sensors.put(path)
    assert cluster.ended(sensors.namespace, "plain-pod").status.phase == "Succeeded"
    assert f'"uri": "{path}"' in cluster.logs(sensors.namespace, "plain-pod", "main")


def test_the_job_works_once_the_object_is_there(sensors: Sensors, cluster: Cluster) -> None:
    (job,) = load("examples/job.yaml")
    path = sensors.path("job")
    job["spec"]["template"]["spec"]["initContainers"][0]["args"][-1] = path
    cluster.apply(sensors.namespace, job)
    pods: list[str] = []

    def started() -> bool:
        pods[:] = [pod.metadata.name for pod in cluster.api.list_namespaced_pod(sensors.namespace).items]
        return bool(pods)

    eventually(started, "the job has a pod", timeout=60)
    cluster.waiting(sensors.namespace, pods[0])
    sensors.put(path)
    assert cluster.ended(sensors.namespace, pods[0]).status.phase == "Succeeded"
    assert "the object is there" in cluster.logs(sensors.namespace, pods[0], "work")
