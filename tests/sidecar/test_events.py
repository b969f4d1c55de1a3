"""Waits that listen, on a fake that answers as proxies and other servers do."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest
from objectstore_watcher import logs
from objectstore_watcher.contract import WatchSpec
from objectstore_watcher.errors import InvalidArgument
from objectstore_watcher.metrics import Metrics
from objectstore_watcher.stores import listen, listening
from objectstore_watcher.stores.events import BACKOFF_CAP, REFUSED_CAP, Hub, listener
from objectstore_watcher.stores.hints import Ear, Heard, Hints, Listener, Streamed, Waking
from objectstore_watcher.stores.listening import Address, may_filter
from objectstore_watcher.watch import REST, Pausing

from tests.fake_s3 import PING, Answer, FakeS3, Stream, error, event, found
from tests.servers import eventually, free_port
from tests.sidecar.conftest import Start
from tests.sidecar.listeners import URI, Waiting, listening_threads, waits
from tests.sidecar.tools import highest, metrics_url, samples

ABSENT = error(404, "NoSuchKey", x_minio_error_code="NoSuchKey")

LONG = 3600
"""Seconds of a poll interval during which no test polls twice."""

Wait = Callable[..., Waiting]


@pytest.fixture(autouse=True)
def credentials(fake_credentials: None) -> None:
    """Any."""


@pytest.fixture
def wait() -> Iterator[Wait]:
    with waits() as begin:
        yield begin
    eventually(lambda: not listening_threads(), "no stream is left")


@pytest.fixture
def server() -> Iterator[FakeS3]:
    with FakeS3(ABSENT) as server:
        yield server


def own_hub(spec: WatchSpec, uniform: Callable[[float, float], float] = highest) -> Listener:
    """Listens by streams that no other test knows."""
    return listener(spec, hub=Hub(uniform))


class Teller:
    """A stream that tells of events when the test says so."""

    def __init__(self) -> None:
        self.streams: list[Stream] = []

    def __call__(self, stream: Stream) -> None:
        stream.begin()
        self.streams.append(stream)
        stream.stay()

    def tell(self, *parts: bytes) -> None:
        """Send bytes on the latest stream."""
        for part in parts:
            self.streams[-1].send(part)


def once(stream: Stream, cut: threading.Event) -> None:
    """A stream that ends when the test says so."""
    stream.begin()
    cut.wait(30)


@pytest.fixture
def teller(server: FakeS3) -> Teller:
    server.stream = teller = Teller()
    return teller


def test_an_event_causes_a_look_at_once(server: FakeS3, teller: Teller, wait: Wait) -> None:
    waiting = wait(endpoint=server.endpoint, poll_interval=LONG)
    waiting.await_stream()
    before = waiting.polls
    server.answer_with(found())
    teller.tell(event())
    ready = waiting.end()
    assert (ready.detected_by, ready.polls) == ("event", before + 1)
    assert waiting.heard == 1
    assert len(server.listens) == 1


def test_an_event_is_a_hint_and_not_the_truth(server: FakeS3, teller: Teller, wait: Wait) -> None:
    waiting = wait(endpoint=server.endpoint, poll_interval=LONG)
    waiting.await_stream()
    before = waiting.polls
    teller.tell(event())
    eventually(lambda: waiting.polls == before + 1, "a look")
    assert not waiting.has_ended()


def test_an_event_of_another_object_causes_none(server: FakeS3, teller: Teller, wait: Wait) -> None:
    waiting = wait(endpoint=server.endpoint, poll_interval=LONG)
    waiting.await_stream()
    before = waiting.polls
    teller.tell(event("key2"), event("key", bucket="other"))
    server.answer_with(found())
    teller.tell(event())
    assert waiting.end().polls == before + 1


def test_there_is_a_look_once_the_stream_is_there(server: FakeS3, teller: Teller, wait: Wait) -> None:
    """What came between the first look and the subscription has no event."""
    begin = threading.Event()

    def late(stream: Stream) -> None:
        begin.wait(30)
        teller(stream)

    server.stream = late
    waiting = wait(endpoint=server.endpoint, poll_interval=LONG)
    eventually(lambda: bool(server.listens), "it listens")
    server.answer_with(found())
    begin.set()
    ready = waiting.end()
    assert (ready.detected_by, ready.polls) == ("poll", 2)


def test_an_object_that_is_there_needs_no_stream(server: FakeS3, teller: Teller, wait: Wait) -> None:
    server.answer_with(found())
    wait(endpoint=server.endpoint).end()
    assert server.listens == []


def test_with_polls_asked_for_nobody_listens(server: FakeS3, teller: Teller, wait: Wait) -> None:
    waiting = wait(endpoint=server.endpoint, poll_interval=0.02, detection="poll")
    eventually(lambda: waiting.polls > 5, "polls")
    server.answer_with(found())
    assert waiting.end().detected_by == "poll"
    assert server.listens == []


@pytest.mark.parametrize(
    ("interval", "safety"), [(0.5, 3), (10, 60), (30, 60), (60, 60), (300, 300)], ids=lambda number: f"{number:g}"
)
def test_while_events_flow_polls_are_six_intervals_apart_but_no_more_than_a_minute(
    server: FakeS3, teller: Teller, wait: Wait, interval: float, safety: float
) -> None:
    waiting = wait(endpoint=server.endpoint, poll_interval=interval)
    waiting.await_stream()
    assert safety / 2 < waiting.pauses[-1] <= safety


def test_lost_events_are_made_up_for_by_the_safety_poll(server: FakeS3, teller: Teller, wait: Wait) -> None:
    waiting = wait(endpoint=server.endpoint, poll_interval=0.1)
    waiting.await_stream()
    server.answer_with(found())
    assert waiting.end().detected_by == "poll"


def test_when_the_stream_is_lost_polling_returns_to_its_interval(server: FakeS3, teller: Teller, wait: Wait) -> None:
    cut = threading.Event()
    server.stream = lambda stream: once(stream, cut)
    waiting = wait(endpoint=server.endpoint, poll_interval=10, heard_by=own_hub)
    waiting.await_stream()
    assert waiting.pauses[-1] > 50
    server.listen_answer, server.stream = error(503, "SlowDown"), None
    cut.set()
    waiting.await_stream("lost")
    eventually(lambda: waiting.pauses[-1] <= 10, "the pause is shortened")


def test_who_told_of_events_once_is_asked_again_whatever_is_answered_in_its_place(server: FakeS3, wait: Wait) -> None:
    cut = threading.Event()
    server.stream = lambda stream: once(stream, cut)
    waiting = wait(endpoint=server.endpoint, poll_interval=10, heard_by=lambda spec: own_hub(spec, lambda *_: 0.05))
    waiting.await_stream()
    server.listen_answer, server.stream = error(501, "NotImplemented"), None
    cut.set()
    waiting.await_stream("failed")
    assert "HTTP 501" in waiting.detail_of("failed")
    eventually(lambda: len(server.listens) > 3, "it is asked again")


@pytest.mark.parametrize(
    ("answer", "outcome", "detail"),
    [
        (error(403, "AccessDenied"), "refused", "HTTP 403 AccessDenied; grant s3:ListenBucketNotification on the"),
        (Answer(401), "refused", "HTTP 401; grant s3:ListenBucketNotification on the bucket"),
        (error(501, "NotImplemented"), "unsupported", "HTTP 501 NotImplemented"),
        (error(400, "InvalidArgument"), "unsupported", "HTTP 400 InvalidArgument"),
        (Answer(404, body=b"<html>"), "unsupported", "HTTP 404"),
        (Answer(307, {"Location": "http://elsewhere/"}), "unsupported", "HTTP 307"),
        (Answer(200, {"Content-Type": "application/xml"}, b"<List"), "unsupported", "is no stream of events, but app"),
        (error(404, "NoSuchBucket"), "failed", "HTTP 404 NoSuchBucket"),
        (error(503, "SlowDown"), "failed", "HTTP 503 SlowDown"),
        (Answer(429), "failed", "HTTP 429"),
        (Answer(502, body=b"x" * 100_000), "failed", "an answer of more than 65536 bytes"),
        (Answer(raw=b"what?\r\n"), "failed", "the connection is refused or breaks: what?"),
    ],
    ids=lambda value: f"{value.status}" if isinstance(value, Answer) else None,
)  # fmt: skip
def test_where_there_are_no_events_polling_goes_on(
    server: FakeS3, wait: Wait, answer: Answer, outcome: str, detail: str
) -> None:
    server.listen_answer = answer
    waiting = wait(endpoint=server.endpoint, poll_interval=0.05, heard_by=own_hub)
    waiting.await_stream(outcome)
    assert detail in waiting.detail_of(outcome)
    before = waiting.polls
    eventually(lambda: waiting.polls > before + 5, "polls")
    assert max(waiting.pauses) <= 0.05
    server.answer_with(found())
    assert waiting.end().detected_by == "poll"
    if outcome in {"unsupported", "refused"}:
        assert len(server.listens) == 1


@pytest.mark.parametrize("begins", [False, True], ids=["before its headers", "after them"])
def test_a_stream_that_is_silent_is_given_up(
    server: FakeS3, wait: Wait, monkeypatch: pytest.MonkeyPatch, begins: bool
) -> None:
    """So are those of a proxy that keeps the answer back until it is whole."""
    monkeypatch.setattr(listening, "SILENCE", 0.3)

    def silent(stream: Stream) -> None:
        if begins:
            stream.begin(b"")
        stream.hang()

    server.stream = silent
    waiting = wait(endpoint=server.endpoint, poll_interval=0.05, heard_by=own_hub)
    waiting.await_stream("silent")
    server.answer_with(found())
    assert waiting.end().detected_by == "poll"
    assert waiting.outcomes == ["silent"]


def test_a_line_that_drips_and_never_ends_is_silence(
    server: FakeS3, wait: Wait, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listening, "SILENCE", 0.5)

    def drip(stream: Stream) -> None:
        stream.begin()
        while True:
            stream.send(b"x")
            time.sleep(0.05)

    server.stream = drip
    waiting = wait(endpoint=server.endpoint, poll_interval=LONG)
    waiting.await_stream("silent")
    assert waiting.detail_of("silent") == "no line ended for 0.5 s"


def test_the_signs_of_life_of_older_servers_count(server: FakeS3, wait: Wait, monkeypatch: pytest.MonkeyPatch) -> None:
    """They send a space now and then, and no end of line before the next event."""
    monkeypatch.setattr(listening, "SILENCE", 0.5)

    def spaces(stream: Stream) -> None:
        stream.begin(b" ")
        began = time.monotonic()
        while time.monotonic() - began < 1 or len(server.requests) < 2:  # the look that follows the first sign, too
            time.sleep(0.02)
            stream.send(b" ")
        server.answer_with(found())
        stream.event()
        stream.stay()

    server.stream = spaces
    waiting = wait(endpoint=server.endpoint, poll_interval=LONG)
    assert waiting.end().detected_by == "event"
    assert waiting.outcomes == ["connected"]


@pytest.mark.parametrize(
    ("part", "detail"),
    [
        (b"<html>Bad gateway</html>\n", "a line that is no event"),
        (b'{"Records":[{"s3":5}]}\n', "a line that is no event"),
        (b'["Records"]\n', "a line that is no event"),
        (b"\xff\xfe\n", "a line that is no event"),
        (b"[" * 60_000 + b"\n", "a line that is no event"),
        (b"x" * 70_000, "a line of more than 65536 bytes"),
    ],
    ids=["html", "other types", "a list", "no text", "nested", "endless"],
)
def test_a_stream_that_makes_no_sense_is_lost(
    server: FakeS3, teller: Teller, wait: Wait, part: bytes, detail: str
) -> None:
    waiting = wait(endpoint=server.endpoint, poll_interval=LONG)
    waiting.await_stream()
    teller.tell(part)
    waiting.await_stream("lost")
    assert waiting.detail_of("lost") == detail


def test_how_a_stream_broke_off_is_told_in_plain_words(server: FakeS3, wait: Wait) -> None:
    cut = threading.Event()

    def broken(stream: Stream) -> None:
        head = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
        stream.send(head + b"%x\r\n%b\r\n" % (len(PING), PING))
        cut.wait(30)
        stream.send(b"5\r\nhal")

    server.stream = broken
    waiting = wait(endpoint=server.endpoint, poll_interval=LONG)
    waiting.await_stream()
    cut.set()
    waiting.await_stream("lost")
    assert waiting.detail_of("lost") == "the stream broke off"


def test_why_no_stream_began_is_told_in_plain_words(wait: Wait) -> None:
    waiting = wait(endpoint=f"http://127.0.0.1:{free_port()}", poll_interval=LONG)
    waiting.await_stream("failed")
    assert waiting.detail_of("failed") == "the connection is refused or breaks: Connection refused"


def test_an_event_in_pieces_is_one(server: FakeS3, wait: Wait) -> None:
    tell = threading.Event()

    def in_pieces(stream: Stream) -> None:
        stream.begin()
        tell.wait(30)
        told = PING + event()
        for part in (told[:30], told[30:31], told[31:]):
            stream.send(part)
            time.sleep(0.05)
        stream.stay()

    server.stream = in_pieces
    waiting = wait(endpoint=server.endpoint, poll_interval=LONG)
    waiting.await_stream()
    server.answer_with(found())
    tell.set()
    assert waiting.end().detected_by == "event"
    assert waiting.outcomes == ["connected"]


@pytest.mark.parametrize("told", ["a b+c/é*.csv", "a+b%2Bc/%C3%A9%2A.csv"], ids=["as it is", "encoded"])
def test_keys_are_understood_as_they_are_and_encoded(server: FakeS3, teller: Teller, wait: Wait, told: str) -> None:
    waiting = wait("s3://bucket/a b+c/é*.csv", endpoint=server.endpoint, poll_interval=LONG)
    waiting.await_stream()
    server.answer_with(found())
    teller.tell(event(told))
    assert waiting.end().detected_by == "event"


@pytest.mark.parametrize("sign", [b"", PING], ids=["after its headers", "after a sign of life"])
def test_a_server_that_ends_each_stream_at_once_is_not_asked_in_a_hot_loop(
    server: FakeS3, wait: Wait, sign: bytes
) -> None:
    server.stream = lambda stream: stream.begin(sign)
    waiting = wait(endpoint=server.endpoint, poll_interval=LONG, heard_by=own_hub)
    began = time.monotonic()
    eventually(lambda: len(server.listens) == 3, "it asks again")
    assert time.monotonic() - began >= 3  # 1 s, then 2
    assert waiting.polls <= 1 + len(server.listens)


def test_pauses_between_streams_have_full_jitter_and_a_cap(server: FakeS3, wait: Wait) -> None:
    asked: list[tuple[float, float]] = []

    def uniform(low: float, high: float) -> float:
        asked.append((low, high))
        return 0.0

    server.listen_answer = error(503, "SlowDown")
    wait(endpoint=server.endpoint, poll_interval=LONG, heard_by=partial(own_hub, uniform=uniform))
    eventually(lambda: len(asked) >= 7, "pauses")
    assert asked[:7] == [(0, 1), (0, 2), (0, 4), (0, 8), (0, 16), (0, BACKOFF_CAP), (0, BACKOFF_CAP)]


def test_a_server_that_refuses_is_asked_rarely(server: FakeS3, wait: Wait) -> None:
    asked: list[float] = []

    def uniform(low: float, high: float) -> float:
        asked.append(high)
        return 0.0

    server.listen_answer = error(403, "AccessDenied")
    wait(endpoint=server.endpoint, poll_interval=LONG, heard_by=partial(own_hub, uniform=uniform))
    eventually(lambda: len(asked) >= 5, "pauses")
    assert asked[:5] == [60, 120, 240, 480, REFUSED_CAP]


def test_after_each_reconnect_there_is_a_look(server: FakeS3, teller: Teller, wait: Wait) -> None:
    cut = threading.Event()

    def first(stream: Stream) -> None:
        stream.begin()
        server.stream = teller
        cut.wait(30)

    server.stream = first
    waiting = wait(endpoint=server.endpoint, poll_interval=LONG)
    waiting.await_stream()
    server.answer_with(found())  # while nobody listens
    cut.set()
    ready = waiting.end()
    assert ready.detected_by == "poll"
    assert waiting.outcomes == ["connected", "lost", "connected"]


def test_each_connection_is_signed_with_the_credentials_of_its_moment(
    server: FakeS3, wait: Wait, monkeypatch: pytest.MonkeyPatch
) -> None:
    cut = threading.Event()
    server.stream = lambda stream: once(stream, cut)
    waiting = wait(endpoint=server.endpoint, poll_interval=LONG)
    waiting.await_stream()
    monkeypatch.setenv("FLYTE_AWS_ACCESS_KEY_ID", "renewed-access-key")
    monkeypatch.setenv("FLYTE_AWS_SESSION_TOKEN", "token")
    cut.set()
    eventually(lambda: len(server.listens) > 1, "it asks again")
    assert [each.access_key for each in server.listens[:2]] == ["fake-access-key", "renewed-access-key"]
    assert server.listens[1].headers["x-amz-security-token"] == "token"


def test_the_region_that_the_server_names_is_followed(server: FakeS3, wait: Wait) -> None:
    server.listen_answer = error(400, "AuthorizationHeaderMalformed", x_amz_bucket_region="eu-west-1")
    waiting = wait(endpoint=server.endpoint, poll_interval=LONG)
    waiting.await_stream("unsupported")
    assert [each.region for each in server.listens] == ["us-east-1", "eu-west-1"]


def test_a_burst_of_events_does_not_cause_a_list_for_each(server: FakeS3, teller: Teller, wait: Wait) -> None:
    listing = (
        b'<ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><Name>bucket</Name></ListBucketResult>'
    )
    taken, number = 0.05, 400
    server.answer_with(Answer(200, {"Content-Type": "application/xml"}, listing, delay=taken))
    waiting = wait("s3://bucket/*.csv", match="glob", min_count=2, endpoint=server.endpoint, poll_interval=LONG)
    waiting.await_stream()
    before, began = waiting.polls, time.monotonic()
    for index in range(number):
        teller.tell(event(f"{index}.csv"))
        time.sleep(0.003)
    eventually(lambda: waiting.heard == number, "all events")
    eventually(lambda: isinstance(waiting.diary[-1], Pausing), "the last look")
    passed = time.monotonic() - began
    looks = waiting.polls - before
    assert 1 < looks <= passed / (taken * (1 + REST)) + 2


def test_more_events_than_are_kept_mean_a_look_at_everything() -> None:
    ear = Ear(lambda bucket, key: True)
    ear.listen_to("stream")
    ear.tell("stream", True)
    ear.take()
    ear.hear([("bucket", "one")])
    hints = ear.take()
    assert hints == Hints(frozenset({("bucket", "one")}), everything=False)
    for index in range(1001):
        ear.hear([("bucket", f"{index}")])
    hints = ear.take()
    assert (len(hints.names), hints.everything) == (1000, True)


def test_events_do_not_shorten_the_pause_after_an_error() -> None:
    ear = Ear(lambda bucket, key: True)
    ear.listen_to("stream")
    ear.tell("stream", True)
    assert ear.pause(threading.Event(), 0.3, 0.3) in {Waking.LOOK, Waking.TIME}
    assert ear.pause(threading.Event(), 60, 0) is Waking.LOOK
    ear.take()
    ear.tell("stream", False)
    assert ear.pause(threading.Event(), 60, 0) is Waking.LOST
    assert ear.pause(threading.Event(), 0.05, 0) is Waking.TIME


def test_what_an_event_told_of_before_a_look_that_failed_is_looked_at_again(
    server: FakeS3, teller: Teller, wait: Wait
) -> None:
    """Another event ends the pause after the error, and hints at another object only."""
    waiting = wait(["s3://bucket/a", "s3://bucket/b"], endpoint=server.endpoint, poll_interval=LONG, require="any")
    waiting.await_stream()
    before = waiting.polls
    server.answer_with(Answer(500), found(), ABSENT)
    teller.tell(event("a"))
    eventually(lambda: waiting.polls == before + 1, "the look that fails")
    teller.tell(event("b"))
    assert [each.uri for each in waiting.end().objects] == ["s3://bucket/a"]


def test_a_wait_that_listens_to_two_streams_polls_until_both_flow() -> None:
    ear = Ear(lambda bucket, key: True)
    ear.listen_to("one")
    ear.listen_to("other")
    ear.tell("one", True)
    assert not ear.flows
    ear.tell("other", True)
    assert ear.flows


def test_conditions_still_get_the_look_that_they_need(server: FakeS3, teller: Teller, wait: Wait) -> None:
    waiting = wait(endpoint=server.endpoint, poll_interval=LONG, stable_for=0.5)
    waiting.await_stream()
    server.answer_with(found())
    teller.tell(event())
    ready = waiting.end()
    assert waiting.pauses[-1] <= 0.5
    assert ready.detected_by == "poll"


def test_a_fault_of_our_own_does_not_leave_waits_that_hardly_poll(
    server: FakeS3, teller: Teller, wait: Wait, monkeypatch: pytest.MonkeyPatch
) -> None:
    waiting = wait(endpoint=server.endpoint, poll_interval=LONG)
    waiting.await_stream()
    monkeypatch.setattr(listening, "_names", None)
    teller.tell(event())
    waiting.await_stream("failed")
    assert "TypeError" in waiting.detail_of("failed")


def test_waits_of_one_process_share_one_stream(server: FakeS3, teller: Teller, wait: Wait) -> None:
    keys = [f"day-{index % 5}/key-{index}" for index in range(50)]
    waiting = [wait(f"s3://bucket/{key}", endpoint=server.endpoint, poll_interval=LONG) for key in keys]
    for each in waiting:
        each.await_stream()
    assert len(listening_threads()) == 1
    assert len(server.listens) <= 4  # the prefix that all have in common may be found in steps
    server.answer_with(found())
    for key in keys:
        teller.tell(event(key))
    assert {each.end().detected_by for each in waiting} == {"event"}
    assert len(server.listens) <= 4
    eventually(lambda: server.streams == 0, "the stream is closed with the last wait")


def test_waits_for_other_buckets_or_servers_have_streams_of_their_own(
    server: FakeS3, teller: Teller, wait: Wait
) -> None:
    for bucket in ("one-bucket", "other-bucket", "one-bucket"):
        wait(f"s3://{bucket}/key", endpoint=server.endpoint, poll_interval=LONG).await_stream()
    assert len(listening_threads()) == 2
    assert [each.target.partition("?")[0] for each in server.listens] == ["/one-bucket", "/other-bucket"]


def test_a_wait_that_comes_later_learns_that_there_are_no_events(server: FakeS3, wait: Wait) -> None:
    for _ in range(2):
        wait(endpoint=server.endpoint, poll_interval=LONG).await_stream("unsupported")
    assert len(server.listens) == 1


@pytest.mark.parametrize(
    ("uri", "match", "prefix"),
    [
        ("s3://bucket/dir/key", "exact", "dir%2Fkey"),
        ("s3://bucket/dir/*.csv", "exact", "dir%2F%2A.csv"),
        ("s3://bucket/dir/part-*.csv", "glob", "dir%2Fpart-"),
        ("s3://bucket/*", "glob", ""),
    ],
)
def test_the_server_sends_only_what_begins_with_the_key_or_with_the_fixed_part_of_a_pattern(
    server: FakeS3, wait: Wait, uri: str, match: str, prefix: str
) -> None:
    wait(uri, match=match, endpoint=server.endpoint, poll_interval=LONG)
    eventually(lambda: bool(server.listens), "it listens")
    assert f"&prefix={prefix}&" in server.listens[0].target


@pytest.mark.parametrize(
    ("prefix", "filtered"),
    [("a/b", "a/b"), ("a\\b", "a"), ("a/..", "a/"), ("a/.", "a/"), (".", ""), ("a/.b", "a/.b"), ("", "")],
)
def test_a_filter_is_one_that_the_server_takes(prefix: str, filtered: str) -> None:
    assert may_filter(prefix) == filtered


@pytest.mark.parametrize("endpoint", ["https://s3.amazonaws.com", "https://s3.cn-north-1.amazonaws.com.cn", ""])
def test_aws_is_never_asked(endpoint: str) -> None:
    assert type(listen(WatchSpec(uri=URI, endpoint=endpoint))) is Listener
    with pytest.raises(InvalidArgument, match=r"--detection \(detection\): AWS has no events to listen to; use auto"):
        listen(WatchSpec(uri=URI, endpoint=endpoint, detection="events"))


def test_files_have_no_events(tmp_path: Path) -> None:
    assert type(listen(WatchSpec(uri=str(tmp_path)))) is Listener
    with pytest.raises(InvalidArgument, match="events are of MinIO, and the path is a file"):
        WatchSpec(uri=str(tmp_path), detection="events")


def test_an_address_does_not_show_its_secret() -> None:
    assert "secret" not in repr(Address("http://host", "region", "", "bucket", ("key", "secret-5c1b")))


@pytest.mark.parametrize(("detection", "level"), [("auto", "info"), ("events", "warning")])
def test_one_line_says_that_there_are_no_events(server: FakeS3, start: Start, detection: str, level: str) -> None:
    watcher = start(URI, "--poll-interval=0.1", f"--detection={detection}", **server.env())
    eventually(lambda: len(server.requests) > 10, "polls")
    server.answer_with(found())
    _, told = watcher.end()
    [line] = [line for line in told.splitlines() if "no events" in line]
    assert f'"level": "{level}"' in line
    assert '"message": "no events from the object store: polls alone (HTTP 501 NotImplemented)"' in line


def test_repeated_outcomes_are_logged_once(capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure("text")
    log = logs.EventLog()
    for outcome in ("connected", "lost", "failed", "failed", "failed", "connected"):
        log.observe(Streamed(outcome, "why"))
    assert len(capsys.readouterr().err.splitlines()) == 4


def test_metrics_tell_of_streams_and_events() -> None:
    metrics = Metrics()
    told = metrics.registry.get_sample_value
    for news in (Streamed("connected"), Streamed("lost", "why"), Streamed("connected"), Heard(3)):
        metrics.observe(news)
    assert told("objectstore_watcher_event_streams_total", {"outcome": "connected"}) == 2
    assert told("objectstore_watcher_event_streams_total", {"outcome": "lost"}) == 1
    assert told("objectstore_watcher_event_stream_connected") == 1
    assert told("objectstore_watcher_events_total") == 3


def test_the_process_ends_at_once_while_it_listens(server: FakeS3, teller: Teller, start: Start) -> None:
    watcher = start(URI, "--metrics-address=127.0.0.1:0", f"--poll-interval={LONG}", **server.env())
    url = metrics_url(watcher)
    eventually(lambda: samples(url)["objectstore_watcher_event_stream_connected"] == 1, "the stream")
    watcher.process.send_signal(signal.SIGTERM)
    assert watcher.end()[0] == 143
