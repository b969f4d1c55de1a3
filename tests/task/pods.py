"""A sensor's pod as two real processes that share a directory: what Flyte and the kubelet do, without either."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests import flyte_backend
from tests.flyte_backend import Execution
from tests.servers import ROOT, MinioServer, Watcher, eventually
from tests.task.registration import MAIN_IMAGE

SLOW = 180.0
"""Seconds for flytekit to start on a busy machine, several at a time."""


def kubelet(container: Mapping[str, Any]) -> tuple[list[str], dict[str, str]]:
    """A container's command line and environment as its process gets them: ``$(NAME)`` is expanded."""
    env = flyte_backend.environment(container)
    return [_expanded(argument, env) for argument in [*container.get("command", ()), *container["args"]]], env


def _expanded(argument: str, env: Mapping[str, str]) -> str:
    def value(found: re.Match[str]) -> str:
        return found[0][1:] if found[0].startswith("$$") else env.get(found[1], found[0])

    return re.sub(r"\$\$|\$\(([^)]+)\)", value, argument)


class Pod:
    """Main and watcher, with the arguments and the environment of the serialized task.

    Args:
        server: where inputs.pb, outputs.pb and the objects are.
        bucket: Flyte's own bucket.
        sensor: the task; a variable of a module that can be imported.
        path: its input: a path, or a list of them.
        folder: for the marker directory and the logs.
        platform_env: more variables that the platform gives to all containers.
        beside: another pod, whose markers this one's main reads, too; it has no watcher of its own.
        written: makes inputs.pb of the inputs; by default flytekit does.
        prepare: is done to the marker directory before the processes start.
        further: its other inputs.
    """

    def __init__(
        self,
        server: MinioServer,
        bucket: str,
        sensor: Any,  # noqa: ANN401
        path: Any,  # noqa: ANN401
        folder: Path,
        *,
        platform_env: Mapping[str, str] | None = None,
        beside: Pod | None = None,
        written: Callable[[Mapping[str, Any]], bytes] | None = None,
        prepare: Callable[[Path], object] = lambda directory: None,
        **further: object,
    ) -> None:
        self.path = path
        self.directory: Path = beside.directory if beside else folder / "markers"
        self.directory.mkdir(parents=True, exist_ok=True)
        self._server = server
        self._folder = folder
        self._execution = Execution(
            name=folder.name, bucket=bucket, platform_env={**server.flyte_env(), **(platform_env or {})}
        )
        self._sensor = sensor
        name, *_ = sensor.python_interface.inputs
        if written:
            flyte_backend.put(server.client(), self._execution, "inputs.pb", written({name: path, **further}))
        else:
            flyte_backend.put_inputs(server.client(), self._execution, sensor, **{name: path}, **further)
        if not beside:
            prepare(self.directory)
        spec = flyte_backend.pod(sensor, MAIN_IMAGE, self._execution)["spec"]
        (main_container,), (watcher_container,) = spec["containers"], spec["initContainers"]
        with ExitStack() as stack:
            self.watcher: subprocess.Popen[bytes] = (
                beside.watcher
                if beside
                else stack.enter_context(self._start("watcher", Watcher.COMMAND, watcher_container))
            )
            self.main = stack.enter_context(self._start("main", (), main_container))
            self._processes = stack.pop_all()

    def __enter__(self) -> Pod:
        return self

    def __exit__(self, *_: object) -> None:
        for process in (self.main, self.watcher):
            process.kill()
        self._processes.close()

    def _start(self, name: str, entry_point: tuple[str, ...], container: Mapping[str, Any]) -> subprocess.Popen[bytes]:
        args, env = kubelet(container)
        of_the_image = {
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
            "HOME": str(self._folder),
            "TMPDIR": str(self._folder),
            "PYTHONPATH": str(ROOT),
        }
        env = {**of_the_image, **env, "OBJECTSTORE_WATCHER_DIR": str(self.directory)}
        with (self._folder / f"{name}.log").open("w") as log:
            return subprocess.Popen(
                [*entry_point, *args], env=env, cwd=self._folder, stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )

    def reach(self, condition: Callable[[], bool], what: str) -> None:
        """Wait for ``condition``, while main runs."""
        eventually(lambda: condition() or self.main.poll() is not None, what, timeout=SLOW)
        assert self.main.poll() is None, f"main ended before: {what}\n{self.log()}"

    def reach_request(self) -> None:
        """Wait until main has asked, and so waits."""
        self.reach((self.directory / "request").exists, "request")

    def end(self) -> int:
        """Wait for main's end; its exit code."""
        try:
            return self.main.wait(timeout=SLOW)
        except subprocess.TimeoutExpired:
            self.main.kill()
            raise AssertionError(f"main still runs; {self.markers()}\n{self.log()}") from None

    def markers(self) -> dict[str, str]:
        """The files of the contract, by name."""
        files = (file for file in self.directory.iterdir() if not file.name.startswith("."))  # is being written
        return {file.name: file.read_text() for file in files}

    def log(self) -> str:
        """What both wrote."""
        return "".join(file.read_text() for file in sorted(self._folder.glob("*.log")))

    def written(self, name: str) -> bytes | None:
        """The bytes of ``outputs.pb`` or ``error.pb``; None where there are none."""
        return flyte_backend.written(self._server.client(), self._execution, name)

    def outputs(self) -> dict[str, Any] | None:
        """What outputs.pb holds; None where there is none."""
        return flyte_backend.outputs(self._server.client(), self._execution)

    def values(self) -> dict[str, Any]:
        """What outputs.pb holds, as the next task gets it."""
        return flyte_backend.typed_outputs(self._server.client(), self._execution, self._sensor)

    def deck(self) -> str | None:
        """The page that flytekit wrote for Flyte's console; None where there is none."""
        data = flyte_backend.written(self._server.client(), self._execution, "deck.html")
        return None if data is None else data.decode()

    def error(self) -> Any:  # noqa: ANN401  # a protobuf message
        """What error.pb holds; None where there is none."""
        return flyte_backend.error(self._server.client(), self._execution)


@contextmanager
def started(
    server: MinioServer, bucket: str, asked: Mapping[str, tuple[Any, Any]], folders: pytest.TempPathFactory
) -> Iterator[dict[str, Pod]]:
    """A pod for each sensor and its path, by name, all at once: each main takes seconds to start, and then waits."""
    with ExitStack() as stack:
        yield {
            name: stack.enter_context(Pod(server, bucket, sensor, path, folders.mktemp("pod")))
            for name, (sensor, path) in asked.items()
        }
