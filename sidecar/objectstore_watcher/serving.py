"""``/metrics``, ``/healthz`` and ``/readyz``, for Prometheus, kubelets and people.

Whoever reaches the port may connect: no client gets more than a few seconds, a few kilobytes and one of a few threads.
"""

from __future__ import annotations

import io
import re
import socket
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler
from socketserver import TCPServer, ThreadingMixIn

from prometheus_client import CollectorRegistry
from prometheus_client.exposition import choose_encoder

from objectstore_watcher.errors import InvalidArgument

CLIENT_TIMEOUT = 5.0
"""Seconds in which a client must have sent its request, and then taken the answer: it must not hold a thread for
ever."""

MAX_CLIENTS = 32
"""Clients at a time: Prometheus, the kubelet and some people. Each costs a thread."""

MAX_HEAD_BYTES = 8 * 1024
"""No request line with its headers is longer: Prometheus and kubelets send some 300 bytes."""

METRICS = "/metrics"

_PORT = re.compile(r"[0-9]{1,5}")

Check = Callable[[], bool]


class _Server(ThreadingMixIn, TCPServer):
    """A thread for each client, up to `MAX_CLIENTS`; who comes then takes the place of the one that is there longest.

    So idle connections, however many, keep out neither the kubelet nor Prometheus, which ask as soon as they connect.
    """

    allow_reuse_address = True
    daemon_threads = True
    request_queue_size = 128

    def __init__(self, address: tuple[str, int], handler: type[_Handler]) -> None:
        self._free = threading.Semaphore(MAX_CLIENTS)
        self._clients: dict[socket.socket, None] = {}  # in the order of their arrival
        super().__init__(address, handler)

    def process_request(self, request: socket.socket, client_address: object) -> None:  # type: ignore[override]
        """Start a thread, once there is one less."""
        if not self._free.acquire(blocking=False):
            for oldest in list(self._clients)[:1]:  # a copy: threads end meanwhile
                with suppress(OSError):
                    oldest.shutdown(socket.SHUT_RDWR)  # its thread sees the end of its connection
            self._free.acquire()
        self._clients[request] = None
        super().process_request(request, client_address)

    def shutdown_request(self, request: socket.socket) -> None:  # type: ignore[override]
        """What each thread does last."""
        super().shutdown_request(request)
        if request in self._clients:
            del self._clients[request]
            self._free.release()

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that breaks off, or is dropped, is no news."""
        if not isinstance(sys.exc_info()[1], OSError):
            super().handle_error(request, client_address)  # type: ignore[arg-type] # passed on as it came


class _ServerV6(_Server):
    address_family = socket.AF_INET6


class _Handler(BaseHTTPRequestHandler):
    """One request; its base class refuses other methods than these two."""

    timeout = CLIENT_TIMEOUT
    registry: CollectorRegistry
    checks: dict[str, Check]
    is_final: Check
    scraped: Callable[[], None]

    def setup(self) -> None:
        """Read the request before anything looks at it."""
        super().setup()
        self.rfile = io.BytesIO(_head(self.connection, self.timeout))

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  # the base class's name
        """Scrapes are no news."""

    def version_string(self) -> str:
        """Name the program; which Python it runs on is nobody's business."""
        return "objectstore-watcher"

    def do_GET(self) -> None:  # the base class looks for this name
        """Answer with a page."""
        is_last = self._asks() == METRICS and self.is_final()  # before the page is made: one with the final values
        self.wfile.write(self._begin())
        if is_last and self._is_taken():
            self.scraped()

    def do_HEAD(self) -> None:
        """Answer without it."""
        self._begin()

    def _asks(self) -> str:
        return self.path.partition("?")[0]

    def _is_taken(self) -> bool:
        """Whether the client has read to the end: it closes its side then, and resets it where it has not."""
        self.connection.shutdown(socket.SHUT_WR)
        return not self.connection.recv(1)

    def _begin(self) -> bytes:
        """Send status and headers; returns the page."""
        status, content_type, page = self._page(self._asks())
        self.send_response(status)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(page)))  # half a page must not be taken for the whole
        self.end_headers()
        return page

    def _page(self, path: str) -> tuple[HTTPStatus, str, bytes]:
        if path == METRICS:
            encode, content_type = choose_encoder(self.headers.get("Accept", ""))
            return HTTPStatus.OK, content_type, encode(self.registry)
        status = HTTPStatus.NOT_FOUND
        if check := self.checks.get(path):
            status = HTTPStatus.OK if check() else HTTPStatus.SERVICE_UNAVAILABLE
        return status, "text/plain; charset=utf-8", f"{status.phrase}\n".encode()


def _head(connection: socket.socket, limit: float) -> bytes:
    """The request line and the headers; nothing where the client breaks off or they exceed `MAX_HEAD_BYTES`.

    Raises:
        TimeoutError: they did not come within ``limit`` seconds.
    """
    head, end = b"", time.monotonic() + limit
    while b"\r\n\r\n" not in head and b"\n\n" not in head:
        connection.settimeout(max(end - time.monotonic(), 0.001))  # 0 would mean: do not wait at all
        part = connection.recv(MAX_HEAD_BYTES - len(head))  # nothing, too, when there is no room for more
        if not part:
            return b""
        head += part
    connection.settimeout(limit)
    return head


def parse_address(address: str, name: str) -> tuple[str, int]:
    """Host and port of ``host:port``, ``:port`` or ``[ipv6]:port``.

    Raises:
        InvalidArgument: it is none of them; ``name`` is the flag that it was given for.
    """
    host, colon, port = address.rpartition(":")
    if not colon or not _PORT.fullmatch(port) or int(port) > 65535:  # noqa: PLR2004 # TCP's
        raise InvalidArgument(name, f"{address!r} is no address", cure="write host:port, for example 0.0.0.0:9464")
    return host.strip("[]"), int(port)


def _never() -> bool:
    return False


def serve(
    address: str,
    name: str,
    registry: CollectorRegistry,
    *,
    alive: Check,
    ready: Check,
    is_final: Check = _never,
    scraped: Callable[[], object] = _never,
) -> tuple[str, int]:
    """Serve in the background, and say where: port 0 takes a free one.

    Args:
        address: ``host:port``.
        name: the flag it was given for.
        registry: what ``/metrics`` shows.
        alive: what ``/healthz`` answers: 200, or 503 while it is False.
        ready: the same for ``/readyz``.
        is_final: whether the metrics do not change any more.
        scraped: is called when a client has read them all after that.

    Raises:
        InvalidArgument: the address cannot be bound.
    """
    host, port = parse_address(address, name)
    handler = type(
        "Handler",
        (_Handler,),
        {
            "registry": registry,
            "checks": {"/healthz": alive, "/readyz": ready},
            "is_final": staticmethod(is_final),
            "scraped": staticmethod(scraped),
        },
    )
    try:
        server = (_ServerV6 if ":" in host else _Server)((host, port), handler)
    except (OSError, OverflowError) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        raise InvalidArgument(name, f"{address!r} cannot be bound: {reason}", cure="give a free port") from error
    threading.Thread(target=server.serve_forever, name="http", daemon=True).start()
    return host, int(server.server_address[1])
