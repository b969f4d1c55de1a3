"""``/metrics``, ``/healthz`` and ``/readyz``, for Prometheus, kubelets and people."""

from __future__ import annotations

import socket
import sys
import threading
from collections.abc import Callable, Iterable
from http import HTTPStatus
from socketserver import ThreadingMixIn
from typing import TYPE_CHECKING
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

from prometheus_client import CollectorRegistry, make_wsgi_app

from objectstore_watcher.errors import InvalidArgument

CLIENT_TIMEOUT = 5.0
"""Seconds after which a client that sends nothing is dropped: it must not hold a thread for ever."""

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

Check = Callable[[], bool]


class _Server(ThreadingMixIn, WSGIServer):
    daemon_threads = True

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that breaks off, or is dropped, is no news either."""
        if not isinstance(sys.exc_info()[1], OSError):
            super().handle_error(request, client_address)  # type: ignore[arg-type] # passed on as it came


class _ServerV6(_Server):
    address_family = socket.AF_INET6


class _Handler(WSGIRequestHandler):
    timeout = CLIENT_TIMEOUT

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  # the base class's name
        """Scrapes are no news."""


def parse_address(address: str, name: str) -> tuple[str, int]:
    """Host and port of ``host:port``, ``:port`` or ``[ipv6]:port``.

    Raises:
        InvalidArgument: it is none of them; ``name`` is the flag that it was given for.
    """
    host, colon, port = address.rpartition(":")
    if not colon or not port.isascii() or not port.isdigit() or not 0 <= int(port) <= 65535:  # noqa: PLR2004 # TCP's
        raise InvalidArgument(name, f"{address!r} is no address", cure="write host:port, for example 0.0.0.0:9464")
    return host.strip("[]"), int(port)


def serve(address: str, name: str, registry: CollectorRegistry, *, alive: Check, ready: Check) -> tuple[str, int]:
    """Serve in the background, and say where: port 0 takes a free one.

    Args:
        address: ``host:port``.
        name: the flag it was given for.
        registry: what ``/metrics`` shows.
        alive: what ``/healthz`` answers: 200, or 503 while it is False.
        ready: the same for ``/readyz``.

    Raises:
        InvalidArgument: the address cannot be bound.
    """
    host, port = parse_address(address, name)
    metrics: WSGIApplication = make_wsgi_app(registry)
    checks = {"/healthz": alive, "/readyz": ready}

    def app(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        path = environ["PATH_INFO"]
        if path == "/metrics":
            return metrics(environ, start_response)
        status = HTTPStatus.NOT_FOUND
        if path in checks:
            status = HTTPStatus.OK if checks[path]() else HTTPStatus.SERVICE_UNAVAILABLE
        start_response(f"{status.value} {status.phrase}", [("Content-Type", "text/plain; charset=utf-8")])
        return [f"{status.phrase}\n".encode()]

    try:
        server = make_server(host, port, app, _ServerV6 if ":" in host else _Server, _Handler)
    except (OSError, OverflowError) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        raise InvalidArgument(name, f"{address!r} cannot be bound: {reason}", cure="give a free port") from error
    threading.Thread(target=server.serve_forever, name="http", daemon=True).start()
    return host, server.server_port
