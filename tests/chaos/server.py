"""The server's side: a real MinIO that is killed and restarted, and what producers do there."""

from __future__ import annotations

import io
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import urllib3
from minio import Minio
from minio.error import MinioException, S3Error
from urllib3.exceptions import HTTPError

from tests.chaos.record import DATA, Window
from tests.chaos.schedule import Outage
from tests.servers import MinioServer, eventually

BUCKET = "chaos"

PROBE = "probe"
"""An object that is always there: the server is well again when it says so."""

RETRY_PAUSE = 0.05


class Server:
    """The MinIO of all waits.

    Args:
        data: where it keeps its objects.
    """

    def __init__(self, data: Path) -> None:
        self.minio = MinioServer(data)
        self.outages: list[Window] = []
        self.minio.start()
        # minio-py's own retries would wait a minute where the server, which just starts, asks for that.
        pool = urllib3.PoolManager(retries=False, timeout=10, maxsize=32)
        self._client = Minio(
            f"127.0.0.1:{self.minio.port}",
            self.minio.ACCESS_KEY,
            self.minio.SECRET_KEY,
            secure=False,
            region="us-east-1",
            http_client=pool,
        )
        eventually(lambda: self._done(lambda: self.make_bucket(BUCKET)), "a bucket can be made")
        eventually(lambda: self._done(lambda: self.put(BUCKET, PROBE)), "an object can be stored")

    def make_bucket(self, bucket: str) -> None:
        """Make it, or see that it is there."""
        try:
            self._client.make_bucket(bucket)
        except S3Error as error:
            if error.code not in {"BucketAlreadyOwnedByYou", "BucketAlreadyExists"}:
                raise

    def put(self, bucket: str, key: str) -> None:
        """Store an object."""
        self._client.put_object(bucket, key, io.BytesIO(DATA), len(DATA))

    def insist(self, work: Callable[[], None], stop: threading.Event) -> bool:
        """Do ``work``, again and again until it succeeds or is no longer wanted; whether it has succeeded."""
        while not (done := self._done(work)) and not stop.wait(RETRY_PAUSE):
            pass
        return done

    def _done(self, work: Callable[[], object]) -> bool:
        try:
            work()
        except (MinioException, HTTPError):
            return False
        return True

    def suffer(self, outages: Sequence[Outage], progress: Callable[[], float], stop: threading.Event) -> None:
        """Be killed and restarted when so much of the run is done; for a thread of its own."""
        for outage in outages:
            while progress() < outage.at:
                if stop.wait(0.02):
                    return
            window = Window("outage", time.monotonic())
            self.outages.append(window)
            self.minio.stop()
            time.sleep(outage.seconds)
            self.minio.start()
            eventually(lambda: self._done(lambda: self._client.stat_object(BUCKET, PROBE)), "MinIO is well again", 120)
            window.end = time.monotonic()

    def close(self) -> None:
        """End it."""
        self.minio.stop()
