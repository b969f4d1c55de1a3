"""The lean main as a process: small while it waits, gone on SIGTERM, and clear about what is wrong around the wait."""

from __future__ import annotations

import signal
import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from flyteidl.core.errors_pb2 import ContainerError
from flyteidl.core.execution_pb2 import ExecutionError
from flyteidl.core.literals_pb2 import Literal, LiteralMap
from minio import Minio
from objectstore_watcher.lean import handover, task

from tests import flyte_backend
from tests.figures import Figure
from tests.flyte_backend import Execution
from tests.servers import MinioServer
from tests.task import both
from tests.task.pods import Pod

pytestmark = pytest.mark.timeout(180)

Start = Callable[..., Pod]


@pytest.fixture
def start(minio: MinioServer, bucket: str, tmp_path: Path) -> Iterator[Start]:
    """Starts pods with a lean main."""
    with ExitStack() as stack:

        def start(key: str = "key", name: str = "plain", server: MinioServer = minio, **options: Any) -> Pod:  # noqa: ANN401
            folder = tmp_path / f"pod-{uuid.uuid4().hex[:8]}"
            path = key if "://" in key else f"s3://{bucket}/{key}"
            return stack.enter_context(Pod(server, bucket, both.sensor(name, "lean"), path, folder, **options))

        yield start


def is_small(pod: Pod) -> bool:
    """Whether it has handed over to a process that only waits."""
    return f"{handover.VARIABLE}=".encode() in Path(f"/proc/{pod.main.pid}/environ").read_bytes()


def resident(pid: int) -> float:
    """MiB."""
    (line,) = (line for line in Path(f"/proc/{pid}/status").read_text().splitlines() if line.startswith("VmRSS:"))
    return int(line.split()[1]) / 1024


def loaded(pid: int) -> str:
    return Path(f"/proc/{pid}/maps").read_text()


def test_a_main_that_waits_for_long_has_nothing_loaded_but_the_wait(
    start: Start, minio: MinioServer, bucket: str, figure: Figure
) -> None:
    pod = start()
    pod.reach(lambda: is_small(pod), "main has handed over")
    pod.reach(lambda: "_ctypes" in loaded(pod.main.pid), "main waits")
    figure("lean main, waiting", f"{resident(pod.main.pid):.1f} MiB resident")
    assert "libssl" not in loaded(pod.main.pid)
    assert resident(pod.main.pid) < 24
    minio.put(bucket, "key")
    assert pod.end() == 0, pod.log()
    assert pod.outputs() == {"path": f"s3://{bucket}/key"}
    assert pod.error() is None


@pytest.mark.parametrize("is_late", [False, True])
def test_sigterm_ends_it_at_once_without_a_result(start: Start, is_late: bool) -> None:
    pod = start()
    pod.reach_request()
    if is_late:
        pod.reach(lambda: is_small(pod), "main has handed over")
    pod.main.send_signal(signal.SIGTERM)
    assert pod.end() == 128 + signal.SIGTERM, pod.log()
    assert (pod.outputs(), pod.error()) == (None, None)


def test_inputs_that_are_not_there_are_the_platforms_error_and_worth_a_new_attempt(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(flyte_backend, "put_inputs", lambda *args, **inputs: None)
    pod = start()
    assert pod.end() == 0, pod.log()
    error = pod.error()
    assert (error.code, error.kind, error.origin) == ("SYSTEM", ContainerError.RECOVERABLE, ExecutionError.SYSTEM)
    assert "inputs.pb: the object is not there yet; look for what removes objects from Flyte's bucket" in error.message


def test_inputs_of_another_type_are_the_platforms_error_and_not_worth_a_new_attempt(
    start: Start, minio: MinioServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    def put_number(client: Minio, execution: Execution, *_: object, **__: object) -> None:
        inputs = LiteralMap()
        inputs.literals["path"].scalar.primitive.integer = 7
        minio.put(execution.bucket, f"{execution.folder}/inputs.pb", inputs.SerializeToString())

    monkeypatch.setattr(flyte_backend, "put_inputs", put_number)
    pod = start()
    assert pod.end() == 0, pod.log()
    error = pod.error()
    assert (error.code, error.kind, error.origin) == ("SYSTEM", ContainerError.NON_RECOVERABLE, ExecutionError.SYSTEM)
    assert "NotInputs: the input 'path' is no text, or is missing" in error.message


def test_a_large_input_that_flyte_has_put_beside_inputs_pb_is_read_from_there(
    start: Start, minio: MinioServer, bucket: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def put_beside(client: Minio, execution: Execution, *_: object, path: str) -> None:
        literal, inputs = Literal(), LiteralMap()
        literal.scalar.primitive.string_value = path
        minio.put(execution.bucket, "path.pb", literal.SerializeToString())
        inputs.literals["path"].offloaded_metadata.uri = f"s3://{execution.bucket}/path.pb"
        minio.put(execution.bucket, f"{execution.folder}/inputs.pb", inputs.SerializeToString())

    monkeypatch.setattr(flyte_backend, "put_inputs", put_beside)
    minio.put(bucket, "key")
    pod = start()
    assert pod.end() == 0, pod.log()
    assert pod.outputs() == {"path": f"s3://{bucket}/key"}


def test_a_bucket_of_flytes_that_cannot_be_written_ends_main_with_1_and_a_clear_line(
    start: Start, minio: MinioServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(flyte_backend, "put_inputs", lambda *args, **inputs: None)
    monkeypatch.setattr(Execution, "folder", "a/../b")  # no client of S3 can address it
    pod = start()
    assert pod.end() == 1, pod.log()
    assert "objectstore-watcher-main: error: path 's3://" in pod.log()
    assert "a part of it is '.' or '..'; S3 clients cannot address such a key" in pod.log()


def test_arguments_of_another_version_are_told_to_flyte(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(task, "VERSION", 0)
    pod = start()
    assert pod.end() == 0, pod.log()
    error = pod.error()
    assert (error.code, error.kind) == ("USER:InvalidArgument", ContainerError.NON_RECOVERABLE)
    assert "use the watcher image of the same version as the sensor package" in error.message
