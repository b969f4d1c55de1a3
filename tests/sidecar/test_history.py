"""What a wait remembers: complete while it is short, bounded while it is long, and never a reason to fail."""

from __future__ import annotations

import json
from contextlib import suppress
from email.utils import formatdate
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from objectstore_watcher import contract
from objectstore_watcher.contract import Failed, Matched, Ready
from objectstore_watcher.errors import DeadlineExceeded, MarkerError, StoreError, WaitError
from objectstore_watcher.history import KEPT_FIRST, MOST_DETAIL, MOST_ENTRIES, WHATS, Chronicle, Entry, History
from objectstore_watcher.recorder import Recorder
from objectstore_watcher.stores.hints import Heard, Streamed
from objectstore_watcher.watch import GaveUp, Pausing, Polled, Started, Succeeded, watch

from tests.fake_s3 import Answer, FakeS3, error, found
from tests.servers import eventually
from tests.sidecar.conftest import Start
from tests.sidecar.tools import VirtualTime, highest

URI = "s3://bucket/key"

ABSENT = error(404, "NoSuchKey", x_minio_error_code="NoSuchKey")
DOWN = Answer(500)


@pytest.fixture(autouse=True)
def credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "key")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")


def history(*answers: Answer, **options: float | str) -> History:
    """The history of a wait on a server that answers so."""
    time = VirtualTime()
    recorder = Recorder(time.clock)
    with FakeS3(*answers) as server:
        request = time.request(URI, endpoint=server.endpoint, **options)
        with suppress(WaitError):
            watch(request, stop=time, observe=recorder.observe, clock=time.clock, uniform=highest)
    assert recorder.answer
    assert recorder.answer.history.requested_at == request.requested_at
    return recorder.answer.history


def shape(told: History) -> list[tuple[str, str, int, float, float]]:
    return [(each.what, each.kind, each.count, each.first, each.last) for each in told.entries]


def test_equal_looks_in_a_row_are_one_entry_that_says_how_many_from_when_to_when() -> None:
    told = history(*[ABSENT] * 3, DOWN, DOWN, ABSENT, found(), poll_interval=10)
    assert shape(told) == [
        ("began", "", 1, 0, 0),
        ("absent", "", 3, 0, 20),
        ("error", "server_error", 2, 30, 31),
        ("absent", "", 1, 33, 33),
        ("found", "poll", 1, 43, 43),
    ]
    assert told.entries[2].pause == 2
    assert "500" in told.entries[2].detail
    assert (told.operations, told.polls, told.waited) == ({"head": 7}, 7, 43)


def test_what_is_there_and_does_not_count_is_told_with_the_reason() -> None:
    told = history(found(b"1"), found(b"12345"), poll_interval=10, min_size=5)
    assert shape(told)[1] == ("unmet", "", 1, 0, 0)
    assert "1 byte" in told.entries[1].detail or "bytes" in told.entries[1].detail


def test_the_end_without_the_object_is_the_last_entry_and_told_once() -> None:
    told = history(error(403, "AccessDenied"))
    assert [each.what for each in told.entries] == ["began", "failed"]
    assert told.entries[-1].kind == "forbidden"
    late = history(ABSENT, poll_interval=10, timeout=25)
    assert shape(late)[1:] == [("absent", "", 4, 0, 25), ("failed", "deadline_exceeded", 1, 25, 25)]


def test_the_lag_is_unknown_of_what_was_there_before_the_wait() -> None:
    assert history(found()).lag is None
    assert history(DOWN, found()).lag is None
    assert history(found(), stable_for=20).lag is None
    lag = history(ABSENT, found(Last_Modified=formatdate(usegmt=True))).lag
    assert lag is not None


def test_events_are_told() -> None:
    recorder = Recorder()
    request = VirtualTime().request(URI)
    for event in (
        Started(request),
        Polled(),
        Pausing(1),
        Streamed("connected"),
        Streamed("lost", "the server closed it"),
        Heard(2),
        Polled(unmet="too small"),
        Pausing(1),
        Heard(1),
        Polled(),
        Succeeded(Ready(uri=URI, detected_by="event", polls=3), 0.2),
    ):
        recorder.observe(event)
    assert recorder.answer
    told = [(each.what, each.kind, each.detail, each.count) for each in recorder.answer.history.entries]
    assert told == [
        ("began", "", "", 1),
        ("absent", "", "", 1),
        ("events", "connected", "", 1),
        ("events", "lost", "the server closed it", 1),
        ("heard", "", "", 2),
        ("unmet", "", "too small", 1),
        ("heard", "", "", 1),
        ("found", "event", "", 1),
    ]
    assert recorder.answer.history.lag == 0.2


@given(st.lists(st.tuples(st.sampled_from(WHATS[:-1]), st.text(max_size=3)), max_size=300))
def test_a_history_is_bounded_and_leaves_nothing_out_silently(happenings: list[tuple[str, str]]) -> None:
    chronicle = Chronicle()
    for number, (what, detail) in enumerate(happenings):
        chronicle.add(number, what, detail=detail)
    entries = chronicle.entries
    assert len(entries) <= MOST_ENTRIES
    assert sum(each.count for each in entries) == len(happenings)
    gaps = [number for number, each in enumerate(entries) if each.what == "left_out"]
    assert gaps in ([], [KEPT_FIRST])
    # Every moment is in one entry, in order.
    edges = [edge for each in entries for edge in (each.first, each.last)]
    assert edges == sorted(edges)
    if happenings:
        assert (edges[0], edges[-1]) == (0, len(happenings) - 1)
        assert entries[-1].what == happenings[-1][0]


def test_details_are_one_line_of_bounded_length() -> None:
    chronicle = Chronicle()
    chronicle.add(0, "error", detail="new\nline\x1b[2J" + "é" * 10_000)
    (entry,) = chronicle.entries
    assert entry.detail.isprintable()
    assert len(entry.detail) == MOST_DETAIL


FULL = History(
    requested_at="2026-06-01T12:00:00.000Z",
    entries=tuple(
        Entry(what="error", kind=str(number), detail="\U0001f600" * MOST_DETAIL) for number in range(MOST_ENTRIES)
    ),
    operations={"head": 7, "list": 2},
    polls=7,
    waited=2.5,
    lag=0.25,
)


@pytest.mark.parametrize("answer", [Ready(uri=URI, history=FULL), Failed.of(URI, WaitError(URI))])
def test_the_history_is_the_same_after_its_file(marker_directory: Path, answer: Ready | Failed) -> None:
    contract.write(marker_directory, answer)
    read = contract.terminal(marker_directory)
    assert read == answer
    assert read.history == answer.history


def test_the_longest_history_takes_a_small_part_of_a_marker(marker_directory: Path) -> None:
    assert len(contract.encoded(Ready(uri=URI, history=FULL))) < contract.MAX_FILE_BYTES / 15


def test_where_a_history_has_no_room_the_answer_goes_without(marker_directory: Path) -> None:
    objects = (Matched(uri=URI, etag="e" * (contract.MAX_FILE_BYTES - 1000)),)
    contract.write(marker_directory, Ready(uri=URI, objects=objects, history=FULL))
    read = contract.terminal(marker_directory)
    assert read == Ready(uri=URI, objects=objects)
    assert read.history == History()


@pytest.mark.parametrize(
    "told",
    [
        None,
        [],
        "history",
        {"entries": {}},
        {"entries": 5},
        {"entries": [None]},
        {"entries": [{}]},
        {"entries": [{"what": 1}]},
        {"entries": [{"what": "found", "count": "2"}]},
        {"operations": []},
        {"operations": {"head": "7"}},
        {"operations": {"head": True}},
        {"lag": "0"},
        {"lag": True},
        {"waited": None},
    ],
)
@pytest.mark.parametrize("kind", [Ready, Failed])
def test_a_history_that_this_version_does_not_write_is_a_marker_error(
    marker_directory: Path, kind: type[Ready], told: object
) -> None:
    values = json.loads(contract.encoded(Ready(uri=URI) if kind is Ready else Failed.of(URI, WaitError(URI))))
    (marker_directory / kind.NAME).write_text(json.dumps({**values, "history": told}))
    with pytest.raises(MarkerError):
        contract.read(marker_directory, kind)


def test_a_marker_of_a_watcher_without_history_can_be_read(marker_directory: Path) -> None:
    values = json.loads(contract.encoded(Ready(uri=URI)))
    del values["history"]
    (marker_directory / "ready").write_text(json.dumps(values))
    assert contract.terminal(marker_directory) == Ready(uri=URI)


def test_what_a_newer_watcher_tells_more_is_passed_over(marker_directory: Path) -> None:
    values = json.loads(contract.encoded(Ready(uri=URI)))
    values["history"] |= {"entries": [{"what": "found", "colour": "red"}] * 100, "mood": "calm"}
    (marker_directory / "ready").write_text(json.dumps(values))
    read = contract.terminal(marker_directory)
    assert read
    assert read.history.entries == (Entry(what="found"),) * MOST_ENTRIES


def test_the_watcher_writes_its_history_into_ready(start: Start, marker_directory: Path) -> None:
    with FakeS3(ABSENT, DOWN, found(b"1234")) as server:
        start(URI, f"--dir={marker_directory}", "--poll-interval=0.05", "--detection=poll", **server.env())
        eventually((marker_directory / "ready").exists, "ready")
    answer = contract.terminal(marker_directory)
    assert answer
    assert [each.what for each in answer.history.entries] == ["began", "absent", "error", "found"]
    assert answer.history.operations == {"head": 3}


def test_the_watcher_writes_its_history_into_failed(start: Start, marker_directory: Path) -> None:
    with FakeS3(ABSENT) as server:
        start(
            URI,
            f"--dir={marker_directory}",
            "--poll-interval=0.05",
            "--timeout=0.2",
            "--detection=poll",
            **server.env(),
        )
        eventually((marker_directory / "failed").exists, "failed")
    answer = contract.terminal(marker_directory)
    assert isinstance(answer, Failed)
    assert isinstance(answer.error(), DeadlineExceeded)
    assert [each.what for each in answer.history.entries] == ["began", "absent", "failed"]


def test_a_failure_that_no_look_met_is_told(marker_directory: Path) -> None:
    recorder = Recorder()
    recorder.observe(GaveUp(StoreError(URI, kind="timeout")))
    assert isinstance(recorder.answer, Failed)
    assert [each.what for each in recorder.answer.history.entries] == ["failed"]


def test_a_watcher_goes_on_with_the_history_of_one_that_was_killed(
    start: Start, marker_directory: Path, tmp_path: Path
) -> None:
    late, options = tmp_path / "late", ("--poll-interval=0.1", "--heartbeat-interval=0.5")
    first = start(late, f"--dir={marker_directory}", *options)
    eventually(lambda: contract.progress(marker_directory).polls > 0, "progress")
    first.process.kill()
    first.process.wait()
    before = contract.progress(marker_directory)
    start(late, f"--dir={marker_directory}", *options)
    eventually(lambda: contract.progress(marker_directory).polls > before.polls, "the second one goes on")
    late.touch()
    eventually((marker_directory / "ready").exists, "ready")
    answer = contract.terminal(marker_directory)
    assert answer
    assert [each.what for each in answer.history.entries] == ["began", "absent", "began", "absent", "found"]
    assert answer.history.operations["stat"] == answer.history.polls > before.polls
    assert isinstance(answer, Ready)
    assert (answer.polls, answer.requests) == (answer.history.polls, answer.history.polls)


def test_what_somebody_else_wrote_makes_no_answer_too_long(
    start: Start, marker_directory: Path, tmp_path: Path
) -> None:
    long = "x" * 70_000
    entries = [{"what": long, "kind": long, "detail": "\n" + long}] * MOST_ENTRIES
    told = {"version": 1, "requested_at": long, "entries": entries, "operations": {long: 1}}
    (marker_directory / "progress").write_text(json.dumps({**told, "entries": entries[:15]}))
    (tmp_path / "file").touch()
    start(tmp_path / "file", f"--dir={marker_directory}")
    eventually((marker_directory / "ready").exists, "ready")
    assert (marker_directory / "ready").stat().st_size < 100_000
    answer = contract.terminal(marker_directory)
    assert answer
    assert answer.history.entries[-1].what == "found"
    assert all(each.detail.isprintable() for each in answer.history.entries)
