"""A small S3 that answers what a test tells it to: for what a real MinIO cannot be made to show.

Each request takes the next answer of the script; the last answer is given for ever. Requests are recorded.
"""

from __future__ import annotations

import json
import math
import select
import socket
import ssl
import struct
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType

from typing_extensions import Self

LAST_MODIFIED = "Mon, 01 Jun 2026 12:00:00 GMT"


@dataclass(frozen=True)
class Received:
    """A request, as it came."""

    method: str
    target: str
    headers: Mapping[str, str]

    @property
    def access_key(self) -> str:
        """Who signed it."""
        return self.headers["authorization"].partition("Credential=")[2].partition("/")[0]

    @property
    def region(self) -> str:
        """The region it was signed for."""
        return self.headers["authorization"].split("/")[2]


@dataclass(frozen=True)
class Answer:
    """What to say: a HEAD gets the same without the body, as in HTTP."""

    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    raw: bytes | None = None
    """These bytes, then the end of the connection: no HTTP is added."""
    silent: bool = False
    """Nothing at all, until the client goes: a black hole."""
    drip: bool = False
    """A byte of an endless header every 50 ms, so that no read of the client ever times out."""
    reset: bool = False
    """The connection is reset, as by a server that crashes or a firewall."""
    delay: float = 0.0
    """Seconds before the answer begins."""
    cut: int | None = None
    """So many bytes of the body, then the end of the connection."""


def found(body: bytes = b"data", **headers: str) -> Answer:
    """The object is there."""
    told = {"ETag": '"8d777f385d3dfec8815d20f7496026dc"', "Last-Modified": LAST_MODIFIED}
    return Answer(200, {**told, **{name.replace("_", "-"): value for name, value in headers.items()}}, body)


def error(status: int, code: str, message: str = "", **headers: str) -> Answer:
    """An error as AWS gives it: the code is in the body, so a HEAD does not tell it."""
    body = f'<?xml version="1.0"?><Error><Code>{code}</Code><Message>{message}</Message></Error>'.encode()
    told = {name.replace("_", "-"): value for name, value in headers.items()}
    return Answer(status, {"Content-Type": "application/xml", **told}, body)


SILENT = Answer(silent=True)
DRIP = Answer(drip=True)


class Stream:
    """The answer to a client that listens for events, which does not end by itself."""

    def __init__(self, connection: socket.socket, closing: threading.Event) -> None:
        self._connection = connection
        self._closing = closing

    def begin(self, sign: bytes = b'{"Records":null}\n') -> None:
        """Send the headers, and a sign of life."""
        self.send(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n" + sign)

    def send(self, part: bytes) -> None:
        """Send these bytes, now."""
        self._connection.sendall(part)

    def event(self, key: str = "key", bucket: str = "bucket") -> None:
        """Send an event about an object."""
        self.send(event(key, bucket))

    def stay(self, ping: float = 0.05, seconds: float = math.inf) -> None:
        """Send pings until the client goes, or for so long."""
        end = time.monotonic() + seconds
        while not self._closing.wait(ping) and time.monotonic() < end:
            self.send(PING)

    def hang(self) -> None:
        """Send nothing until the client goes."""
        while not self._closing.wait(0.02):
            if select.select([self._connection], [], [], 0)[0] and not self._connection.recv(1, socket.MSG_PEEK):
                return


PING = b'{"Records":null}\n'


def event(key: str = "key", bucket: str = "bucket") -> bytes:
    """What MinIO tells when an object has come."""
    s3 = {"bucket": {"name": bucket}, "object": {"key": key, "size": 4}}
    return json.dumps({"Records": [{"eventName": "s3:ObjectCreated:Put", "s3": s3}]}).encode() + b"\n"


class FakeS3:
    """Serves ``answers`` in turn on a free port, by TLS if it gets a context for that."""

    def __init__(
        self, *answers: Answer, tls: ssl.SSLContext | None = None, address: tuple[str, int] = ("127.0.0.1", 0)
    ) -> None:
        self.requests: list[Received] = []
        self.listens: list[Received] = []
        """Requests for events; they are no part of the script."""
        self.stream: Callable[[Stream], None] | None = None
        """What such a client gets; without it, ``listen_answer``."""
        self.listen_answer = error(501, "NotImplemented")
        self.most_streams = 0
        """The most clients that listened at the same time."""
        self.streams = 0
        """How many do now."""
        self.refused: dict[str, Answer] = {}
        """By access key: what it gets instead of the script's answer, as long as it stands here."""
        self.most_at_once = 0
        """The most requests that were under way at the same time."""
        self._under_way = 0
        self._answers = answers
        self._lock = threading.Lock()
        self.closing = threading.Event()
        self._server = _Server(address, _Handler)
        self._server.fake = self
        if tls:
            self._server.socket = tls.wrap_socket(self._server.socket, server_side=True, do_handshake_on_connect=False)
        self.port = self._server.server_address[1]
        self.endpoint = f"{'https' if tls else 'http'}://127.0.0.1:{self.port}"

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self.closing.set()
        self._server.shutdown()
        self._server.server_close()

    @property
    def methods(self) -> list[str]:
        """The methods of all requests, in turn."""
        return [request.method for request in self.requests]

    def env(self) -> dict[str, str]:
        """The variables that Flyte appends to every container."""
        return {
            "FLYTE_AWS_ENDPOINT": self.endpoint,
            "FLYTE_AWS_ACCESS_KEY_ID": "fake-access-key",
            "FLYTE_AWS_SECRET_ACCESS_KEY": "fake-secret-key-77d1",
        }

    def answer_with(self, *answers: Answer) -> None:
        """From now on, give these answers in turn."""
        with self._lock:
            self._answers = (*[answers[0]] * len(self.requests), *answers)

    def next_answer(self, request: Received) -> Answer:
        """Record ``request`` and say what to answer."""
        with self._lock:
            self.requests.append(request)
            answer = self._answers[min(len(self.requests), len(self._answers)) - 1]
            return self.refused.get(request.access_key, answer) if self.refused else answer

    def listened(self, request: Received, connection: socket.socket) -> None:
        """Answer a client that listens."""
        with self._lock:
            self.listens.append(request)
            self.streams += 1
            self.most_streams = max(self.most_streams, self.streams)
        try:
            with suppress(OSError):
                assert self.stream
                self.stream(Stream(connection, self.closing))
        finally:
            with self._lock:
                self.streams -= 1

    @contextmanager
    def counting(self) -> Iterator[None]:
        """Count a request as under way."""
        with self._lock:
            self._under_way += 1
            self.most_at_once = max(self.most_at_once, self._under_way)
        try:
            yield
        finally:
            with self._lock:
                self._under_way -= 1


class _Server(ThreadingHTTPServer):
    fake: FakeS3
    request_queue_size = 64

    def handle_error(self, request: object, client_address: object) -> None:
        """Clients that break off are what some tests are about."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server

    def _answer(self) -> None:
        received = Received(self.command, self.path, {name.lower(): value for name, value in self.headers.items()})
        self.rfile.read(int(received.headers.get("content-length", "0")))
        if "?events=" in received.target:
            self._listen(received)
            return
        with self.server.fake.counting():
            self._give(self.server.fake.next_answer(received))

    def _listen(self, received: Received) -> None:
        fake = self.server.fake
        if fake.stream:
            self.close_connection = True
            fake.listened(received, self.connection)
        else:
            fake.listens.append(received)
            self._give(fake.listen_answer)

    def _give(self, answer: Answer) -> None:
        if not self._waited(answer.delay):
            self.close_connection = True
        elif answer.silent or answer.drip:
            self._torment(answer)
        elif answer.reset:
            self._reset()
        elif answer.raw is not None:
            self.wfile.write(answer.raw)
            self.close_connection = True
        else:
            self._say(answer)

    def _say(self, answer: Answer) -> None:
        self.send_response(answer.status)
        for name, value in {"Content-Length": str(len(answer.body)), **answer.headers}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(answer.body[: answer.cut])
            self.close_connection = self.close_connection or answer.cut is not None

    def _reset(self) -> None:
        """Closing a socket that lingers for no time sends RST instead of FIN."""
        self.close_connection = True
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.connection.close()

    def _waited(self, delay: float) -> bool:
        """Let ``delay`` seconds pass; False where the client, or this server, does not live so long."""
        end = time.monotonic() + delay
        while (left := end - time.monotonic()) > 0:
            if self.server.fake.closing.wait(min(left, 0.05)) or self._client_is_gone():
                return False
        return True

    def _torment(self, answer: Answer) -> None:
        self.close_connection = True
        part = b"HTTP/1.1 200 OK\r\nx-drip: "
        while not self.server.fake.closing.wait(0.05) and not self._client_is_gone():
            if answer.drip:
                self.wfile.write(part)
                part = b"x"

    def _client_is_gone(self) -> bool:
        if not select.select([self.connection], [], [], 0)[0]:
            return False
        return not self.connection.recv(1, 0 if isinstance(self.connection, ssl.SSLSocket) else socket.MSG_PEEK)

    do_DELETE = do_GET = do_HEAD = do_POST = do_PUT = _answer  # noqa: N815 # the base class's names

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 # the base class's name
        """Not on the test's output."""
