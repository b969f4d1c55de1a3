"""Files on this machine."""

from __future__ import annotations

import os
import stat
from collections.abc import Mapping, Sequence
from pathlib import Path

from objectstore_watcher.contract import MOST_MATCHES
from objectstore_watcher.errors import StoreError
from objectstore_watcher.patterns import Pattern
from objectstore_watcher.stores import MANIFEST, Found, OnRequest
from objectstore_watcher.targets import Target


class LocalStore:
    """Files, by ``stat``; or those that match a pattern, by walking the directories in which some can be.

    Args:
        uri: the first path, for errors.
        on_request: is told each ``stat``.
    """

    def __init__(self, uri: str, on_request: OnRequest) -> None:
        self._uri = uri
        self._on_request = on_request
        self.answers = 0

    def look(self, within: float, targets: Sequence[Target]) -> Sequence[Found]:  # the kernel answers at once, mostly
        """Those of ``targets`` that are there.

        Raises:
            StoreError: one is a directory, or the file system refuses to say.
        """
        found: list[Found] = []
        for target in targets:
            self._uri = target.uri
            found += self._walk(target, target.pattern) if target.pattern else self._stat(target, target.name)
            self.answers += 1
        return found

    def read(self, within: float, target: Target, most: int = MANIFEST) -> bytes | None:
        """The content of a small file, ``most`` bytes of it at most, or None where it is absent.

        Raises:
            StoreError: it cannot be read.
        """
        try:
            with open(target.name, "rb") as file:
                return file.read(most)
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as error:
            raise StoreError(target.uri, f"{error.strerror}", kind="unreadable") from error

    def tags(self, within: float, target: Target) -> Mapping[str, str] | None:
        """None: files have no tags, and no spec of files asks for them."""
        return None

    def write(self, within: float, target: Target, data: bytes) -> None:
        """Store a small file, and make its directory where there is none.

        Raises:
            StoreError: it cannot be written.
        """
        path = Path(target.name)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
            temporary.write_bytes(data)
            temporary.replace(path)
        except OSError as error:
            raise StoreError(target.uri, f"{error.strerror}", kind="unreadable") from error

    def _stat(self, target: Target, name: str) -> Sequence[Found]:
        path = Path(name)
        try:
            status = path.stat()
        except (FileNotFoundError, NotADirectoryError):
            self._on_request("stat", "absent")
            return ()
        except OSError as error:
            self._on_request("stat", "error")
            raise StoreError(target.uri, f"{error.strerror}", kind="unreadable") from error
        self._on_request("stat", "found")
        if stat.S_ISDIR(status.st_mode):
            raise StoreError(target.uri, kind="not_a_file")
        key = str(path.absolute())
        return (Found(bucket="", key=key, size=status.st_size, last_modified=status.st_mtime, asked=target.uri),)

    def _walk(self, target: Target, pattern: Pattern) -> Sequence[Found]:
        found: list[Found] = []
        begin, deepest = os.path.dirname(pattern.prefix), pattern.slashes

        def check(error: OSError) -> None:
            """Of those below, one that may not be read is passed over, as by shells: lost+found, say."""
            if error.filename == begin and not isinstance(error, (FileNotFoundError, NotADirectoryError)):
                raise StoreError(target.uri, f"{begin}: {error.strerror}", kind="unreadable") from error

        for directory, folders, files in os.walk(begin, onerror=check):
            self.answers += 1
            folders.sort()
            if deepest is not None and os.path.join(directory, "").count("/") >= deepest:
                folders.clear()
            for name in sorted(files):
                path = os.path.join(directory, name)
                if pattern.matches(path):
                    found.extend(self._stat(target, path))
            if len(found) > MOST_MATCHES:
                break
        return sorted(found, key=lambda each: each.key)[: MOST_MATCHES + 1]

    def give_up(self, after: float) -> StoreError:
        """The error for a file system that does not answer, such as NFS without its server."""
        return StoreError(
            self._uri,
            f"timed out: the file system does not answer within {after:g} s",
            cure="check the mount and its server",
            kind="timeout",
        )
