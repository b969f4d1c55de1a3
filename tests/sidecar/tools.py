"""Small parts that many of the watcher's tests use."""

from __future__ import annotations

import math
import os
import socket
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from http import HTTPStatus
from pathlib import Path

import psutil
import pytest
import urllib3
from objectstore_watcher.contract import Request, WatchSpec
from objectstore_watcher.stores import Found, KeyPair, OnRequest, open_store
from objectstore_watcher.targets import targets
from objectstore_watcher.watch import Event

from tests.servers import MinioServer, Watcher, eventually

NOBODY = 65534


class VirtualTime:
    """A clock that only pauses move, and the stop that pauses: hours of waiting take no time.

    Args:
        at_pause: what happens during the pause of that number, from 1.
        stop_at: the pause during which the wait is told to stop.
    """

    def __init__(self, at_pause: dict[int, Callable[[], object]] | None = None, stop_at: int = 0) -> None:
        self.now = 5000.0
        self.pauses: list[float] = []
        self._at_pause = at_pause or {}
        self._stop_at = stop_at

    def clock(self) -> float:
        """Now, in seconds."""
        return self.now

    def wait(self, timeout: float) -> bool:
        """Let ``timeout`` seconds pass; True when told to stop."""
        self.pauses.append(timeout)
        self.now += timeout
        self._at_pause.get(len(self.pauses), lambda: None)()
        return len(self.pauses) == self._stop_at

    def request(self, uri: str | list[str], **options: float | str) -> Request:
        """A request that is made now; without events, which come in real time."""
        told = {"uri": uri, "detection": "poll", **options}
        return Request(spec=WatchSpec.from_mapping(told), requested_monotonic=self.now)


class Diary(list[Event]):
    """Keeps all events of a wait."""

    def of(self, *kinds: type[Event]) -> list[Event]:
        """Those of some kinds."""
        return [event for event in self if isinstance(event, kinds)]


class Opened:
    """All that a spec names, where it is.

    Args:
        spec: what to look for.
        key_pair: credentials that come first.
        on_request: is told each request.
    """

    def __init__(
        self, spec: WatchSpec, key_pair: KeyPair | None = None, on_request: OnRequest = lambda operation, outcome: None
    ) -> None:
        self._store = open_store(spec, on_request, key_pair)
        self._targets = targets(spec)

    def look(self, within: float = math.inf) -> Sequence[Found]:
        """What is there."""
        return self._store.look(within, self._targets)


class One:
    """The same for a spec that names one object, whose look tells it, or None while it is absent."""

    def __init__(self, opened: Opened) -> None:
        self._opened = opened

    def look(self, within: float = math.inf) -> Found | None:
        """The object."""
        found = self._opened.look(within)
        assert len(found) <= 1
        return found[0] if found else None


def highest(low: float, high: float) -> float:
    """In place of a random number between two others: the greatest."""
    return high


def write_aws_file(access_key: str, secret_key: str = "file-secret", profile: str = "default") -> None:
    """Write AWS's credentials file."""
    file = Path(os.environ["HOME"]) / ".aws" / "credentials"
    file.parent.mkdir(exist_ok=True)
    file.write_text(f"[{profile}]\naws_access_key_id = {access_key}\naws_secret_access_key = {secret_key}\n")


def resolve_all_names(monkeypatch: pytest.MonkeyPatch) -> None:
    """From now on every host name is known, and is this machine's: the system's own resolver cannot be taught that."""
    resolve = socket.getaddrinfo
    monkeypatch.setattr(socket, "getaddrinfo", lambda host, *rest: resolve("127.0.0.1", *rest))


def takes_requests(server: MinioServer, ca: Path | None = None) -> None:
    """Wait until the server, which says that it is ready a little before it is, no longer answers 503.

    With the 503 it asks clients to come back after a minute, and minio-py, as tests use it, does that.
    """
    pool = urllib3.PoolManager(ca_certs=str(ca) if ca else None, retries=False, timeout=30)
    busy = HTTPStatus.SERVICE_UNAVAILABLE
    eventually(lambda: pool.request("GET", server.endpoint).status != busy, "MinIO takes requests")


def listing(directory: Path) -> list[str]:
    """The names in ``directory``, hidden ones too."""
    return sorted(os.listdir(directory))


@contextmanager
def unprivileged() -> Iterator[None]:
    """Access rights count for root, too: as another user for as long."""
    if os.geteuid() != 0:
        yield
        return
    os.seteuid(NOBODY)
    try:
        yield
    finally:
        os.seteuid(0)


def metrics_url(watcher: Watcher) -> str:
    """Where a watcher that was given port 0 serves its metrics."""
    process = psutil.Process(watcher.process.pid)

    def ports() -> list[int]:
        return [c.laddr.port for c in process.net_connections("tcp") if c.status == psutil.CONN_LISTEN]

    eventually(lambda: bool(ports()), "the watcher serves metrics")
    return f"http://127.0.0.1:{ports()[0]}"


def get(url: str) -> tuple[int, str]:
    """Status and body of a page."""
    answer = urllib3.request("GET", url, retries=False, timeout=30)
    return answer.status, answer.data.decode()


def samples(url: str) -> dict[str, float]:
    """The metrics that are served: name with labels, and value."""
    status, body = get(f"{url}/metrics")
    assert status == 200
    lines = [line for line in body.splitlines() if not line.startswith("#")]
    return {name: float(value) for name, _, value in (line.rpartition(" ") for line in lines)}


def phase(url: str) -> str:
    """The phase that the metrics show."""
    [name] = [
        name for name, value in samples(url).items() if name.startswith("objectstore_watcher_phase{") and value == 1
    ]
    return name.split('"')[1]
