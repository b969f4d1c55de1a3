"""A proxy that shows what really goes over the wire to a real server."""

from __future__ import annotations

import socket
import threading
from contextlib import suppress
from socketserver import BaseRequestHandler, ThreadingTCPServer
from types import TracebackType


class Proxy:
    """Passes bytes on, unchanged, and notes the request lines of requests without a body (HEAD, GET)."""

    def __init__(self, upstream_port: int) -> None:
        self.request_lines: list[str] = []
        self.connections = 0
        self._server = _Server(("127.0.0.1", 0), _Handler)
        self._server.proxy, self._server.upstream_port = self, upstream_port
        self.endpoint = f"http://127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> Proxy:
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self._server.shutdown()
        self._server.server_close()


class _Server(ThreadingTCPServer):
    daemon_threads = True
    proxy: Proxy
    upstream_port: int


class _Handler(BaseRequestHandler):
    server: _Server
    request: socket.socket

    def handle(self) -> None:
        self.server.proxy.connections += 1
        with socket.create_connection(("127.0.0.1", self.server.upstream_port)) as upstream:
            back = threading.Thread(target=_pass_on, args=(upstream, self.request), daemon=True)
            back.start()
            pending = b""
            with suppress(OSError):
                while data := self.request.recv(65536):
                    *heads, pending = (pending + data).split(b"\r\n\r\n")
                    self.server.proxy.request_lines += [head.split(b"\r\n")[0].decode() for head in heads]
                    upstream.sendall(data)
                upstream.shutdown(socket.SHUT_WR)
            back.join()


def _pass_on(source: socket.socket, target: socket.socket) -> None:
    with suppress(OSError):
        while data := source.recv(65536):
            target.sendall(data)
