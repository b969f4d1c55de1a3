"""What a web server has: a plain HEAD."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import psutil
import pytest
from objectstore_watcher.contract import DEFAULT_POLL_INTERVAL, Ready, WatchSpec
from objectstore_watcher.errors import DeadlineExceeded, StoreError
from objectstore_watcher.stores import Found

from tests.fake_s3 import DRIP, SILENT, Answer, FakeS3, found
from tests.servers import free_port
from tests.sidecar.tls import Certificates
from tests.sidecar.tools import Opened
from tests.sidecar.whole import Wait


def opened(uri: str, **options: float | str) -> Opened:
    told = {"uri": uri, "request_timeout": 5.0, **options}
    return Opened(WatchSpec.from_mapping(told))


def look(server: FakeS3, path: str = "/data/x.csv", **options: float | str) -> Found | None:
    seen = opened(server.endpoint + path, **options).look()
    return seen[0] if seen else None


def failure(uri: str, **options: float | str) -> StoreError:
    with pytest.raises(StoreError) as failed:
        opened(uri, **options).look()
    assert str(failed.value).isprintable()
    assert str(failed.value).startswith(uri + ": ")
    return failed.value


def test_one_head_asks_for_the_url_as_it_is_and_tells_what_the_server_says() -> None:
    with FakeS3(found(b"12345")) as server:
        seen = look(server, "/a/b%20c?part=1&x=%23")
        assert [(request.method, request.target) for request in server.requests] == [("HEAD", "/a/b%20c?part=1&x=%23")]
        assert "authorization" not in server.requests[0].headers
    assert seen
    assert (seen.bucket, seen.key, seen.size) == ("", server.endpoint + "/a/b%20c?part=1&x=%23", 5)
    assert (seen.etag, seen.last_modified) == ("8d777f385d3dfec8815d20f7496026dc", 1780315200)


def test_many_urls_of_one_server_share_a_connection_and_each_gets_the_time_of_a_look() -> None:
    with FakeS3(Answer(200, delay=0.05)) as server:
        urls = [f"{server.endpoint}/{number}" for number in range(30)]
        store = Opened(WatchSpec(uri=tuple(urls), request_timeout=1.0))
        assert [each.asked for each in store.look()] == urls
        port = int(server.endpoint.rpartition(":")[2])
        lines = [each for each in psutil.Process().net_connections() if each.raddr and each.raddr.port == port]
    assert len(lines) <= 2, "the connection, and the second descriptor of its socket"


@pytest.mark.parametrize("dead", ["refused", "failing"])
def test_of_any_urls_a_server_that_is_down_keeps_none_from_being_found(dead: str) -> None:
    with FakeS3(found()) as server, FakeS3(Answer(500)) as failing:
        down = {"refused": f"http://127.0.0.1:{free_port()}/x", "failing": f"{failing.endpoint}/x"}[dead]
        uri = f"{server.endpoint}/x"
        store = Opened(WatchSpec(uri=(down, uri), require="any"))
        assert [each.asked for each in store.look() if not each.refused] == [uri]
        with pytest.raises(StoreError):
            Opened(WatchSpec(uri=(down, uri))).look()
        with pytest.raises(StoreError):
            Opened(WatchSpec(uri=(down, down + "y"), require="any")).look()


def test_of_any_urls_a_server_that_is_silent_keeps_none_from_being_found() -> None:
    with FakeS3(SILENT) as hole, FakeS3(found()) as server:
        uri = f"{server.endpoint}/x"
        holes = f"{hole.endpoint}/x", f"{hole.endpoint.replace('127.0.0.1', 'localhost')}/x"
        store = Opened(WatchSpec(uri=(*holes, uri), require="any", request_timeout=3.0))
        for _ in range(2):  # what was broken off does not keep the next look from it
            assert [each.asked for each in store.look() if not each.refused] == [uri]
        assert [each.asked for each in store.look(-0.1) if not each.refused] == [uri], "at the deadline, too"
        with pytest.raises(StoreError, match="no whole answer"):
            Opened(WatchSpec(uri=holes, require="any", request_timeout=1.0)).look()


@pytest.mark.parametrize("status", [404, 410])
def test_what_is_not_there_is_waited_for(status: int, wait: Wait) -> None:
    with FakeS3(Answer(status)) as server:
        uri = f"{server.endpoint}/x"
        account = wait(uri, {3: lambda: server.answer_with(found())})
    assert isinstance(account.main, Ready)
    assert (account.main.polls, account.main.requests, account.main.objects[0].uri) == (4, 4, uri)


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (401, "credentials_missing"),
        (403, "forbidden"),
        (405, "malformed_answer"),
        (429, "throttled"),
        (500, "server_error"),
        (503, "throttled"),
        (206, "malformed_answer"),
    ],
)
def test_an_answer_has_its_row(status: int, kind: str) -> None:
    with FakeS3(Answer(status)) as server:
        failed = failure(f"{server.endpoint}/x")
        assert (failed.kind.label, f"HTTP {status}" in str(failed)) == (kind, True)
        assert len(server.requests) == 1
    assert "s3:" not in failed.cure.replace("s3://", "")


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_is_told_and_not_followed_and_its_query_not_repeated(status: int) -> None:
    """A server could send the watcher to any host that it can reach."""
    with FakeS3(found()) as other:
        with FakeS3(Answer(status, {"Location": f"{other.endpoint}/y?sig=hunter2"})) as server:
            failed = failure(f"{server.endpoint}/x")
        assert other.requests == []
    assert failed.kind.label == "redirect"
    assert f"{other.endpoint}/y)" in str(failed)
    assert "hunter2" not in str(failed)


def test_connections_that_fail_have_their_rows(certificates: Certificates) -> None:
    assert failure(f"http://127.0.0.1:{free_port()}/x").kind.label == "connection"
    assert failure("http://no-such-host.invalid/x").kind.label == "dns"
    with FakeS3(found(), tls=certificates.server("127.0.0.1")) as server:
        assert failure(f"{server.endpoint}/x").kind.label == "tls"
        assert look(server, ca_file=str(certificates.ca))
    for answer in (SILENT, DRIP):
        with FakeS3(answer) as server:
            assert failure(f"{server.endpoint}/x", request_timeout=0.3).kind.label == "timeout"


def test_a_server_that_says_little_is_enough_where_nothing_more_is_asked_for() -> None:
    with FakeS3(Answer(raw=b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n")) as server:
        seen = look(server)
        assert seen
        assert (seen.size, seen.etag, seen.last_modified, seen.unreadable) == (0, "", 0.0, "")


@pytest.mark.parametrize(
    ("option", "value", "unmet"),
    [
        ("etag", "abc", "the object has no ETag"),
        ("newer_than", "2026-01-01T00:00:00Z", "the object does not tell when it was modified"),
        ("min_size", 1, "the server does not tell its size"),
    ],
)
def test_a_condition_that_the_server_cannot_meet_is_told_at_the_deadline(
    option: str, value: float | str, unmet: str, wait: Wait
) -> None:
    with FakeS3(Answer(raw=b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n")) as server:
        account = wait(f"{server.endpoint}/x", timeout=100.0, poll_interval=DEFAULT_POLL_INTERVAL, **{option: value})
    assert isinstance(account.main, DeadlineExceeded)
    assert unmet in str(account.main)


def test_conditions_are_met_by_what_the_server_says() -> None:
    with FakeS3(found(ETag='W/"abc"')) as server:
        seen = look(server)
    assert seen
    assert seen.etag == "abc"


def test_a_url_needs_neither_obstore_nor_the_client_of_s3() -> None:
    code = (
        "import sys; from objectstore_watcher.contract import WatchSpec;"
        "from objectstore_watcher.stores import open_store;"
        "open_store(WatchSpec(uri='http://127.0.0.1:1/x'), print);"
        "print({'minio', 'obstore', 'asyncio'} & set(sys.modules))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout == "set()\n"


def test_a_certificate_that_changes_during_the_wait_is_waited_out(certificates: Certificates, tmp_path: Path) -> None:
    right, wrong = certificates.server("127.0.0.1"), Certificates(tmp_path).server_file("127.0.0.1")
    with FakeS3(Answer(404, {"Connection": "close"}), tls=right) as server:
        store = opened(f"{server.endpoint}/x", ca_file=str(certificates.ca))
        assert store.look() == []
        right.load_cert_chain(wrong)
        with pytest.raises(StoreError) as changed:
            store.look()
    assert changed.value.kind.label == "tls_changed"
