"""``newer_than=FromInput(...)``: an object of the run that is scheduled, not of the one before."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest
from flytekit import CronSchedule, LaunchPlan
from flytekit.models.types import SimpleType
from objectstore_sensor import DeadlineExceeded, FromInput, InvalidArgument, ObjectStoreWait, WaitForObjectStoreFile

from tests.servers import MinioServer
from tests.task import sensors
from tests.task.conftest import Module
from tests.task.pods import SLOW, Pod
from tests.task.registration import registered

NOON = datetime(2026, 6, 1, 12, 0, tzinfo=timezone.utc)

WORKFLOW = """
sensor = WaitForObjectStoreFile(newer_than=FromInput("scheduled_at", minus="1h"), timeout=0.3)
@workflow
def daily(kickoff: datetime, path: str) -> str: return sensor(path=path, scheduled_at=kickoff)
"""


def written_at(file: Path, moment: datetime) -> str:
    file.touch()
    os.utime(file, (moment.timestamp(), moment.timestamp()))
    return str(file)


@pytest.mark.parametrize(
    ("age", "counts"), [(timedelta(0), True), (timedelta(hours=1), True), (timedelta(hours=1, seconds=1), False)]
)
def test_an_object_counts_that_is_no_older_than_the_input_allows(
    module: Module, tmp_path: Path, age: timedelta, counts: bool
) -> None:
    path = written_at(tmp_path / "file", NOON - age)
    user = module("from datetime import datetime\n" + WORKFLOW)
    if counts:
        assert user.daily(kickoff=NOON, path=path) == path
    else:
        with pytest.raises(DeadlineExceeded, match=r"the object is older than 2026-06-01T11:00:00\+00:00"):
            user.daily(kickoff=NOON, path=path)


@pytest.fixture
def elsewhere(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """This machine's own zone is not UTC."""
    monkeypatch.setenv("TZ", "Asia/Tokyo")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


def test_a_time_of_no_zone_is_utc_as_flyte_takes_it(tmp_path: Path, elsewhere: None) -> None:
    assert FromInput("at").text({"at": datetime(2026, 6, 1, 12, 0)}) == "2026-06-01T12:00:00+00:00"
    assert FromInput("at", minus=60).text({"at": NOON}) == "2026-06-01T11:59:00+00:00"
    path = written_at(tmp_path / "file", NOON)
    assert sensors.scheduled(path=path, scheduled_at=datetime(2026, 6, 1, 13, 0)) == path


def test_a_list_takes_one_time_for_all(module: Module, tmp_path: Path) -> None:
    paths = [written_at(tmp_path / name, NOON) for name in "ab"]
    user = module('sensor = WaitForObjectStoreFiles(newer_than=FromInput("at"), timeout=0.3)\n')
    assert user.sensor(paths=paths, at=NOON) == paths
    with pytest.raises(DeadlineExceeded):
        user.sensor(paths=paths, at=NOON + timedelta(seconds=1))


def test_a_function_has_the_input_already(module: Module, tmp_path: Path) -> None:
    path = written_at(tmp_path / "file", NOON)
    user = module(
        "from datetime import datetime\n"
        "@task(task_config=ObjectStoreWait(newer_than=FromInput('at'), timeout=0.3))\n"
        "def consume(path: str, at: datetime) -> int: return at.hour\n"
    )
    assert user.consume(path=path, at=NOON) == 12
    with pytest.raises(DeadlineExceeded):
        user.consume(path=path, at=NOON + timedelta(hours=1))


@pytest.mark.parametrize("parameters", ["path: str", "path: str, at: str"])
def test_a_function_without_such_an_input_is_refused(module: Module, parameters: str) -> None:
    with pytest.raises(InvalidArgument, match=r"newer_than: has no input 'at' that is a datetime; add it: def"):
        module(
            "@task(task_config=ObjectStoreWait(newer_than=FromInput('at')))\n"
            f"def consume({parameters}) -> str: return path\n"
        )


def test_flyte_knows_the_input() -> None:
    inputs = registered(sensors.scheduled).template.interface.inputs.variables
    assert {name: variable.type.simple for name, variable in inputs.items()} == {
        "path": SimpleType.STRING,
        "scheduled_at": SimpleType.DATETIME,
    }


def test_a_launch_plan_fills_it_in_with_the_scheduled_time(module: Module) -> None:
    user = module("from datetime import datetime\n" + WORKFLOW)
    plan = LaunchPlan.get_or_create(
        user.daily,
        name=f"{user.__name__}.daily",
        schedule=CronSchedule(schedule="0 12 * * *", kickoff_time_input_arg="kickoff"),
        fixed_inputs={"path": "s3://bucket/key"},
    )
    told = registered(plan).spec
    assert told.entity_metadata.schedule.kickoff_time_input_arg == "kickoff"
    (node,) = registered(user.daily).template.nodes
    bindings = {each.var: each.binding.promise.var for each in node.inputs}
    assert bindings == {"path": "path", "scheduled_at": "kickoff"}


@pytest.mark.parametrize(
    ("make", "told"),
    [
        (lambda: FromInput(""), "newer_than: '' is no name of an input"),
        (lambda: FromInput("no name"), "newer_than: 'no name' is no name of an input"),
        (lambda: FromInput("at", minus="soon"), "minus: 'soon' is not a duration"),
        (lambda: WaitForObjectStoreFile(newer_than=FromInput("path")), "newer_than: the input 'path' is the path"),
        (lambda: FromInput("at").text({"at": "noon"}), "input 'at': is a str; give a datetime"),
    ],
)
def test_what_cannot_be_is_refused(make: Callable[[], object], told: str) -> None:
    with pytest.raises(InvalidArgument) as refused:
        make()
    assert told in str(refused.value)


def test_a_wait_of_a_function_can_have_it_before_the_function_is_known() -> None:
    assert ObjectStoreWait(newer_than=FromInput("at")).newer_than == FromInput("at")


@pytest.fixture(scope="module")
def pods(minio: MinioServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Pod]]:
    bucket = "inputs-of-pods"
    minio.client().make_bucket(bucket)
    minio.put(bucket, "key")
    now = datetime.now(timezone.utc)
    with ExitStack() as stack:
        yield {
            name: stack.enter_context(
                Pod(
                    minio,
                    bucket,
                    sensors.scheduled,
                    f"s3://{bucket}/key",
                    tmp_path_factory.mktemp("pod"),
                    scheduled_at=moment,
                )
            )
            for name, moment in {"now": now, "tomorrow": now + timedelta(days=1)}.items()
        }


@pytest.mark.timeout(2 * SLOW)
class TestInPod:
    def test_an_object_of_this_run_counts(self, pods: dict[str, Pod]) -> None:
        assert pods["now"].end() == 0, pods["now"].log()
        assert pods["now"].outputs() == {"path": pods["now"].path}

    def test_an_object_of_the_run_before_does_not(self, pods: dict[str, Pod]) -> None:
        assert pods["tomorrow"].end() == 0, pods["tomorrow"].log()
        assert pods["tomorrow"].outputs() is None
        assert "the object is older than" in pods["tomorrow"].error().message
