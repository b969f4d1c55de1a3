"""The task as another process loads it, and as another process registers it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tarfile
from pathlib import Path
from typing import Any

import pytest
from flyteidl.admin import task_pb2

from tests.servers import ROOT
from tests.task import sensors
from tests.task.registration import main_of, registered

LOADED = ("sensor", "named", "made")
REGISTERED = (*LOADED, "wait_and_run")

LOAD_AND_REGISTER = """
import json, sys
from flytekit.tools.module_loader import load_object_from_module
from tests.task.registration import registered
told = json.load(sys.stdin)
for args in told["args"]:
    at = args.index("--resolver")
    task = load_object_from_module(args[at + 1]).load_task(args[at + 3 :])
    print(registered(task).SerializeToString(deterministic=True).hex())
from tests.task import sensors
print(registered(sensors.wait_and_run).SerializeToString(deterministic=True).hex())
"""


def python(*args: str, seed: int, **options: Any) -> subprocess.Popen[str]:  # noqa: ANN401
    """A new process, whose sets and hashes are ordered by ``seed``."""
    env = {
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "HOME": os.environ["HOME"],
        "PYTHONPATH": str(ROOT),
        "PYTHONHASHSEED": str(seed),
    }
    return subprocess.Popen(
        [sys.executable, *args], env=env, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, **options
    )


def test_the_args_in_the_template_load_the_same_sensor_in_any_process(tmp_path: Path) -> None:
    """Registered again by two processes of other hash seeds, it is the same to the last byte: so is the workflow."""
    told = json.dumps({"args": [main_of(getattr(sensors, name))["args"] for name in LOADED]})
    processes = [python("-c", LOAD_AND_REGISTER, seed=seed, cwd=tmp_path) for seed in (1, 2)]
    here = [registered(getattr(sensors, name)).SerializeToString(deterministic=True).hex() for name in REGISTERED]
    there = [process.communicate(told)[0].split() for process in processes]
    assert there == [here, here]


def test_pyflyte_package_registers_the_sensors_of_a_module(tmp_path: Path) -> None:
    command = [str(Path(sys.executable).parent / "pyflyte"), "--pkgs", "examples.wait_and_run", "package"]
    options = ["--image", "registry.example/app:v1", "--output", str(tmp_path / "package.tgz")]
    with python(*command, *options, seed=3, cwd=ROOT) as process:
        output, _ = process.communicate()
    assert process.returncode == 0, output
    with tarfile.open(tmp_path / "package.tgz") as package:
        (member,) = (m for m in package.getmembers() if "wait_and_run.sensor" in m.name)
        content = package.extractfile(member)
        assert content
        template = task_pb2.TaskSpec.FromString(content.read()).template
    assert template.id.name == "examples.wait_and_run.sensor"
    assert [c["name"] for c in template.k8s_pod.pod_spec["initContainers"]] == ["objectstore-watcher"]


@pytest.mark.parametrize("name", LOADED)
def test_the_args_name_the_module_and_the_variable(name: str) -> None:
    assert main_of(getattr(sensors, name))["args"][-4:] == ["task-module", "tests.task.sensors", "task-name", name]


SCRIPT = """
from objectstore_sensor import WaitForObjectStoreFile
orders = WaitForObjectStoreFile(main="flytekit")
if __name__ == "__main__":
    from tests.task.registration import main_of, registered
    print(orders.name, registered(orders).template.id.name, *main_of(orders)["args"][-4:])
"""


def test_a_script_registers_its_own_sensor_under_the_name_of_its_module(tmp_path: Path) -> None:
    """As users of FlyteRemote do: what ``__main__`` calls its own is the script's module for Flyte."""
    (tmp_path / "orders_flow.py").write_text(SCRIPT)
    output, _ = python(str(tmp_path / "orders_flow.py"), seed=4, cwd=tmp_path).communicate()
    name = "orders_flow.orders"
    assert output.split() == [name, name, "task-module", "orders_flow", "task-name", "orders"]
