"""Files that appear whole or not at all, and are read with a limit: the mechanics under the contract."""

from __future__ import annotations

import errno
import fcntl
import os
import stat
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress

from objectstore_watcher.errors import MarkerError

TYPE_CHECKING = False  # as in the contract
if TYPE_CHECKING:
    from pathlib import Path

_MODE = 0o644  # the two containers often run as different users: each must read the other's files

LOCK_TIMEOUT = 10.0
"""Seconds to wait for the directory's lock. It is held for milliseconds; but whoever can open the directory, be it
read-only, can also keep it for ever."""

_LOCK_CHECK_INTERVAL = 0.01

_WHO_ELSE = "find out who else writes there"

# A marker is a regular file. A FIFO would block whoever opens it; a symbolic link would have main or the watcher open
# a file of its own container, a secret perhaps, for whoever made the link, and nobody who keeps the contract makes one.
_NO_TRAPS = os.O_NONBLOCK | os.O_NOFOLLOW


def publish(directory: Path, name: str, data: bytes, unless: Sequence[str] = ()) -> None:
    """Make ``name`` appear in ``directory`` with all of ``data``, once.

    Args:
        directory: where.
        name: the file.
        data: what it holds.
        unless: names that must not be there either.

    Raises:
        FileExistsError: it, or one of ``unless``, is there already, and stays as it is.
        MarkerError: the directory is missing, read-only or full; nothing is left behind.
    """
    try:
        with _locked(directory) as descriptor:
            there = os.listdir(descriptor)
            _remove_leftovers(descriptor, name, there)
            if not set(unless).isdisjoint(there):
                raise FileExistsError(f"{str(directory)!r} holds one of {unless}")
            _write_and_link(descriptor, name, data)
    except FileExistsError:
        raise
    except OSError as error:
        raise _failure(directory, name, "written", error) from error


def replace(directory: Path, name: str, data: bytes) -> None:
    """Make ``name`` hold ``data``, whole or not at all, whatever it held; where that cannot be, it stays as it is.

    For what nobody waits for: it outlives no crash of the node, and of two writers at a time one may spoil it.
    """
    temporary = directory / f".{name}.tmp"  # one name, so that writers that are killed leave one file at most
    with suppress(OSError):
        with open(_open_regular(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC), "wb") as file:
            os.fchmod(file.fileno(), _MODE)
            file.write(data)
        os.replace(temporary, directory / name)


def remove(directory: Path, *names: str) -> None:
    """Remove files that nobody needs any more; what cannot be removed stays."""
    for name in names:
        with suppress(OSError):
            os.unlink(directory / name)


def load(directory: Path, name: str, limit: int) -> bytes | None:
    """What ``name`` holds, or None where it is not there.

    Raises:
        MarkerError: it is no regular file, cannot be read or is longer than ``limit`` bytes.
    """
    try:
        with open(_open_regular(directory / name, os.O_RDONLY), "rb") as file:
            data = file.read(limit + 1)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise _failure(directory, name, "read", error) from error
    if len(data) > limit:
        raise MarkerError(str(directory / name), f"is longer than {limit} bytes", cure=_WHO_ELSE)
    return data


def names(directory: Path) -> list[str]:
    """What is in ``directory``; nothing where it cannot be read."""
    try:
        return os.listdir(directory)
    except OSError:
        return []


def touch(directory: Path, name: str) -> None:
    """Set the modification time of ``name`` to now, making it where it is not there.

    Raises:
        MarkerError: the directory is missing, read-only or full, or ``name`` is no regular file.
    """
    try:
        descriptor = _open_regular(directory / name, os.O_WRONLY | os.O_CREAT)
        try:
            os.utime(descriptor)
        finally:
            os.close(descriptor)
    except OSError as error:
        raise _failure(directory, name, "written", error) from error


def modified(directory: Path, name: str) -> int:
    """The modification time of ``name`` in nanoseconds, or 0 where there is no such regular file."""
    try:
        found = os.lstat(directory / name)
    except OSError:
        return 0
    return found.st_mtime_ns if stat.S_ISREG(found.st_mode) else 0


def _write_and_link(descriptor: int, name: str, data: bytes) -> None:
    # Never a name that is there: it may be the file itself, linked by a process that then died.
    temporary = f".{name}.{os.urandom(8).hex()}.tmp"
    try:
        _write_synced(descriptor, temporary, data)
        # As atomic as rename, but refuses to replace.
        os.link(temporary, name, src_dir_fd=descriptor, dst_dir_fd=descriptor)
        with suppress(OSError):  # makes the name itself survive a crash of the node; some file systems cannot
            os.fsync(descriptor)
    finally:
        with suppress(OSError):
            os.unlink(temporary, dir_fd=descriptor)


def _write_synced(directory: int, name: str, data: bytes) -> None:
    descriptor = os.open(name, os.O_WRONLY | os.O_CREAT | os.O_EXCL, _MODE, dir_fd=directory)
    with open(descriptor, "wb") as file:
        os.fchmod(descriptor, _MODE)  # whatever the umask
        file.write(data)
        file.flush()
        os.fsync(descriptor)


def _remove_leftovers(descriptor: int, name: str, there: Sequence[str]) -> None:
    """Remove temporary files of writers that were killed: a writer that lives has the lock, and here this one has it.

    Else a watcher that is killed again and again would fill the volume.
    """
    for each in there:
        if each.startswith(f".{name}.") and each.endswith(".tmp"):
            with suppress(OSError):
                os.unlink(each, dir_fd=descriptor)


def _open_regular(path: Path, flags: int) -> int:
    """A descriptor of the regular file ``path``; OSError for anything else, without waiting for it."""
    try:
        descriptor = os.open(path, flags | _NO_TRAPS, _MODE)
    except OSError as error:
        if error.errno in (errno.ELOOP, errno.ENXIO):  # how Linux says that it is a link, or a FIFO or socket
            raise _MeddledError("it is no regular file") from error
        raise
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise _MeddledError("it is no regular file")
    return descriptor


@contextmanager
def _locked(directory: Path) -> Iterator[int]:
    """The directory's descriptor, while no other process publishes in it."""
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        _lock(descriptor)
        yield descriptor
    finally:
        os.close(descriptor)


def _lock(descriptor: int) -> None:
    end = time.monotonic() + LOCK_TIMEOUT
    while not _try_lock(descriptor):
        if time.monotonic() >= end:
            raise _MeddledError(f"another process has kept the lock for {LOCK_TIMEOUT:g} s")
        time.sleep(_LOCK_CHECK_INTERVAL)


def _try_lock(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _failure(directory: Path, name: str, verb: str, error: OSError) -> MarkerError:
    meddled = isinstance(error, _MeddledError)
    told = str(error) if meddled else error.strerror
    return MarkerError(str(directory), f"{name!r} cannot be {verb}: {told}", cure=_WHO_ELSE if meddled else "")


class _MeddledError(OSError):
    """Nobody who keeps the contract did this to the directory."""
