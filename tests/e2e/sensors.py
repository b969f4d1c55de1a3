"""Runs sensors on the cluster as Flyte's backend runs them."""

from __future__ import annotations

import io
from collections.abc import Mapping
from typing import Any

from flytekit.core.base_task import PythonTask
from kubernetes.client import V1Pod

from tests import flyte_backend
from tests.e2e.cluster import EXAMPLE_IMAGE, WATCHER, Cluster
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

    def execution(self, name: str, platform_env: Mapping[str, str] | None = None) -> Execution:
        """The execution of the pod ``name``, on a platform with its variables in a Secret or else as plain values."""
        secret = "" if platform_env else "flyte"
        return Execution(
            name=name,
            bucket="flyte",
            namespace=self.namespace,
            platform_env=platform_env or {},
            platform_secret=secret,
        )

    def start(
        self,
        name: str,
        sensor: PythonTask,
        path: str | list[str],
        platform_env: Mapping[str, str] | None = None,
        **further: object,
    ) -> dict[str, Any]:
        """Create the pod; returns its manifest."""
        execution = self.execution(name, platform_env)
        given, *_ = sensor.python_interface.inputs
        flyte_backend.put_inputs(self.cluster.minio, execution, sensor, **{given: path}, **further)
        manifest = flyte_backend.pod(sensor, EXAMPLE_IMAGE, execution, **{given: path})
        self.cluster.api.create_namespaced_pod(self.namespace, manifest)
        return manifest

    def put(self, path: str, data: bytes = b"data") -> None:
        """Upload the object."""
        bucket, _, key = path.removeprefix("s3://").partition("/")
        self.cluster.minio.put_object(bucket, key, io.BytesIO(data), len(data))

    def succeeded(self, name: str, path: str | list[str]) -> V1Pod:
        """Wait until the pod has ended, and see that it gave Flyte the path, or the list."""
        pod = self.cluster.ended(self.namespace, name)
        error = self.error(name)
        assert error is None, error
        assert pod.status.phase == "Succeeded"
        given = flyte_backend.outputs(self.cluster.minio, self.execution(name))
        assert given == {"path" if isinstance(path, str) else "paths": path}
        return pod

    def error(self, name: str) -> Any:  # noqa: ANN401  # a protobuf ContainerError
        """The error that the pod gave Flyte, or None."""
        return flyte_backend.error(self.cluster.minio, self.execution(name))

    def written(self, name: str, file: str) -> bytes:
        """The bytes that the pod wrote for Flyte: ``outputs.pb`` or ``error.pb``."""
        data = flyte_backend.written(self.cluster.minio, self.execution(name), file)
        assert data is not None, f"{name} wrote no {file}"
        return data

    def watcher_log(self, name: str) -> str:
        """The watcher's log."""
        return self.cluster.logs(self.namespace, name, WATCHER)
