"""A real MinIO that is away, broken, busy, or spoken to in the wrong way, shown by the whole watcher."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests.servers import MinioServer, eventually, free_port
from tests.sidecar.rows import MINIO, Row, shows
from tests.sidecar.sessions import expiring_session
from tests.sidecar.tls import Certificates
from tests.sidecar.tools import resolve_all_names, takes_requests
from tests.sidecar.whole import Wait

Patch = pytest.MonkeyPatch

pytestmark = pytest.mark.usefixtures("flyte_env")


@pytest.fixture
def own(tmp_path: Path) -> Iterator[MinioServer]:
    """A server of the test's own, with ``s3://bucket``."""
    with MinioServer(tmp_path / "drive") as server:
        takes_requests(server)
        server.client().make_bucket("bucket")
        yield server


@shows("other_region", MINIO)
def test_a_server_of_another_region_is_followed(row: Row, wait: Wait, tmp_path: Path) -> None:
    with MinioServer(tmp_path / "drive", MINIO_SITE_REGION="eu-west-1") as server:
        takes_requests(server)
        server.client().make_bucket("bucket", "eu-west-1")
        server.put("bucket", "key")
        row.is_shown_by(wait("s3://bucket/key", endpoint=server.endpoint, region="us-east-1"))


@shows("credentials_expired", MINIO)
def test_a_session_that_expires_during_the_wait_is_told_as_such(
    row: Row, wait: Wait, own: MinioServer, monkeypatch: Patch
) -> None:
    """MinIO says the same of a session that is over as of an access key that never was."""
    session = expiring_session(own, seconds=3)
    for name, value in session.variables().items():
        monkeypatch.setenv(f"FLYTE_AWS_{name}", value)
    account = wait("s3://bucket/key", {1: session.wait_for_its_end}, endpoint=own.endpoint)
    assert len(account.pauses) == 1, "its first look was accepted"
    account.pauses.clear()
    row.is_shown_by(account, "HTTP 403 InvalidAccessKeyId")


@pytest.fixture(scope="module")
def secure(tmp_path_factory: pytest.TempPathFactory, certificates: Certificates) -> Iterator[MinioServer]:
    """A server that speaks TLS, with a certificate for 127.0.0.1."""
    directory = tmp_path_factory.mktemp("secure")
    write_certificate(directory, certificates)
    with MinioServer(directory / "drive", certificates=directory) as server:
        yield server


def write_certificate(directory: Path, authority: Certificates) -> None:
    key, mark, certificate = authority.server_file("127.0.0.1").read_text().partition("-----BEGIN CERTIFICATE")
    (directory / "private.key").write_text(key)
    (directory / "public.crt").write_text(mark + certificate)


@shows("tls", MINIO)
def test_a_server_of_an_unknown_authority_is_not_trusted(row: Row, wait: Wait, secure: MinioServer) -> None:
    row.is_shown_by(wait("s3://bucket/key", endpoint=secure.endpoint), "CERTIFICATE_VERIFY_FAILED", "--ca-file")


@shows("tls", MINIO)
def test_a_server_of_another_name_is_not_trusted(
    row: Row, wait: Wait, secure: MinioServer, certificates: Certificates
) -> None:
    endpoint = f"https://localhost:{secure.port}"
    row.is_shown_by(wait("s3://bucket/key", endpoint=endpoint, ca_file=str(certificates.ca)), "Hostname mismatch")


@shows("tls_changed", MINIO)
def test_a_certificate_that_is_changed_for_a_wrong_one_during_the_wait_may_be_changed_again(
    row: Row, wait: Wait, tmp_path: Path, certificates: Certificates
) -> None:
    (tmp_path / "other").mkdir()
    drive, other = tmp_path / "drive", Certificates(tmp_path / "other")
    server = MinioServer(drive, certificates=tmp_path)

    def restart(authority: Certificates) -> None:
        server.stop()
        write_certificate(tmp_path, authority)
        server.start()

    def upload() -> None:
        server.stop()
        with plain(drive) as same:
            same.put("bucket", "key")
        restart(certificates)
        takes_requests(server, certificates.ca)

    with plain(drive) as same, ExitStack() as stack:
        same.client().make_bucket("bucket")
        same.stop()
        stack.callback(server.stop)
        restart(certificates)
        takes_requests(server, certificates.ca)
        steps = {1: lambda: restart(other), 4: upload}
        account = wait("s3://bucket/key", steps, endpoint=server.endpoint, ca_file=str(certificates.ca))
    row.is_shown_by(account, "CERTIFICATE_VERIFY_FAILED")


@contextmanager
def plain(drive: Path) -> Iterator[MinioServer]:
    """A server on ``drive`` without TLS, to which the tests' own client speaks."""
    with MinioServer(drive) as server:
        takes_requests(server)
        yield server


@shows("tls", MINIO)
def test_http_to_a_port_that_speaks_tls_is_told(row: Row, wait: Wait, secure: MinioServer) -> None:
    account = wait("s3://bucket/key", endpoint=f"http://127.0.0.1:{secure.port}")
    row.is_shown_by(account, cause="the server speaks TLS on this port", cure="write https:// in the endpoint")


@shows("tls", MINIO)
def test_tls_to_a_server_without_it_is_told(row: Row, wait: Wait, minio: MinioServer) -> None:
    account = wait("s3://bucket/key", endpoint=f"https://127.0.0.1:{minio.port}")
    row.is_shown_by(account, "WRONG_VERSION_NUMBER", "http:// for a server without TLS")


@shows("bucket_missing", MINIO)
def test_a_server_whose_authority_is_given_is_asked(
    row: Row, wait: Wait, secure: MinioServer, certificates: Certificates
) -> None:
    row.is_shown_by(wait("s3://bucket/key", endpoint=secure.endpoint, ca_file=str(certificates.ca)))


@shows("dns", MINIO)
def test_a_name_that_nobody_knows_yet_is_found_once_somebody_does(
    row: Row, wait: Wait, minio: MinioServer, bucket: str, monkeypatch: Patch
) -> None:
    minio.put(bucket, "key")
    named = {3: lambda: resolve_all_names(monkeypatch)}
    row.is_shown_by(wait(f"s3://{bucket}/key", named, endpoint=f"http://minio.invalid:{minio.port}"), "minio.invalid")


@shows("connection", MINIO)
def test_a_server_that_is_stopped_is_waited_for_and_found_again(row: Row, wait: Wait, own: MinioServer) -> None:
    own.put("bucket", "key")
    own.stop()

    def restart() -> None:
        own.start()
        takes_requests(own)

    row.is_shown_by(wait("s3://bucket/key", {3: restart}, endpoint=own.endpoint), "Connection refused")


@shows("timeout", MINIO)
def test_a_server_that_is_frozen_is_waited_for_and_found_again(row: Row, wait: Wait, own: MinioServer) -> None:
    own.put("bucket", "key")
    own.freeze()
    row.is_shown_by(wait("s3://bucket/key", {3: own.thaw}, endpoint=own.endpoint, request_timeout=0.5), "timed out")


@shows("throttled", MINIO)
def test_a_server_with_too_many_requests_is_waited_for(row: Row, wait: Wait, tmp_path: Path) -> None:
    """It asks to come back after 60 s; the watcher comes back sooner."""
    drive = tmp_path / "drive"
    with MinioServer(drive, MINIO_API_REQUESTS_MAX="1", MINIO_API_REQUESTS_DEADLINE="200ms") as server:
        takes_requests(server)
        server.client().make_bucket("bucket")
        server.put("bucket", "key")
        with upload_that_hangs(server) as upload:
            row.is_shown_by(wait("s3://bucket/key", {3: upload.close}, endpoint=server.endpoint), "HTTP 429")


@contextmanager
def upload_that_hangs(server: MinioServer) -> Iterator[socket.socket]:
    """A request that the server begins, and that does not end before the socket is closed."""
    url = urlsplit(server.client().presigned_put_object("bucket", "other"))
    with socket.create_connection(("127.0.0.1", server.port)) as upload:
        head = f"PUT {url.path}?{url.query} HTTP/1.1\r\nHost: {url.netloc}\r\nContent-Length: 100\r\n"
        upload.sendall(f"{head}Expect: 100-continue\r\n\r\n".encode())
        assert upload.recv(100).startswith(b"HTTP/1.1 100"), "it reads the body now"
        yield upload


@shows("server_error", MINIO)
def test_a_server_whose_drive_is_broken_is_waited_for(row: Row, wait: Wait, minio: MinioServer, bucket: str) -> None:
    minio.put(bucket, "key")
    file = minio.data / bucket / "key" / "xl.meta"
    good = file.read_bytes()
    file.write_bytes(b"broken")
    row.is_shown_by(wait(f"s3://{bucket}/key", {3: lambda: file.write_bytes(good)}), "HTTP 500")


@shows("malformed_answer", MINIO)
def test_what_is_not_the_s3_api_is_told_at_the_deadline(row: Row, wait: Wait) -> None:
    """The path of a server's own metrics, which it does not show to everybody, as JSON."""
    row.is_shown_by(wait("s3://minio/v2/metrics/cluster", timeout=5, poll_interval=5), "Content-Type: application/json")


@shows("malformed_answer", MINIO)
def test_the_console_in_place_of_the_s3_api_is_told_at_the_deadline(row: Row, wait: Wait, tmp_path: Path) -> None:
    console = free_port()
    with MinioServer(tmp_path / "drive", MINIO_BROWSER="on", MINIO_CONSOLE_ADDRESS=f"127.0.0.1:{console}"):
        eventually(lambda: listens(console), "the console is there")
        account = wait("s3://bucket/key", endpoint=f"http://127.0.0.1:{console}", timeout=5, poll_interval=5)
        row.is_shown_by(account, "check that the endpoint is the S3 API, not a console")


def listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
