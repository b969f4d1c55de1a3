"""The two distributions as they are installed."""

from __future__ import annotations

import os
import subprocess
import sys
from importlib.metadata import distribution, entry_points, version
from importlib.resources import files

import pytest

HEAVY = {"kubernetes", "minio", "obstore", "prometheus_client"}


def modules_after(statement: str) -> set[str]:
    """What a new process has loaded after ``statement``."""
    code = f"{statement}\nimport sys; print(*sys.modules)"
    env = {"PATH": os.environ["PATH"], "HOME": os.environ["HOME"]}
    return set(
        subprocess.run([sys.executable, "-c", code], check=True, stdout=subprocess.PIPE, env=env)
        .stdout.decode()
        .split()
    )


def test_both_have_the_same_version_and_the_sensor_asks_for_this_watcher() -> None:
    assert version("objectstore-sensor") == version("objectstore-watcher")
    required = distribution("objectstore-sensor").requires or []
    assert f"objectstore-watcher=={version('objectstore-sensor')}" in required


def test_the_client_of_other_clouds_is_an_extra_of_both() -> None:
    watcher = distribution("objectstore-watcher").requires or []
    assert [need for need in watcher if need.startswith("obstore")] == ["obstore>=0.11,<0.12 ; extra == 'clouds'"]
    sensor = distribution("objectstore-sensor").requires or []
    assert f"objectstore-watcher[clouds]=={version('objectstore-sensor')} ; extra == 'clouds'" in sensor


@pytest.mark.parametrize("package", ["objectstore_sensor", "objectstore_watcher"])
def test_type_checkers_may_use_the_annotations(package: str) -> None:
    assert files(package).joinpath("py.typed").is_file()


def test_flytekit_finds_the_plugin() -> None:
    (plugin,) = (e for e in entry_points(group="flytekit.plugins") if e.name == "objectstore_sensor")
    assert plugin.load().WaitForObjectStoreFile.__name__ == "WaitForObjectStoreFile"


@pytest.mark.parametrize(
    "statement",
    ["import flytekit", "from objectstore_sensor import WaitForObjectStoreFile\nWaitForObjectStoreFile()"],
)
def test_whichever_comes_first_the_plugin_is_loaded_and_nothing_heavy(statement: str) -> None:
    """Every task of an image with this package pays for it at its start, and main while it waits: kubernetes' models
    alone double flytekit's time and memory."""
    loaded = modules_after(statement)
    assert {"flytekit", "objectstore_sensor"} <= loaded
    assert loaded & HEAVY == set()


def test_star_import_gives_what_the_readme_names() -> None:
    names: dict[str, object] = {}
    exec("from objectstore_sensor import *", names)  # noqa: S102  # the statement is the claim
    assert names.keys() - {"__builtins__"} == {
        "DeadlineExceeded",
        "FromInput",
        "InvalidArgument",
        "MarkerError",
        "MatchedObject",
        "ObjectChanged",
        "ObjectStoreWait",
        "StoreError",
        "TooManyObjects",
        "WaitError",
        "WaitForObjectStoreFile",
        "WaitForObjectStoreFiles",
        "WatcherDied",
        "metadata",
    }
