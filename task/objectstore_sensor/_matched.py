"""``MatchedObject``: the object that was found, as tasks pass it on; reads what was found, or fails."""

from __future__ import annotations

import errno
import io
import os
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import IO, Any

from flytekit import FlyteContextManager
from objectstore_watcher import uri as paths
from objectstore_watcher.contract import Matched
from objectstore_watcher.mains import moment_of

from objectstore_sensor.errors import ObjectChanged


@dataclass(frozen=True, kw_only=True)
class MatchedObject:
    """An object that a sensor found; Flyte passes it from task to task.

    Attributes:
        uri: its path, such as ``s3://bucket/key``.
        key: its key; for a file, its path.
        size: bytes.
        etag: ETag without quotes; empty for files.
        version_id: its version in a versioned bucket; empty elsewhere, and where a listing found it.
        last_modified: when it was written, by the store's clock; None where that was not told.
        detected_at: when the watcher saw it.
    """

    uri: str
    key: str
    size: int = 0
    etag: str = ""
    version_id: str = ""
    last_modified: datetime | None = None
    detected_at: datetime | None = None

    @classmethod
    def of(cls, matched: Matched, detected_at: str) -> MatchedObject:
        """The object that a marker tells of.

        Raises:
            ValueError: the marker's times are none.
        """
        location = paths.parse(matched.uri)
        return cls(
            uri=matched.uri,
            key=paths.pattern_of(location),
            size=matched.size,
            etag=matched.etag,
            version_id=matched.version_id,
            last_modified=moment_of(matched.last_modified),
            detected_at=moment_of(detected_at),
        )

    def open(self) -> IO[bytes]:
        """Its content as a binary file, read bit by bit with flytekit's own configuration of the store.

        With a version id, of just that version, be the object overwritten or deleted meanwhile. Else of the object as
        it was found: an overwrite is an error, also one that comes while it is read.

        Raises:
            ObjectChanged: it has been overwritten or is gone.
            OSError: it is in another cloud, whose clients do not tell what changes; or the store cannot be reached,
                refuses access, or has another object by now, while it is read.
        """
        location = paths.parse(self.uri)
        try:
            if isinstance(location, paths.FileLocation):
                return self._checked_file(Path(location.path))
            if isinstance(location, paths.ObjectLocation):
                return self._checked_object(f"{location.bucket}/{location.key}")
        except FileNotFoundError as error:
            raise ObjectChanged(self.uri, "is gone") from error
        raise OSError(errno.ENOTSUP, "only objects of S3 and files are read so; use FlyteFile", self.uri)

    def read(self) -> bytes:
        """Its whole content.

        Raises:
            ObjectChanged: it has been overwritten or is gone, be it while it is read.
            OSError: the store cannot be reached, or refuses access.
        """
        with self.open() as file:
            try:
                return file.read()
            except OSError as error:
                if error.errno == errno.EBUSY:  # how s3fs says that the ETag is another by now
                    raise ObjectChanged(self.uri, "has been overwritten while it was read") from error
                raise

    def _checked_file(self, path: Path) -> IO[bytes]:
        file = _File(path, self)
        try:
            file.check()
        except ObjectChanged:
            file.close()
            raise
        return io.BufferedReader(file)

    def _checked_object(self, path: str) -> IO[bytes]:
        access = FlyteContextManager.current_context().file_access
        store = access.get_filesystem("s3", version_aware=bool(self.version_id))
        store.invalidate_cache(path)  # of what was listed before
        version = {"version_id": self.version_id} if self.version_id else {}
        file: Any = store.open(path, "rb", **version)
        if (etag := str(file.details.get("ETag", "")).strip('"')) != self.etag:
            file.close()
            raise ObjectChanged(self.uri, f"has been overwritten: it has the ETag {etag}, not {self.etag}")
        return file


class _File(io.FileIO):
    """A file that must stay as it was found, also while it is read: else parts of two could be taken for one."""

    def __init__(self, path: Path, found: MatchedObject) -> None:
        super().__init__(path)
        self._found = found

    def check(self) -> None:
        """Raise ObjectChanged unless it is as it was found."""
        found, status = self._found, os.fstat(self.fileno())
        if status.st_size != found.size or (found.last_modified and not _is_same(status.st_mtime, found.last_modified)):
            raise ObjectChanged(found.uri, f"has been overwritten: {status.st_size} bytes, {status.st_mtime:.3f}")

    def readinto(self, buffer: Any, /) -> int | None:  # noqa: ANN401  # whatever can be written into
        """Some bytes, as `io.RawIOBase` reads them."""
        count = super().readinto(buffer)
        self.check()
        return count

    def readall(self) -> bytes:
        """The rest."""
        data = super().readall()
        self.check()
        return data


def _is_same(written: float, moment: datetime) -> bool:
    """To the millisecond, which is what the marker tells."""
    return abs(datetime.fromtimestamp(written, timezone.utc) - moment) < timedelta(milliseconds=2)
