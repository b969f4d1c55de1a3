"""Runs sensors on the cluster as Flyte's backend runs them."""

from __future__ import annotations

import io
from typing import Any

from kubernetes.client import V1Pod
from objectstore_sensor import WaitForObjectStoreFile

from tests import flyte_backend
from tests.e2e.cluster import Cluster
from tests.e2e.workflows import IMAGE
from tests.flyte_backend import Execution

BUCKET = "data"


class Sensors:
    """Sensors in one namespace, which also prefixes their objects' keys."""

    def __init__(self, cluster: Cluster, namespace: str) -> None:
        self.cluster = cluster
        self.namespace = namespace

    def path(self, key: str) -> str:
        """A path of this test's own."""
        return f"s3://{BUCKET}/{self.namespace}/{key}"

    def execution(self, name: str) -> Execution:
        """The execution of the pod ``name``."""
        return Execution(name=name, bucket="flyte", namespace=self.namespace, platform_secret="flyte")

    def start(self, name: str, sensor: WaitForObjectStoreFile, path: str) -> dict[str, Any]:
        """Create the pod; returns its manifest."""
        execution = self.execution(name)
        flyte_backend.put_inputs(self.cluster.minio, execution, sensor, path=path)
        manifest = flyte_backend.pod(sensor, IMAGE, execution)
        self.cluster.api.create_namespaced_pod(self.namespace, manifest)
        return manifest

    def put(self, path: str, data: bytes = b"data") -> None:
        """Upload the object."""
        bucket, _, key = path.removeprefix("s3://").partition("/")
        self.cluster.minio.put_object(bucket, key, io.BytesIO(data), len(data))

    def succeeded(self, name: str, path: str) -> V1Pod:
        """Wait until the pod has ended, and see that it gave Flyte the path."""
        pod = self.cluster.ended(self.namespace, name)
        error = self.error(name)
        assert error is None, error
        assert pod.status.phase == "Succeeded"
        assert flyte_backend.outputs(self.cluster.minio, self.execution(name)) == {"path": path}
        return pod

    def error(self, name: str) -> Any:  # noqa: ANN401  # a protobuf ContainerError
        """The error that the pod gave Flyte, or None."""
        return flyte_backend.error(self.cluster.minio, self.execution(name))

    def watcher_log(self, name: str) -> str:
        """The watcher's log."""
        return self.cluster.logs(self.namespace, name, "objectstore-watcher")
