"""Every row of the table of errors, shown by the whole watcher: here what a fake S3 answers."""

from __future__ import annotations

import importlib
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from objectstore_watcher.errors import KINDS, Action

from tests.fake_s3 import Answer, FakeS3, error, found
from tests.sidecar.rows import CANNOT, FAKE, MACHINE, MINIO, MOTO, Row, registered, shows
from tests.sidecar.tools import write_aws_file
from tests.sidecar.whole import URI, Wait, at_fake

Patch = pytest.MonkeyPatch

ABSENT = error(404, "NoSuchKey")
XML = {"Content-Type": "application/xml"}


pytestmark = pytest.mark.usefixtures("fake_credentials")


def test_every_row_is_shown_by_the_fake_or_this_machine_and_by_each_real_server_that_can() -> None:
    for module in Path(__file__).parent.glob("test_faults_*.py"):
        importlib.import_module(f"tests.sidecar.{module.stem}")
    shown = {server: {kind for kind, on in registered if on == server} for server in (FAKE, MINIO, MOTO, MACHINE)}
    assert shown[FAKE] | shown[MACHINE] == set(KINDS)
    assert shown[MINIO] == set(KINDS) - set(CANNOT[MINIO])
    assert shown[MOTO] == set(KINDS) - set(CANNOT[MOTO])


ANSWERS = [
    # An answer of AWS, whose HEAD does not tell the code.
    ("absent", ABSENT, ""),
    ("bucket_missing", error(404, "NoSuchBucket"), "HTTP 404 NoSuchBucket"),
    ("forbidden", error(403, "AccessDenied"), "HTTP 403 AccessDenied"),
    ("forbidden", error(403, "AllAccessDisabled"), "HTTP 403 AllAccessDisabled"),
    ("credentials_invalid", error(403, "InvalidAccessKeyId"), "HTTP 403 InvalidAccessKeyId"),
    ("credentials_invalid", error(403, "SignatureDoesNotMatch"), "HTTP 403 SignatureDoesNotMatch"),
    ("credentials_invalid", error(400, "InvalidToken"), "HTTP 400 InvalidToken"),
    ("credentials_invalid", error(400, "AuthorizationHeaderMalformed"), "HTTP 400 AuthorizationHeaderMalformed"),
    ("credentials_invalid", Answer(401), "HTTP 401"),
    ("credentials_expired", error(400, "ExpiredToken"), "HTTP 400 ExpiredToken"),
    ("credentials_expired", error(400, "TokenRefreshRequired"), "HTTP 400 TokenRefreshRequired"),
    ("clock_skew", error(403, "RequestTimeTooSkewed"), "HTTP 403 RequestTimeTooSkewed"),
    ("clock_skew", error(403, "RequestExpired"), "HTTP 403 RequestExpired"),
    ("throttled", error(503, "SlowDown"), "HTTP 503"),
    ("throttled", error(429, "TooManyRequests"), "HTTP 429"),
    ("throttled", error(400, "RequestLimitExceeded"), "HTTP 400 RequestLimitExceeded"),
    ("redirect", error(301, "PermanentRedirect"), "HTTP 301 PermanentRedirect"),
    ("redirect", Answer(301, {"Location": "http://127.0.0.1:1/elsewhere"}), "Response code: 301"),
    ("redirect", Answer(308), "HTTP 308"),
    ("timeout", error(400, "RequestTimeout"), "HTTP 400 RequestTimeout"),
    ("server_error", error(500, "InternalError"), "HTTP 500"),
    ("server_error", Answer(502), "HTTP 502"),
    ("invalid_argument", error(400, "KeyTooLongError"), "HTTP 400 KeyTooLongError"),
    ("malformed_answer", error(400, "CodeOfTomorrow"), "HTTP 400 CodeOfTomorrow"),
    ("malformed_answer", Answer(302, {"Location": "http://127.0.0.1:1/elsewhere"}), "HTTP 302"),
    ("malformed_answer", Answer(404, {"Content-Type": "text/html"}, b"<h1>hunter2</h1>"), "Response code: 404"),
    ("malformed_answer", Answer(403, {"Content-Type": "text/plain"}, b"RBAC: denied"), "Response code: 403"),
    ("malformed_answer", Answer(404, XML, b"<html"), "ParseError"),
    ("malformed_answer", Answer(404, XML, b"\xff"), "UnicodeDecodeError"),
    ("malformed_answer", Answer(200, {"Content-Type": "text/html"}, b"<h1>Console</h1>"), "without ETag"),
    ("malformed_answer", Answer(204), "without ETag"),
    ("malformed_answer", found(Last_Modified="yesterday"), "ValueError"),
    ("malformed_answer", found(Content_Length="many"), "ValueError"),
    ("malformed_answer", found(Content_Length="-5"), "a size below zero"),
    ("malformed_answer", found(ETag="x" * 1025), "that is too long"),
    ("malformed_answer", Answer(304), "HTTP 304"),
    ("malformed_answer", Answer(404, XML, b"x" * 65537), "more than 65536 bytes"),
    ("connection", replace(ABSENT, cut=40), "IncompleteRead"),
    ("connection", Answer(raw=b"HTTP/1.1 200 OK\r\nConten"), "the connection ended within the headers"),
    ("connection", Answer(raw=b"HTTP/1.1 403 Forbidden\r\nx-minio-error-code: Si"), "ended within the headers"),
    ("connection", Answer(raw=b"HTTP/1.1 403 Forbidden\r\n"), "ended within the headers"),
    ("connection", Answer(reset=True), "Connection reset by peer"),
    ("connection", Answer(raw=b""), "Remote end closed connection without response"),
    ("connection", Answer(raw=b"SSH-2.0-OpenSSH\r\n"), "SSH-2.0-OpenSSH"),
    ("connection", Answer(200, {f"x-{number}": "y" for number in range(200)}), "got more than 100 headers"),
]

CURES = {
    "HTTP 400 InvalidToken": "correct the session token, or remove it",
    "HTTP 400 KeyTooLongError": "correct the key 'key'",
}
"""Of answers that tell more than their row."""


@pytest.mark.parametrize(
    ("answer", "seen"),
    [pytest.param(answer, seen, id=f"{kind}: {seen}", marks=shows(kind, FAKE)) for kind, answer, seen in ANSWERS],
)
def test_an_answer_is_dealt_with_as_its_row_says(row: Row, wait: Wait, answer: Answer, seen: str) -> None:
    with FakeS3(answer) as server:
        account = at_fake(server, wait)
        row.is_shown_by(account, seen, cure=CURES.get(seen, ""))
        told = str(account.main) if account.failed else seen
        assert "hunter2" not in told
        assert account.failed is None or server.endpoint in told


@shows("manifest_invalid", FAKE)
def test_a_manifest_that_lists_nothing_known_ends_the_wait(row: Row, wait: Wait) -> None:
    with FakeS3(found(b"{}")) as server:
        row.is_shown_by(
            at_fake(server, wait, match="manifest"), cause="the manifest cannot be read: its JSON has another form"
        )


@shows("other_region", FAKE)
def test_another_region_is_followed_in_the_same_look(row: Row, wait: Wait) -> None:
    with FakeS3(error(301, "PermanentRedirect", x_amz_bucket_region="eu-west-1"), found()) as server:
        row.is_shown_by(at_fake(server, wait))


@pytest.mark.parametrize(
    ("answer", "policy"),
    [
        pytest.param(error(404, "NoSuchBucket"), "on_missing_bucket", marks=shows("bucket_missing", FAKE)),
        pytest.param(error(403, "AccessDenied"), "on_forbidden", marks=shows("forbidden", FAKE)),
    ],
)
def test_what_users_differ_about_is_waited_out_where_they_ask_for_it(
    row: Row, wait: Wait, answer: Answer, policy: str
) -> None:
    with FakeS3(answer) as server:
        row.is_waited_out_by(at_fake(server, wait, **{policy: "wait"}))


def test_only_rows_with_a_policy_can_be_waited_out() -> None:
    assert {kind.policy for kind in KINDS.values()} - {""} == {"on_missing_bucket", "on_forbidden"}
    assert all(kind.action is Action.FAIL for kind in KINDS.values() if kind.policy)


@shows("throttled", FAKE)
def test_a_server_that_asks_for_a_longer_pause_does_not_get_it(row: Row, wait: Wait) -> None:
    """MinIO asks for a minute with every 429 and 503: objects would be seen up to a minute later than need be."""
    with FakeS3(error(503, "SlowDown", Retry_After="3600")) as server:
        row.is_shown_by(at_fake(server, wait))


@shows("credentials_missing", FAKE)
def test_without_credentials_nothing_is_asked(row: Row, wait: Wait, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("FLYTE_AWS_SECRET_ACCESS_KEY")
    with FakeS3(found()) as server:
        row.is_shown_by(at_fake(server, wait))
        assert server.requests == []


@shows("credentials_unavailable", FAKE)
def test_a_service_for_credentials_that_is_away_is_waited_for(
    row: Row, wait: Wait, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("FLYTE_AWS_SECRET_ACCESS_KEY")
    role = {"AccessKeyId": "role", "SecretAccessKey": "secret", "Token": "t", "Expiration": "2999-01-01T00:00:00Z"}
    with FakeS3(Answer(503)) as service, FakeS3(found()) as server:
        monkeypatch.setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", service.endpoint)
        comes_back = {3: lambda: service.answer_with(Answer(body=json.dumps(role).encode()))}
        row.is_shown_by(wait(URI, comes_back, endpoint=server.endpoint))
        assert server.methods == ["HEAD"]


@shows("credentials_renewing", FAKE)
def test_credentials_of_a_file_are_waited_for_while_they_are_renewed(
    row: Row, wait: Wait, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("FLYTE_AWS_SECRET_ACCESS_KEY")
    write_aws_file("first")
    with FakeS3(ABSENT) as server:
        steps: dict[int, Callable[[], object]] = {
            1: lambda: server.refused.update(first=error(403, "InvalidAccessKeyId")),
            3: lambda: server.answer_with(found()),
            4: lambda: write_aws_file("second"),
        }
        row.is_shown_by(wait(URI, steps, endpoint=server.endpoint), "HTTP 403 InvalidAccessKeyId")
    assert server.requests[-1].access_key == "second"


@shows("invalid_argument", FAKE)
def test_what_cannot_be_used_is_told_before_anything_is_asked(row: Row, wait: Wait) -> None:
    with FakeS3(found()) as server:
        account = at_fake(server, wait, ca_file="/no/such/file")
    account.subject = "--ca-file"
    row.is_shown_by(account, cause="/no/such/file", cure="give a readable PEM file")
    assert server.requests == []
