"""Starts watchers, and restarts them as the kubelet does."""

from __future__ import annotations

import json
import math
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from itertools import count
from pathlib import Path
from typing import Any

from tests.chaos.record import Life
from tests.servers import ROOT


class Kubelet:
    """The test's side of the process that forks watchers."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.chaos.nursery"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            cwd=ROOT,
            env={"PATH": os.environ["PATH"], "HOME": os.environ["HOME"], "AWS_EC2_METADATA_DISABLED": "true"},
        )
        self._numbers = count(1)
        self._lives: dict[int, Life] = {}
        self._lock = threading.Lock()
        self._reader = threading.Thread(target=self._read, name="kubelet", daemon=True)
        self._reader.start()

    def start(self, **order: Any) -> tuple[int, Life]:  # noqa: ANN401  # JSON
        """Start a watcher: its number, and its life as it goes on."""
        number, life = next(self._numbers), Life(time.monotonic())
        self._lives[number] = life
        self._send({"id": number, **order})
        return number, life

    def kill(self, number: int, by: signal.Signals) -> None:
        """Send a signal, if it still lives."""
        self._send({"id": number, "signal": by})

    def _send(self, order: dict[str, Any]) -> None:
        assert self._process.stdin
        with self._lock:
            self._process.stdin.write(json.dumps(order).encode() + b"\n")
            self._process.stdin.flush()

    def _read(self) -> None:
        assert self._process.stdout
        for line in self._process.stdout:
            report = json.loads(line)
            life = self._lives.pop(report["id"])
            life.code, life.ended = report["code"], report["at"]

    def close(self) -> None:
        """End all watchers."""
        assert self._process.stdin
        assert self._process.stdout
        self._process.stdin.close()
        self._process.wait()
        self._reader.join()
        self._process.stdout.close()


class Pod:
    """The watcher of one wait, with its restarts.

    Args:
        kubelet: who starts it.
        order: how.
        backoff: pause before the second restart in seconds; doubles with each further one.
        lives: is told each start and end.
    """

    def __init__(self, kubelet: Kubelet, order: Mapping[str, Any], backoff: float, lives: list[Life]) -> None:
        self._kubelet = kubelet
        self._order = order
        self._backoff = backoff
        self.lives = lives
        self._number = 0
        self._due = math.inf

    def start(self) -> None:
        """Start it."""
        self._due = math.inf
        self._number, life = self._kubelet.start(**self._order)
        self.lives.append(life)

    def tend(self) -> None:
        """Restart it, if it has ended and its pause has passed."""
        if not self.lives or math.isinf(self.lives[-1].ended):
            return
        if math.isinf(self._due):
            restarts = len(self.lives) - 1
            self._due = self.lives[-1].ended + (self._backoff * 2 ** (restarts - 1) if restarts else 0)
        if time.monotonic() >= self._due:
            self.start()

    def kill(self) -> None:
        """Kill it, as the kernel does when memory runs out."""
        self._signal(signal.SIGKILL)

    def terminate(self) -> None:
        """Tell it to end, as the kubelet does when main has ended."""
        self._signal(signal.SIGTERM)

    @property
    def is_alive(self) -> bool:
        """Whether it runs."""
        return bool(self.lives) and math.isinf(self.lives[-1].ended)

    def _signal(self, by: signal.Signals) -> None:
        if self.is_alive:
            field = "killed" if by == signal.SIGKILL else "terminated"
            setattr(self.lives[-1], field, time.monotonic())
            self._kubelet.kill(self._number, by)


def log_of(directory: Path) -> Path:
    """Where the watchers of a marker directory write their log."""
    return directory.with_name(directory.name + ".log")
