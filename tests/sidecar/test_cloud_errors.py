"""What obstore's errors mean. Where only its text tells them apart, these tests see the text change."""

from __future__ import annotations

import json
import threading
import time
from pathlib import Path

import pytest
from objectstore_watcher.contract import DEFAULT_POLL_INTERVAL, Ready, WatchSpec
from objectstore_watcher.errors import Action, DeadlineExceeded, StoreError
from objectstore_watcher.stores.routing import Routes
from objectstore_watcher.targets import targets

from tests.fake_s3 import DRIP, SILENT, Answer, FakeS3, error, found
from tests.servers import eventually, free_port
from tests.sidecar.tls import Certificates
from tests.sidecar.tools import Opened
from tests.sidecar.whole import Wait

GCS, AZURE = "gs://bucket/key", "abfs://container@account.dfs.core.windows.net/key"

SECRET = "aHVudGVyMg=="


@pytest.fixture(autouse=True)
def credentials(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """Credentials that any server may refuse."""
    monkeypatch.setenv("AZURE_STORAGE_ACCOUNT_NAME", "account")
    monkeypatch.setenv("AZURE_STORAGE_ACCOUNT_KEY", SECRET)
    monkeypatch.setenv("GOOGLE_BEARER_TOKEN", SECRET)
    return monkeypatch


def opened(uri: str, endpoint: str = "", **options: float | str) -> Opened:
    told = {"uri": uri, "endpoint": endpoint, "request_timeout": 5.0, **options}
    return Opened(WatchSpec.from_mapping(told))


def failure(uri: str, *answers: Answer, **options: float | str) -> StoreError:
    """How a look at a server that answers this fails."""
    with FakeS3(*answers) as server:
        return failure_at(uri, server.endpoint, **options)


def failure_at(uri: str, endpoint: str, **options: float | str) -> StoreError:
    with pytest.raises(StoreError) as failed:
        opened(uri, endpoint, **options).look()
    message = str(failed.value)
    assert message.isprintable()
    assert SECRET not in message
    assert message.startswith(uri + ": ")
    return failed.value


ANSWERS = [
    (GCS, 404, "NoSuchBucket", "bucket_missing"),
    (GCS, 403, "AccessDenied", "forbidden"),
    (GCS, 401, "AuthenticationRequired", "credentials_missing"),
    (GCS, 401, "InvalidSecurity", "credentials_invalid"),
    (GCS, 401, "", "credentials_invalid"),
    (GCS, 400, "ExpiredToken", "credentials_expired"),
    (GCS, 403, "RequestTimeTooSkewed", "clock_skew"),
    (GCS, 400, "InvalidArgument", "invalid_argument"),
    (GCS, 429, "SlowDown", "throttled"),
    (GCS, 503, "", "throttled"),
    (GCS, 500, "InternalError", "server_error"),
    (GCS, 418, "", "malformed_answer"),
    (AZURE, 404, "ContainerNotFound", "bucket_missing"),
    (AZURE, 409, "ContainerBeingDeleted", "bucket_missing"),
    (AZURE, 403, "AuthorizationPermissionMismatch", "forbidden"),
    (AZURE, 403, "", "forbidden"),
    (AZURE, 403, "AuthenticationFailed", "credentials_invalid"),
    (AZURE, 401, "NoAuthenticationInformation", "credentials_missing"),
    (AZURE, 409, "PublicAccessNotPermitted", "credentials_missing"),
    (AZURE, 400, "InvalidResourceName", "invalid_argument"),
    (AZURE, 503, "ServerBusy", "throttled"),
    (AZURE, 500, "InternalError", "server_error"),
]


@pytest.mark.parametrize(("uri", "status", "code", "kind"), ANSWERS)
def test_an_answer_has_its_row(uri: str, status: int, code: str, kind: str) -> None:
    failed = failure(uri, error(status, code) if code else Answer(status))
    assert failed.kind.label == kind
    is_told = code and 400 <= status < 429  # the others are clear without a body, and a HEAD has none
    assert f"HTTP {status}{' ' + code if is_told else ''})" in str(failed)


@pytest.mark.parametrize(("uri", "status", "code", "kind"), ANSWERS)
def test_an_answer_to_a_listing_has_the_same_row(uri: str, status: int, code: str, kind: str) -> None:
    failed = failure(uri + "*", error(status, code) if code else Answer(status), match="glob")
    assert failed.kind.label == kind


@pytest.mark.parametrize(("uri", "code"), [(GCS, "NoSuchKey"), (AZURE, "BlobNotFound"), (GCS, ""), (AZURE, "")])
def test_an_object_that_is_absent_is_no_error(uri: str, code: str) -> None:
    with FakeS3(error(404, code) if code else Answer(404)) as server:
        store = opened(uri, server.endpoint)
        assert [store.look() for _ in range(3)] == [[], [], []]
        assert server.methods == ["HEAD", "GET", "HEAD", "HEAD"], "the cause is asked for once"


def test_a_directory_of_azure_is_no_object() -> None:
    """Accounts with a hierarchical namespace have some; obstore tells by the class of its error alone."""
    with FakeS3(found(x_ms_resource_type="directory")) as server:
        assert opened(AZURE, server.endpoint).look() == []
        assert server.methods == ["HEAD"]


@pytest.mark.parametrize("uri", [GCS, AZURE])
def test_no_request_is_sent_twice(uri: str) -> None:
    with FakeS3(Answer(503)) as server:
        failure_at(uri, server.endpoint)
        assert server.methods == ["HEAD"]


def test_a_sas_token_whose_time_is_over_has_expired(credentials: pytest.MonkeyPatch) -> None:
    credentials.delenv("AZURE_STORAGE_ACCOUNT_KEY")
    credentials.setenv("AZURE_STORAGE_SAS_TOKEN", f"sv=2026-01-01&sig={SECRET}")
    over = "Signature not valid in the specified time frame: Start [...] - Expiry [...]"
    failed = failure(AZURE, error(403, "AuthenticationFailed", over))
    assert failed.kind.label == "credentials_expired"
    assert "sig=" not in str(failed)


@pytest.mark.parametrize("uri", [GCS, AZURE])
@pytest.mark.parametrize(
    "answer",
    [
        Answer(200),
        Answer(200, {"Last-Modified": "yesterday"}, b"<html>"),
        Answer(raw=b"SSH-2.0-OpenSSH_9.2\r\n"),
    ],
)
def test_an_answer_that_no_cloud_gives_is_told(uri: str, answer: Answer) -> None:
    assert failure(uri, answer).kind.label in ("malformed_answer", "connection")


@pytest.mark.parametrize("uri", [GCS, AZURE])
def test_a_listing_that_is_none_is_told(uri: str) -> None:
    assert failure(uri + "*", Answer(200, {}, b"<html>hello"), match="glob").kind.label == "malformed_answer"


@pytest.mark.parametrize("uri", [GCS, AZURE])
def test_a_connection_that_is_refused_or_breaks_is_told(uri: str) -> None:
    refused = failure_at(uri, f"http://127.0.0.1:{free_port()}")
    assert (refused.kind.label, "Connection refused" in str(refused)) == ("connection", True)
    assert failure(uri, Answer(raw=b"")).kind.label == "connection"
    assert failure(uri, Answer(reset=True)).kind.label == "connection"


@pytest.mark.parametrize("uri", [GCS, AZURE])
def test_a_name_that_cannot_be_resolved_is_told(uri: str) -> None:
    assert failure_at(uri, "http://no-such-host.invalid").kind.label == "dns"


@pytest.mark.parametrize("uri", [GCS, AZURE])
def test_certificates_are_checked_against_the_ca_file(uri: str, certificates: Certificates) -> None:
    with FakeS3(found(), tls=certificates.server("127.0.0.1")) as server:
        unknown = failure_at(uri, server.endpoint)
        assert (unknown.kind.label, "InvalidCertificate" in str(unknown)) == ("tls", True)
        assert opened(uri, server.endpoint, ca_file=str(certificates.ca)).look()
    with FakeS3(found(), tls=certificates.server("other.example.com")) as server:
        assert failure_at(uri, server.endpoint, ca_file=str(certificates.ca)).kind.label == "tls"
    with FakeS3(found()) as server:
        assert failure_at(uri, server.endpoint.replace("http:", "https:")).kind.label == "tls"


@pytest.mark.parametrize("uri", [GCS, AZURE])
@pytest.mark.parametrize("answer", [SILENT, DRIP])
def test_a_black_hole_is_given_up_in_time_and_the_request_broken_off(uri: str, answer: Answer) -> None:
    """Even where obstore itself would wait for long."""
    with FakeS3(answer) as server:
        store = opened(uri, server.endpoint, request_timeout=600.0)
        began = time.monotonic()
        with pytest.raises(StoreError, match="timed out: no whole answer within 1 s") as failed:
            store.look(within=0.5)
        assert failed.value.kind.label == "timeout"
        assert time.monotonic() - began < 60
        eventually(lambda: "look" not in {thread.name for thread in threading.enumerate()}, "the look's thread ends")


@pytest.mark.parametrize("uri", [GCS, AZURE])
def test_obstores_own_time_out_is_told_as_such(uri: str) -> None:
    with FakeS3(SILENT) as server:
        spec = WatchSpec(uri=uri, endpoint=server.endpoint, request_timeout=0.3)
        store = Routes(spec, lambda operation, outcome: None, None)  # without the bound around it
        with pytest.raises(StoreError) as failed:
            store.look(1.0, targets(spec))
        assert failed.value.kind.label == "timeout"


@pytest.mark.parametrize("uri", [GCS, AZURE])
def test_a_server_that_fails_is_backed_off_from_and_then_found(uri: str, wait: Wait) -> None:
    with FakeS3(Answer(500)) as server:
        account = wait(uri, {3: lambda: server.answer_with(found())}, endpoint=server.endpoint)
    assert isinstance(account.main, Ready)
    assert account.pauses == [1, 2, 4]


@pytest.mark.parametrize("uri", [GCS, AZURE])
def test_a_redirect_to_another_host_does_not_take_the_credentials_with_it(uri: str) -> None:
    """obstore follows redirects, and cannot be told not to."""
    with FakeS3(found()) as other, FakeS3(Answer(307, {"Location": f"{other.endpoint}/x"})) as server:
        opened(uri, server.endpoint).look()
        assert "authorization" in server.requests[0].headers
        assert [request.target for request in other.requests] == ["/x"]
        assert "authorization" not in other.requests[0].headers


def test_google_is_asked_for_keys_from_just_before_the_prefix_on() -> None:
    listing = b"<ListBucketResult><Contents><Key>a/log-1</Key><LastModified>2026-06-01T12:00:00Z</LastModified>"
    listing += b'<Size>4</Size><ETag>"e"</ETag></Contents></ListBucketResult>'
    with FakeS3(Answer(200, {}, listing)) as server:
        (seen,) = opened("gs://bucket/a/log-*", server.endpoint, match="glob").look()
        assert server.requests[0].target == "/bucket?list-type=2&prefix=a%2F&start-after=a%2Flog%2C"
    assert (seen.key, seen.size, seen.etag) == ("a/log-1", 4, "e")


def test_a_refusal_can_be_waited_out(wait: Wait) -> None:
    with FakeS3(error(403, "AccessDenied")) as server:
        options = {"endpoint": server.endpoint, "on_forbidden": "wait"}
        account = wait(GCS, {3: lambda: server.answer_with(found())}, **options)
    assert isinstance(account.main, Ready)


def test_where_nothing_names_credentials_they_are_missing(credentials: pytest.MonkeyPatch, wait: Wait) -> None:
    """The metadata service of a machine outside of that cloud is not there, or says no."""
    for name in ("AZURE_STORAGE_ACCOUNT_KEY", "GOOGLE_BEARER_TOKEN"):
        credentials.delenv(name)
    with FakeS3(Answer(404)) as metadata:
        credentials.setenv("AZURE_MSI_ENDPOINT", metadata.endpoint)
        credentials.setenv("GCE_METADATA_HOST", f"127.0.0.1:{metadata.port}")
        credentials.setenv("GCE_METADATA_IP", f"127.0.0.1:{metadata.port}")
        for uri in (AZURE, GCS):
            before = len(metadata.requests)
            failed = failure_at(uri, metadata.endpoint)
            assert failed.kind.label == "credentials_missing"
            assert "a request for a token: HTTP 404" in str(failed)
            assert len(metadata.requests) > before


def test_where_a_service_should_give_credentials_its_silence_is_waited_for(credentials: pytest.MonkeyPatch) -> None:
    credentials.delenv("AZURE_STORAGE_ACCOUNT_KEY")
    for name, value in (("TENANT_ID", "t"), ("CLIENT_ID", "c"), ("CLIENT_SECRET", SECRET)):
        credentials.setenv(f"FLYTE_AZURE_{name}", value)
    credentials.setenv("AZURE_AUTHORITY_HOST", f"http://127.0.0.1:{free_port()}")
    failed = failure_at(AZURE, f"http://127.0.0.1:{free_port()}")
    assert failed.kind.label == "credentials_unavailable"
    assert failed.kind.action is Action.BACK_OFF
    with FakeS3(Answer(401, {}, b'{"error":"invalid_client"}')) as authority:
        credentials.setenv("AZURE_AUTHORITY_HOST", authority.endpoint)
        assert failure_at(AZURE, authority.endpoint).kind.label == "credentials_invalid"


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (None, "Unable to open service account file"),
        ({"type": "external_account", "token_url": SECRET}, "keys of type external_account are not known"),
        ({"type": "service_account", "private_key": SECRET}, "Unable to decode service account file"),
        (SECRET, "Unable to decode service account file"),
    ],
)
def test_a_key_file_that_cannot_be_read_is_told_and_not_repeated(
    tmp_path: Path, credentials: pytest.MonkeyPatch, content: object, told: str
) -> None:
    credentials.delenv("GOOGLE_BEARER_TOKEN")
    file = tmp_path / "key.json"
    if content:
        file.write_text(json.dumps(content))
    credentials.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(file))
    failed = failure_at(GCS, "")
    assert (failed.kind.label, told in str(failed)) == ("credentials_invalid", True), str(failed)


def test_a_key_of_azure_that_is_none_is_told_and_not_repeated(credentials: pytest.MonkeyPatch) -> None:
    credentials.setenv("AZURE_STORAGE_ACCOUNT_KEY", "hunter2?")
    failed = failure_at(AZURE, "")
    assert failed.kind.label == "credentials_invalid"
    assert "hunter2" not in str(failed)


def test_without_an_account_the_path_can_name_it(credentials: pytest.MonkeyPatch) -> None:
    credentials.delenv("AZURE_STORAGE_ACCOUNT_NAME")
    failed = failure_at("abfs://container/key", "")
    assert (failed.kind.label, "no storage account is named" in str(failed)) == ("credentials_missing", True)


def test_the_message_at_the_deadline_says_what_the_last_look_met(wait: Wait) -> None:
    with FakeS3(Answer(500)) as server:
        account = wait(GCS, endpoint=server.endpoint, timeout=100, poll_interval=DEFAULT_POLL_INTERVAL)
    assert isinstance(account.main, DeadlineExceeded)
    assert "the last of which failed: the server fails (5xx)" in str(account.main)


@pytest.mark.parametrize("uri", [GCS, AZURE])
def test_a_certificate_that_changes_during_the_wait_is_waited_out(
    uri: str, certificates: Certificates, tmp_path: Path
) -> None:
    right, wrong = certificates.server("127.0.0.1"), Certificates(tmp_path).server_file("127.0.0.1")
    right.num_tickets = 0  # a session that is resumed shows no certificate
    with FakeS3(found(Connection="close"), tls=right) as server:
        store = opened(uri, server.endpoint, ca_file=str(certificates.ca))
        assert store.look()
        right.load_cert_chain(wrong)
        with pytest.raises(StoreError) as changed:
            store.look()
    assert changed.value.kind.label == "tls_changed"
