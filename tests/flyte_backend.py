"""What Flyte's backend does to a task's pod and its data, step by step, so that the pod runs here as it runs there.

Used by the tests and the demos, where no Flyte is installed. Each function is one step of Flyte 1.16's
propeller; `pod` puts them in its order. `make test-flyte` compares its pods with those of Flyte itself, which differ in
four things: Flyte's has its workflow as owner, is named execution-node-attempt, has a label "shard-key" that only its
own engines read, and two letters of a hash in the paths of raw data.
"""

from __future__ import annotations

import io
import re
from collections import OrderedDict
from collections.abc import Iterable, Mapping
from copy import deepcopy
from dataclasses import dataclass, field
from typing import Any

from flyteidl.core import errors_pb2, literals_pb2
from flytekit import FlyteContextManager
from flytekit.configuration import Image, ImageConfig, SerializationSettings
from flytekit.core.base_task import PythonTask
from flytekit.core.type_engine import TypeEngine
from flytekit.models.literals import Literal, LiteralMap
from flytekit.tools.translator import get_serializable
from minio import Minio
from minio.error import S3Error

DEFAULT_RESOURCES = {"cpu": "100m", "memory": "300Mi"}
"""The platform's defaults; `make test-flyte` gives Flyte the same."""

PROJECT, DOMAIN, VERSION, NODE = "demo", "development", "v1", "n0"

SECRET_KEYS = ("FLYTE_AWS_ENDPOINT", "FLYTE_AWS_ACCESS_KEY_ID", "FLYTE_AWS_SECRET_ACCESS_KEY")
"""The platform's variables that a platform keeps in a Secret."""

ANNOTATIONS = {"cluster-autoscaler.kubernetes.io/safe-to-evict": "false"}
"""The platform's default: no node is drained for the sake of fewer nodes while a task waits on it."""


@dataclass(frozen=True, kw_only=True)
class Execution:
    """One execution of one task.

    Attributes:
        name: names the pod and the folder of its data.
        bucket: Flyte's own bucket, for inputs.pb, outputs.pb and error.pb.
        platform_env: the platform's default environment, which every container gets as plain values.
        platform_secret: name of a Secret from which every container gets `SECRET_KEYS`; empty: none.
        namespace: where the pod runs.
        workflow: name of the workflow; by default the one that is made for a task that is launched alone.
        attempt: counts from 0.
    """

    name: str
    bucket: str
    platform_env: Mapping[str, str] = field(default_factory=dict)
    platform_secret: str = ""
    namespace: str = "default"
    workflow: str = ""
    attempt: int = 0

    @property
    def folder(self) -> str:
        """Key prefix of the execution's data."""
        return f"metadata/propeller/{PROJECT}-{DOMAIN}-{self.name}/{NODE}/data"

    def raw(self, attempt: int) -> str:
        """Where an attempt may put files and checkpoints."""
        return f"s3://{self.bucket}/raw/{self.name}-{NODE}-{attempt}"

    def workflow_of(self, task: PythonTask) -> str:
        """Name of the workflow that ``task`` runs in."""
        return self.workflow or f".flytegen.{task.name}"

    def template_variables(self) -> dict[str, str]:
        """The variables that args may use."""
        base = f"s3://{self.bucket}/{self.folder}"
        return {
            "input": f"{base}/inputs.pb",
            "inputPrefix": base,
            "outputPrefix": f"{base}/{self.attempt}",
            "rawOutputDataPrefix": self.raw(self.attempt),
            "checkpointOutputPrefix": f"{self.raw(self.attempt)}/_flytecheckpoints",
            # A path without meaning is quoted: that is what flytekit takes as "none".
            "prevCheckpointPrefix": f"{self.raw(self.attempt - 1)}/_flytecheckpoints" if self.attempt else '""',
        }


def pod(task: PythonTask, image: str, execution: Execution, **inputs: object) -> dict[str, Any]:
    """The pod that Flyte would create for ``task``, as a manifest.

    The inputs matter only to a task whose args name them, which a sensor's must not.
    """
    template = serialized_pod(task, image)
    spec = deepcopy(template.pod_spec)
    variables = {**execution.template_variables(), **{f"inputs.{name}": str(value) for name, value in inputs.items()}}
    for container in [*spec.get("initContainers", []), *spec["containers"]]:
        fill_in_args(container, variables)
        append_env(container, task, execution)
        default_resources(container)
    spec.setdefault("restartPolicy", "Never")  # an attempt that failed is Flyte's to repeat, not the kubelet's
    spec.setdefault("serviceAccountName", "default")
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": execution.name,
            "namespace": execution.namespace,
            "labels": {**(template.metadata.labels or {}), **execution_labels(task, execution)},
            "annotations": {**ANNOTATIONS, **(template.metadata.annotations or {}), **primary_annotation(spec)},
        },
        "spec": spec,
    }


def serialized_pod(task: PythonTask, image: str) -> Any:  # noqa: ANN401
    """The task's K8sPod, as flytekit's models have it."""
    return get_serializable(OrderedDict(), settings(image), task).template.k8s_pod


def settings(image: str) -> SerializationSettings:
    """Under what, and with which default image, tasks and workflows are registered."""
    name, _, tag = image.rpartition(":")
    return SerializationSettings(
        image_config=ImageConfig(default_image=Image("default", name, tag)),
        project=PROJECT,
        domain=DOMAIN,
        version=VERSION,
    )


def fill_in_args(container: dict[str, Any], variables: Mapping[str, str]) -> None:
    """Replace ``{{.name}}`` and ``{{.inputs.name}}`` in command and args, of init containers too.

    The value is put in as raw text, which the kubelet then expands again: ``$(NAME)`` in an input would become a
    variable's value. Nothing else of the container is touched, and no value is filled in a second time.
    """
    for part in ("command", "args"):
        container[part] = [_filled(text, variables) for text in container.get(part) or []]


def _filled(text: str, variables: Mapping[str, str]) -> str:
    return re.sub(r"\{\{\s*\.([\w.]+)\s*\}\}", lambda found: variables.get(found.group(1), found.group(0)), text)


def append_env(container: dict[str, Any], task: PythonTask, execution: Execution) -> None:
    """Append Flyte's own variables and the platform's; on duplicates Kubernetes takes the last, so these win.

    Those of the Secret are entries of ``env``, too: what comes by ``envFrom``, as from a platform's
    ``default-env-from-secrets``, loses to the task's own.
    """
    told = {
        "FLYTE_INTERNAL_EXECUTION_WORKFLOW": f"{PROJECT}:{DOMAIN}:{execution.workflow_of(task)}",
        "FLYTE_INTERNAL_EXECUTION_ID": execution.name,
        "FLYTE_INTERNAL_EXECUTION_PROJECT": PROJECT,
        "FLYTE_INTERNAL_EXECUTION_DOMAIN": DOMAIN,
        "FLYTE_ATTEMPT_NUMBER": str(execution.attempt),
        "FLYTE_INTERNAL_TASK_PROJECT": PROJECT,
        "FLYTE_INTERNAL_TASK_DOMAIN": DOMAIN,
        "FLYTE_INTERNAL_TASK_NAME": task.name,
        "FLYTE_INTERNAL_TASK_VERSION": VERSION,
        **execution.platform_env,
    }
    plain = [{"name": name, "value": value} for name, value in told.items()]
    container["env"] = [*container.get("env", []), *plain, *_from_secret(execution.platform_secret)]


def _from_secret(secret: str) -> list[dict[str, Any]]:
    keys = SECRET_KEYS if secret else ()
    return [{"name": key, "valueFrom": {"secretKeyRef": {"name": secret, "key": key}}} for key in keys]


def default_resources(container: dict[str, Any]) -> None:
    """Fill in what a container does not say; a limit that is missing becomes the request."""
    resources = container.setdefault("resources", {})
    requests = resources.setdefault("requests", {})
    limits = resources.setdefault("limits", {})
    for name, amount in DEFAULT_RESOURCES.items():
        requests.setdefault(name, limits.get(name, amount))
        limits.setdefault(name, requests[name])


def primary_annotation(spec: dict[str, Any]) -> dict[str, str]:
    """Which container decides: named only where there is exactly one, native sidecars not counted."""
    containers = spec["containers"]
    return {"primary_container_name": containers[0]["name"]} if len(containers) == 1 else {}


def execution_labels(task: PythonTask, execution: Execution) -> dict[str, str]:
    """The labels by which operators find the pods of a workflow, a task, an execution."""
    return {
        "execution-id": execution.name,
        "project": PROJECT,
        "domain": DOMAIN,
        "workflow-name": _label(execution.workflow_of(task)),
        "node-id": NODE,
        "task-name": _label(task.name),
        "interruptible": "false",
    }


def _label(name: str) -> str:
    return re.sub(r"[^-a-z0-9]+", "-", name.lower())[:63].strip("-")


def put_inputs(client: Minio, execution: Execution, task: PythonTask, **inputs: object) -> None:
    """Write inputs.pb where the args will say it is."""
    context = FlyteContextManager.current_context()
    types = task.python_interface.inputs
    literals = TypeEngine.dict_to_literal_map(context, dict(inputs), types)
    data = literals.to_flyte_idl().SerializeToString()
    put(client, execution, "inputs.pb", data)


def put(client: Minio, execution: Execution, name: str, data: bytes) -> None:
    """Write a file where the args will say that inputs.pb is."""
    client.put_object(execution.bucket, f"{execution.folder}/{name}", io.BytesIO(data), len(data))


def outputs(client: Minio, execution: Execution) -> dict[str, Any] | None:
    """The values of outputs.pb, or None where the attempt wrote none."""
    data = written(client, execution, "outputs.pb")
    return None if data is None else values(data)


def typed_outputs(client: Minio, execution: Execution, task: PythonTask) -> dict[str, Any]:
    """The values of outputs.pb as Python's, by the task's interface: what the next task is called with."""
    data = written(client, execution, "outputs.pb")
    assert data is not None, "outputs.pb is missing"
    literals = LiteralMap.from_flyte_idl(literals_pb2.LiteralMap.FromString(data))
    context = FlyteContextManager.current_context()
    return TypeEngine.literal_map_to_kwargs(context, literals, task.python_interface.outputs)


def values(data: bytes) -> dict[str, Any]:
    """The values in the bytes of an outputs.pb."""
    literals = LiteralMap.from_flyte_idl(literals_pb2.LiteralMap.FromString(data)).literals
    return {name: _value(literal) for name, literal in literals.items()}


def _value(literal: Literal) -> Any:  # noqa: ANN401  # whatever a task returns
    return (
        [_value(each) for each in literal.collection.literals] if literal.collection else literal.scalar.primitive.value
    )


def error(client: Minio, execution: Execution) -> Any | None:  # noqa: ANN401  # a protobuf ContainerError
    """The error of error.pb, or None where the attempt wrote none."""
    data = written(client, execution, "error.pb")
    return None if data is None else errors_pb2.ErrorDocument.FromString(data).error


def written(client: Minio, execution: Execution, name: str) -> bytes | None:
    """The bytes of a file that the attempt wrote for Flyte, or None."""
    try:
        answer = client.get_object(execution.bucket, f"{execution.folder}/{execution.attempt}/{name}")
    except S3Error as failure:
        if failure.code == "NoSuchKey":
            return None
        raise
    with answer:
        return answer.read()


def environment(container: Mapping[str, Any]) -> dict[str, str]:
    """A container's variables with plain values, as its process sees them: the last of duplicates."""
    return {entry["name"]: entry["value"] for entry in _plain(container.get("env", []))}


def _plain(env: Iterable[Mapping[str, Any]]) -> Iterable[Mapping[str, Any]]:
    return (entry for entry in env if "value" in entry)
