"""The container's last words, which ``kubectl describe pod`` shows as its message."""

from __future__ import annotations

import os
import stat
from contextlib import suppress

from objectstore_watcher.errors import one_line

PATH = "/dev/termination-log"
"""Where the kubelet mounts a file for them, unless the pod says otherwise; writable for any user, and on a read-only
root file system, too."""

MOST_BYTES = 4096
"""What the kubelet keeps of the file. It would take the end of a longer one, and so lose what it is about."""


def leave(message: str, path: str = "") -> None:
    """Let ``message`` be the container's last words, in one line; nothing happens where no kubelet mounted a file.

    Args:
        message: what to say.
        path: the file; by default `PATH`.
    """
    data = one_line(message, MOST_BYTES).encode()
    if len(data) > MOST_BYTES:
        data = data[: MOST_BYTES - len("…".encode())].decode(errors="ignore").encode() + "…".encode()
    with suppress(OSError):  # a message that cannot be left must not change how the container ends
        descriptor = os.open(path or PATH, os.O_WRONLY | os.O_NOFOLLOW | os.O_NONBLOCK)  # never makes one
        try:
            if stat.S_ISREG(os.fstat(descriptor).st_mode):
                os.ftruncate(descriptor, 0)
                os.write(descriptor, data)
        finally:
            os.close(descriptor)
