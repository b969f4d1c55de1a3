"""A proxy with a listener for each wait, so that each has faults of its own on its way to the real server."""

from __future__ import annotations

import asyncio
import re
import socket
import struct
import threading
import time
from collections.abc import Coroutine
from contextlib import suppress
from typing import Any, TypeVar

from tests.chaos.record import Exchange, Record, Stream, Window
from tests.chaos.schedule import STALE, Fault

T = TypeVar("T")

_LINGER_NOT = struct.pack("ii", 1, 0)
"""A socket that is closed with this sends RST instead of FIN."""

_DRIP_INTERVAL = 0.05

_LISTENS = re.compile(rb"GET /[^/? ]+\?events=")
"""The request for a stream of events, whose answer does not end."""

_FAILURES = {"throttle": (503, "SlowDown"), "server_error": (500, "InternalError")}


class Proxies:
    """Runs all listeners in one thread."""

    def __init__(self, upstream: int) -> None:
        self.upstream = upstream
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="proxies", daemon=True)
        self._thread.start()

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Do ``work`` in that thread, from another."""
        return asyncio.run_coroutine_threadsafe(work, self._loop).result()

    def close(self) -> None:
        """End the thread."""
        self.run(_cancel_all())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()


async def _cancel_all() -> None:
    tasks = asyncio.all_tasks() - {asyncio.current_task()}
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


class Line:
    """The way of one wait to the server.

    Args:
        proxies: who runs it.
        record: of the wait; is told when a fault begins and ends, each request, and each stream of events.
    """

    def __init__(self, proxies: Proxies, record: Record) -> None:
        self._proxies = proxies
        self._request_timeout = record.plan.request_timeout  # latency is a share of it
        self._windows = record.faults
        self._exchanges = record.exchanges
        self._streams = record.streams
        self._told = f'"key":"{record.uri.rpartition("/")[2]}"'.encode()
        self._fault: Fault | None = None
        self._stale: set[asyncio.StreamWriter] = set()
        self._open: dict[asyncio.StreamWriter, asyncio.Task[None]] = {}
        self._flowing: set[asyncio.StreamWriter] = set()
        self._server: asyncio.Server | None = None
        # Bound and never listening: keeps the port while connections to it are refused.
        self._holder = _bound(("127.0.0.1", 0))
        self.endpoint = f"http://127.0.0.1:{self._holder.getsockname()[1]}"
        proxies.run(self._listen())

    def begin(self, fault: Fault) -> None:
        """From now on, ``fault``."""
        self._windows.append(Window(fault.kind, time.monotonic()))
        self._proxies.run(self._switch(fault))
        if fault.kind == STALE:
            self._windows[-1].end = time.monotonic()

    def mend(self) -> None:
        """The fault ends."""
        self._proxies.run(self._switch(None))
        self._windows[-1].end = time.monotonic()

    def close(self) -> None:
        """Close all."""
        self._proxies.run(self._end())
        self._holder.close()

    async def _listen(self) -> None:
        listener = _bound(self._holder.getsockname())
        self._server = await asyncio.start_server(self._accept, sock=listener)

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Remember the connection, and close it whatever its task comes to: one cancelled before it began, too."""
        self._open[writer] = task = asyncio.ensure_future(self._serve(reader, writer))
        task.add_done_callback(lambda _: self._forget(writer))

    def _forget(self, writer: asyncio.StreamWriter) -> None:
        self._open.pop(writer, None)
        self._stale.discard(writer)
        writer.close()

    async def _switch(self, fault: Fault | None) -> None:
        if fault and fault.kind == STALE:
            self._stale |= set(self._open)
            return
        self._fault = fault
        if fault and fault.kind in {"refuse", "reset"}:
            for writer in list(self._open):
                _reset(writer)
        if fault and fault.kind == "cut":
            for writer in self._flowing:
                writer.close()
        if fault and fault.kind == "refuse":
            await self._refuse()
        if not self._server and not (fault and fault.kind == "refuse"):
            await self._listen()

    async def _refuse(self) -> None:
        if not self._server:
            return
        # Python before 3.12 leaks a connection that was accepted, and not yet served, when its server closes.
        for listener in self._server.sockets:
            asyncio.get_running_loop().remove_reader(listener)
        await asyncio.sleep(0)
        self._server.close()
        self._server = None

    async def _end(self) -> None:
        await self._refuse()
        tasks = list(self._open.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await asyncio.sleep(0)  # the loop closes what was closed in its last step

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                if _LISTENS.match(head):
                    await self._listen_for(head, reader, writer)
                    break
                exchange = Exchange(time.monotonic(), head.split(b" ", 1)[0].decode())
                self._exchanges.append(exchange)
                try:
                    if not await self._pass_on(head, exchange, reader, writer):
                        break
                finally:
                    exchange.ended = time.monotonic()

    async def _listen_for(self, head: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Let a stream of events flow, as the fault of the moment lets it."""
        kind = self._fault.kind if self._fault else ""
        if kind in {"silence", "drip"}:
            await _torment(kind == "drip", reader, writer)
        elif kind in _FAILURES:
            writer.write(_failure(*_FAILURES[kind], "GET"))
        elif kind not in {"refuse", "reset", "cut"} and writer not in self._stale:
            await self._let_flow(head, reader, writer)

    async def _let_flow(self, head: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Pass on what comes, until either side ends it; nothing more once the line was silent for a moment."""
        stream, is_lost = Stream(), False
        self._streams.append(stream)
        self._flowing.add(writer)
        source, upstream = await asyncio.open_connection("127.0.0.1", self._proxies.upstream)
        gone = asyncio.ensure_future(_end_of(reader))
        gone.add_done_callback(lambda _: upstream.close())
        try:
            upstream.write(head)
            while data := await source.read(1 << 16):
                is_silent = self._fault is not None and self._fault.kind in {"silence", "drip"}
                if is_lost := is_lost or is_silent or writer in self._stale:
                    stream.ended = min(stream.ended, time.monotonic())
                    continue
                writer.write(data)
                await writer.drain()
                stream.began = min(stream.began, time.monotonic())
                if self._told in data:
                    stream.events.append(time.monotonic())
        finally:
            gone.cancel()
            self._flowing.discard(writer)
            stream.ended = min(stream.ended, time.monotonic())

    async def _pass_on(
        self, head: bytes, exchange: Exchange, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> bool:
        """Answer one request; whether another may follow on this connection."""
        fault = self._fault
        kind = exchange.fault = STALE if writer in self._stale else fault.kind if fault else ""
        if kind in {"refuse", "reset", STALE}:
            _reset(writer)
            return False
        if kind in {"silence", "drip"}:
            await _torment(kind == "drip", reader, writer)
            return False
        delay = fault.share * self._request_timeout / 2 if fault and kind == "latency" else 0.0
        await asyncio.sleep(delay)
        try:
            answer = _failure(*_FAILURES[kind], exchange.method) if kind in _FAILURES else await self._ask(head)
        except (OSError, asyncio.IncompleteReadError):
            _reset(writer)  # the server is away
            return False
        await asyncio.sleep(delay)
        is_cut = fault is not None and kind == "cut"
        writer.write(answer[: int(fault.share * len(answer))] if fault and is_cut else answer)
        await writer.drain()
        exchange.status, exchange.code, exchange.is_whole = *_told(answer), not is_cut
        return not is_cut

    async def _ask(self, head: bytes) -> bytes:
        """What the real server answers, on a connection of its own."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self._proxies.upstream)
        try:
            writer.write(head)
            answer = await reader.readuntil(b"\r\n\r\n")
            length = re.search(rb"(?im)^content-length: (\d+)", answer)
            if not head.startswith(b"HEAD") and length:
                answer += await reader.readexactly(int(length.group(1)))
            return answer
        finally:
            writer.close()


def _bound(address: tuple[str, int]) -> socket.socket:
    bound = socket.socket()
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    bound.bind(address)
    return bound


def _reset(writer: asyncio.StreamWriter) -> None:
    line = writer.get_extra_info("socket")
    with suppress(OSError):  # closed before
        line.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER_NOT)
    writer.transport.abort()


async def _end_of(reader: asyncio.StreamReader) -> None:
    with suppress(OSError):
        await reader.read(1)


async def _torment(drips: bool, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """No answer, or one that never ends, until the client goes."""
    gone = asyncio.ensure_future(reader.read(1))
    part = b"HTTP/1.1 200 OK\r\nx-drip: "
    while not gone.done():
        if drips:
            writer.write(part)
            part = b"x"
        await asyncio.wait([gone], timeout=_DRIP_INTERVAL)
    gone.exception()


def _failure(status: int, code: str, method: str) -> bytes:
    body = f'<?xml version="1.0"?><Error><Code>{code}</Code><Message>chaos</Message></Error>'.encode()
    head = f"HTTP/1.1 {status} {code}\r\nContent-Type: application/xml\r\nContent-Length: {len(body)}\r\n\r\n".encode()
    return head if method == "HEAD" else head + body


def _told(answer: bytes) -> tuple[int, str]:
    """Status and S3's error code; MinIO names it in a header, where HEAD has no body."""
    code = re.search(rb"(?i)x-minio-error-code: (\w+)|<Code>(\w+)</Code>", answer)
    return int(answer.split(b" ", 2)[1]), next(filter(None, code.groups()), b"").decode() if code else ""
