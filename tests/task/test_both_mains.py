"""The lean main gives Flyte what flytekit's gives, byte for byte: both as processes, with one watcher's markers."""

from __future__ import annotations

import re
import uuid
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import pytest
from flyteidl.core.errors_pb2 import ContainerError, ErrorDocument
from flyteidl.core.execution_pb2 import ExecutionError
from flyteidl.core.literals_pb2 import LiteralMap

from tests.servers import MinioServer
from tests.task import both
from tests.task.pods import SLOW, Pod

pytestmark = pytest.mark.timeout(2 * SLOW)

Pods = dict[str, tuple[Pod, Pod]]


@pytest.fixture(scope="module")
def pods(minio: MinioServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pods]:
    """For each case a pod with flytekit's main, and a lean main beside it: they start at once."""
    bucket = f"both-{uuid.uuid4().hex[:8]}"
    minio.client().make_bucket(bucket)
    for key, content in both.OBJECTS.items():
        minio.put(bucket, key, content)

    def path(key: str) -> str:
        return key if key.startswith(("s3:", "/")) else f"s3://{bucket}/{key}"

    with ExitStack() as stack:

        def start(name: str, main: str, case: both.Case, beside: Pod | None = None) -> Pod:
            asked: Any = path(case.asked) if isinstance(case.asked, str) else [path(key) for key in case.asked]
            folder = tmp_path_factory.mktemp(f"{name}-{main}".replace("_", "-"))
            sensor = both.sensor(name, main)
            told = {"written": case.written, "prepare": case.prepare, **case.inputs}
            pod = stack.enter_context(Pod(minio, bucket, sensor, asked, folder, beside=beside, **told))
            if case.is_dead:
                pod.watcher.kill()
            return pod

        started: Pods = {}
        for name, case in {**both.GIVEN, **both.REFUSED, **both.PLATFORMS}.items():
            flytekit = start(name, "flytekit", case)
            started[name] = flytekit, start(name, "lean", case, beside=flytekit)
        yield started


@pytest.mark.parametrize("name", both.GIVEN)
def test_both_mains_write_the_same_outputs(pods: Pods, name: str) -> None:
    flytekit, lean = pods[name]
    written = []
    for pod in (lean, flytekit):
        assert pod.end() == 0, pod.log()
        assert pod.error() is None, pod.error()
        data = pod.written("outputs.pb")
        assert data, pod.log()
        written.append(LiteralMap.FromString(data).SerializeToString(deterministic=True))
    assert written[0] == written[1]


@pytest.mark.parametrize("name", both.REFUSED)
def test_both_mains_write_the_same_error(pods: Pods, name: str) -> None:
    flytekit, lean = pods[name]
    written = []
    for pod in (lean, flytekit):
        assert pod.end() == 0, pod.log()
        assert pod.outputs() is None
        data = pod.written("error.pb")
        assert data, pod.log()
        written.append(comparable(data))
    assert written[0] == written[1]


@pytest.mark.parametrize("name", both.PLATFORMS)
def test_both_mains_blame_the_platform_alike(pods: Pods, name: str) -> None:
    """Not in the same words: flytekit's are of its own types."""
    blamed = []
    for pod in pods[name]:
        assert pod.end() == 0, pod.log()
        error = pod.error()
        blamed.append((error.code, error.kind, error.origin))
    assert blamed[0] == blamed[1] == ("SYSTEM", ContainerError.NON_RECOVERABLE, ExecutionError.SYSTEM)


@pytest.mark.parametrize("name", ["shown", "shown_never"])
def test_both_mains_show_the_same_wait_in_the_deck(pods: Pods, name: str) -> None:
    for pod in pods[name]:
        assert pod.end() == 0, pod.log()
    flytekit, lean = (str((pod.written("deck.html") or b"").decode()) for pod in pods[name])
    begin, end = '<section class="osw">', "</section>"
    wait = lean[lean.index(begin) : lean.rindex(end)]
    assert wait in flytekit


@pytest.mark.parametrize("name", ["plain", "never"])
def test_there_is_no_deck_where_none_is_asked_for(pods: Pods, name: str) -> None:
    for pod in pods[name]:
        assert pod.end() == 0, pod.log()
        assert pod.written("deck.html") is None


def comparable(data: bytes) -> bytes:
    """An error without what cannot be the same: times, of which a request's length tells, and flytekit's own trace."""
    document = ErrorDocument.FromString(data)
    assert document.error.timestamp.seconds
    document.error.ClearField("timestamp")
    document.error.message = document.error.message.rpartition("Message:\n\n")[2].strip()
    assert "\n" not in document.error.message
    document.error.message = re.sub(r"would have \d+ of", "would have so many of", document.error.message)
    return document.SerializeToString(deterministic=True)


def test_the_lean_main_keeps_secrets_and_needs_no_watchers_secret(pods: Pods) -> None:
    for _, lean in pods.values():
        lean.end()
        for where, text in {**lean.markers(), "log": lean.log(), "error.pb": str(lean.error())}.items():
            assert MinioServer.SECRET_KEY not in text, where
