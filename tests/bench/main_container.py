"""Main's side in a process of its own: the task's real ``execute``, as in a pod.

For each marker directory on standard input: execute, then write the time at which it returned, in seconds on the
monotonic clock, which all processes of a machine share.
"""

from __future__ import annotations

import os
import sys
import time

from flytekit import FlyteContextManager
from flytekit.core.context_manager import ExecutionState
from objectstore_sensor import WaitForObjectStoreFile
from objectstore_watcher.contract import DIRECTORY_VARIABLE

sensor = WaitForObjectStoreFile(name="bench", poll_interval=1)


def main() -> None:
    context = FlyteContextManager.current_context()
    in_pod = context.new_execution_state().with_params(mode=ExecutionState.Mode.TASK_EXECUTION)
    with FlyteContextManager.with_context(context.with_execution_state(in_pod)):
        print("loaded", flush=True)
        for line in sys.stdin:
            directory, path = line.split()
            os.environ[DIRECTORY_VARIABLE] = directory
            sensor.execute(path=path)
            print(time.monotonic(), flush=True)


if __name__ == "__main__":
    main()
