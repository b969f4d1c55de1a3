"""Real servers and processes that tests start, on free ports of the loopback address."""

from __future__ import annotations

import hmac
import io
import json
import os
import signal
import socket
import subprocess
import sys
import time
import warnings
from base64 import b64decode, b64encode
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from email.utils import formatdate
from functools import cache
from pathlib import Path
from types import TracebackType
from urllib.parse import quote

import urllib3
from minio import Minio, MinioAdmin
from minio.credentials.providers import StaticProvider
from typing_extensions import Self

ROOT = Path(__file__).parent.parent


def free_port() -> int:
    """A port that was free a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def eventually(condition: Callable[[], bool], what: str, timeout: float = 30) -> None:
    """Wait until ``condition`` holds; busy machines take their time, hence the long limit."""
    end = time.monotonic() + timeout
    while not condition():
        assert time.monotonic() < end, f"not within {timeout} s: {what}"
        time.sleep(0.02)


@cache
def minio_binary() -> str:
    """The pinned MinIO server; built on the first call ever, then cached outside the checkout."""
    return subprocess.run([ROOT / "tools" / "minio.sh"], check=True, stdout=subprocess.PIPE, text=True).stdout.strip()


_HOME = os.environ.get("HOME", "")
"""The person's, whose cache has what was built; read before tests change it."""


@cache
def pinned(script: str, *args: str) -> str:
    """Where a script of ``tools/`` has what it makes on its first call ever, and then keeps outside the checkout."""
    told = [str(ROOT / "tools" / script), *args]
    env = {**os.environ, "HOME": _HOME}
    return subprocess.run(told, env=env, check=True, stdout=subprocess.PIPE, text=True).stdout.strip()


def prometheus_command(name: str) -> str:
    """``prometheus`` or ``promtool`` of the pinned version."""
    return pinned("prometheus.sh", name)


class ServerProcess:
    """A server in a process of its own, on a port of its own.

    Args:
        port: where it listens; by default where nobody does.
        scheme: ``https`` where it speaks TLS.
        host: the address that it listens at; by default the loopback address, which no pod reaches.
    """

    HEALTH = "/"

    def __init__(self, port: int | None = None, scheme: str = "http", host: str = "127.0.0.1") -> None:
        self.host = host
        self.port = port or free_port()
        self.endpoint = f"{scheme}://{host}:{self.port}"
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self.stop()

    def command(self) -> list[str]:
        """The command that runs it."""
        raise NotImplementedError

    def environment(self) -> dict[str, str]:
        """The variables that it needs."""
        return {}

    def start(self) -> None:
        """Start it and wait until it answers."""
        self._process = subprocess.Popen(
            self.command(),
            env={**os.environ, **self.environment()},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        eventually(self._answers, f"{type(self).__name__} answers")

    def _answers(self) -> bool:
        health = self.endpoint + self.HEALTH
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # nobody's certificate is checked here
            try:
                answer = urllib3.PoolManager(cert_reqs="CERT_NONE").request("GET", health, retries=False, timeout=1)
            except urllib3.exceptions.HTTPError:
                return False
        return answer.status == 200

    def stop(self) -> None:
        """End it at once, as a crash would."""
        if self._process:
            self._process.kill()
            self._process.wait()
            self._process = None

    def freeze(self) -> None:
        """It takes connections, and answers none: a black hole."""
        assert self._process
        self._process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """It goes on."""
        assert self._process
        self._process.send_signal(signal.SIGCONT)


class MinioServer(ServerProcess):
    """A MinIO server process.

    Args:
        data: the directory of its one drive.
        port: where it listens; by default where nobody does.
        certificates: a directory with its ``private.key`` and ``public.crt``; by default it speaks plain HTTP.
        settings: environment variables of its configuration.
    """

    ACCESS_KEY = "test-access-key"
    SECRET_KEY = "test-secret-key-3f9a"
    HEALTH = "/minio/health/ready"

    def __init__(
        self, data: Path, port: int | None = None, *, certificates: Path | None = None, **settings: str
    ) -> None:
        super().__init__(port, "https" if certificates else "http")
        self.data = data
        self._certificates = certificates
        self._settings = settings

    def command(self) -> list[str]:
        """The server on its one drive."""
        tls = ["--certs-dir", str(self._certificates)] if self._certificates else []
        return [minio_binary(), "server", str(self.data), "--address", f"127.0.0.1:{self.port}", "--quiet", *tls]

    def environment(self) -> dict[str, str]:
        """Its root user, and no web pages."""
        root = {"MINIO_ROOT_USER": self.ACCESS_KEY, "MINIO_ROOT_PASSWORD": self.SECRET_KEY}
        return {**root, "MINIO_BROWSER": "off", **self._settings}

    def client(self) -> Minio:
        """A client with the server's root credentials."""
        region = self._settings.get("MINIO_SITE_REGION", "us-east-1")
        return Minio(f"127.0.0.1:{self.port}", self.ACCESS_KEY, self.SECRET_KEY, secure=False, region=region)

    def admin(self) -> MinioAdmin:
        """A client for users and policies."""
        root = StaticProvider(self.ACCESS_KEY, self.SECRET_KEY)
        return MinioAdmin(endpoint=f"127.0.0.1:{self.port}", credentials=root, secure=False)

    def put(self, bucket: str, key: str, data: bytes = b"data") -> None:
        """Store an object."""
        self.client().put_object(bucket, key, io.BytesIO(data), len(data))

    def flyte_env(self) -> dict[str, str]:
        """The variables that Flyte appends to every container."""
        return {
            "FLYTE_AWS_ENDPOINT": self.endpoint,
            "FLYTE_AWS_ACCESS_KEY_ID": self.ACCESS_KEY,
            "FLYTE_AWS_SECRET_ACCESS_KEY": self.SECRET_KEY,
        }


@cache
def emulators() -> list[str]:
    """The pinned fake-gcs-server and Azurite; set up on the first call ever, then cached outside the checkout."""
    return subprocess.run(
        [ROOT / "tools" / "emulators.sh"], check=True, stdout=subprocess.PIPE, text=True
    ).stdout.split()


class GcsServer(ServerProcess):
    """A fake-gcs-server process, its objects in memory."""

    HEALTH = "/_internal/healthcheck"

    def command(self) -> list[str]:
        """The server, with its buckets where clients look for them: in the path."""
        address = ["-host", self.host, "-port", str(self.port), "-public-host", f"{self.host}:{self.port}"]
        return [emulators()[0], "-scheme", "http", "-backend", "memory", "-log-level", "error", *address]

    def make_bucket(self, bucket: str) -> None:
        """Make a bucket, by the JSON API."""
        self._post("/storage/v1/b?project=test", json.dumps({"name": bucket, "versioning": {"enabled": True}}).encode())

    def put(self, bucket: str, key: str, data: bytes = b"data") -> None:
        """Store an object."""
        self._post(f"/upload/storage/v1/b/{bucket}/o?uploadType=media&name={quote(key, safe='')}", data)

    def _post(self, path: str, body: bytes) -> None:
        answer = urllib3.request("POST", self.endpoint + path, body=body)
        assert answer.status == 200, answer.data

    def env(self) -> dict[str, str]:
        """The variable by which Google's own clients find an emulator."""
        return {"STORAGE_EMULATOR_HOST": self.endpoint}


class AzureServer(ServerProcess):
    """The blob service of Azurite, its blobs in memory."""

    ACCOUNT = "devstoreaccount1"
    KEY = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="
    """Published by Microsoft: the same in each emulator."""

    def __init__(self, port: int | None = None, host: str = "127.0.0.1") -> None:
        super().__init__(port, host=host)
        self.endpoint += f"/{self.ACCOUNT}"

    def command(self) -> list[str]:
        """The server; newer versions of the API are taken for those that it knows."""
        address = ["--blobHost", self.host, "--blobPort", str(self.port)]
        flags = ["--inMemoryPersistence", "--skipApiVersionCheck", "--disableTelemetry", "--silent"]
        return ["node", emulators()[1], *address, *flags]

    def _answers(self) -> bool:
        """It has no page that answers 200 to anybody."""
        with suppress(OSError), socket.create_connection((self.host, self.port), 1):
            return True
        return False

    def make_container(self, container: str) -> None:
        """Make a container; obstore cannot."""
        date = formatdate(usegmt=True)
        told = {"x-ms-date": date, "x-ms-version": "2021-12-02"}
        headers = "".join(f"{name}:{value}\n" for name, value in told.items())
        path = f"/{self.ACCOUNT}/{container}"
        text = "PUT" + "\n" * 12 + headers + f"/{self.ACCOUNT}{path}\nrestype:container"
        signature = b64encode(hmac.digest(b64decode(self.KEY), text.encode(), "sha256")).decode()
        told["Authorization"] = f"SharedKey {self.ACCOUNT}:{signature}"
        url = f"http://{self.host}:{self.port}{path}?restype=container"
        answer = urllib3.request("PUT", url, headers={**told, "Content-Length": "0"})
        assert answer.status == 201, answer.data

    def put(self, container: str, key: str, data: bytes = b"data") -> None:
        """Store a blob."""
        import obstore
        from obstore.store import AzureStore

        store = AzureStore(
            container,
            account_name=self.ACCOUNT,
            account_key=self.KEY,
            endpoint=self.endpoint,
            client_options={"allow_http": True},
        )
        obstore.put(store, key, data)

    def env(self) -> dict[str, str]:
        """The variables of a pod that knows the account."""
        return {
            "AZURE_STORAGE_ENDPOINT": self.endpoint,
            "AZURE_STORAGE_ACCOUNT_NAME": self.ACCOUNT,
            "AZURE_STORAGE_ACCOUNT_KEY": self.KEY,
        }


class Watcher:
    """A watcher process: the installed command, as a container would run it."""

    COMMAND = (sys.executable, "-m", "objectstore_watcher")

    def __init__(self, args: Sequence[str], env: Mapping[str, str]) -> None:
        self.process = subprocess.Popen(
            [*self.COMMAND, *args],
            env={"PATH": os.environ["PATH"], "HOME": os.environ["HOME"], **env},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def __enter__(self) -> Watcher:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self.process.kill()
        self.process.communicate()

    def end(self, timeout: float = 30) -> tuple[int, str]:
        """Wait for its end: the exit code and what it wrote to standard error."""
        _, errors = self.process.communicate(timeout=timeout)
        return self.process.returncode, errors
