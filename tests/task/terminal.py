"""A process on a pseudo-terminal, as a person starts it."""

from __future__ import annotations

import os
import pty
import select
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

SLOW = 120.0
"""Seconds for flytekit to start on a busy machine."""


class Terminal:
    """A process whose input and output are a terminal.

    Attributes:
        shown: what it has written so far.
    """

    def __init__(self, command: Sequence[str], env: Mapping[str, str], folder: Path) -> None:
        self._master, slave = pty.openpty()
        try:
            self.process = subprocess.Popen(
                command,
                env={**env, "TERM": "xterm", "COLUMNS": "300"},
                cwd=folder,
                stdin=slave,
                stdout=slave,
                stderr=slave,
                start_new_session=True,
            )
        finally:
            os.close(slave)
        self.shown = ""

    def __enter__(self) -> Terminal:
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.process.wait()
        os.close(self._master)

    def read_until(self, text: str) -> None:
        """Read until ``text`` was shown."""
        end = time.monotonic() + SLOW
        while text not in self.shown:
            assert time.monotonic() < end, f"not shown within {SLOW} s: {text!r}; but: {self.shown!r}"
            assert self._read(), f"ended without showing {text!r}: {self.shown!r}"

    def end(self) -> int:
        """Read until the process ends; its exit code, negative for a signal."""
        end = time.monotonic() + SLOW
        while self._read():
            assert time.monotonic() < end, f"not ended within {SLOW} s: {self.shown!r}"
        return self.process.wait(timeout=SLOW)

    def _read(self) -> bool:
        """Read what is there, or wait a little; False at the end."""
        if not select.select([self._master], [], [], 1)[0]:
            return True
        try:
            data = os.read(self._master, 65536)
        except OSError:  # how Linux says that nobody has the terminal open any more
            return False
        self.shown += data.decode(errors="replace")
        return bool(data)
