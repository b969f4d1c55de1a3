"""``@task(task_config=ObjectStoreWait(...))``: the function runs once the object is there, locally and in the pod."""

from __future__ import annotations

import asyncio
import threading
import time
import uuid
from dataclasses import fields
from inspect import signature
from pathlib import Path
from typing import Any

import pytest
from flytekit.exceptions.user import FlyteRecoverableException
from objectstore_sensor import DeadlineExceeded, InvalidArgument, ObjectStoreWait, WaitForObjectStoreFile
from objectstore_sensor._decorated import ObjectStoreWaitTask

from tests.servers import MinioServer
from tests.task import decorated
from tests.task.conftest import Module
from tests.task.pods import SLOW, Pod
from tests.task.registration import main_of, pod_of, registered, watcher_of

ARRIVES_AFTER = 0.5


@pytest.fixture
def later(minio: MinioServer, bucket: str) -> str:
    """A path whose object of five bytes comes half a second after this."""
    threading.Timer(ARRIVES_AFTER, lambda: minio.put(bucket, "later", b"12345")).start()
    return f"s3://{bucket}/later"


class TestLocally:
    def test_the_function_runs_once_the_object_is_there(self, later: str, flyte_env: dict[str, str]) -> None:
        began = time.monotonic()
        assert decorated.same(path=later) == later
        assert time.monotonic() - began >= ARRIVES_AFTER

    def test_a_coroutine_too(self, later: str, flyte_env: dict[str, str]) -> None:
        began = time.monotonic()
        assert asyncio.run(decorated.same_async(path=later)) == later
        assert time.monotonic() - began >= ARRIVES_AFTER

    def test_the_input_can_have_another_name_and_be_a_file(
        self, minio: MinioServer, bucket: str, flyte_env: dict[str, str]
    ) -> None:
        minio.put(bucket, "there", b"123")
        assert decorated.where(day=10, orders=f"s3://{bucket}/there") == f"10 s3://{bucket}/there"

    def test_the_path_can_be_a_default(self, module: Module, tmp_path: Path) -> None:
        (tmp_path / "file").touch()
        user = module(
            "@task(task_config=ObjectStoreWait(timeout=0.2))\n"
            f"def consume(path: str = {str(tmp_path / 'file')!r}) -> str: return path\n"
            "@workflow\n"
            "def whole() -> str: return consume()\n"
            "@task(task_config=ObjectStoreWait(timeout=0.2))\n"
            f"def never(path: str = {str(tmp_path / 'absent')!r}) -> str: return path\n"
            "from datetime import datetime\n"
            "@task(task_config=ObjectStoreWait(timeout=0.2, newer_than=FromInput('day')))\n"
            f"def new(path: str = {str(tmp_path / 'file')!r}, day: datetime = datetime(2199, 1, 1)) -> None: ...\n"
        )
        assert user.consume() == user.whole() == str(tmp_path / "file")
        with pytest.raises(DeadlineExceeded):
            user.never()
        with pytest.raises(DeadlineExceeded, match="is older than 2199"):
            user.new()

    def test_without_a_path_it_says_so(self) -> None:
        with pytest.raises(InvalidArgument, match=r"^input 'path': is missing; call the task with path="):
            decorated.same()

    @pytest.mark.parametrize("annotation", ["FlyteFile['csv']", "FlyteFile[TypeVar('csv')]"])
    def test_the_file_can_have_a_format(
        self, module: Module, annotation: str, minio: MinioServer, bucket: str, flyte_env: dict[str, str]
    ) -> None:
        user = module(
            "from typing import TypeVar\n"
            "@task(task_config=ObjectStoreWait(timeout=5))\n"
            f"def one(path: {annotation}) -> str: return str(path.remote_source)\n"
            "@task(task_config=ObjectStoreWait(timeout=5))\n"
            f"def all_of(path: list[{annotation}]) -> list[str]: return [str(each.remote_source) for each in path]\n"
        )
        minio.put(bucket, "there.csv")
        uri = f"s3://{bucket}/there.csv"
        assert user.one(path=uri) == uri
        assert user.all_of(path=[uri]) == [uri]

    def test_of_a_pattern_a_manifest_or_any_the_function_gets_what_it_was_given(
        self, module: Module, tmp_path: Path
    ) -> None:
        user = module(
            "@task(task_config=ObjectStoreWait(timeout=5, match='glob'))\n"
            "def by_pattern(path: str) -> str: return path\n"
            "@task(task_config=ObjectStoreWait(timeout=5, match='manifest'))\n"
            "def by_manifest(path: str) -> str: return path\n"
            "@task(task_config=ObjectStoreWait(timeout=5, require='any'))\n"
            "def by_any(path: list[str]) -> list[str]: return path\n"
        )
        (tmp_path / "a.csv").touch()
        (tmp_path / "manifest").write_text("a.csv")
        assert user.by_pattern(path=f"{tmp_path}/*.csv") == f"{tmp_path}/*.csv"
        assert user.by_manifest(path=f"{tmp_path}/manifest") == f"{tmp_path}/manifest"
        both = [f"{tmp_path}/a.csv", f"{tmp_path}/none"]
        assert user.by_any(path=both) == both

    def test_each_element_of_a_map_waits_for_its_own(
        self, later: str, tmp_path: Path, flyte_env: dict[str, str]
    ) -> None:
        (tmp_path / "file").write_bytes(b"1")
        began = time.monotonic()
        paths = [later, str(tmp_path / "file")]
        assert decorated.all_the_same(paths=paths) == paths
        assert time.monotonic() - began >= ARRIVES_AFTER

    def test_the_deadline_ends_it_and_the_function_does_not_run(self, module: Module, tmp_path: Path) -> None:
        user = module(
            "ran = []\n"
            "@task(task_config=ObjectStoreWait(timeout=0.2))\n"
            "def consume(path: str) -> None: ran.append(path)\n"
        )
        with pytest.raises(DeadlineExceeded, match=r"did not appear within 0\.2 s") as late:
            user.consume(path=str(tmp_path / "absent"))
        assert isinstance(late.value, FlyteRecoverableException)
        assert user.ran == []

    def test_what_the_function_raises_is_its_own(self, module: Module, tmp_path: Path) -> None:
        (tmp_path / "file").touch()
        user = module("@task(task_config=ObjectStoreWait())\ndef consume(path: str) -> None: raise KeyError(path)\n")
        with pytest.raises(KeyError):
            user.consume(path=str(tmp_path / "file"))

    def test_a_cached_result_needs_no_wait(self, module: Module, tmp_path: Path) -> None:
        """As flytekit documents it: the function, and so its wait, is left out."""
        file = tmp_path / "file"
        file.write_bytes(b"123")
        user = module(
            "@task(task_config=ObjectStoreWait(timeout=0.2), cache=True, cache_version='" + uuid.uuid4().hex + "')\n"
            "def size(path: str) -> int: import os; return os.path.getsize(path)\n"
        )
        assert user.size(path=str(file)) == 3
        file.unlink()
        assert user.size(path=str(file)) == 3


class TestRegistered:
    def test_the_pod_has_the_watcher_and_what_the_task_asked_for(self) -> None:
        main, watcher = main_of(decorated.size), watcher_of(decorated.size)
        assert {"name": "COLOUR", "value": "red"} in main["env"]
        assert main["resources"]["limits"] == {"cpu": "2", "memory": "500Mi"}
        assert main["args"][-4:] == ["task-module", "tests.task.decorated", "task-name", "size"]
        assert watcher["restartPolicy"] == "Always"
        assert registered(decorated.size).template.metadata.retries.retries == 3

    def test_it_asks_for_the_same_pod_as_a_sensor_with_the_same_options(self, module: Module) -> None:
        options = "metrics_port=9999, run_as_user=1000, credentials_secret='minio', watcher_image='watcher:v3'"
        user = module(
            f"sensor = WaitForObjectStoreFile(main='flytekit', {options})\n"
            f"@task(task_config=ObjectStoreWait({options}))\n"
            "def consume(path: str) -> str: return path\n"
        )
        mine, other = pod_of(user.consume), pod_of(user.sensor)
        mine["containers"][0].pop("args")
        other["containers"][0].pop("args")
        assert mine == other

    def test_the_users_pod_template_is_kept(self, module: Module) -> None:
        user = module(
            "template = PodTemplate(labels={'team': 'shop'}, pod_spec=k8s.V1PodSpec(\n"
            "    containers=[k8s.V1Container(name='primary')], node_selector={'disk': 'ssd'},\n"
            "    init_containers=[k8s.V1Container(name='first', image='first:v1')]))\n"
            "@task(task_config=ObjectStoreWait(), pod_template=template, container_image='own:v1')\n"
            "def consume(path: str) -> str: return path\n"
        )
        pod = pod_of(user.consume)
        assert pod["nodeSelector"] == {"disk": "ssd"}
        assert [container["name"] for container in pod["initContainers"]] == ["first", "objectstore-watcher"]
        assert pod["containers"][0]["image"] == "own:v1"

    def test_a_map_task_runs_each_element_in_such_a_pod(self, module: Module) -> None:
        user = module(
            "@task(task_config=ObjectStoreWait())\n"
            "def consume(path: str) -> str: return path\n"
            "mapped = map_task(consume)\n"
        )
        pod = pod_of(user.mapped)
        assert pod["containers"][0]["args"][0] == "pyflyte-map-execute"
        assert [container["name"] for container in pod["initContainers"]] == ["objectstore-watcher"]


class TestRefused:
    @pytest.mark.parametrize(
        ("parameters", "told"),
        [
            ("uri: str", "has no input 'path' to take the path from, but: uri; name it: ObjectStoreWait"),
            ("", "has no input 'path' to take the path from, but: none"),
            ("path: int", "its input 'path' is no path; let it be a str or a FlyteFile, or a list of them"),
            ("path: list[int]", "its input 'path' is no path; let it be a str or a FlyteFile, or a list of them"),
        ],
    )
    def test_a_function_that_gives_no_path(self, module: Module, parameters: str, told: str) -> None:
        source = f"@task(task_config=ObjectStoreWait())\ndef consume({parameters}) -> int: return 1\n"
        with pytest.raises(InvalidArgument) as refused:
            module(source)
        assert told in str(refused.value)
        assert ".consume: " in str(refused.value)

    @pytest.mark.parametrize("annotation", ["FlyteFile", "FlyteFile['csv']", "list[FlyteFile]"])
    def test_a_file_whose_path_is_a_pattern(self, module: Module, annotation: str) -> None:
        with pytest.raises(
            InvalidArgument, match=r"its input 'path' is a file, which a pattern cannot name; let it be"
        ):
            module(
                f"@task(task_config=ObjectStoreWait(match='glob'))\ndef consume(path: {annotation}) -> int: return 1\n"
            )

    @pytest.mark.parametrize(
        "options",
        [
            {"poll_interval": 0},
            {"metrics_port": 70000},
            {"run_as_user": 0},
            {"credentials_secret": 5},
            {"credentials_secret": "Bad_Name"},
            {"credentials_secret": ""},
            {"credentials_secret": "name\n"},
            {"watcher_image": "a b"},
            {"watcher_image": ""},
            {"region": "us-east-1\n"},
            {"absent": "yes"},
            {"on_forbidden": "ignore"},
            {"endpoint": "minio:9000"},
            {"timeout": 5, "poll_interval": 6},
            {"flag": ".."},
            {"flag": "s3://b"},
            {"etag": '""'},
            {"match": "manifest", "etag": "e"},
        ],
    )
    def test_a_bad_option_when_the_configuration_is_made(self, options: dict[str, Any]) -> None:
        with pytest.raises(InvalidArgument):
            ObjectStoreWait(**options)

    @pytest.mark.parametrize("function", ["def", "async def"])
    def test_the_class_in_place_of_a_configuration(self, module: Module, function: str) -> None:
        with pytest.raises(InvalidArgument, match=r"^task_config: is the class .*; write ObjectStoreWait\(\.\.\.\)"):
            module(f"@task(task_config=ObjectStoreWait)\n{function} consume(path: str) -> str: return path\n")

    @pytest.mark.parametrize(
        ("argument", "told"),
        [
            ("poll_intervall=3", "poll_intervall: is no argument of ObjectStoreWait; did you mean poll_interval?"),
            ("retries=3", "retries: is an argument of the decorator; write @task(..., retries=...)"),
            ("pod_template=None", "pod_template: is an argument of the decorator"),
            ("metadata=metadata()", "metadata: is no argument of ObjectStoreWait; write @task(..., retries=...,"),
            ("output=str", "output: is no argument of ObjectStoreWait; let the function return it"),
            ("colour='red'", "colour: is no argument of ObjectStoreWait; remove it"),
            ("3", "ObjectStoreWait: takes arguments by name only; write timeout="),
        ],
    )
    def test_what_is_no_argument(self, module: Module, argument: str, told: str) -> None:
        with pytest.raises(InvalidArgument) as refused:
            module(f"wait = ObjectStoreWait({argument})\n")
        assert told in str(refused.value)

    @pytest.mark.parametrize(
        "options",
        [
            {"match": "glob", "min_count": 2},
            {"match": "glob", "expected_count": 2, "flag": "gs://bucket/_SUCCESS"},
            {"flag": "s3://bucket/_SUCCESS"},
        ],
    )
    def test_no_option_that_its_path_can_go_with(self, options: dict[str, Any]) -> None:
        assert ObjectStoreWait(**options).match == options.get("match", "exact")

    def test_a_second_container(self, module: Module) -> None:
        user = module(
            "template = PodTemplate(pod_spec=k8s.V1PodSpec(\n"
            "    containers=[k8s.V1Container(name='primary'), k8s.V1Container(name='second')]))\n"
        )
        with pytest.raises(InvalidArgument, match="has a second container, 'second'"):
            module(
                f"from {user.__name__} import template\n"
                "@task(task_config=ObjectStoreWait(), pod_template=template)\n"
                "def consume(path: str) -> str: return path\n"
            )


def test_a_timeout_that_flyte_cuts_off_is_warned_of_where_the_function_is(module: Module) -> None:
    with pytest.warns(UserWarning, match="Flyte ends the attempt after metadata.timeout, 60 s") as warned:
        user = module(
            "@task(task_config=ObjectStoreWait(timeout='2m'), timeout=60)\ndef consume(path: str) -> str: return path\n"
        )
    assert warned
    assert user.consume.metadata.timeout.total_seconds() == 60


def test_the_options_are_those_of_the_sensor() -> None:
    sensor = signature(WaitForObjectStoreFile.__init__).parameters
    own = {field.name: field.default for field in fields(ObjectStoreWait)}
    assert own.pop("input") == "path"
    assert {name: sensor[name].default for name in own} == own
    assert sensor.keys() - own.keys() == {"self", "name", "output", "metadata", "pod_template", "options"}


@pytest.mark.timeout(2 * SLOW)
@pytest.mark.parametrize("task", [decorated.size, decorated.size_async], ids=["sync", "async"])
def test_in_the_pod_the_function_runs_once_the_object_is_there(
    task: ObjectStoreWaitTask, minio: MinioServer, bucket: str, tmp_path: Path
) -> None:
    with Pod(minio, bucket, task, f"s3://{bucket}/later", tmp_path / "pod") as pod:
        pod.reach_request()
        minio.put(bucket, "later", b"12345")
        assert pod.end() == 0, pod.log()
        assert pod.error() is None, pod.error()
        assert pod.outputs() == {"o0": 5}


@pytest.mark.timeout(2 * SLOW)
def test_in_the_pod_a_deadline_is_an_error_that_flyte_retries(minio: MinioServer, bucket: str, tmp_path: Path) -> None:
    task = decorated.impatient
    with Pod(minio, bucket, task, f"s3://{bucket}/never", tmp_path / "pod") as pod:
        assert pod.end() == 0, pod.log()
        assert pod.error().code == "USER:DeadlineExceeded"
        assert pod.outputs() is None


def test_a_dynamic_workflow_waits_and_is_then_expanded(module: Module, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    user = module(
        "@task\ndef twice(number: int) -> int: return 2 * number\n"
        "@dynamic(task_config=ObjectStoreWait(timeout=0.2))\n"
        "def expand(path: str) -> int: return twice(number=21)\n"
    )
    assert user.expand(path=str(tmp_path / "file")) == 42
    with pytest.raises(DeadlineExceeded):
        user.expand(path=str(tmp_path / "absent"))
