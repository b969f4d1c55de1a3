"""From a process that has loaded all to one that only waits: the same process, by ``exec``."""

from __future__ import annotations

import json
import os
import signal
import sys
from contextlib import suppress
from dataclasses import asdict, dataclass

from objectstore_watcher import contract
from objectstore_watcher.contract import Request
from objectstore_watcher.waiting import Pulse

VARIABLE = contract.ENV_PREFIX + "HANDED_OVER"
"""Environment variable that names the descriptor of what was handed over."""


@dataclass(frozen=True)
class Wait:
    """What is handed over.

    Attributes:
        request: what was asked.
        pulse: what was seen of the heartbeat.
    """

    request: Request
    pulse: Pulse


def hand_over(wait: Wait) -> None:
    """Go on as a fresh process with the same command line, which finds ``wait`` by `received`.

    Returns where that cannot be: then this process waits, with all that it has loaded.
    """
    with suppress(OSError):
        descriptor = os.memfd_create("wait", 0)  # in no file, where others could change it
        with open(descriptor, "wb", closefd=False) as file:
            file.write(json.dumps(asdict(wait.pulse)).encode() + b"\n" + contract.encoded(wait.request))
        # Kept pending until the fresh process has a handler: as process 1, it would lose a SIGTERM before.
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
        environment = {**os.environ, VARIABLE: str(descriptor)}
        os.execve(sys.executable, sys.orig_argv, environment)  # noqa: S606  # itself, no shell
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM})


def received() -> Wait | None:
    """What was handed over; None where nothing was."""
    if not (descriptor := os.environ.pop(VARIABLE, "")):
        return None
    with open(int(descriptor), "rb") as file:
        file.seek(0)
        pulse = Pulse(**json.loads(file.readline()))
        return Wait(Request.from_mapping(json.load(file)), pulse)
