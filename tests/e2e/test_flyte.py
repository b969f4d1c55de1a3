"""The example workflow on a real Flyte.

    make test-flyte

runs it on Flyte's engine on the kind cluster, and compares its pods with those of `tests.flyte_backend`.

    make test FLYTE_CONFIG=~/.flyte/config.yaml

runs it on a backend of one's own. The cluster must be able to pull or already have ``FLYTE_EXAMPLE_IMAGE`` and
``OBJECTSTORE_WATCHER_IMAGE`` (by default the images that ``tools/images.sh`` builds); ``FLYTE_BUCKET`` is a bucket that
both the cluster and, with this machine's ``FLYTE_AWS_*`` variables, this test reach.
"""

from __future__ import annotations

import re
import time
import uuid
from pathlib import Path
from typing import Any

import pytest
from flytekit import workflow
from flytekit.core.base_task import PythonTask
from flytekit.core.workflow import WorkflowBase
from kubernetes.client import V1Pod

from examples import flyte_cases
from tests import flyte_backend
from tests.e2e import workflows
from tests.e2e.cluster import ENDPOINT, EXAMPLE_IMAGE, LONG, ROOT_CREDENTIALS, Cluster
from tests.e2e.flyte import GIVEN, Backend, ControlPlane, Engine, new_path, put
from tests.flyte_backend import Execution
from tests.servers import eventually

pytestmark = pytest.mark.timeout(1800)

RETRIES = flyte_cases.impatient_sensor.metadata.retries


@pytest.fixture
def flyte(request: pytest.FixtureRequest) -> Backend:
    """The backend of --flyte-config, or else the engine of --flyte-engine."""
    config = request.config.getoption("--flyte-config")
    if not config:
        engine: Engine = request.getfixturevalue("engine")
        return engine
    if missing := [n for n in ("ENDPOINT", "ACCESS_KEY_ID", "SECRET_ACCESS_KEY") if f"FLYTE_AWS_{n}" not in GIVEN]:
        pytest.fail(f"set FLYTE_AWS_{missing[0]}: the tests upload objects to Flyte's object store")
    return ControlPlane(Path(config).expanduser())


@pytest.fixture
def engine(installed: Cluster, namespace: str) -> Engine:
    """Flyte's engine, for workflows in the test's namespace."""
    return Engine(installed, namespace)


@pytest.fixture(scope="module")
def installed(request: pytest.FixtureRequest) -> Cluster:
    """The kind cluster with the engine in it."""
    if not request.config.getoption("--flyte-engine"):
        pytest.skip("no Flyte was asked for: make test-flyte, or make test FLYTE_CONFIG=path/to/config.yaml")
    cluster: Cluster = request.getfixturevalue("cluster")
    Engine.install(cluster)
    return cluster


def test_an_object_that_is_there_first(flyte: Backend) -> None:
    path = new_path(flyte)
    put(flyte, path, b"12345")
    end = flyte.end(flyte.start(flyte_cases.patient, path))
    assert end.succeeded, end.error
    assert end.outputs["o0"] == 5


@pytest.mark.parametrize(
    "workflow",
    [flyte_cases.patient, flyte_cases.lean, flyte_cases.one_task],
    ids=["sensor", "lean sensor", "waiting task"],
)
def test_an_object_that_comes_later(flyte: Backend, workflow: WorkflowBase) -> None:
    path = new_path(flyte)
    execution = flyte.start(workflow, path)
    time.sleep(30)
    assert not flyte.is_done(execution)
    put(flyte, path, b"123")
    end = flyte.end(execution)
    assert end.succeeded, end.error
    assert end.outputs["o0"] == 3


@pytest.mark.parametrize("workflow", [flyte_cases.impatient, flyte_cases.lean_impatient], ids=["sensor", "lean sensor"])
def test_an_object_that_never_comes_fails_with_the_sensors_own_error_after_its_retry(
    flyte: Backend, workflow: WorkflowBase
) -> None:
    path = new_path(flyte)
    end = flyte.end(flyte.start(workflow, path))
    assert not end.succeeded
    assert f"{path}: the object did not appear within 10 s" in end.error
    assert end.attempts == 1 + RETRIES


def test_a_missing_bucket_is_not_retried(flyte: Backend) -> None:
    end = flyte.end(flyte.start(flyte_cases.patient, f"s3://{uuid.uuid4().hex}/key"))
    assert not end.succeeded
    assert "the bucket does not exist" in end.error
    assert end.attempts == 1


def test_a_missing_image_of_the_watcher_ends_with_flytes_pod_pending_timeout(engine: Engine) -> None:
    end = engine.end(engine.start(without_image, new_path(engine)))
    assert not end.succeeded
    assert "PodInitializing" in end.error, "the README says that Flyte tells no more"


@workflow
def without_image(path: str) -> str:
    return workflows.without_image(path=path)


@pytest.mark.parametrize(
    ("workflow", "task", "attempt"),
    [
        (flyte_cases.patient, flyte_cases.patient_sensor, 0),
        (flyte_cases.impatient, flyte_cases.impatient_sensor, 1),
        (flyte_cases.lean, flyte_cases.lean_sensor, 0),
        (flyte_cases.one_task, flyte_cases.waiting_task, 0),
    ],
    ids=["first attempt", "retry", "lean sensor", "waiting task"],
)
def test_flytes_pod_is_the_one_that_our_other_tests_run(
    engine: Engine, workflow: WorkflowBase, task: PythonTask, attempt: int
) -> None:
    path = new_path(engine)
    execution = engine.start(workflow, path)
    flytes = pod_of(engine, execution, attempt)
    api = engine.cluster.api
    manifest = flyte_backend.pod(task, EXAMPLE_IMAGE, as_execution(engine, execution, workflow, attempt))
    ours = api.create_namespaced_pod(engine.namespace, manifest, dry_run="All")  # with the API server's own defaults
    assert comparable(engine, ours) == comparable(engine, flytes)


def pod_of(engine: Engine, execution: str, attempt: int) -> V1Pod:
    """The sensor's pod, as soon as it is there."""
    found: list[V1Pod] = []
    named = f"metadata.name={engine.pod(execution, attempt)}"

    def there() -> bool:
        found[:] = engine.cluster.api.list_namespaced_pod(engine.namespace, field_selector=named).items
        return bool(found)

    eventually(there, f"attempt {attempt} of {execution}", timeout=LONG)
    return found[0]


def as_execution(engine: Engine, name: str, workflow: WorkflowBase, attempt: int) -> Execution:
    """The same execution, on the platform of k8s/flyte."""
    return Execution(
        name=name,
        bucket="flyte",
        namespace=engine.namespace,
        platform_env=dict(zip(flyte_backend.SECRET_KEYS, (ENDPOINT, *ROOT_CREDENTIALS), strict=True)),
        workflow=workflow.name,
        attempt=attempt,
    )


def comparable(engine: Engine, pod: V1Pod) -> dict[str, Any]:
    """All of a pod that its author decides, without what `tests.flyte_backend` leaves out, and says so."""
    told: dict[str, Any] = engine.cluster.api.api_client.sanitize_for_serialization(pod)
    labels = told["metadata"]["labels"]
    labels.pop("shard-key", None)
    spec = told["spec"]
    spec.pop("nodeName", None)  # the scheduler's
    spec.pop("affinity", None)  # Flyte's is empty
    for container in [*spec["initContainers"], *spec["containers"]]:
        container["args"] = [re.sub(r"(?<=/raw/)\w+/(?=e\w+-n0-)", "", text) for text in container["args"]]
        # Flyte appends the platform's variables in an order that changes.
        own = len(container["env"]) - len(flyte_backend.SECRET_KEYS)
        container["env"][own:] = sorted(container["env"][own:], key=lambda entry: entry["name"])
    return {"labels": labels, "annotations": told["metadata"]["annotations"], "spec": spec}
