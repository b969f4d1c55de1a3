"""Marker volumes: small memory file systems where they can be mounted, else directories that nothing happens to."""

from __future__ import annotations

import os
import subprocess
import time
from contextlib import suppress
from pathlib import Path

from tests.chaos.record import Window

SIZE = "64k"
FILLER = "filler"


class Volume:
    """A directory for markers.

    Args:
        directory: where; is made.
        windows: is told what happens to it.
        may_break: whether something will: needs a file system of its own.
    """

    def __init__(self, directory: Path, windows: list[Window], *, may_break: bool) -> None:
        self.directory = directory
        self._windows = windows
        directory.mkdir()
        self.is_mounted = may_break and _mount("-t", "tmpfs", "-o", f"size={SIZE}", "tmpfs", directory)

    def break_(self, how: str) -> None:
        """Make it ``full`` or ``read-only``."""
        self._windows.append(Window(how, time.monotonic()))
        if how == "full":
            self._fill()
        else:
            self._remount("ro")

    def mend(self) -> None:
        """Make it usable again."""
        if self._windows[-1].kind == "full":
            (self.directory / FILLER).unlink()
        else:
            self._remount("rw")
        self._windows[-1].end = time.monotonic()

    def close(self) -> None:
        """Unmount it."""
        if self.is_mounted:
            subprocess.run(["umount", "-l", self.directory], check=True)

    def _fill(self) -> None:
        with open(self.directory / FILLER, "wb", buffering=0) as file, suppress(OSError):
            while True:
                file.write(bytes(4096))

    def _remount(self, how: str) -> None:
        end = time.monotonic() + 30
        while not _mount("-o", f"remount,{how}", self.directory):  # busy while a marker is being written
            assert time.monotonic() < end, f"cannot remount {self.directory}"
            time.sleep(0.005)


def _mount(*args: str | Path) -> bool:
    if os.geteuid() != 0:
        return False
    return subprocess.run(["mount", *args], stderr=subprocess.DEVNULL, check=False).returncode == 0
