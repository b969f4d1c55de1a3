from __future__ import annotations

import re
import socket
import struct
from collections.abc import Callable

import pytest
from objectstore_watcher import serving
from objectstore_watcher.errors import InvalidArgument
from objectstore_watcher.serving import serve
from prometheus_client import CollectorRegistry, Counter

from tests.servers import eventually
from tests.sidecar.tools import get

FLAG = "--metrics-address"


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


@pytest.mark.parametrize("path", ["/", "/metrics/", "/metricsx", "/../etc/passwd"])
def test_nothing_else_is_served(path: str) -> None:
    with connect(served()) as client, client.makefile("rb") as answer:
        client.sendall(f"GET {path} HTTP/1.1\r\n\r\n".encode())
        assert answer.readline().startswith(b"HTTP/1.0 404 ")


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


@pytest.mark.parametrize("address", ["", "9464", "127.0.0.1", "h:", "h:http", "h:-1", "h:65536", "h:٣", "[::1]"])
def test_what_is_no_address_is_refused_by_the_name_of_the_flag(address: str) -> None:
    with pytest.raises(InvalidArgument, match=re.escape(f"{FLAG}: {address!r} is no address; write host:port, for ex")):
        served(address)


@pytest.mark.parametrize("host", ["no-such-host.invalid", "192.0.2.1", "x:1"])
def test_a_host_that_is_not_here_is_refused_by_the_name_of_the_flag(host: str) -> None:
    with pytest.raises(InvalidArgument, match=f"^{FLAG}: '{host}:0' cannot be bound: "):
        served(f"{host}:0")
