"""In the pod: main asks, the watcher answers, and Flyte finds outputs.pb or error.pb. Real processes, real MinIO."""

from __future__ import annotations

import io
import json
import signal
import urllib.request
import uuid
from collections.abc import Iterator
from typing import Any

import pytest
from flyteidl.core.errors_pb2 import ContainerError
from flyteidl.core.execution_pb2 import ExecutionError
from minio.commonconfig import Tags
from objectstore_sensor import WaitForObjectStoreFile

from tests.servers import MinioServer
from tests.task import sensors
from tests.task.pods import SLOW, Pod, started

pytestmark = pytest.mark.timeout(2 * SLOW)

HOSTILE = {
    "newline": "a\nb\tc",
    "variable of the environment": "$(FLYTE_AWS_SECRET_ACCESS_KEY)/$$(HOME)/${PATH}/`id`",
    "template variable": "{{.input}}/{{ .outputPrefix }}/{{.inputs.path}}",
    "unicode": "ключ/鍵/🗝️/e\u0301",
    "punctuation": " --poll-interval=0 'x' \"y\" ?a=b&c#d%2F%00\\ ",
}
MISSING_BUCKET = "no-such-bucket-7f3e"

Pods = dict[str, Pod]


@pytest.fixture(scope="module")
def pods(minio: MinioServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pods]:
    """All of them at once: each main takes seconds to start, and then waits."""
    bucket = f"orders-{uuid.uuid4().hex[:8]}"
    minio.client().make_bucket(bucket)
    for key in HOSTILE.values():
        minio.put(bucket, key)
    asked: dict[str, tuple[Any, Any]] = {name: (sensors.made, f"s3://{bucket}/{key}") for name, key in HOSTILE.items()}
    asked |= {
        "late": (sensors.metered, f"s3://{bucket}/late"),
        "never": (sensors.impatient, f"s3://{bucket}/never"),
        "missing bucket": (sensors.made, f"s3://{MISSING_BUCKET}/key"),
        "killed watcher": (sensors.guarded, f"s3://{bucket}/never"),
        "terminated main": (sensors.made, f"s3://{bucket}/never"),
        "file": (sensors.made, "/etc/hostname"),
        "pattern": (sensors.matching, f"s3://{bucket}/daily-*/part-[0-9].csv"),
    }
    minio.put(bucket, "day/manifest", b"b.csv\na.csv")
    for key in ("day/a.csv", "day/b.csv", "day/_SUCCESS"):
        minio.put(bucket, key)
    asked |= {
        "all": (sensors.all_of, [f"s3://{bucket}/{key}" for key in ("day/b.csv", "day/late.csv", "day/b.csv")]),
        "any": (sensors.any_of, [f"s3://{bucket}/{key}" for key in ("never", "day/b.csv", "day/a.csv")]),
        "released": (sensors.released, f"s3://{bucket}/release.csv"),
        "listed": (sensors.listed, [f"s3://{bucket}/day/manifest"]),
    }
    with started(minio, bucket, asked, tmp_path_factory) as pods:
        yield pods


def assert_keeps_secrets(pod: Pod) -> None:
    for where, text in {**pod.markers(), "log": pod.log(), "error.pb": str(pod.error())}.items():
        assert MinioServer.SECRET_KEY not in text, where


@pytest.mark.parametrize("name", HOSTILE)
def test_the_path_comes_back_byte_for_byte(pods: Pods, name: str) -> None:
    pod = pods[name]
    assert pod.end() == 0, pod.log()
    assert pod.outputs() == {"path": pod.path}, pod.log()
    assert pod.error() is None


@pytest.mark.parametrize("name", HOSTILE)
def test_what_is_asked_is_what_is_watched_byte_for_byte(pods: Pods, name: str) -> None:
    pod = pods[name]
    pod.end()
    markers = pod.markers()
    assert json.loads(markers["request"])["spec"]["uri"] == pod.path
    ready = json.loads(markers["ready"])
    assert [each["uri"] for each in ready["objects"]] == [ready["uri"]] == [pod.path]
    assert markers.keys() == {"request", "heartbeat", "ready"}


@pytest.mark.parametrize("name", HOSTILE)
def test_no_secret_gets_into_markers_logs_or_outputs(pods: Pods, name: str) -> None:
    pod = pods[name]
    pod.end()
    assert_keeps_secrets(pod)
    assert MinioServer.SECRET_KEY not in str(pod.outputs())


def test_main_waits_until_the_object_is_there_while_prometheus_sees_the_watcher(pods: Pods, minio: MinioServer) -> None:
    pod = pods["late"]
    pod.reach_request()
    bucket, _, key = pod.path.removeprefix("s3://").partition("/")
    minio.put(bucket, key, b"12345")
    assert pod.end() == 0, pod.log()
    assert pod.outputs() == {"path": pod.path}
    assert json.loads(pod.markers()["ready"])["objects"][0]["size"] == 5
    assert 'objectstore_watcher_phase{phase="ready"} 1.0' in get(sensors.metered, "/metrics")
    assert pod.watcher.poll() is None, "it stays, or the kubelet would start it again"
    pod.watcher.send_signal(signal.SIGTERM)
    assert pod.watcher.wait(timeout=SLOW) == 0


def test_a_pattern_gives_the_object_that_matches(pods: Pods, minio: MinioServer) -> None:
    pod = pods["pattern"]
    pod.reach_request()
    bucket = pod.path.removeprefix("s3://").partition("/")[0]
    minio.put(bucket, "daily-7/part-x.csv")
    minio.put(bucket, "daily-7/part-7.csv")
    assert pod.end() == 0, pod.log()
    assert pod.outputs() == {"path": f"s3://{bucket}/daily-7/part-7.csv"}


def test_all_of_a_list_are_waited_for_and_come_back_as_they_were_given(pods: Pods, minio: MinioServer) -> None:
    pod = pods["all"]
    pod.reach_request()
    bucket = pod.path[0].split("/")[2]
    minio.put(bucket, "day/late.csv")
    assert pod.end() == 0, pod.log()
    assert pod.outputs() == {"paths": pod.path}
    assert len(json.loads(pod.markers()["ready"])["objects"]) == 2


def test_those_of_a_list_come_back_of_which_any_was_enough(pods: Pods) -> None:
    pod = pods["any"]
    assert pod.end() == 0, pod.log()
    assert pod.outputs() == {"paths": pod.path[1:]}


def test_metadata_and_tags_are_waited_for(pods: Pods, minio: MinioServer) -> None:
    pod = pods["released"]
    bucket = pod.path.split("/")[2]
    minio.client().put_object(bucket, "release.csv", io.BytesIO(b"1"), 1, metadata={"owner": "etl"})
    pod.reach_request()
    tags = Tags.new_object_tags()
    tags["quality"] = "passed"
    minio.client().set_object_tags(bucket, "release.csv", tags)
    assert pod.end() == 0, pod.log()
    assert pod.outputs() == {"path": pod.path}


def test_what_a_manifest_lists_comes_back(pods: Pods) -> None:
    pod = pods["listed"]
    assert pod.end() == 0, pod.log()
    folder = pod.path[0].removesuffix("manifest")
    assert pod.outputs() == {"paths": [f"{folder}b.csv", f"{folder}a.csv"]}


def get(sensor: WaitForObjectStoreFile, path: str) -> str:
    port = sensor.pod_template.pod_spec.init_containers[0].ports[0].container_port
    with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=30) as answer:
        assert answer.status == 200
        return str(answer.read().decode())


def test_a_deadline_is_an_error_of_the_users_that_flyte_retries(pods: Pods) -> None:
    pod = pods["never"]
    assert pod.end() == 0, pod.log()
    error = pod.error()
    assert (error.code, error.kind, error.origin) == (
        "USER:DeadlineExceeded",
        ContainerError.RECOVERABLE,
        ExecutionError.USER,
    )
    assert pod.outputs() is None
    assert json.loads(pod.markers()["failed"])["retryable"] is True
    assert_keeps_secrets(pod)


def test_its_message_ends_with_one_line_of_object_cause_and_cure(pods: Pods) -> None:
    pod = pods["never"]
    pod.end()
    last = pod.error().message.rpartition("Message:\n\n")[2].strip()
    assert last.startswith(f"DeadlineExceeded: {pod.path}: the object did not appear within 1 s in ")
    assert last.endswith(" looks; check the producer of the object, or raise the timeout")
    assert "\n" not in last


def test_a_missing_bucket_is_an_error_of_the_users_that_flyte_does_not_retry(pods: Pods) -> None:
    pod = pods["missing bucket"]
    assert pod.end() == 0, pod.log()
    error = pod.error()
    assert (error.code, error.kind, error.origin) == (
        "USER:BucketMissing",
        ContainerError.NON_RECOVERABLE,
        ExecutionError.USER,
    )
    assert f"StoreError: s3://{MISSING_BUCKET}/key: the bucket does not exist" in error.message
    assert pod.outputs() is None
    assert json.loads(pod.markers()["failed"])["retryable"] is False
    assert_keeps_secrets(pod)


def test_a_watcher_that_is_killed_ends_main_within_the_heartbeat_limit_and_flyte_retries(pods: Pods) -> None:
    pod = pods["killed watcher"]
    pod.reach_request()
    assert get(sensors.guarded, "/readyz")
    pod.reach(lambda: "waiting for" in pod.log(), "the watcher waits")
    pod.watcher.kill()
    assert pod.end() == 0, pod.log()
    error = pod.error()
    assert (error.code, error.kind) == ("USER:WatcherDied", ContainerError.RECOVERABLE)
    assert "the watcher gave no sign of life for 6 s" in error.message
    assert "kubectl logs POD -c objectstore-watcher" in error.message
    assert pod.markers().keys() - {"progress"} == {"request", "heartbeat"}
    assert_keeps_secrets(pod)


def test_sigterm_ends_a_waiting_main_at_once_without_a_result(pods: Pods) -> None:
    """It would wait for an hour. As process 1 of its container it would ignore the signal without a handler."""
    pod = pods["terminated main"]
    pod.reach_request()
    pod.main.send_signal(signal.SIGTERM)
    assert pod.end() == 128 + signal.SIGTERM, pod.log()
    assert pod.outputs() is None
    assert pod.error() is None


def test_a_file_of_the_machine_is_refused_before_anything_is_asked(pods: Pods) -> None:
    pod = pods["file"]
    assert pod.end() == 0, pod.log()
    error = pod.error()
    assert (error.code, error.kind) == ("USER:InvalidArgument", ContainerError.NON_RECOVERABLE)
    told = "path '/etc/hostname': is a file of this machine, which a pod cannot see; write s3://bucket/key"
    assert error.message.endswith(f"InvalidArgument: {told}")
    assert pod.markers().keys() == {"heartbeat"}
