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
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.fake_s3 import Answer, FakeS3, error
from tests.servers import Watcher
from tests.sidecar.conftest import Start

COLUMNS = 80

CONTROL = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


class Terminal:
    """A terminal of 80 columns on which a watcher runs, and what it has shown."""

    def __init__(self, *args: str, **env: str) -> None:
        self._main, terminal = pty.openpty()
        fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 24, COLUMNS, 0, 0))
        base = {"PATH": os.environ["PATH"], "HOME": os.environ["HOME"], "TERM": "xterm-256color"}
        self._process = subprocess.Popen(
            [*Watcher.COMMAND, *args], env={**base, **env}, stdin=terminal, stderr=terminal
        )
        os.close(terminal)
        self.shown = ""

    def __enter__(self) -> Terminal:
        return self

    def __exit__(self, *args: object) -> None:
        self._process.kill()
        self._process.wait()
        os.close(self._main)

    def see(self, what: str, timeout: float = 30) -> None:
        """Wait until a frame that matches is on the screen."""
        self._read_until(lambda: any(re.search(what, frame) for frame in self.frames()), timeout)

    def end(self, by: signal.Signals | None = None) -> int:
        """The exit code, after all output was read."""
        if by:
            self._process.send_signal(by)
        self._read_until(lambda: False, 30)
        return self._process.wait(timeout=30)

    def _read_until(self, seen: Callable[[], bool], timeout: float) -> None:
        end = time.monotonic() + timeout
        while not seen():
            assert time.monotonic() < end, self.frames()[-10:]
            if not select.select([self._main], [], [], 0.1)[0]:
                continue
            try:
                self.shown += os.read(self._main, 65536).decode()
            except OSError:  # the watcher has ended
                return

    def frames(self) -> list[str]:
        """Every state of every line, as a person sees it."""
        return [line for line in re.split(r"[\r\n]+", CONTROL.sub("", self.shown)) if line.strip()]

    def live(self) -> list[str]:
        """The states of the live line."""
        return [frame for frame in self.frames() if " of " in frame and "look" in frame]


def test_a_person_sees_one_line_with_elapsed_time_next_look_and_path(tmp_path: Path) -> None:
    path = str(tmp_path / "absent")
    with Terminal(path, "--timeout=5m", "--poll-interval=1m") as terminal:
        terminal.see(r"waiting 0:0[1-9] of 5:00  look \d in \d+ s  /")
        assert terminal.end(signal.SIGINT) == 130
    log, *live = terminal.frames()
    assert log.endswith(f" waiting for {path}")
    assert all(re.match(r"\S\s+(waiting 0:\d\d of 5:00  look \d in \d+ s  /|$)", frame) for frame in live), live


def test_the_live_line_goes_away_and_the_result_stays(tmp_path: Path) -> None:
    file = tmp_path / "file"
    with Terminal(str(file), "--poll-interval=0.1") as terminal:
        terminal.see(r"look \d+ in")
        file.write_bytes(b"1234")
        assert terminal.end() == 0
    assert any(re.search(rf" ready: {file} \(4 bytes\) after \d+\.\d s$", frame) for frame in terminal.frames())
    after = terminal.shown.rpartition("ready: ")[2]
    assert after.endswith("\x1b[2K"), "the last thing is that the live line is wiped"
    assert "\x1b[?25h" in after, "the cursor is shown again"


def test_the_last_error_is_shown(tmp_path: Path) -> None:
    with FakeS3(Answer(503)) as server, Terminal("s3://bucket/key", **server.env()) as terminal:
        terminal.see("last error: the server asks")
        terminal.end(signal.SIGINT)
    warnings = [frame for frame in terminal.frames() if "warning: s3://bucket/key: the server asks for" in frame]
    assert len(warnings) == 1


@pytest.mark.parametrize("key", ["new\nline\r\x1b[2J\x1b[31m[red]key" + "k" * 300, "語" * 100])
def test_the_live_line_is_one_line_whatever_the_path(key: str) -> None:
    absent = error(404, "NoSuchKey", x_minio_error_code="NoSuchKey")
    with FakeS3(absent) as server, Terminal("--timeout=5m", "--", f"s3://bucket/{key}", **server.env()) as terminal:
        terminal.see(r"look \d+ in .* s3://bucket/")
        terminal.end(signal.SIGINT)
    assert all(_width(frame) <= COLUMNS for frame in terminal.live())
    assert "\x1b[1A\x1b[2K\x1b[1A" not in terminal.shown, "never more than one line is wiped"
    assert "\x1b[2J" not in terminal.shown
    assert "\x1b[31m" not in terminal.shown


def _width(text: str) -> int:
    return sum(2 if c == "語" else 1 for c in text)


def test_where_there_is_no_terminal_there_is_no_live_line(start: Start, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    code, told = start(tmp_path / "file").end()
    assert code == 0
    assert "\x1b" not in told
    assert "look" not in told
