"""HTTP as the stores use it: nothing that comes from the network is without a limit in time or in size."""

from __future__ import annotations

import io
import os
import socket
import ssl
import threading
from contextlib import suppress
from functools import lru_cache
from http.client import HTTPResponse, RemoteDisconnected
from typing import Any

import certifi
import urllib3
from urllib3 import exceptions as http_errors
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool

from objectstore_watcher.contract import title
from objectstore_watcher.errors import InvalidArgument

MAX_BODY_BYTES = 64 * 1024
"""No answer that is read whole is longer, but for listings: errors of S3 and credentials take a few KiB. Headers are
limited by Python's own http.client: 100 of 64 KiB."""

_STREAMED = {200, 206}
"""Status with which a caller that asked for a stream gets one."""


_REPEATABLE = {"GET", "HEAD"}
"""Methods of which a second request changes nothing."""


_CA_VARIABLES = ("AWS_CA_BUNDLE", "SSL_CERT_FILE")


def ca_file() -> str:
    """The file of trusted authorities from the environment, or nothing."""
    return next((os.environ[name] for name in _CA_VARIABLES if os.environ.get(name)), "")


MOST_KEPT = 64
"""Idle connections to a server that are kept, for all waits of a process: so many looks at once are rare."""

_NO_RETRIES = urllib3.Retry.from_int(False)
"""One for all: pools of equal settings are one pool."""

_POOLS = urllib3.PoolManager(num_pools=32).pools
"""Of the whole process, by server and authorities: many waits take turns on few connections."""


class Http(urllib3.PoolManager):
    """Requests without redirects and retries, whose answers are read up to a limit.

    The connections are those of the process; what is under way on one of them belongs to who asked, and only that is
    broken off.

    Args:
        limit: seconds to connect, and then between two parts of the answer.
        ca_file: PEM file of the authorities to trust; empty: certifi's. None: no TLS will be spoken; reading the
            authorities takes some 20 ms.
        longest: bytes of an answer that is read whole.

    Attributes:
        repeats: how many requests were sent a second time.
        lines: the connections on which something is under way.
        aborts: how often something was broken off.
        is_kept: whether the last of them was kept from an earlier request.

    Raises:
        InvalidArgument: the CA file cannot be used.
    """

    def __init__(self, limit: float, ca_file: str | None, longest: int = MAX_BODY_BYTES) -> None:
        context = None if ca_file is None else _tls_context(ca_file or certifi.where())
        super().__init__(retries=_NO_RETRIES, maxsize=MOST_KEPT, ssl_context=context)
        self.pools = _POOLS
        self.pool_classes_by_scheme = {"http": _Pool, "https": _TlsPool}
        self.limit = limit
        self._longest = longest
        self.lines: set[socket.socket] = set()
        self.is_kept = False
        self.aborts = 0
        self.repeats = 0

    def urlopen(self, method: str, url: str, redirect: bool = True, **kw: Any) -> urllib3.BaseHTTPResponse:  # type: ignore[override]  # noqa: ANN401  # as urllib3 has it
        """The answer, whole, or as a stream where that was asked for and the server has one.

        Raises:
            BodyTooLong: the answer is longer than it may be.
        """
        is_whole = kw.pop("preload_content", True)
        _asking.http = self
        self.lines.clear()  # of a stream that has ended
        answer = self._ask(method, url, redirect, timeout=self.limit, preload_content=False, **kw)
        if not is_whole and answer.status in _STREAMED:
            return answer
        try:
            return _read(answer, self._longest)
        finally:
            self.lines.clear()

    def _ask(self, method: str, *args: Any, **kw: Any) -> urllib3.BaseHTTPResponse:  # noqa: ANN401  # as above
        """The answer; asked for once more where a connection kept from an earlier request is found broken.

        A firewall or a load balancer may have forgotten it since: that says nothing about the server.
        """
        aborts = self.aborts
        try:
            return super().urlopen(method, *args, **kw)
        except http_errors.ProtocolError:
            if not self.is_kept or self.aborts != aborts or method not in _REPEATABLE:
                raise
        self.repeats += 1
        return super().urlopen(method, *args, **kw)

    def clear(self) -> None:
        """Nothing: minio-py calls this when a client of its own ends, and the connections are everybody's."""

    def abort(self) -> None:
        """Break off what is under way, from another thread; what waits for an answer gets an error."""
        self.aborts += 1
        for line in list(self.lines):
            with suppress(OSError):
                line.shutdown(socket.SHUT_RDWR)


class BodyTooLong(http_errors.HTTPError):
    """The answer is longer than it may be."""


def _read(answer: urllib3.BaseHTTPResponse, longest: int) -> urllib3.BaseHTTPResponse:
    """``answer`` with its body read; not decompressed, which could make much of little."""
    body = b""
    while part := answer.read(longest + 1 - len(body), decode_content=False):  # the last read finds the end
        body += part
        if len(body) > longest:
            answer.close()
            raise BodyTooLong(f"an answer of more than {longest} bytes")
    return urllib3.HTTPResponse(
        io.BytesIO(body),
        answer.headers,
        answer.status,
        preload_content=False,
        decode_content=False,
        enforce_content_length=False,  # checked above; HEAD tells the length of a body that it does not send
    )


class _Response(HTTPResponse):
    """Python takes the end of the connection for the end of the headers: half an error code would pass for another."""

    def begin(self) -> None:
        """Read status and headers.

        Raises:
            RemoteDisconnected: the connection ended among them.
        """
        source = self.fp
        lines: Any = _Lines(source)
        self.fp = lines
        super().begin()
        if lines.last.strip(b"\r\n"):
            self.close()
            raise RemoteDisconnected("the connection ended within the headers")
        if self.fp is lines:
            self.fp = source


class _Lines:
    """Lines of a connection, and which was the last."""

    def __init__(self, source: Any) -> None:  # noqa: ANN401  # what http.client reads from
        self._source = source
        self.last = b"?"

    def readline(self, limit: int = -1) -> bytes:
        line: bytes = self._source.readline(limit)
        self.last = line or b"?"
        return line

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401  # whatever else is asked of it
        return getattr(self._source, name)


_asking = threading.local()
"""``http``: who asks in this thread."""


class _Tracked(HTTPConnection):
    """Keeps a second descriptor of its socket, by which `Http.abort` reaches it in any state.

    During a TLS handshake the first belongs to nobody that can be asked.
    """

    response_class = _Response
    _line: socket.socket | None = None
    _has_asked = False

    def _new_conn(self) -> socket.socket:
        connection = super()._new_conn()
        self._line = connection.dup()
        _asking.http.lines.add(self._line)
        return connection

    def request(self, *args: Any, **kw: Any) -> None:  # noqa: ANN401  # as urllib3 has it
        """Send a request, on behalf of who asks now."""
        _asking.http.is_kept, self._has_asked = self._has_asked, True
        if self._line:
            _asking.http.lines.add(self._line)
        super().request(*args, **kw)

    def close(self) -> None:
        """Close both."""
        super().close()
        self._has_asked = False
        if self._line:
            self._line.close()  # whoever has it among its lines finds it closed
            self._line = None


class _TrackedTls(_Tracked, HTTPSConnection):
    """The same over TLS."""


class _Pool(HTTPConnectionPool):
    ConnectionCls = _Tracked


class _TlsPool(HTTPSConnectionPool):
    ConnectionCls = _TrackedTls


def _tls_context(ca_file: str) -> ssl.SSLContext:
    try:
        return _shared_context(ca_file, os.stat(ca_file).st_mtime_ns)
    except (OSError, ValueError) as error:
        raise InvalidArgument(
            f"{title('ca_file')} {ca_file!r}",
            f"the certificate authorities cannot be read: {getattr(error, 'strerror', None) or error}",
            cure="give a readable PEM file",
        ) from error


@lru_cache(maxsize=4)
def _shared_context(ca_file: str, modified: int) -> ssl.SSLContext:
    """One for all connections that trust the same file: each takes 20 ms and a MiB."""
    return ssl.create_default_context(cafile=ca_file)
