"""Where the benchmark measures: a MinIO server, a proxy before it, marker directories, and main as a process."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from objectstore_watcher.contract import Request

from tests.bench.instruments import Noise, RecordingProxy
from tests.conftest import CREDENTIAL_PREFIXES
from tests.servers import ROOT, MinioServer, eventually, minio_binary

MEMORY = "/dev/shm"
"""A file system in memory, as the marker volume of a pod is."""


@dataclass(frozen=True)
class Laboratory:
    """A MinIO server with a bucket, a proxy before it, a measure of noise, and a place for marker directories."""

    minio: MinioServer
    proxy: RecordingProxy
    noise: Noise
    place: Path
    bucket: str = "bench"

    def new_directory(self) -> Path:
        """An empty marker directory."""
        directory = self.place / uuid.uuid4().hex
        directory.mkdir()
        return directory

    def new_uri(self) -> str:
        """An object that is not there."""
        return f"s3://{self.bucket}/{uuid.uuid4().hex}"

    def put(self, uri: str) -> None:
        """Make it be there."""
        self.minio.put(self.bucket, uri.rpartition("/")[2])


@contextmanager
def laboratory() -> Iterator[Laboratory]:
    """A MinIO server with a proxy before it, in an environment of its own."""
    minio_binary()  # before HOME changes: these are cached there
    with tempfile.TemporaryDirectory(dir=MEMORY if os.path.isdir(MEMORY) else None) as place:
        _own_environment(place)
        with MinioServer(Path(place) / "minio") as minio, RecordingProxy(minio.port) as proxy, Noise() as noise:
            os.environ.update(minio.flyte_env())  # for the watchers that are forked
            lab = Laboratory(minio, proxy, noise, Path(place))
            minio.client().make_bucket(lab.bucket)
            yield lab


def _own_environment(home: str) -> None:
    """Hide the credentials and settings of the person who runs this."""
    for name in list(os.environ):
        if name.startswith(CREDENTIAL_PREFIXES):
            del os.environ[name]
    os.environ["HOME"] = home
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)  # installed packages have their bytecode, and so must these


class Main:
    """The process of `tests.bench.main_container`."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.bench.main_container"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            cwd=ROOT,
            text=True,
            bufsize=1,
        )
        self.pid = self._process.pid
        self.line()

    def execute(self, directory: Path, uri: str) -> None:
        """Begin to wait, and see the request written."""
        assert self._process.stdin
        self._process.stdin.write(f"{directory} {uri}\n")
        eventually((directory / Request.NAME).exists, "main's request")

    def line(self) -> str:
        """The next line that it writes."""
        assert self._process.stdout
        return self._process.stdout.readline()

    def end(self) -> None:
        """End it."""
        self._process.kill()
        self._process.communicate()


@contextmanager
def main_container() -> Iterator[Main]:
    """Main, flytekit loaded."""
    main = Main()
    try:
        yield main
    finally:
        main.end()
