"""The example workflow on a real Flyte backend, when one is given.

    make test FLYTE_CONFIG=~/.flyte/config.yaml

The cluster must be able to pull or already have ``FLYTE_EXAMPLE_IMAGE`` and ``OBJECTSTORE_WATCHER_IMAGE`` (by default
the images that ``tools/images.sh`` builds); ``FLYTE_BUCKET`` is a bucket that both the cluster and, with this machine's
``FLYTE_AWS_*`` variables, this test reach.
"""

from __future__ import annotations

import io
import os
import time
import uuid
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from flytekit.configuration import Config, Image, ImageConfig, SerializationSettings
from flytekit.remote import FlyteRemote
from minio import Minio

from examples import flyte_cases
from tests.e2e.cluster import EXAMPLE_IMAGE

pytestmark = pytest.mark.timeout(1800)

GIVEN = dict(os.environ)
"""The environment of the person who runs the tests; the tests themselves see a clean one."""

BUCKET = GIVEN.get("FLYTE_BUCKET", "my-s3-bucket")
LONGEST = timedelta(minutes=10)
SUCCEEDED, FAILED = 4, 6
RETRIES = flyte_cases.impatient_sensor.metadata.retries


class Flyte:
    """A Flyte backend, and the object store that its pods see."""

    def __init__(self, config: Path) -> None:
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

    def start(self, workflow: Any, path: str) -> Any:  # noqa: ANN401  # flytekit's own types
        """Register the workflow and start it."""
        registered = self.remote.register_workflow(workflow, self.settings, self.version)
        return self.remote.execute(registered, inputs={"path": path})

    def path(self) -> str:
        """A path that nothing else uses."""
        return f"s3://{BUCKET}/objectstore-sensor/{uuid.uuid4().hex}"

    def put(self, path: str, data: bytes) -> None:
        """Upload the object."""
        bucket, _, key = path.removeprefix("s3://").partition("/")
        self.store.put_object(bucket, key, io.BytesIO(data), len(data))

    def end(self, execution: Any) -> Any:  # noqa: ANN401
        """Wait for the execution's end."""
        return self.remote.wait(execution, timeout=LONGEST)

    def attempts(self, execution: Any) -> int:  # noqa: ANN401
        """How often the sensor ran: each attempt is a task execution of its node, the only one that ran a task."""
        nodes = self.remote.sync_execution(execution, sync_nodes=True).node_executions.values()
        return sum(len(node.task_executions) for node in nodes)


@pytest.fixture(scope="module")
def flyte(request: pytest.FixtureRequest) -> Flyte:
    """The backend of --flyte-config."""
    config = request.config.getoption("--flyte-config")
    if not config:
        pytest.skip("no Flyte backend was given: make test FLYTE_CONFIG=path/to/config.yaml")
    if missing := [n for n in ("ENDPOINT", "ACCESS_KEY_ID", "SECRET_ACCESS_KEY") if f"FLYTE_AWS_{n}" not in GIVEN]:
        pytest.fail(f"set FLYTE_AWS_{missing[0]}: the tests upload objects to Flyte's object store")
    return Flyte(Path(config).expanduser())


def test_an_object_that_is_there_first(flyte: Flyte) -> None:
    path = flyte.path()
    flyte.put(path, b"12345")
    execution = flyte.end(flyte.start(flyte_cases.patient, path))
    assert execution.closure.phase == SUCCEEDED, execution.error
    assert execution.outputs["o0"] == 5


def test_an_object_that_comes_later(flyte: Flyte) -> None:
    path = flyte.path()
    execution = flyte.start(flyte_cases.patient, path)
    time.sleep(30)
    assert not flyte.remote.sync(execution).is_done
    flyte.put(path, b"123")
    execution = flyte.end(execution)
    assert execution.closure.phase == SUCCEEDED, execution.error
    assert execution.outputs["o0"] == 3


def test_an_object_that_never_comes_fails_with_the_sensors_own_error_after_its_retry(flyte: Flyte) -> None:
    path = flyte.path()
    execution = flyte.end(flyte.start(flyte_cases.impatient, path))
    assert execution.closure.phase == FAILED
    assert f"{path}: the object did not appear within 10 s" in execution.error.message
    assert flyte.attempts(execution) == 1 + RETRIES


def test_a_missing_bucket_is_not_retried(flyte: Flyte) -> None:
    execution = flyte.end(flyte.start(flyte_cases.patient, f"s3://{uuid.uuid4().hex}/key"))
    assert execution.closure.phase == FAILED
    assert "the bucket does not exist" in execution.error.message
    assert flyte.attempts(execution) == 1
