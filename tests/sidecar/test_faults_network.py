"""The ways to a server that fail, shown by the whole watcher on a fake S3."""

from __future__ import annotations

import socket
import struct
import threading
from collections.abc import Callable
from contextlib import ExitStack, suppress
from pathlib import Path

import pytest

from tests.fake_s3 import DRIP, SILENT, Answer, FakeS3, error, found
from tests.servers import free_port
from tests.sidecar.rows import FAKE, Row, shows
from tests.sidecar.tls import Certificates
from tests.sidecar.tools import resolve_all_names
from tests.sidecar.whole import URI, Wait, at_fake

pytestmark = pytest.mark.usefixtures("fake_credentials")


@shows("tls", FAKE)
def test_a_server_of_an_unknown_authority_is_not_trusted(row: Row, wait: Wait, certificates: Certificates) -> None:
    with FakeS3(found(), tls=certificates.server("127.0.0.1")) as server:
        row.is_shown_by(at_fake(server, wait), "CERTIFICATE_VERIFY_FAILED", "--ca-file")
    assert server.requests == []


@shows("tls", FAKE)
def test_a_server_of_another_name_is_not_trusted(row: Row, wait: Wait, certificates: Certificates) -> None:
    with FakeS3(found(), tls=certificates.server("other.example.com")) as server:
        row.is_shown_by(at_fake(server, wait, ca_file=str(certificates.ca)), "IP address mismatch")


@shows("tls", FAKE)
def test_tls_to_a_server_without_it_is_told(row: Row, wait: Wait) -> None:
    with FakeS3(found()) as server:
        account = wait(URI, endpoint=server.endpoint.replace("http:", "https:"))
    row.is_shown_by(account, "WRONG_VERSION_NUMBER", "http:// for a server without TLS")


@shows("tls_changed", FAKE)
def test_a_certificate_that_is_changed_for_a_wrong_one_during_the_wait_may_be_changed_again(
    row: Row, wait: Wait, certificates: Certificates, tmp_path: Path
) -> None:
    right, wrong = (each.server_file("127.0.0.1") for each in (certificates, Certificates(tmp_path)))
    context = certificates.server("127.0.0.1")
    with FakeS3(error(404, "NoSuchKey", Connection="close"), tls=context) as server:
        steps: dict[int, Callable[[], object]] = {
            1: lambda: context.load_cert_chain(wrong),
            3: lambda: server.answer_with(found()),
            4: lambda: context.load_cert_chain(right),
        }
        account = wait(URI, steps, endpoint=server.endpoint, ca_file=str(certificates.ca))
    row.is_shown_by(account, "CERTIFICATE_VERIFY_FAILED")


@shows("tls_changed", FAKE)
def test_a_server_that_speaks_tls_where_it_did_not_before_may_change_again(row: Row, wait: Wait) -> None:
    with FakeS3(error(404, "NoSuchKey")) as server:
        steps = {
            1: lambda: server.answer_with(Answer(raw=b"\x15\x03\x01\x00\x02\x02\x46")),
            3: lambda: server.answer_with(found()),
        }
        cause = "the server speaks TLS on this port"
        row.is_shown_by(wait(URI, steps, endpoint=server.endpoint), cause=cause, cure=HTTPS)


@shows("tls", FAKE)
@pytest.mark.parametrize(
    "told",
    [
        b"HTTP/1.0 400 Bad Request\r\n\r\nClient sent an HTTP request to an HTTPS server.\n",
        b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\nContent-Type: text/html\r\n\r\n"
        b"<center>The plain HTTP request was sent to HTTPS port</center>",
        b"\x15\x03\x01\x00\x02\x02\x46",
    ],
    ids=["Go", "nginx", "a TLS alert"],
)
def test_http_to_a_port_that_speaks_tls_is_told(row: Row, wait: Wait, told: bytes) -> None:
    with FakeS3(Answer(raw=told)) as server:
        row.is_shown_by(at_fake(server, wait), cause="the server speaks TLS on this port", cure=HTTPS)


HTTPS = "write https:// in the endpoint"


@shows("connection", FAKE)
def test_a_server_that_resets_connections_during_the_handshake_is_no_fault_of_its_certificate(
    row: Row, wait: Wait, certificates: Certificates
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server, ExitStack() as stack:
        port = server.getsockname()[1]
        threading.Thread(target=reset_all, args=(server,), daemon=True).start()

        def restarts() -> None:
            server.shutdown(socket.SHUT_RDWR)
            server.close()
            trusted = certificates.server("127.0.0.1")
            stack.enter_context(FakeS3(found(), tls=trusted, address=("127.0.0.1", port)))

        endpoint = f"https://127.0.0.1:{port}"
        row.is_shown_by(wait(URI, {3: restarts}, endpoint=endpoint, ca_file=str(certificates.ca)), "reset by peer")


def reset_all(server: socket.socket) -> None:
    """Reset each connection after the client's first bytes."""
    with suppress(OSError):
        while True:
            connection = server.accept()[0]
            connection.recv(1)
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            connection.close()


@shows("connection", FAKE)
def test_a_server_that_is_not_there_yet_is_found_once_it_is(row: Row, wait: Wait) -> None:
    port = free_port()
    with ExitStack() as stack:
        starts = {3: lambda: stack.enter_context(FakeS3(found(), address=("127.0.0.1", port)))}
        row.is_shown_by(wait(URI, starts, endpoint=f"http://127.0.0.1:{port}"), "Connection refused")


@shows("dns", FAKE)
def test_a_name_that_nobody_knows_yet_is_found_once_somebody_does(
    row: Row, wait: Wait, monkeypatch: pytest.MonkeyPatch
) -> None:
    with FakeS3(found()) as server:
        named = {3: lambda: resolve_all_names(monkeypatch)}
        row.is_shown_by(wait(URI, named, endpoint=f"http://no-such-host.invalid:{server.port}"), "no-such-host.invalid")


@shows("timeout", FAKE)
@pytest.mark.parametrize("hole", [SILENT, DRIP, Answer(raw=b"HTTP/1.1 200 OK\r\n", delay=3600)])
def test_a_black_hole_is_waited_out(row: Row, wait: Wait, hole: Answer) -> None:
    with FakeS3(hole) as server:
        row.is_shown_by(at_fake(server, wait, request_timeout=0.2), "timed out")


@shows("timeout", FAKE)
def test_a_server_that_never_answers_is_told_at_the_deadline(row: Row, wait: Wait) -> None:
    with FakeS3(SILENT) as server:
        account = wait(URI, endpoint=server.endpoint, request_timeout=0.2, timeout=20, poll_interval=20)
    row.is_shown_by(account, "timed out")
    assert account.failed
    assert (account.failed.kind, account.failed.retryable) == ("deadline_exceeded", True)
    assert account.metric("errors_total", kind="deadline_exceeded") == 1
