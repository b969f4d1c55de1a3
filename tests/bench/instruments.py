"""What the benchmark and its tests measure with."""

from __future__ import annotations

import re
import select
import socket
import socketserver
import threading
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

import psutil

from tests.bench.cost import operation

MIB = 2**20

_REQUEST_LINE = re.compile(rb"^([A-Z]+) (\S+) HTTP/1\.1\r\n", re.MULTILINE)


class RecordingProxy:
    """A TCP proxy before a local server that notes each request as it arrives; the bytes pass unchanged."""

    def __init__(self, port: int) -> None:
        self.requests: list[tuple[float, str]] = []
        """Arrival on the monotonic clock, in seconds, and operation: the method, or LIST for a GET that lists.

        Without those for events.
        """
        self.listens = 0
        """Requests for events."""
        self.most_streams = 0
        """The most connections on which events were asked for that were open at the same time."""
        self._streams: set[socket.socket] = set()
        self._open: set[socket.socket] = set()
        proxy = self

        class Handler(socketserver.BaseRequestHandler):
            def handle(self) -> None:
                proxy._open.add(self.request)
                try:
                    with socket.create_connection(("127.0.0.1", port)) as server:
                        proxy._pass_on(self.request, server)
                finally:
                    proxy._open.discard(self.request)
                    proxy._streams.discard(self.request)

        self._server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.endpoint = f"http://127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> RecordingProxy:
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self._server.shutdown()
        self._server.server_close()

    def _pass_on(self, client: socket.socket, server: socket.socket) -> None:
        other = {client: server, server: client}
        for end in other:
            end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        while True:
            for end in select.select([client, server], [], [])[0]:
                try:
                    data = end.recv(65536)
                except ConnectionError:  # the watcher was killed
                    return
                if not data:
                    return
                if end is client:
                    self._note(client, data)
                other[end].sendall(data)

    def _note(self, client: socket.socket, data: bytes) -> None:
        now = time.monotonic()
        for method, target in _REQUEST_LINE.findall(data):
            if b"?events=" in target:
                self.listens += 1
                self._streams.add(client)
                self.most_streams = max(self.most_streams, len(self._streams))
            else:
                self.requests.append((now, operation(method.decode(), target.decode())))

    def cut(self) -> None:
        """Break all connections off."""
        for client in list(self._open):
            with suppress(OSError):
                client.shutdown(socket.SHUT_RDWR)


class Noise:
    """A sleeper that notes how late it is woken: what the machine's other work adds to every time measured."""

    PAUSE = 0.005
    """Seconds of each sleep."""

    DISTURBED = 0.005
    """Seconds late from which on a run counts as disturbed."""

    def __init__(self) -> None:
        self.late: list[tuple[float, float]] = []
        """When it woke, on the monotonic clock, and how late, both in seconds."""
        self._stop = threading.Event()

    def __enter__(self) -> Noise:
        threading.Thread(target=self._run, daemon=True).start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self._stop.set()

    def _run(self) -> None:
        while not self._stop.is_set():
            due = time.monotonic() + self.PAUSE
            time.sleep(self.PAUSE)
            now = time.monotonic()
            self.late.append((now, now - due))

    def disturbed_since(self, began: float) -> bool:
        """Whether it was woken late since ``began``."""
        time.sleep(self.PAUSE + self.DISTURBED)  # it may be overdue
        return any(late > self.DISTURBED for woken, late in self.late[-1000:] if woken > began)


@dataclass(frozen=True)
class Usage:
    """What a process holds: resident and private bytes, descriptors, threads."""

    rss: int
    private: int
    fds: int
    threads: int

    @classmethod
    def of(cls, pid: int) -> Usage:
        process = psutil.Process(pid)
        memory = process.memory_full_info()
        return cls(memory.rss, memory.uss, process.num_fds(), process.num_threads())


def peak_rss(pid: int) -> int:
    """The most bytes that a process has had resident so far."""
    status = Path(f"/proc/{pid}/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) * 1024


def cpu_seconds(pid: int) -> float:
    """Processor time of another process so far, to the nanosecond: /proc counts ticks of 10 ms, too coarse here."""
    return time.clock_gettime((~pid << 3) | 2)  # what clock_getcpuclockid(3) returns on Linux


def thread_states(pid: int) -> set[str]:
    """The states of a process's threads, as in proc(5)."""
    stats = [(task / "stat").read_text() for task in Path(f"/proc/{pid}/task").iterdir()]
    return {stat.rpartition(")")[2].split()[0] for stat in stats}
