"""Files on this machine."""

from __future__ import annotations

import os
import stat
from collections.abc import Sequence
from pathlib import Path

from objectstore_watcher.contract import MOST_MATCHES, WatchSpec
from objectstore_watcher.errors import StoreError
from objectstore_watcher.patterns import Pattern
from objectstore_watcher.stores import Found, OnRequest
from objectstore_watcher.uri import FileLocation


class LocalStore:
    """A file, by ``stat``; or those that match a pattern, by walking the directories below its fixed part."""

    def __init__(self, location: FileLocation, spec: WatchSpec, on_request: OnRequest) -> None:
        self._location = location
        self._on_request = on_request
        pattern = Pattern(os.path.abspath(location.path)) if spec.match == "glob" else None
        self._pattern = None if pattern and pattern.is_literal else pattern
        self._path = pattern.prefix if pattern else location.path
        self.answers = 0

    def look(self, within: float) -> Sequence[Found]:  # the kernel answers at once, but for network file systems
        """The file, or those that match.

        Raises:
            StoreError: it is a directory, or the file system refuses to say.
        """
        return self._walk(self._pattern) if self._pattern else self._stat(self._path)

    def _stat(self, name: str) -> Sequence[Found]:
        path = Path(name)
        try:
            status = path.stat()
        except (FileNotFoundError, NotADirectoryError):
            self._on_request("stat", "absent")
            return ()
        except OSError as error:
            self._on_request("stat", "error")
            raise StoreError(self._location.uri, f"{error.strerror}", kind="unreadable") from error
        self._on_request("stat", "found")
        if stat.S_ISDIR(status.st_mode):
            raise StoreError(self._location.uri, kind="not_a_file")
        return (Found(bucket="", key=str(path.absolute()), size=status.st_size, last_modified=status.st_mtime),)

    def _walk(self, pattern: Pattern) -> Sequence[Found]:
        found: list[Found] = []
        for directory, folders, files in os.walk(os.path.dirname(pattern.prefix)):
            self.answers += 1
            folders.sort()
            for name in sorted(files):
                path = os.path.join(directory, name)
                if pattern.matches(path):
                    found.extend(self._stat(path))
            if len(found) >= MOST_MATCHES:
                break
        return sorted(found, key=lambda each: each.key)[:MOST_MATCHES]

    def give_up(self, after: float) -> StoreError:
        """The error for a file system that does not answer, such as NFS without its server."""
        return StoreError(
            self._location.uri,
            f"timed out: the file system does not answer within {after:g} s",
            cure="check the mount and its server",
            kind="timeout",
        )
