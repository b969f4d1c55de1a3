"""Lists of paths: `WaitForObjectStoreFiles` and functions that take them, locally, where the result is the pod's."""

from __future__ import annotations

from pathlib import Path

import pytest
from flytekit.models.types import SimpleType
from objectstore_sensor import DeadlineExceeded, InvalidArgument, WaitForObjectStoreFile, WaitForObjectStoreFiles

from tests.task import sensors
from tests.task.conftest import Module
from tests.task.registration import registered


@pytest.fixture
def files(tmp_path: Path) -> list[str]:
    for name in "ab":
        (tmp_path / name).write_text(name)
    return [str(tmp_path / name) for name in "ba"]


def test_all_come_back_as_they_were_given(files: list[str]) -> None:
    assert sensors.all_of(paths=[*files, files[0]]) == [*files, files[0]]


def test_one_path_in_a_list_is_a_list(files: list[str]) -> None:
    assert sensors.all_of(paths=files[:1]) == files[:1]


def test_those_that_are_there_come_back_where_any_is_enough(files: list[str]) -> None:
    assert sensors.any_of(paths=["/no/such/file", *files]) == files
    assert sensors.any_of(paths=files[:1]) == files[:1]


def test_those_that_are_gone_come_back_where_any_is_enough(module: Module, files: list[str]) -> None:
    user = module("sensor = WaitForObjectStoreFiles(absent=True, require='any', timeout=5)\n")
    assert user.sensor(paths=[*files, "/no/such/file"]) == ["/no/such/file"]


def test_what_a_manifest_lists_comes_back(files: list[str], tmp_path: Path) -> None:
    for name, text in (("manifest", "a\nb\n"), ("_SUCCESS", "")):
        (tmp_path / name).write_text(text)
    assert sensors.listed(paths=[f"{tmp_path}/manifest"]) == [f"{tmp_path}/{name}" for name in "ab"]


def test_a_single_manifest_comes_back_itself(module: Module, files: list[str], tmp_path: Path) -> None:
    (tmp_path / "manifest").write_text("a\nb")
    user = module("sensor = WaitForObjectStoreFile(match='manifest', timeout=5)\n")
    assert user.sensor(path=f"{tmp_path}/manifest") == f"{tmp_path}/manifest"


def test_all_that_match_come_back(module: Module, files: list[str], tmp_path: Path) -> None:
    user = module("sensor = WaitForObjectStoreFiles(match='glob', expected_count=2, timeout=5)\n")
    assert user.sensor(paths=[f"{tmp_path}/?"]) == sorted(files)


def test_the_deadline_names_the_first_and_says_how_many(module: Module, files: list[str]) -> None:
    user = module("sensor = WaitForObjectStoreFiles(timeout=0.2)\n")
    with pytest.raises(DeadlineExceeded, match=r"^/no/such/file and 2 more: what .* 2 of 3 objects are there"):
        user.sensor(paths=["/no/such/file", *files])


def test_an_empty_list_is_refused(files: list[str]) -> None:
    with pytest.raises(InvalidArgument, match="path: is 0 paths; give a path, or a list of 1 to 10000"):
        sensors.all_of.execute(paths=[])


def test_any_is_of_lists() -> None:
    with pytest.raises(InvalidArgument, match="require: is of several paths; use WaitForObjectStoreFiles"):
        WaitForObjectStoreFile(require="any")
    with pytest.raises(InvalidArgument, match=r"\(require\): 'some' is unknown; use all or any"):
        WaitForObjectStoreFiles(require="some")


def test_flyte_knows_it_as_a_task_of_lists() -> None:
    interface = registered(sensors.all_of).template.interface
    for values in (interface.inputs.variables, interface.outputs.variables):
        assert [*values] == ["paths"]
        assert values["paths"].type.collection_type.simple == SimpleType.STRING


def test_a_function_runs_once_all_of_its_list_are_there(module: Module, files: list[str]) -> None:
    user = module(
        "@task(task_config=ObjectStoreWait(input='orders', timeout=0.3))\n"
        "def count(orders: list[str]) -> int: return len(orders)\n"
        "@task(task_config=ObjectStoreWait(input='orders', timeout=0.3))\n"
        "def sizes(orders: list[FlyteFile]) -> int: return len(orders)\n"
    )
    assert user.count(orders=files) == 2
    assert user.sizes(orders=files) == 2
    with pytest.raises(DeadlineExceeded):
        user.count(orders=[*files, "/no/such/file"])
