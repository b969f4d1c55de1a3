"""The two processes of a sensor's pod, on this machine: with exactly the args that Flyte would start them with."""

from __future__ import annotations

import shlex
import tempfile
import uuid
from collections.abc import Mapping, Sequence

from objectstore_sensor import WaitForObjectStoreFile
from objectstore_watcher.contract import DIRECTORY_VARIABLE

from tests import flyte_backend
from tests.bench.laboratory import Laboratory
from tests.flyte_backend import Execution
from tests.servers import ROOT, Watcher, free_port

PORT = free_port()
"""Of the watcher's metrics. One pod at a time."""

flytekit_main = WaitForObjectStoreFile(poll_interval=1, metrics_port=PORT, main="flytekit")
lean_main = WaitForObjectStoreFile(poll_interval=1, metrics_port=PORT, main="lean")

MAINS = {"flytekit": flytekit_main, "lean": lean_main}
"""The sensors, by what their main container runs."""


def command(lab: Laboratory, uri: str, main: str) -> Sequence[str]:
    """Starts both containers' processes; ends when main does. The watcher alone speaks through the proxy."""
    sensor, name = MAINS[main], uuid.uuid4().hex
    execution = Execution(name=name, bucket=lab.bucket, platform_env=lab.minio.flyte_env())
    flyte_backend.put_inputs(lab.minio.client(), execution, sensor, path=uri)
    spec = flyte_backend.pod(sensor, "example:v1", execution, path=uri)["spec"]
    watcher, primary = spec["initContainers"][0], spec["containers"][0]
    markers = tempfile.mkdtemp(dir=lab.place)
    env = {**flyte_backend.environment(primary), DIRECTORY_VARIABLE: markers, "PYTHONPATH": str(ROOT)}
    watching = _process({**env, "FLYTE_AWS_ENDPOINT": lab.proxy.endpoint}, [*Watcher.COMMAND, *watcher["args"]])
    return ["bash", "-c", f"{watching} & exec {_process(env, [*primary['command'], *primary['args']])}"]


def _process(env: Mapping[str, str], command: Sequence[str]) -> str:
    return shlex.join(["env", *(f"{name}={value}" for name, value in env.items()), *command])
