"""A process on a pseudo-terminal, as a person starts it."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import select
import signal
import struct
import subprocess
import termios
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from typing_extensions import Self

SLOW = 120.0
"""Seconds for a process to start on a busy machine."""

CONTROL = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


class Terminal:
    """A process whose input and error output are a terminal.

    Args:
        command: what is started.
        env: its environment.
        columns: of the terminal.
        folder: where it is started; by default here.
        pipe: whether its standard output is a pipe, which `output` reads; else it is the terminal, too.

    Attributes:
        process: what was started.
        shown: what it has written to the terminal so far.
    """

    def __init__(
        self,
        command: Sequence[str],
        env: Mapping[str, str],
        *,
        columns: int = 300,
        folder: Path | None = None,
        pipe: bool = False,
    ) -> None:
        self._main, terminal = pty.openpty()
        fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
        try:
            self.process = subprocess.Popen(
                command,
                env={"TERM": "xterm-256color", **env},
                cwd=folder,
                stdin=terminal,
                stdout=subprocess.PIPE if pipe else terminal,
                stderr=terminal,
                start_new_session=True,
            )
        finally:
            os.close(terminal)
        self.shown = ""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.process.wait()
        if self.process.stdout:
            self.process.stdout.close()
        os.close(self._main)

    def see(self, what: str) -> None:
        """Wait until a frame that matches is on the screen."""
        end = time.monotonic() + SLOW
        while not any(re.search(what, frame) for frame in self.frames()):
            assert time.monotonic() < end, f"not shown within {SLOW} s: {what!r}; but: {self.frames()[-10:]}"
            assert self._read(), f"ended without showing {what!r}: {self.frames()[-10:]}"

    def end(self, by: signal.Signals | None = None) -> int:
        """Read until the process ends; its exit code, negative for a signal."""
        if by:
            self.process.send_signal(by)
        end = time.monotonic() + SLOW
        while self._read():
            assert time.monotonic() < end, f"not ended within {SLOW} s: {self.frames()[-10:]}"
        return self.process.wait(timeout=SLOW)

    def output(self) -> str:
        """What it has written to standard output, where that is a pipe."""
        assert self.process.stdout
        return self.process.stdout.read().decode()

    def frames(self) -> list[str]:
        """Every state of every line, as a person sees it."""
        return [line for line in re.split(r"[\r\n]+", CONTROL.sub("", self.shown)) if line.strip()]

    def _read(self) -> bool:
        """Read what is there, or wait a little; False at the end."""
        if not select.select([self._main], [], [], 0.1)[0]:
            return True
        try:
            data = os.read(self._main, 65536)
        except OSError:  # how Linux says that nobody has the terminal open any more
            return False
        self.shown += data.decode(errors="replace")
        return bool(data)
