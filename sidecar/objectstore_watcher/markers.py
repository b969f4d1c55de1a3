"""Files that appear whole or not at all, and are read with a limit: the mechanics under the contract."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress

from objectstore_watcher.errors import MarkerError

TYPE_CHECKING = False  # as in the contract
if TYPE_CHECKING:
    from pathlib import Path

_MODE = 0o644  # the two containers often run as different users: each must read the other's files


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
    # Never one that is there: it may be the file itself, linked by a process that then died.
    temporary = directory / f".{name}.{os.urandom(8).hex()}.tmp"
    try:
        _write_synced(temporary, data)
        with _locked(directory) as descriptor:
            if not set(unless).isdisjoint(os.listdir(descriptor)):
                raise FileExistsError(f"{str(directory)!r} holds one of {unless}")
            os.link(temporary, directory / name)  # as atomic as rename, but refuses to replace
            with suppress(OSError):  # makes the name itself survive a crash of the node; some file systems cannot
                os.fsync(descriptor)
    except FileExistsError:
        raise
    except OSError as error:
        raise _failure(directory, name, "written", error) from error
    finally:
        with suppress(OSError):
            temporary.unlink()


def load(directory: Path, name: str, limit: int) -> bytes | None:
    """What ``name`` holds, or None where it is not there.

    Raises:
        MarkerError: it cannot be read or is longer than ``limit`` bytes.
    """
    try:
        with (directory / name).open("rb") as file:
            data = file.read(limit + 1)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise _failure(directory, name, "read", error) from error
    if len(data) > limit:
        raise MarkerError(str(directory / name), f"is longer than {limit} bytes", cure="find out who else writes there")
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
        MarkerError: the directory is missing, read-only or full.
    """
    try:
        descriptor = os.open(directory / name, os.O_WRONLY | os.O_CREAT, _MODE)
        try:
            os.utime(descriptor)
        finally:
            os.close(descriptor)
    except OSError as error:
        raise _failure(directory, name, "written", error) from error


def modified(directory: Path, name: str) -> int:
    """The modification time of ``name`` in nanoseconds, or 0 where it is not there."""
    try:
        return os.stat(directory / name).st_mtime_ns
    except OSError:
        return 0


def _write_synced(path: Path, data: bytes) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, _MODE)
    with open(descriptor, "wb") as file:
        os.fchmod(descriptor, _MODE)  # whatever the umask
        file.write(data)
        file.flush()
        os.fsync(descriptor)


@contextmanager
def _locked(directory: Path) -> Iterator[int]:
    """The directory's descriptor, while no other process publishes in it."""
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield descriptor
    finally:
        os.close(descriptor)


def _failure(directory: Path, name: str, verb: str, error: OSError) -> MarkerError:
    return MarkerError(str(directory), f"{name!r} cannot be {verb}: {error.strerror}")
