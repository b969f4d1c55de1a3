"""Two ways to run a workflow on a real Flyte: with a whole backend that is given, and with Flyte's engine on kind."""

from __future__ import annotations

import io
import json
import os
import subprocess
import tempfile
import time
import uuid
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import urlsplit

import yaml
from flyteidl.core import workflow_closure_pb2
from flytekit import FlyteContextManager
from flytekit.configuration import Config, Image, ImageConfig, SerializationSettings
from flytekit.core.type_engine import TypeEngine
from flytekit.core.workflow import WorkflowBase
from flytekit.models.task import TaskSpec
from flytekit.remote import FlyteRemote
from flytekit.tools.translator import get_serializable
from minio import Minio

from tests import flyte_backend
from tests.e2e.cluster import EXAMPLE_IMAGE, LONG, Cluster, script, tool
from tests.k8s.manifests import load
from tests.servers import ROOT

GIVEN = dict(os.environ)
"""The environment of the person who runs the tests; the tests themselves see a clean one."""

LONGEST = timedelta(minutes=10)
"""Of an execution."""

SENSOR_NODE = "n0"
"""The first node of the example workflows."""


@dataclass(frozen=True, kw_only=True)
class End:
    """How an execution ended.

    Attributes:
        succeeded: or failed.
        error: Flyte's message for a failed one.
        outputs: the workflow's, of one that succeeded.
        attempts: how often the sensor ran, of one that failed.
    """

    succeeded: bool
    error: str = ""
    outputs: Mapping[str, Any] = field(default_factory=dict)
    attempts: int = 0


class Backend(Protocol):
    """What the tests ask of a Flyte."""

    bucket: str
    store: Minio

    def start(self, workflow: WorkflowBase, path: str) -> Any:  # noqa: ANN401  # of a kind of its own
        """Start an execution."""

    def is_done(self, execution: Any) -> bool:  # noqa: ANN401
        """Whether it has ended."""

    def end(self, execution: Any) -> End:  # noqa: ANN401
        """Wait for its end."""


class ControlPlane:
    """A whole Flyte backend, through flyteadmin, and the object store that its pods see."""

    SUCCEEDED = 4

    def __init__(self, config: Path) -> None:
        self.bucket = GIVEN.get("FLYTE_BUCKET", "my-s3-bucket")
        self.remote = FlyteRemote(
            Config.auto(config_file=str(config)), default_project="flytesnacks", default_domain="development"
        )
        self.version = f"test-{uuid.uuid4().hex[:8]}"
        name, _, tag = GIVEN.get("FLYTE_EXAMPLE_IMAGE", EXAMPLE_IMAGE).rpartition(":")
        self.settings = SerializationSettings(
            image_config=ImageConfig(default_image=Image("default", name, tag)),
            project="flytesnacks",
            domain="development",
            version=self.version,
        )
        self.store = Minio(
            urlsplit(GIVEN["FLYTE_AWS_ENDPOINT"]).netloc,
            GIVEN["FLYTE_AWS_ACCESS_KEY_ID"],
            GIVEN["FLYTE_AWS_SECRET_ACCESS_KEY"],
            secure=GIVEN["FLYTE_AWS_ENDPOINT"].startswith("https"),
            region="us-east-1",
        )

    def start(self, workflow: WorkflowBase, path: str) -> Any:  # noqa: ANN401  # flytekit's own type
        """Register the workflow and start it."""
        registered = self.remote.register_workflow(workflow, self.settings, self.version)
        return self.remote.execute(registered, inputs={"path": path})

    def is_done(self, execution: Any) -> bool:  # noqa: ANN401
        """Whether it has ended."""
        return bool(self.remote.sync(execution).is_done)

    def end(self, execution: Any) -> End:  # noqa: ANN401
        """Wait for the execution's end."""
        ended = self.remote.wait(execution, timeout=LONGEST)
        if ended.closure.phase == self.SUCCEEDED:
            return End(succeeded=True, outputs=ended.outputs)
        # Each attempt is a task execution of the sensor's node, the only one that ran a task.
        nodes = self.remote.sync_execution(ended, sync_nodes=True).node_executions.values()
        return End(
            succeeded=False,
            error=ended.error.message if ended.error else f"phase {ended.closure.phase}",
            attempts=sum(len(node.task_executions) for node in nodes),
        )


class Engine:
    """Flyte's engine on the kind cluster, which is given workflows as flyteadmin gives them: compiled, as objects."""

    SUCCEEDED, ENDS = 3, (3, 5, 6)
    """Phases of a FlyteWorkflow: succeeded, failed, aborted."""

    def __init__(self, cluster: Cluster, namespace: str) -> None:
        self.bucket = "data"
        self.store = cluster.minio
        self.cluster = cluster
        self.namespace = namespace

    @classmethod
    def install(cls, cluster: Cluster) -> None:
        """Bring the engine up, or find it running."""
        script("images.sh", "flyte")
        (deployment,) = (m for m in load("flyte/flytepropeller.yaml") if m["kind"] == "Deployment")
        tool("load", deployment["spec"]["template"]["spec"]["containers"][0]["image"])
        cluster.kubectl("apply", "--kustomize", str(ROOT / "k8s" / "flyte"))
        cluster.kubectl("rollout", "status", "--namespace=flyte", "deployment/flytepropeller", f"--timeout={LONG:.0f}s")

    def start(self, workflow: WorkflowBase, path: str) -> str:
        """Create the workflow's object; returns the execution's name."""
        name = f"e{uuid.uuid4().hex[:12]}"
        compiled = self._compiled(workflow, path, name)
        # What flyteadmin adds: the platform's task resources (without limits here), and when it was asked.
        defaults = flyte_backend.DEFAULT_RESOURCES
        compiled["executionConfig"]["TaskResources"]["Requests"] |= {
            "CPU": defaults["cpu"],
            "Memory": defaults["memory"],
        }
        compiled["acceptedAt"] = datetime.now(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
        # Not applied: the annotation which that leaves would go on to the pods.
        self.cluster.kubectl(
            "create", f"--namespace={self.namespace}", "--filename=-", stdin=json.dumps(compiled, default=str)
        )
        return name

    def _compiled(self, workflow: WorkflowBase, path: str, name: str) -> dict[str, Any]:
        entities: OrderedDict[Any, Any] = OrderedDict()
        template = get_serializable(entities, flyte_backend.settings(EXAMPLE_IMAGE), workflow).template
        tasks = [spec.template.to_flyte_idl() for spec in entities.values() if isinstance(spec, TaskSpec)]
        closure = workflow_closure_pb2.WorkflowClosure(workflow=template.to_flyte_idl(), tasks=tasks)
        context = FlyteContextManager.current_context()
        inputs = TypeEngine.dict_to_literal_map(context, {"path": path}, {"path": str}).to_flyte_idl()
        with tempfile.TemporaryDirectory() as folder:
            for file, message in (("closure.pb", closure), ("inputs.pb", inputs)):
                Path(folder, file).write_bytes(message.SerializeToString())
            told = subprocess.run(
                [
                    f"{script('flyte.sh')}/kubectl-flyte",
                    f"--kubeconfig={self.cluster.kubeconfig}",
                    f"--namespace={self.namespace}",
                    "create",
                    "--dry-run",
                    f"--execution-id={name}",
                    f"--proto-path={folder}/closure.pb",
                    f"--input-path={folder}/inputs.pb",
                ],
                check=True,
                stdout=subprocess.PIPE,
                text=True,
            ).stdout
        # Messages come first, then the object's YAML, whose keys are sorted; its kind is in lower case.
        return {**yaml.safe_load(told[told.index("\napiVersion:") :]), "kind": "FlyteWorkflow"}

    def status(self, execution: str) -> dict[str, Any]:
        """The status that the engine keeps in the object."""
        told = self.cluster.kubectl(
            "get", f"--namespace={self.namespace}", "flyteworkflows", execution, "--output=json"
        )
        return dict(json.loads(told).get("status", {}))

    def is_done(self, execution: str) -> bool:
        """Whether it has ended."""
        return self.status(execution).get("phase") in self.ENDS

    def end(self, execution: str) -> End:
        """Wait for the execution's end."""
        end = time.monotonic() + LONGEST.total_seconds()
        while not self.is_done(execution):
            assert time.monotonic() < end, f"not within {LONGEST}: {execution} ends"
            time.sleep(0.5)
        status = self.status(execution)
        if status["phase"] == self.SUCCEEDED:
            return End(succeeded=True, outputs=self._outputs(status["outputRef"]))
        # It keeps the retries of a node that failed; the pods of earlier attempts it deletes.
        return End(
            succeeded=False,
            error=status["error"]["message"],
            attempts=1 + status["nodeStatus"][SENSOR_NODE].get("attempts", 0),
        )

    def _outputs(self, path: str) -> dict[str, Any]:
        bucket, _, key = path.removeprefix("s3://").partition("/")
        with self.store.get_object(bucket, key) as answer:
            return flyte_backend.values(answer.read())

    def pod(self, execution: str, attempt: int) -> str:
        """Name of the sensor's pod."""
        return f"{execution}-{SENSOR_NODE}-{attempt}"


def put(backend: Backend, path: str, data: bytes) -> None:
    """Upload the object."""
    bucket, _, key = path.removeprefix("s3://").partition("/")
    backend.store.put_object(bucket, key, io.BytesIO(data), len(data))


def new_path(backend: Backend) -> str:
    """A path that nothing else uses."""
    return f"s3://{backend.bucket}/objectstore-sensor/{uuid.uuid4().hex}"
