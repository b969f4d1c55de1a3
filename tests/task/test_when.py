"""``when=``: the user's own condition, locally and in the pod."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import partial
from pathlib import Path

import pytest
from objectstore_sensor import (
    DeadlineExceeded,
    InvalidArgument,
    MatchedObject,
    ObjectStoreWait,
    WaitForObjectStoreFile,
    WaitForObjectStoreFiles,
    _wait,
)
from objectstore_watcher import contract, termination
from objectstore_watcher.contract import Failed, Ready, WatchSpec
from objectstore_watcher.history import History

from tests.servers import MinioServer
from tests.task import sensors
from tests.task.conftest import Module
from tests.task.pods import SLOW, Pod


class TestLocally:
    def test_it_waits_on_until_the_function_accepts(self, module: Module, tmp_path: Path) -> None:
        file = tmp_path / "file"
        file.write_bytes(b"1")
        user = module(
            "sizes = []\n"
            "def has_grown(found: MatchedObject) -> bool:\n"
            "    sizes.append(found.size)\n"
            "    if found.size == 4: return found.read() == b'1111'\n"
            "    with open(found.key, 'ab') as file: file.write(b'1')\n"
            "    return False\n"
            "sensor = WaitForObjectStoreFile(when=has_grown, poll_interval=0.05, timeout='1m')\n"
        )
        assert user.sensor(path=str(file)) == str(file)
        assert user.sizes == [1, 2, 3, 4]

    def test_it_gets_a_list_where_the_path_stands_for_several(self, module: Module, tmp_path: Path) -> None:
        for name in ("a", "b"):
            (tmp_path / name).write_text(name)
        (tmp_path / "manifest").write_text("a\nb")
        user = module(
            "seen = []\n"
            "def look(found: list[MatchedObject]) -> bool:\n"
            "    seen.append([each.read() for each in found])\n"
            "    return True\n"
            "pattern = WaitForObjectStoreFile(when=look, match='glob', timeout=5)\n"
            "manifest = WaitForObjectStoreFile(when=look, match='manifest', timeout=5)\n"
            "several = WaitForObjectStoreFiles(when=look, timeout=5)\n"
        )
        user.pattern(path=f"{tmp_path}/?")
        user.manifest(path=f"{tmp_path}/manifest")
        user.several(paths=[f"{tmp_path}/b"])
        assert user.seen == [[b"a", b"b"], [b"a", b"b"], [b"b"]]

    def test_the_deadline_ends_it(self, module: Module, tmp_path: Path) -> None:
        (tmp_path / "file").touch()
        user = module(
            "def never(found: MatchedObject) -> bool: return False\n"
            "sensor = WaitForObjectStoreFile(when=never, timeout=0.2)\n"
        )
        with pytest.raises(
            DeadlineExceeded, match=r"the task's own condition \(when=\) refuses it; check its producer"
        ):
            user.sensor(path=str(tmp_path / "file"))

    def test_what_it_raises_is_the_users(self, module: Module, tmp_path: Path) -> None:
        (tmp_path / "file").touch()
        user = module(
            "def broken(found: MatchedObject) -> bool: raise KeyError(found.key)\n"
            "sensor = WaitForObjectStoreFile(when=broken, timeout=5)\n"
        )
        with pytest.raises(KeyError):
            user.sensor(path=str(tmp_path / "file"))

    def test_an_object_that_is_written_again_before_it_is_read_is_looked_at_again(
        self, module: Module, tmp_path: Path
    ) -> None:
        file = tmp_path / "file"
        file.write_bytes(b"1")
        user = module(
            "from pathlib import Path\n"
            "sizes = []\n"
            "def look(found: MatchedObject) -> bool:\n"
            "    sizes.append(found.size)\n"
            "    if len(sizes) == 1: Path(found.key).write_bytes(b'12345')\n"
            "    return found.read() == b'12345'\n"
            "sensor = WaitForObjectStoreFile(when=look, poll_interval=0.05, timeout='1m')\n"
        )
        user.sensor(path=str(file))
        assert user.sizes == [1, 5]

    def test_what_is_neither_true_nor_false_is_an_error(self, module: Module, tmp_path: Path) -> None:
        (tmp_path / "file").touch()
        user = module(
            "def forgets(found: MatchedObject) -> bool: found.size > 0\n"
            "sensor = WaitForObjectStoreFile(when=forgets, timeout=5)\n"
        )
        with pytest.raises(InvalidArgument, match="when: 'forgets' returned a NoneType; return True or False"):
            user.sensor(path=str(tmp_path / "file"))

    def test_a_function_that_waits_can_have_one_too(self, module: Module, tmp_path: Path) -> None:
        (tmp_path / "file").touch()
        user = module(
            "seen = []\n"
            "def second_time(found: MatchedObject) -> bool:\n"
            "    seen.append(found)\n"
            "    return len(seen) == 2\n"
            "@task(task_config=ObjectStoreWait(when=second_time, poll_interval=0.05, timeout=5))\n"
            "def count(path: str) -> int: return len(seen)\n"
        )
        assert user.count(path=str(tmp_path / "file")) == 2


def module_level(found: MatchedObject) -> bool:
    return True


async def coroutine(found: MatchedObject) -> bool:
    return True


def two(found: MatchedObject, other: int) -> bool:
    return True


class Conditions:
    def method(self, found: MatchedObject) -> bool:
        return True


def nested() -> Callable[[MatchedObject], bool]:
    def inner(found: MatchedObject) -> bool:
        return True

    return inner


@pytest.mark.parametrize(
    ("when", "told"),
    [
        (lambda found: True, "when: '<lambda>' has no name in its module; write it as def at module level: def is_"),
        (nested(), "when: 'nested.<locals>.inner' has no name in its module; write it as def at module level"),
        (Conditions.method, "when: 'Conditions.method' has no name in its module"),
        (Conditions().method, "when: is a method, not a function"),
        (partial(two, other=1), "when: is a partial, not a function"),
        (Conditions, "when: is a type, not a function"),
        ("is_complete", "when: is a str, not a function"),
        (coroutine, "when: 'coroutine' is a coroutine; write def, without async"),
        (two, "when: 'two' does not take one argument"),
    ],
)
def test_what_is_no_function_of_a_module_is_refused(when: Callable[..., bool], told: str) -> None:
    makers: tuple[Callable[..., object], ...] = (WaitForObjectStoreFile, WaitForObjectStoreFiles, ObjectStoreWait)
    for make in makers:
        with pytest.raises(InvalidArgument) as refused:
            make(when=when)
        assert told in str(refused.value)


def test_absence_cannot_be_judged() -> None:
    assert ObjectStoreWait(when=module_level)
    with pytest.raises(InvalidArgument, match="when: nothing is there when absent=True ends the wait"):
        WaitForObjectStoreFile(when=module_level, absent=True)


@pytest.fixture(scope="module")
def pods(minio: MinioServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Pod]]:
    bucket = f"judged-{uuid.uuid4().hex[:8]}"
    minio.client().make_bucket(bucket)
    minio.put(bucket, "orders.csv", b"id,price\n1,")
    asked = {"judged": sensors.judged, "broken": sensors.broken}
    with ExitStack() as stack:
        yield {
            name: stack.enter_context(
                Pod(minio, bucket, sensor, f"s3://{bucket}/orders.csv", tmp_path_factory.mktemp("pod"))
            )
            for name, sensor in asked.items()
        }


def test_in_the_pod_what_it_raises_is_the_last_word_and_in_the_deck(
    marker_directory: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    last_words, told = tmp_path / "termination-log", list[Ready | Failed]()
    last_words.touch()
    monkeypatch.setattr(termination, "PATH", str(last_words))
    monkeypatch.setenv(contract.DIRECTORY_VARIABLE, str(marker_directory))
    contract.offer(marker_directory, Ready(uri="s3://bucket/key"), 1)
    contract.tell_progress(marker_directory, History(polls=3))

    def breaks(found: Ready) -> bool:
        raise KeyError("price\n")

    with pytest.raises(KeyError):
        _wait._wait_in_pod(WatchSpec(uri="s3://bucket/key"), breaks, told.append)
    (failed,) = told
    assert isinstance(failed, Failed)
    assert last_words.read_text() == failed.message
    assert failed.message == (r"when: raised KeyError: 'price\n'; correct the function: the task's log has the trace")
    assert failed.history.polls == 3


@pytest.mark.timeout(2 * SLOW)
class TestInPod:
    def test_it_runs_in_main_until_it_accepts(self, pods: dict[str, Pod], minio: MinioServer) -> None:
        pod = pods["judged"]
        pod.reach((pod.directory / "candidate-2").exists, "the first was refused")
        minio.put(pod.path.split("/")[2], "orders.csv", b"id,price\n1,2\n")
        assert pod.end() == 0, pod.log()
        assert pod.outputs() == {"path": pod.path}, pod.error()

    def test_what_it_raises_is_the_tasks_own_error(self, pods: dict[str, Pod]) -> None:
        pod = pods["broken"]
        assert pod.end() == 0, pod.log()
        assert pod.outputs() is None
        assert "KeyError" in pod.error().message
        deck = pod.deck()
        assert deck
        assert "Raised KeyError" in deck
