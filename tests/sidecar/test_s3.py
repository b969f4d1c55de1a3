from __future__ import annotations

import gzip
import io
import os
import socket
import threading
import time
import tracemalloc
import uuid
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from urllib.parse import unquote_to_bytes

import pytest
from hypothesis import given, settings
from minio import MinioAdmin
from minio.commonconfig import ENABLED
from minio.credentials.providers import StaticProvider
from minio.versioningconfig import VersioningConfig
from objectstore_watcher.contract import WatchSpec
from objectstore_watcher.errors import KINDS, Action, InvalidArgument, StoreError
from objectstore_watcher.stores import Found, KeyPair
from objectstore_watcher.stores.causes import EXPLAINED_FOR
from objectstore_watcher.stores.http import MAX_BODY_BYTES, Http
from objectstore_watcher.watch import watch
from urllib3.exceptions import ProtocolError

from tests.fake_s3 import DRIP, SILENT, Answer, FakeS3, error, found
from tests.servers import MinioServer, eventually
from tests.sidecar import hostile
from tests.sidecar.proxy import Proxy
from tests.sidecar.tls import Certificates
from tests.sidecar.tools import One, Opened, VirtualTime, highest

URI = "s3://bucket/key"

FAKE_KEYS = ("fake-access-key", "fake-secret-key-77d1")


def opened(uri: str, key_pair: KeyPair | None = None, **options: float | str) -> One:
    spec = WatchSpec.from_mapping({"uri": uri, "request_timeout": 5, **options})
    return One(Opened(spec, key_pair))


def at_fake(server: FakeS3, uri: str = URI, **options: float | str) -> One:
    return opened(uri, FAKE_KEYS, endpoint=server.endpoint, **options)


# On a real MinIO


@pytest.mark.usefixtures("flyte_env")
class TestMinio:
    """What a real server says."""

    def test_an_object_is_found_with_all_that_is_known_of_it(self, minio: MinioServer, bucket: str) -> None:
        minio.put(bucket, "dir/key", b"12345")
        known = minio.client().stat_object(bucket, "dir/key")
        assert known.last_modified
        assert opened(f"s3://{bucket}/dir/key").look() == Found(
            bucket=bucket,
            key="dir/key",
            size=5,
            etag=known.etag or "",
            version_id="",
            last_modified=known.last_modified.timestamp(),
        )

    def test_an_empty_object_is_an_object(self, minio: MinioServer, bucket: str) -> None:
        minio.put(bucket, "_SUCCESS", b"")
        found = opened(f"s3://{bucket}/_SUCCESS").look()
        assert found
        assert found.size == 0

    def test_what_is_not_there_is_absent_until_it_comes(self, minio: MinioServer, bucket: str) -> None:
        store = opened(f"s3://{bucket}/key")
        assert [store.look(), store.look()] == [None, None]
        minio.put(bucket, "key")
        assert store.look() is not None

    def test_a_prefix_of_objects_is_no_object(self, minio: MinioServer, bucket: str) -> None:
        minio.put(bucket, "dir/key")
        assert [opened(f"s3://{bucket}/{key}").look() for key in ("dir", "dir/", "di")] == [None] * 3

    def test_versions_and_delete_markers_are_told(self, minio: MinioServer, bucket: str) -> None:
        minio.client().set_bucket_versioning(bucket, VersioningConfig(ENABLED))
        stored = minio.client().put_object(bucket, "key", io.BytesIO(b"x"), 1)
        store = opened(f"s3://{bucket}/key")
        seen = store.look()
        assert seen
        assert seen.version_id == stored.version_id
        minio.client().remove_object(bucket, "key")
        marker = store.look()
        assert marker
        assert (marker.is_deleted, marker.unreadable) == (True, "its latest version is a delete marker")

    @pytest.mark.parametrize("key", hostile.KEYS)
    def test_a_hostile_key_is_found_byte_for_byte_and_its_near_misses_are_not(
        self, minio: MinioServer, bucket: str, key: str
    ) -> None:
        store = opened(f"s3://{bucket}/{key}")
        misses = hostile.near_misses(key)
        for miss in misses:
            minio.put(bucket, miss)
        assert store.look() is None
        minio.put(bucket, key)
        # The server's own files tell which bytes it was given, whatever the client library makes of them.
        assert (os.fsencode(minio.data / bucket) + b"/" + key.encode(), b"xl.meta") in {
            (os.fsencode(directory), b"xl.meta")
            for directory, _, files in os.walk(minio.data / bucket)
            if "xl.meta" in files
        }
        found = store.look()
        assert found
        assert found.key.encode() == key.encode()
        for miss in misses:
            minio.client().remove_object(bucket, miss)
        assert [miss for miss in misses if opened(f"s3://{bucket}/{miss}").look()] == []
        assert store.look() == found

    @given(key=hostile.keys().filter(lambda key: max(map(len, key.encode().split(b"/"))) < 200))
    @settings(max_examples=40)
    def test_any_key_that_is_put_is_found(self, minio: MinioServer, key: str) -> None:
        bucket = f"any-{uuid.uuid4().hex[:12]}"
        minio.client().make_bucket(bucket)
        named = key.replace("//", "/x/").strip("/") or "x"  # MinIO stores no empty parts
        assert opened(f"s3://{bucket}/{named}").look() is None
        minio.put(bucket, named)
        assert opened(f"s3://{bucket}/{named}").look() is not None

    def test_each_poll_is_one_head_and_nothing_else_over_one_connection(self, minio: MinioServer, bucket: str) -> None:
        """Never a LIST, never ?location, not even when it begins."""
        time = VirtualTime(at_pause={20: lambda: minio.put(bucket, "key")})
        with Proxy(minio.port) as proxy:
            request = time.request(f"s3://{bucket}/key", endpoint=proxy.endpoint)
            ready = watch(request, stop=time, observe=lambda event: None, clock=time.clock, uniform=highest)
        assert proxy.request_lines == [f"HEAD /{bucket}/key HTTP/1.1"] * 21
        assert (ready.polls, ready.requests) == (21, 21)
        assert proxy.connections == 1

    def test_a_user_who_may_only_read_objects_can_wait(self, minio: MinioServer, bucket: str) -> None:
        store = opened(f"s3://{bucket}/key", limited_user(minio, "s3:GetObject", bucket))
        assert store.look() is None
        minio.put(bucket, "key")
        assert store.look() is not None


def limited_user(minio: MinioServer, action: str, bucket: str) -> KeyPair:
    """A user of the server who may do one thing with the objects of one bucket."""
    name = f"user-{uuid.uuid4().hex[:8]}"
    provider = StaticProvider(minio.ACCESS_KEY, minio.SECRET_KEY)
    admin = MinioAdmin(endpoint=f"127.0.0.1:{minio.port}", credentials=provider, secure=False)
    allowed = {"Effect": "Allow", "Action": [action], "Resource": [f"arn:aws:s3:::{bucket}/*"]}
    admin.user_add(name, "limited-secret")
    admin.policy_add(name, policy={"Version": "2012-10-17", "Statement": [allowed]})
    admin.policy_set(name, user=name)
    return name, "limited-secret"


def refused(store: One, kind: str, seen: str) -> str:
    """Assert that a look fails with that kind; the message names object, cause, what was seen, and cure."""
    with pytest.raises(StoreError) as failure:
        store.look()
    message = str(failure.value)
    assert failure.value.kind is KINDS[kind], message
    assert message.startswith("s3://")
    assert KINDS[kind].cause in message
    assert KINDS[kind].cure in message
    assert seen in message
    assert message.isprintable()
    assert not any(secret in message for secret in ("hunter2", MinioServer.SECRET_KEY, FAKE_KEYS[1], "limited-secret"))
    return message


# What no MinIO says


@pytest.fixture(scope="module")
def generous() -> Iterator[FakeS3]:
    """A server that has every object."""
    with FakeS3(found()) as server:
        yield server


@given(key=hostile.keys())
def test_the_bytes_that_are_asked_for_are_the_bytes_of_the_key(generous: FakeS3, key: str) -> None:
    seen = len(generous.requests)
    at_fake(generous, f"s3://bucket/{key}").look()
    [request] = generous.requests[seen:]
    assert unquote_to_bytes(request.target) == b"/bucket/" + key.encode()
    assert request.target.isascii()


def test_words_of_the_server_cannot_break_the_line_or_fill_the_log() -> None:
    with FakeS3(error(403, "Acc\nss\u202e" + "x" * 5000)) as server:
        assert len(refused(at_fake(server), "forbidden", "HTTP 403 Acc\\nss")) < 1000


def test_an_answer_that_stops_half_way_is_a_timeout_told_in_its_own_words() -> None:
    with FakeS3(error(404, "NoSuchKey", Content_Length="1000")) as server:
        message = refused(at_fake(server, request_timeout=0.2), "timeout", "timed out")
    assert "NoSuchKey" not in message


def test_an_error_of_any_length_costs_no_more_memory_than_is_allowed_to_be_read() -> None:
    """A body that never ends: without the limit, the look would take all memory or all its time."""
    endless = Answer(404, {"Content-Type": "application/xml", "Content-Length": str(10**12)}, b"x" * 70_000)
    with FakeS3(endless) as server:
        refused(at_fake(server), "malformed_answer", "more than 65536 bytes")


def test_an_error_that_is_packed_is_not_unpacked() -> None:
    """Packed, it is not longer than it may be."""
    packed = gzip.compress(b" " * 5 * 10**7)
    assert len(packed) < MAX_BODY_BYTES
    bomb = Answer(404, {"Content-Type": "application/xml", "Content-Encoding": "gzip"}, packed)
    with FakeS3(bomb) as server:
        tracemalloc.start()
        try:
            refused(at_fake(server), "malformed_answer", "UnicodeDecodeError")
            most = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
    assert most < 10**7


@pytest.mark.parametrize("hole", [SILENT, DRIP, Answer(raw=b"HTTP/1.1 200 OK\r\n", delay=3600)])
def test_a_dead_server_costs_a_look_no_more_than_its_time_and_gets_one_request_at_a_time(hole: Answer) -> None:
    """The header that drips would keep every single read from timing out."""
    with FakeS3(hole) as server:
        store = at_fake(server, request_timeout=0.2)
        for _ in range(5):
            began = time.monotonic()
            refused(store, "timeout", "timed out")
            assert time.monotonic() - began < 10  # 0.2 s, on a machine that is not busy
        assert len(server.requests) == 5
        assert server.most_at_once <= 2  # one, and one that the server has not yet seen end


def test_a_handshake_that_drips_costs_no_more_than_its_time() -> None:
    """A TLS record that never ends."""
    with socket.create_server(("127.0.0.1", 0)) as server, ExitStack() as stack:

        def drip() -> None:
            connection = stack.enter_context(server.accept()[0])
            connection.sendall(b"\x16\x03\x03\x3f\xff")
            with suppress(OSError):
                while True:
                    connection.sendall(b"x")
                    time.sleep(0.05)

        threading.Thread(target=drip, daemon=True).start()
        endpoint = f"https://127.0.0.1:{server.getsockname()[1]}"
        refused(opened(URI, FAKE_KEYS, endpoint=endpoint, request_timeout=0.3), "timeout", "timed out")


def test_a_host_that_does_not_take_the_connection_is_a_timeout() -> None:
    with socket.socket() as full, ExitStack() as stack:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        for _ in range(3):  # a full queue drops what comes next
            waiting = stack.enter_context(socket.socket())
            waiting.setblocking(False)
            waiting.connect_ex(full.getsockname())
        endpoint = f"http://127.0.0.1:{full.getsockname()[1]}"
        refused(opened(URI, FAKE_KEYS, endpoint=endpoint, request_timeout=0.2), "timeout", "timed out")


def test_a_server_is_trusted_by_the_authority_that_is_given(
    certificates: Certificates, monkeypatch: pytest.MonkeyPatch
) -> None:
    with FakeS3(found(), tls=certificates.server("127.0.0.1")) as server:
        assert at_fake(server, ca_file=str(certificates.ca)).look() is not None
        monkeypatch.setenv("AWS_CA_BUNDLE", str(certificates.ca))
        assert at_fake(server).look() is not None


@pytest.mark.parametrize(
    ("status", "code"), [(403, "AccessDenied"), (404, "NoSuchBucket"), (400, "ExpiredToken"), (404, "NoSuchKey")]
)
def test_the_cause_that_a_head_does_not_tell_is_fetched_by_one_get_of_one_byte(status: int, code: str) -> None:
    with FakeS3(error(status, code)) as server:
        look_anyway(at_fake(server))
    assert server.methods == ["HEAD", "GET"]
    assert [request.target for request in server.requests] == ["/bucket/key"] * 2
    assert server.requests[1].headers["range"] == "bytes=0-0"


@pytest.mark.parametrize(("status", "code"), [(404, "NoSuchKey"), (404, "NoSuchBucket"), (403, "AccessDenied")])
def test_the_cause_is_fetched_once_and_asked_for_again_after_many_looks(status: int, code: str) -> None:
    with FakeS3(error(status, code)) as server:
        store = at_fake(server)
        for _ in range(EXPLAINED_FOR + 3):
            look_anyway(store)
    assert server.methods == ["HEAD", "GET", *["HEAD"] * (EXPLAINED_FOR - 1), "HEAD", "GET", "HEAD", "HEAD"]


def test_a_bucket_that_is_deleted_during_the_wait_is_noticed_in_the_end() -> None:
    with FakeS3(*[error(404, "NoSuchKey")] * 3, error(404, "NoSuchBucket")) as server:
        store = at_fake(server)
        assert [store.look() for _ in range(EXPLAINED_FOR)] == [None] * EXPLAINED_FOR
        refused(store, "bucket_missing", "HTTP 404 NoSuchBucket")


@pytest.mark.parametrize("code", ["NoSuchKey", "NoSuchBucket", "AccessDenied"])
def test_a_server_that_tells_the_code_is_not_asked_again(code: str) -> None:
    with FakeS3(error(404, code, x_minio_error_code=code)) as server:
        look_anyway(at_fake(server))
    assert server.methods == ["HEAD"]


@pytest.mark.parametrize("answer", [found(), Answer(429), Answer(500), Answer(503), Answer(raw=b"")])
def test_nothing_is_asked_again_that_a_get_cannot_explain(answer: Answer) -> None:
    with FakeS3(answer) as server:
        look_anyway(at_fake(server))
    assert server.methods == ["HEAD"]


def test_access_that_is_taken_away_during_the_wait_is_noticed() -> None:
    with FakeS3(error(404, "NoSuchKey"), error(404, "NoSuchKey"), error(403, "AccessDenied")) as server:
        store = at_fake(server)
        assert store.look() is None
        refused(store, "forbidden", "HTTP 403 AccessDenied")
    assert server.methods == ["HEAD", "GET", "HEAD", "GET"]


def test_an_object_that_comes_between_head_and_get_is_found_at_the_next_look_and_not_downloaded() -> None:
    ignores_range = Answer(200, {}, b"x" * 50_000_000)
    with FakeS3(error(404, "NoSuchKey"), ignores_range, found()) as server:
        store = at_fake(server, request_timeout=2)
        assert store.look() is None
        assert store.look() is not None


def look_anyway(store: One) -> None:
    with suppress(StoreError):
        store.look()


@pytest.mark.parametrize("status", [301, 307, 400])
def test_a_bucket_of_another_region_is_asked_there_and_from_then_on(status: int) -> None:
    moved = error(status, "PermanentRedirect", x_amz_bucket_region="eu-west-1")
    with FakeS3(moved, found()) as server:
        store = at_fake(server)
        assert store.look() is not None
        assert store.look() is not None
    assert [request.region for request in server.requests] == ["us-east-1", "eu-west-1", "eu-west-1"]
    assert server.methods == ["HEAD"] * 3


def test_a_server_that_sends_around_in_circles_is_not_followed() -> None:
    with FakeS3(error(301, "PermanentRedirect", x_amz_bucket_region="eu-west-1")) as server:
        refused(at_fake(server), "redirect", "HTTP 301 PermanentRedirect")
    assert server.methods == ["HEAD", "HEAD", "GET"]


def test_a_server_that_names_the_region_it_was_asked_in_is_not_asked_there_again() -> None:
    """AWS names it in all kinds of answers."""
    with FakeS3(error(400, "ExpiredToken", x_amz_bucket_region="us-east-1")) as server:
        refused(at_fake(server), "credentials_expired", "HTTP 400 ExpiredToken")
    assert server.methods == ["HEAD", "GET"]


def test_no_redirect_is_followed_to_another_host() -> None:
    """Signed requests must not be carried to whom a server names."""
    with FakeS3(found()) as other, FakeS3(Answer(307, {"Location": f"{other.endpoint}/bucket/key"})) as server:
        refused(at_fake(server), "malformed_answer", "Response code: 307")
    assert other.requests == []


@pytest.mark.parametrize("answer", [Answer(reset=True), Answer(raw=b"")])
def test_a_connection_that_something_on_the_way_has_forgotten_is_made_anew_in_the_same_look(answer: Answer) -> None:
    """Once: a new connection that breaks, too, says something about the server."""
    with FakeS3(found(), answer, found(), answer, answer, found()) as server:
        store = at_fake(server)
        assert store.look() is not None
        assert store.look() is not None
        refused(store, "connection", "")
    assert server.methods == ["HEAD"] * 5


def test_a_look_that_is_given_up_on_a_kept_connection_is_not_begun_anew() -> None:
    """Breaking it off looks like a connection that was forgotten."""
    with FakeS3(found(), SILENT) as server:
        store = at_fake(server, request_timeout=0.5)
        assert store.look() is not None
        refused(store, "timeout", "timed out")
        refused(store, "timeout", "timed out")
    assert server.methods == ["HEAD"] * 3


def test_what_is_broken_off_on_a_kept_connection_is_not_asked_again() -> None:
    """Long before a time-out, which would hide that it looks like a connection that was forgotten."""
    with FakeS3(found(), SILENT) as server:
        http = Http(10, None)
        http.request("HEAD", server.endpoint)

        def break_off() -> None:
            eventually(lambda: len(server.requests) == 2, "the second request has come")
            http.abort()

        threading.Thread(target=break_off, daemon=True).start()
        with pytest.raises(ProtocolError):
            http.request("HEAD", server.endpoint)
    assert server.methods == ["HEAD"] * 2


def test_what_a_second_request_could_change_is_not_asked_again() -> None:
    with FakeS3(found(), Answer(reset=True)) as server:
        http = Http(10, None)
        http.request("HEAD", server.endpoint)
        with pytest.raises(ProtocolError):
            http.request("POST", server.endpoint)
    assert server.methods == ["HEAD", "POST"]


def test_the_library_does_not_retry_behind_our_back() -> None:
    with FakeS3(Answer(503)) as server:
        look_anyway(at_fake(server))
    assert server.methods == ["HEAD"]


@pytest.mark.parametrize(
    ("variables", "region"),
    [
        ({}, "us-east-1"),
        ({"AWS_DEFAULT_REGION": "eu-north-1"}, "eu-north-1"),
        ({"AWS_DEFAULT_REGION": "eu-north-1", "AWS_REGION": "eu-west-3"}, "eu-west-3"),
        ({"AWS_REGION": "eu-west-3", "FLYTE_AWS_REGION": "sa-east-1"}, "sa-east-1"),
    ],
)
def test_the_region_is_the_environments_unless_it_is_given(
    variables: dict[str, str], region: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    with FakeS3(found()) as server:
        at_fake(server).look()
        at_fake(server, region="ap-east-1").look()
    assert [request.region for request in server.requests] == [region, "ap-east-1"]


@contextmanager
def servers(names: list[str]) -> Iterator[dict[str, FakeS3]]:
    with ExitStack() as stack:
        yield {name: stack.enter_context(FakeS3(found())) for name in names}


def test_the_endpoint_is_the_environments_in_the_documented_order(monkeypatch: pytest.MonkeyPatch) -> None:
    order = ["given", "FLYTE_AWS_ENDPOINT", "AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL", "MINIO_ENDPOINT"]
    with servers(order) as named:
        for name in order[1:]:
            monkeypatch.setenv(name, named[name].endpoint)
        opened(URI, FAKE_KEYS, endpoint=named["given"].endpoint).look()
        for name in order[1:]:
            opened(URI, FAKE_KEYS).look()
            monkeypatch.delenv(name)
        assert {name: len(server.requests) for name, server in named.items()} == dict.fromkeys(order, 1)


@pytest.mark.parametrize(
    ("subject", "options"),
    [
        ("endpoint 'http://a:b'", {"endpoint": "http://a:b"}),
        ("endpoint 'http://a:99999'", {"endpoint": "http://a:99999"}),
        ("--region (region): 'no region' is no region", {"region": "no region"}),
        ("--ca-file (ca_file) '/no/such/file'", {"ca_file": "/no/such/file"}),
        ("--ca-file (ca_file) '/dev/null'", {"ca_file": "/dev/null"}),
        ("--ca-file (ca_file) '/dev'", {"ca_file": "/dev"}),
    ],
)
def test_what_cannot_be_used_is_refused_before_the_first_request(subject: str, options: dict[str, str]) -> None:
    with pytest.raises(InvalidArgument) as refused:
        opened(URI, FAKE_KEYS, **options)
    assert subject in str(refused.value)


def test_an_endpoint_of_the_environment_that_is_none_is_refused_without_repeating_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("FLYTE_AWS_ENDPOINT", "http://user:hunter2@host")
    with pytest.raises(
        InvalidArgument, match=r"^FLYTE_AWS_ENDPOINT: is not the URL of a server; write http"
    ) as refused:
        opened(URI, FAKE_KEYS)
    assert "hunter2" not in str(refused.value)


@pytest.mark.parametrize("answer", [found(), error(404, "NoSuchKey"), error(403, "AccessDenied")])
def test_tls_is_taken_for_changed_once_s3_has_answered_over_it_and_not_before(
    answer: Answer, certificates: Certificates, tmp_path: Path
) -> None:
    """Also by a refusal: a wait with on_forbidden=wait gets nothing else for hours."""
    right, wrong = certificates.server("127.0.0.1"), Certificates(tmp_path).server_file("127.0.0.1")
    closing = replace(answer, headers={**answer.headers, "Connection": "close"})
    with FakeS3(closing, tls=right) as server:
        before, store = (at_fake(server, ca_file=str(certificates.ca)) for _ in range(2))
        with suppress(StoreError):
            store.look()
        right.load_cert_chain(wrong)
        with pytest.raises(StoreError) as never_trusted:
            before.look()
        with pytest.raises(StoreError) as no_longer_trusted:
            store.look()
    assert (never_trusted.value.kind.label, no_longer_trusted.value.kind.label) == ("tls", "tls_changed")


def test_what_can_pass_is_waited_out_and_what_cannot_is_not() -> None:
    waited_out = {label for label, kind in KINDS.items() if kind.action in {Action.BACK_OFF, Action.SLOW_DOWN}}
    assert waited_out == {
        "connection",
        "credentials_renewing",
        "credentials_unavailable",
        "dns",
        "malformed_answer",
        "server_error",
        "throttled",
        "timeout",
        "tls_changed",
    }


def test_a_look_takes_no_longer_than_it_is_given() -> None:
    """So that a server that is silent does not put the deadline off: 60 s are allowed for a request, 1 s is left."""
    with FakeS3(SILENT) as server:
        store = at_fake(server, request_timeout=60)
        began = time.monotonic()
        with pytest.raises(StoreError) as late:
            store.look(0.0)
    assert late.value.kind.label == "timeout"
    assert time.monotonic() - began < 30  # one second, on a machine that is not busy


def test_a_handshake_that_breaks_off_may_pass() -> None:
    """As when a server restarts; not so a certificate that is not trusted."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def hang_up() -> None:
            connection, _ = server.accept()
            connection.recv(1)
            connection.shutdown(socket.SHUT_WR)
            connection.close()

        threading.Thread(target=hang_up, daemon=True).start()
        endpoint = f"https://127.0.0.1:{server.getsockname()[1]}"
        with pytest.raises(StoreError) as broken:
            opened(URI, FAKE_KEYS, endpoint=endpoint).look()
    assert broken.value.kind.label == "connection"
    assert broken.value.retryable


@pytest.mark.parametrize("secret", ["hunter2\n", " hunter2", "hun\tter2"])
def test_white_space_around_a_key_is_named_before_anything_is_sent(secret: str) -> None:
    with FakeS3(found()) as server, pytest.raises(StoreError, match="white space") as refused:
        opened(URI, ("key", secret), endpoint=server.endpoint).look()
    assert server.requests == []
    assert refused.value.kind.label == "credentials_invalid"
    assert secret.strip() not in str(refused.value)
