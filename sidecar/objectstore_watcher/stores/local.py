"""Files on this machine."""

from __future__ import annotations

import stat
from pathlib import Path

from objectstore_watcher.errors import StoreError
from objectstore_watcher.stores import Found, OnRequest
from objectstore_watcher.uri import FileLocation


class LocalStore:
    """A file, by ``stat``."""

    def __init__(self, location: FileLocation, on_request: OnRequest) -> None:
        self._location = location
        self._on_request = on_request

    def look(self, within: float) -> Found | None:  # the kernel answers at once, but for network file systems
        """The file, or None while it is absent.

        Raises:
            StoreError: it is a directory, or the file system refuses to say.
        """
        path = Path(self._location.path)
        try:
            status = path.stat()
        except (FileNotFoundError, NotADirectoryError):
            self._on_request("stat", "absent")
            return None
        except OSError as error:
            self._on_request("stat", "error")
            raise StoreError(self._location.uri, f"{error.strerror}", kind="unreadable") from error
        self._on_request("stat", "found")
        if stat.S_ISDIR(status.st_mode):
            raise StoreError(self._location.uri, kind="not_a_file")
        return Found(bucket="", key=str(path.absolute()), size=status.st_size, last_modified=status.st_mtime)

    def give_up(self, after: float) -> StoreError:
        """The error for a file system that does not answer, such as NFS without its server."""
        return StoreError(
            self._location.uri,
            f"timed out: the file system does not answer within {after:g} s",
            cure="check the mount and its server",
            kind="timeout",
        )
