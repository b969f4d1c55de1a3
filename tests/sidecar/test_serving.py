from __future__ import annotations

import re
import socket
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress

import pytest
from objectstore_watcher import serving
from objectstore_watcher.errors import InvalidArgument
from objectstore_watcher.serving import serve
from prometheus_client import CollectorRegistry, Counter

from tests.servers import eventually
from tests.sidecar.tools import get

FLAG = "--metrics-address"

FLOOD = """
import socket, sys, time
clients, opened, end = [], 0, time.monotonic() + 3
while time.monotonic() < end and opened < 20_000:
    clients.append(socket.create_connection(sys.argv[1:], timeout=30))
    opened += 1
    if opened == 100: print("begun", flush=True)
    if len(clients) > 200: clients.pop(0).close()
print(opened)
"""


def served(
    address: str = "127.0.0.1:0", *, alive: Callable[[], bool] = lambda: True, ready: Callable[[], bool] = lambda: True
) -> str:
    """Serves one counter; returns the URL."""
    registry = CollectorRegistry()
    Counter("looks", "Looks.", registry=registry).inc(7)
    host, port = serve(address, FLAG, registry, alive=alive, ready=ready)
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host or '127.0.0.1'}:{port}"


def connect(url: str) -> socket.socket:
    host, _, port = url.removeprefix("http://").rpartition(":")
    return socket.create_connection((host, int(port)), timeout=30)


@pytest.mark.parametrize("address", ["127.0.0.1:0", "localhost:0", ":0", "[::1]:0"])
def test_metrics_are_served_in_prometheus_format(address: str) -> None:
    if "::" in address:
        try:
            socket.create_server(("::1", 0), family=socket.AF_INET6).close()
        except OSError:
            pytest.skip("no IPv6 on this machine")
    status, body = get(served(address) + "/metrics")
    assert status == 200
    assert "\nlooks_total 7.0\n" in body


@pytest.mark.parametrize("path", ["/healthz", "/readyz"])
@pytest.mark.parametrize(("holds", "answer"), [(True, (200, "OK\n")), (False, (503, "Service Unavailable\n"))])
def test_each_check_is_200_while_it_holds_else_503(path: str, holds: bool, answer: tuple[int, str]) -> None:
    states = {"/healthz": not holds, "/readyz": not holds, path: holds}
    url = served(alive=lambda: states["/healthz"], ready=lambda: states["/readyz"])
    assert get(url + path) == answer


def test_a_check_is_made_anew_for_each_request() -> None:
    states = iter([True, False, True])
    url = served(alive=lambda: next(states))
    assert [get(url + "/healthz")[0] for _ in range(3)] == [200, 503, 200]


@pytest.mark.parametrize(
    "path",
    ["/", "/metrics/", "/metricsx", "/../etc/passwd", "//etc/passwd", "/metrics/../healthz", "/%6detrics", "http://x/"],
)
def test_nothing_else_is_served(path: str) -> None:
    with connect(served()) as client, client.makefile("rb") as answer:
        client.sendall(f"GET {path} HTTP/1.1\r\n\r\n".encode())
        assert answer.readline().startswith(b"HTTP/1.0 404 ")
        assert answer.read().endswith(b"\r\n\r\nNot Found\n")


def exchange(url: str, sent: bytes) -> bytes:
    """All that the server says to ``sent``."""
    with connect(url) as client, client.makefile("rb") as answer:
        client.sendall(sent)
        return answer.read()


def test_a_page_says_how_long_it_is_and_not_which_python_made_it() -> None:
    head, _, page = exchange(served(), b"GET /metrics HTTP/1.1\r\n\r\n").partition(b"\r\n\r\n")
    headers = dict(line.split(": ", 1) for line in head.decode().split("\r\n")[1:])
    assert headers.keys() == {"Server", "Date", "Content-Type", "Content-Length"}
    assert headers["Server"] == "objectstore-watcher"
    assert int(headers["Content-Length"]) == len(page)


@pytest.mark.parametrize(("path", "status"), [("/metrics", b"200"), ("/healthz", b"200"), ("/x", b"404")])
def test_head_is_answered_as_get_without_the_page(path: str, status: bytes) -> None:
    url = served()
    told = exchange(url, f"HEAD {path} HTTP/1.1\r\n\r\n".encode())
    assert told.startswith(b"HTTP/1.0 " + status)
    assert told.endswith(b"\r\n\r\n")
    length = len(exchange(url, f"GET {path} HTTP/1.1\r\n\r\n".encode()).partition(b"\r\n\r\n")[2])
    assert f"\r\nContent-Length: {length}\r\n".encode() in told


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS", "TRACE", "CONNECT", "get", "GETS"])
def test_other_methods_are_refused(method: str) -> None:
    assert exchange(served(), f"{method} /metrics HTTP/1.1\r\n\r\n".encode()).startswith(b"HTTP/1.0 501 ")


@pytest.mark.parametrize(
    "sent",
    [
        pytest.param(b"GET /" + b"x" * 9000, id="line"),
        pytest.param(b"GET /healthz HTTP/1.1\r\n" + b"X: y\r\n" * 1500, id="many"),
        pytest.param(b"GET /healthz HTTP/1.1\r\nX: " + b"y" * 9000, id="long"),
    ],
)
def test_a_request_that_is_too_long_is_dropped_before_its_end(sent: bytes, capfd: pytest.CaptureFixture[str]) -> None:
    """At once: not for want of an end, after five seconds."""
    assert len(sent) > serving.MAX_HEAD_BYTES
    began = time.monotonic()
    with suppress(ConnectionResetError):  # as the rest is not read
        assert exchange(served(), sent) == b""
    assert time.monotonic() - began < serving.CLIENT_TIMEOUT / 2
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize(
    "sent", [b"\r\n\r\n", b"GET\r\n\r\n", b"\0\xff\n\n", b"GET / HTTP/9.9\r\n\r\n", b"G E T / \n\n"]
)
def test_what_is_no_request_leaves_no_trace(sent: bytes, capfd: pytest.CaptureFixture[str]) -> None:
    url = served()
    assert b" 200 " not in exchange(url, sent)
    assert get(url + "/healthz")[0] == 200
    assert capfd.readouterr() == ("", "")


def test_a_client_that_sends_a_byte_now_and_then_is_dropped_in_the_same_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("objectstore_watcher.serving._Handler.timeout", 0.5)
    with connect(served()) as client:
        sent = 0
        with suppress(BrokenPipeError, ConnectionResetError):
            while sent < 100:
                client.sendall(b"x")
                sent += 1
                time.sleep(0.05)
        assert sent < 100


def serving_threads() -> int:
    return sum("process_request_thread" in thread.name for thread in threading.enumerate())


def test_idle_clients_however_many_take_no_more_threads_and_keep_nobody_waiting() -> None:
    """The kubelet's probe has a second, by default."""
    url, before = served(), serving_threads()
    idle = []
    try:
        for number in range(10 * serving.MAX_CLIENTS):
            idle.append(connect(url))
            if number % 20 == 0:
                began = time.monotonic()
                assert get(url + "/healthz") == (200, "OK\n")
                assert time.monotonic() - began < 1
            assert serving_threads() - before <= serving.MAX_CLIENTS
        assert idle[0].recv(1) == b"", "who has been there longest had to go"
    finally:
        for client in idle:
            client.close()
    eventually(lambda: serving_threads() <= before, "the threads end with their clients")


PROBE_TIMEOUT = 5
"""Seconds that the kubelet waits for an answer."""


def test_a_flood_of_connections_does_not_keep_the_kubelet_from_its_answer() -> None:
    url = served()
    host, port = url.removeprefix("http://").split(":")
    with subprocess.Popen([sys.executable, "-c", FLOOD, host, port], stdout=subprocess.PIPE, text=True) as flooder:
        assert flooder.stdout
        assert flooder.stdout.readline() == "begun\n"
        for _ in range(20):
            began = time.monotonic()
            assert get(url + "/healthz") == (200, "OK\n")
            assert time.monotonic() - began < PROBE_TIMEOUT  # milliseconds, on a machine that is not busy
            time.sleep(0.05)
        opened = int(flooder.communicate(timeout=60)[0])
    assert opened > 10 * serving.MAX_CLIENTS, "the case is not what it says"


@pytest.mark.parametrize("sent", [b"", b"GET /met", b"GET /metrics HTTP/1.1\r\nHost: x"])
def test_a_client_that_sends_nothing_more_is_dropped_without_a_word(
    sent: bytes, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("objectstore_watcher.serving._Handler.timeout", 0.2)
    with connect(served()) as client:
        client.sendall(sent)
        assert client.recv(1000) == b""
    assert capfd.readouterr() == ("", "")


def test_the_time_that_a_client_gets_is_short() -> None:
    assert serving._Handler.timeout == serving.CLIENT_TIMEOUT == 5


def test_clients_that_hang_do_not_keep_others_waiting() -> None:
    url = served()
    hanging = [connect(url) for _ in range(5)]
    try:
        for client in hanging:
            client.sendall(b"GET /metrics HTT")
        assert get(url + "/metrics")[0] == 200
        for client in hanging:
            client.setblocking(False)
            with pytest.raises(BlockingIOError):  # not even dropped yet
                client.recv(1)
    finally:
        for client in hanging:
            client.close()


def test_a_client_that_breaks_off_leaves_no_trace(capfd: pytest.CaptureFixture[str]) -> None:
    url = served()
    for sent in (b"", b"GET /met", b"GET /metrics HTTP/1.1\r\n\r\n"):
        client = connect(url)
        client.sendall(sent)
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))  # a reset, not an end
        client.close()
    eventually(lambda: get(url + "/healthz") == (200, "OK\n"), "others are served")
    assert capfd.readouterr() == ("", "")


def test_a_port_that_is_taken_is_refused_by_the_name_of_the_flag() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        with pytest.raises(InvalidArgument, match=f"^{FLAG}: '{address}' cannot be bound: Address already in use; "):
            served(address)


@pytest.mark.parametrize(
    "address", ["", "9464", "127.0.0.1", "h:", "h:http", "h:-1", "h:65536", "h:٣", "h:" + "9" * 5000, "[::1]"]
)
def test_what_is_no_address_is_refused_by_the_name_of_the_flag(address: str) -> None:
    with pytest.raises(InvalidArgument, match=re.escape(f"{FLAG}: {address[:20]!r}"[:-1]) + ".*; write host:port"):
        served(address)


@pytest.mark.parametrize("host", ["no-such-host.invalid", "192.0.2.1", "x:1"])
def test_a_host_that_is_not_here_is_refused_by_the_name_of_the_flag(host: str) -> None:
    with pytest.raises(InvalidArgument, match=f"^{FLAG}: '{host}:0' cannot be bound: "):
        served(f"{host}:0")
