"""The sensor of Flyte's tutorial on user containers, and its workflow, run locally: ``tutorial_sensor.py SECONDS``.

Written anew, with the tutorial's logic: a task of its own that asks flytekit's file access, sleeps, and asks again.
"""

from __future__ import annotations

import sys
import time
from datetime import timedelta

from flytekit import FlyteContextManager, workflow
from flytekit.extend import Interface, PythonTask


class WaitForObjectStoreFile(PythonTask):
    def __init__(self, name: str, poll_interval: timedelta) -> None:
        interface = Interface(inputs={"path": str}, outputs={"path": str})
        super().__init__(task_type="object-store-sensor", name=name, task_config=None, interface=interface)
        self._poll_interval = poll_interval

    def execute(self, path: str) -> str:
        files = FlyteContextManager.current_context().file_access
        while not files.exists(path):
            time.sleep(self._poll_interval.seconds)
        return path


sensor = WaitForObjectStoreFile("wait", timedelta(seconds=int(sys.argv[1])))


@workflow
def wait_and_run(path: str) -> str:
    return sensor(path=path)


for line in sys.stdin:
    wait_and_run(path=line.strip())
    print("noticed", flush=True)
