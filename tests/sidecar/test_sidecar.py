from __future__ import annotations

import json
import math
import shutil
import signal
import sys
import threading
import time
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from types import SimpleNamespace

import pytest
from objectstore_watcher import contract, sidecar, waiting
from objectstore_watcher.contract import Failed, Ready, Request, WatchSpec
from objectstore_watcher.errors import DeadlineExceeded, MarkerError, StoreError, WatcherDied
from objectstore_watcher.watch import Event, Succeeded, Wrote

from tests.fake_s3 import DRIP, SILENT, Answer, FakeS3, error, found
from tests.servers import MinioServer, Watcher, eventually
from tests.sidecar import hostile
from tests.sidecar.conftest import Start
from tests.sidecar.tools import Diary, get, listing, metrics_url, phase, samples

URI = "s3://bucket/key"

ABSENT = error(404, "NoSuchKey", x_minio_error_code="NoSuchKey")


def answered(directory: Path) -> Ready | Failed:
    """The terminal marker, once it is there."""
    eventually(lambda: contract.terminal(directory) is not None, "the watcher answers")
    answer = contract.terminal(directory)
    assert answer
    return answer


def terminate(watcher: Watcher) -> tuple[int, str]:
    watcher.process.send_signal(signal.SIGTERM)
    return watcher.end()


def state(directory: Path) -> dict[str, tuple[bytes, int, int]]:
    """All files but the heartbeat and what is being written: content, time, and which file it is."""
    files = [path for path in directory.iterdir() if path.name != "heartbeat" and not path.name.startswith(".")]
    return {path.name: (path.read_bytes(), path.stat().st_mtime_ns, path.stat().st_ino) for path in files}


def beats(directory: Path, times: int = 3) -> None:
    """Wait until the heartbeat has changed so many times."""
    for _ in range(times):
        eventually(partial(has_changed, directory, contract.last_heartbeat(directory)), "the heart beats")


def has_changed(directory: Path, before: int) -> bool:
    """Whether there was a heartbeat since."""
    return contract.last_heartbeat(directory) != before


def polls(url: str) -> bool:
    """Whether a watcher has begun to poll."""
    return samples(url)["objectstore_watcher_polls_total"] > 0


def in_phase(url: str, name: str) -> bool:
    """Whether a watcher is in that phase."""
    return phase(url) == name


# The life of a sidecar


def test_the_watcher_idles_until_main_asks_then_answers_then_stays(
    start: Start, marker_directory: Path, minio: MinioServer, bucket: str
) -> None:
    watcher = start("--dir", marker_directory, "--metrics-address=127.0.0.1:0", **minio.flyte_env())
    url = metrics_url(watcher)
    beats(marker_directory)
    assert listing(marker_directory) == ["heartbeat"]
    assert get(f"{url}/readyz")[0] == 503
    assert get(f"{url}/healthz")[0] == 200
    assert phase(url) == "idle"

    waiting.ask(marker_directory, WatchSpec(uri=f"s3://{bucket}/key", poll_interval=0.05, heartbeat_interval=0.5))
    eventually(lambda: samples(url)["objectstore_watcher_polls_total"] > 2, "the watcher polls")
    assert get(f"{url}/readyz")[0] == 200
    assert phase(url) == "waiting"
    assert listing(marker_directory) == ["heartbeat", "request"]

    minio.put(bucket, "key", b"12345")
    ready = waiting.wait(marker_directory, 10, until=math.inf)
    assert [(each.uri, each.size) for each in ready.objects] == [(f"s3://{bucket}/key", 5)]
    assert ready.polls == ready.requests > 2

    beats(marker_directory)
    assert watcher.process.poll() is None
    assert phase(url) == "ready"
    seen = samples(url)
    assert seen["objectstore_watcher_polls_total"] == ready.polls
    assert seen['objectstore_watcher_marker_writes_total{marker="ready",outcome="written"}'] == 1
    assert seen["objectstore_watcher_heartbeat_timestamp_seconds"] > seen["process_start_time_seconds"]
    assert seen["objectstore_watcher_heartbeat_interval_seconds"] == 0.5
    assert terminate(watcher)[0] == 0
    assert listing(marker_directory) == ["heartbeat", "ready", "request"]


def test_the_request_can_be_there_before_the_watcher(start: Start, marker_directory: Path, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    waiting.ask(marker_directory, WatchSpec(uri=str(tmp_path / "file")))
    start("--dir", marker_directory)
    assert waiting.wait(marker_directory, 10, until=math.inf).polls == 1


def test_a_plain_pod_asks_by_flags(start: Start, marker_directory: Path, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    start("--dir", marker_directory, tmp_path / "file", "--timeout=5m")
    assert isinstance(answered(marker_directory), Ready)
    request = contract.read(marker_directory, Request)
    assert request
    assert request.spec == WatchSpec(uri=str(tmp_path / "file"), timeout=300)


@pytest.mark.parametrize("key", ["a b?c#d%41{{.inputs.path}}\n☃", hostile.SECRET_VARIABLE])
def test_what_main_asks_is_what_is_waited_for_byte_for_byte(
    start: Start, marker_directory: Path, minio: MinioServer, bucket: str, key: str
) -> None:
    for miss in {key.partition("?")[0], minio.SECRET_KEY, key[:-1]} - {key}:
        minio.put(bucket, miss)
    waiting.ask(marker_directory, WatchSpec(uri=f"s3://{bucket}/{key}", poll_interval=0.05))
    watcher = start("--dir", marker_directory, "--metrics-address=127.0.0.1:0", **minio.flyte_env())
    url = metrics_url(watcher)
    eventually(lambda: samples(url)["objectstore_watcher_polls_total"] > 3, "the watcher polls")
    minio.put(bucket, key)
    ready = waiting.wait(marker_directory, 10, until=math.inf)
    assert [each.uri for each in ready.objects] == [ready.uri] == [f"s3://{bucket}/{key}"]
    # Main has its answer before the watcher has tidied up.
    eventually(lambda: not list(marker_directory.glob(".*")), "no file is being written")
    shown = "".join(path.read_text() for path in marker_directory.iterdir()) + get(f"{url}/metrics")[1]
    assert minio.SECRET_KEY not in shown + terminate(watcher)[1]


def test_a_failure_is_a_marker_and_the_watcher_stays(start: Start, marker_directory: Path) -> None:
    with FakeS3(error(404, "NoSuchBucket")) as server:
        watcher = start("--dir", marker_directory, URI, "--metrics-address=127.0.0.1:0", **server.env())
        with pytest.raises(StoreError, match=r"the bucket does not exist .* create the bucket or correct its name"):
            waiting.wait(marker_directory, 10, until=math.inf)
        assert phase(metrics_url(watcher)) == "failed"
        assert terminate(watcher)[0] == 0
    failed = json.loads((marker_directory / "failed").read_text())
    assert (failed["uri"], failed["kind"], failed["retryable"]) == (URI, "bucket_missing", False)
    assert failed["message"] == f"{URI}: {failed['detail']}; {failed['cure']}"
    assert listing(marker_directory) == ["failed", "heartbeat", "request"]


# Restarts


def restarted(start: Start, directory: Path, env: Mapping[str, str]) -> tuple[int, str]:
    """Run the watcher again in a directory that holds an answer; what it did must not change anything."""
    before = state(directory)
    watcher = start("--dir", directory, URI, "--metrics-address=127.0.0.1:0", **env)
    reached = "ready" if "ready" in before else "failed"
    url = metrics_url(watcher)
    eventually(lambda: phase(url) == reached, "it knows the answer")
    assert get(f"{url}/readyz")[0] == 200
    code, told = terminate(watcher)
    assert state(directory) == before
    return code, told


@pytest.mark.parametrize("first", [found(), error(404, "NoSuchBucket")], ids=["ready", "failed"])
def test_a_watcher_that_restarts_finds_its_own_answer_and_keeps_it(
    start: Start, marker_directory: Path, first: Answer
) -> None:
    with FakeS3(first) as server:
        watcher = start("--dir", marker_directory, URI, **server.env())
        answered(marker_directory)
        watcher.process.kill()
        watcher.process.wait()
    with FakeS3(found(b"changed")) as server:
        code, told = restarted(start, marker_directory, server.env())
        assert server.requests == []
    assert code == 0
    assert "answered before" in told


@pytest.mark.parametrize("is_there", [True, False])
def test_a_watcher_that_restarts_does_not_begin_the_timeout_anew(
    start: Start, marker_directory: Path, tmp_path: Path, is_there: bool
) -> None:
    """After the deadline it takes one look, and answers; a new timeout would let it take many."""
    args = ["--dir", marker_directory, tmp_path / "file", "--timeout=30s", "--poll-interval=50ms"]
    first = start(*args)
    eventually((marker_directory / "request").exists, "the first watcher begins")
    first.process.kill()
    first.process.wait()
    let_time_pass(marker_directory, 60)
    before = state(marker_directory)
    if is_there:
        (tmp_path / "file").touch()
    start(*args)
    if is_there:
        ready = waiting.wait(marker_directory, 10, until=math.inf)
        assert ready.polls == 1
        assert ready.waited > 60
    else:
        with pytest.raises(DeadlineExceeded, match="did not appear within 30 s in 1 look;"):
            waiting.wait(marker_directory, 10, until=math.inf)
    assert state(marker_directory)["request"] == before["request"]


def test_the_deadline_of_a_restarted_watcher_is_the_one_of_the_first(
    start: Start, marker_directory: Path, tmp_path: Path
) -> None:
    args = ["--dir", marker_directory, tmp_path / "absent", "--timeout=2s", "--poll-interval=50ms"]
    deadlines = set()
    for _ in range(3):
        watcher = start(*args, "--metrics-address=127.0.0.1:0")
        metrics_url(watcher)
        eventually((marker_directory / "request").exists, "the watcher begins")
        request = contract.read(marker_directory, Request)
        assert request
        deadlines.add(request.deadline)
        watcher.process.kill()
        watcher.process.wait()
    start(*args)
    assert isinstance(answered(marker_directory), Failed)
    assert len(deadlines) == 1
    assert time.monotonic() > deadlines.pop()


def let_time_pass(directory: Path, seconds: float) -> None:
    """Make the request that much older."""
    file = directory / "request"
    values = json.loads(file.read_text())
    values["requested_monotonic"] -= seconds
    file.write_text(json.dumps(values))


def test_two_watchers_in_one_directory_give_one_answer(start: Start, marker_directory: Path) -> None:
    with FakeS3(ABSENT) as server:
        args = ("--dir", marker_directory, URI, "--poll-interval=0.2", "--metrics-address=127.0.0.1:0")
        watchers = [start(*args, **server.env()), start(*args, **server.env())]
        urls = [metrics_url(watcher) for watcher in watchers]
        for url in urls:
            eventually(partial(polls, url), "it polls")
        server.answer_with(found())
        ready = answered(marker_directory)
        eventually(lambda: len(listing(marker_directory)) == 3, "the one that was first has put its tools away")
        before = state(marker_directory)
        for url in urls:
            eventually(partial(in_phase, url, "ready"), "it finds it")
        codes = [terminate(watcher)[0] for watcher in watchers]
    assert isinstance(ready, Ready)
    assert codes == [0, 0]
    assert state(marker_directory) == before
    assert listing(marker_directory) == ["heartbeat", "ready", "request"]


@pytest.mark.parametrize("left", ["request", "ready", "failed"])
def test_a_directory_of_another_wait_is_refused_and_left_as_it_is(
    start: Start, marker_directory: Path, left: str
) -> None:
    other = "s3://bucket/other"
    files: dict[str, contract.File] = {
        "request": Request(spec=WatchSpec(uri=other)),
        "ready": Ready(uri=other),
        "failed": Failed.of(other, StoreError(other, kind="bucket_missing")),
    }
    contract.write(marker_directory, files[left])
    before = state(marker_directory)
    code, told = start("--dir", marker_directory, URI).end()
    assert code == 2
    assert told == (
        f"objectstore-watcher: error: --dir '{marker_directory}': holds the request or the answer for '{other}';"
        " use an empty directory for each wait\n"
    )
    assert state(marker_directory) == before


def test_as_many_paths_of_which_but_the_first_is_the_same_are_refused(start: Start, marker_directory: Path) -> None:
    contract.write(marker_directory, Request(spec=WatchSpec(uri=("/tmp/absent", "/tmp/one"))))
    code, told = start("--dir", marker_directory, "/tmp/absent", "/tmp/other").end()
    assert code == 2
    assert "holds the request for the same path with other options: PATH; use an empty directory" in told


@pytest.mark.parametrize("is_answered", [False, True])
def test_other_flags_than_those_of_the_wait_that_began_are_refused(
    start: Start, marker_directory: Path, is_answered: bool
) -> None:
    """Else the wait would go on as it was first asked for, and its answer pass for one to the new question."""
    with FakeS3(found() if is_answered else ABSENT) as server:
        args = ("--dir", marker_directory, URI, "--poll-interval=0.2", "--min-size=1")
        watcher = start(*args, "--timeout=1h", **server.env())
        eventually((marker_directory / ("ready" if is_answered else "request")).exists, "the wait begins")
        terminate(watcher)
        before = state(marker_directory)
        code, told = start(*args, "--timeout=2h", "--min-size=2", **server.env()).end()
        assert state(marker_directory) == before
        again = start(*args, "--timeout=60m", "--metrics-address=127.0.0.1:0", **server.env())
        eventually(partial(in_phase, metrics_url(again), "ready" if is_answered else "waiting"), "it goes on")
    assert code == 2
    assert told == (
        f"objectstore-watcher: error: --dir '{marker_directory}': holds the request for the same path with other"
        " options: --timeout, --min-size; use an empty directory for each wait\n"
    )


# Requests that make no sense


@pytest.mark.parametrize(
    ("request_file", "kind", "detail"),
    [
        ('{"version": 1, "spec": {"uri": "ftp://b/k"}}', "invalid_argument", "the scheme ftp:// is not known"),
        ('{"version": 1, "spec": {"uri": "/a", "timeout": "5m"}}', "invalid_argument", "'timeout' is '5m'"),
        ('{"version": 1, "spec": {"uri": "s3://b-1/k", "ca_file": "/no"}}', "invalid_argument", "cannot be read"),
        ('{"version": 2, "spec": {"uri": "/a"}}', "marker_unwritable", "version 2, not 1"),
        ("s3://bucket/key", "marker_unwritable", "is not what this version writes"),
    ],
)
def test_a_bad_request_is_answered_with_failed_and_logged(
    start: Start, marker_directory: Path, request_file: str, kind: str, detail: str
) -> None:
    (marker_directory / "request.new").write_text(request_file)
    (marker_directory / "request.new").rename(marker_directory / "request")
    watcher = start("--dir", marker_directory, "--metrics-address=127.0.0.1:0", FLYTE_AWS_ENDPOINT="https://s3.invalid")
    failed = answered(marker_directory)
    assert isinstance(failed, Failed)
    assert failed.kind == kind
    assert detail in failed.message
    assert phase(metrics_url(watcher)) == "failed"
    code, told = terminate(watcher)
    assert code == 0
    errors = [line for line in map(json.loads, told.splitlines()) if line["level"] == "error"]
    assert [(line["kind"], line["message"]) for line in errors] == [(kind, failed.message)]


# The heartbeat


@pytest.mark.parametrize("answer", [Answer(503), SILENT, DRIP, found()], ids=["error", "silence", "drip", "success"])
def test_the_heart_beats_whatever_the_server_does(start: Start, marker_directory: Path, answer: Answer) -> None:
    with FakeS3(answer) as server:
        start("--dir", marker_directory, URI, "--heartbeat-interval=0.5", "--request-timeout=1h", **server.env())
        eventually(lambda: len(server.requests) > 0, "the watcher asks")
        beats(marker_directory)


def test_an_idle_watcher_beats_more_often_than_any_request_may_want() -> None:
    """Else main, whose first look is at an old beat, would take it for dead before the first beat of the wait."""
    assert sidecar.IDLE_HEARTBEAT < contract.SHORTEST_HEARTBEAT_INTERVAL


def test_a_look_may_take_its_time_before_the_watching_thread_counts_as_stuck(
    marker_directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = 1000.0
    monkeypatch.setattr(sidecar, "time", SimpleNamespace(monotonic=lambda: now))
    watcher = sidecar.Sidecar(marker_directory, None, lambda event: None, threading.Event())
    watcher.request = Request(spec=WatchSpec(uri="/any", request_timeout=3600))
    now += 3600 + sidecar.STUCK_AFTER
    assert watcher.alive()
    now += 2 * 3600 + 1
    assert not watcher.alive()


class Stuck(Watcher):
    """A watcher whose watching thread hangs; its patience with that is a second and not a minute."""

    COMMAND = (
        sys.executable,
        "-c",
        "import sys, time\nfrom objectstore_watcher import cli, sidecar\nsidecar.STUCK_AFTER = 1.0\n"
        "sidecar.watch = lambda *args, **options: time.sleep(3600)\ncli.main(sys.argv[1:])",
    )


def test_the_heart_stops_when_the_watching_thread_is_stuck(marker_directory: Path) -> None:
    """No way to get stuck is known, since looks end in time; so one is made."""
    interval = 0.5
    args = ["--dir", str(marker_directory), f"--heartbeat-interval={interval}", "--request-timeout=0.2", URI]
    with Stuck([*args, "--metrics-address=127.0.0.1:0"], {}) as watcher:
        url = metrics_url(watcher)
        eventually(lambda: get(f"{url}/healthz")[0] == 503, "it is no longer healthy")
        with pytest.raises(WatcherDied, match=r"gave no sign of life for 1\.5 s"):  # else: it lives, and gave no answer
            waiting.wait(marker_directory, interval, until=time.monotonic() + 30)


def test_a_directory_that_goes_away_ends_the_watcher_with_the_code_for_it(
    start: Start, marker_directory: Path, tmp_path: Path
) -> None:
    watcher = start("--dir", marker_directory, tmp_path / "absent", "--heartbeat-interval=0.5")
    eventually((marker_directory / "request").exists, "the watcher begins")
    shutil.rmtree(marker_directory)
    code, told = watcher.end()
    assert code == 6
    assert "'heartbeat' cannot be written: No such file or directory" in told.splitlines()[-1]


class Broken(Watcher):
    """A watcher with an error of its own: none is known, so one is made."""

    COMMAND = (
        sys.executable,
        "-c",
        "import sys\nfrom objectstore_watcher import cli\nfrom objectstore_watcher.stores import local\n"
        "local.LocalStore.look = lambda self, within, targets: 1 / 0\ncli.main(sys.argv[1:])",
    )


def test_an_error_of_its_own_is_answered_with_failed_too(marker_directory: Path) -> None:
    with Broken(["--dir", str(marker_directory), "/any", "--metrics-address=127.0.0.1:0"], {}) as watcher:
        failed = answered(marker_directory)
        assert phase(metrics_url(watcher)) == "failed"
        code, told = terminate(watcher)
    assert isinstance(failed, Failed)
    assert (failed.kind, failed.uri, code) == ("internal", "/any", 0)
    assert "ZeroDivisionError" in failed.message
    assert any("ZeroDivisionError" in json.loads(line).get("trace", "") for line in told.splitlines())


# What is told of the markers


@pytest.mark.parametrize(("before", "outcome"), [(False, "written"), (True, "refused")])
def test_how_the_writing_of_the_answer_ended_is_told(
    marker_directory: Path, tmp_path: Path, before: bool, outcome: str
) -> None:
    (tmp_path / "file").touch()
    spec, diary = WatchSpec(uri=str(tmp_path / "file")), Diary()
    waiting.ask(marker_directory, spec)
    if before:
        contract.write(marker_directory, Ready(uri=spec.name))
    sidecar.Sidecar(marker_directory, None, diary.append, threading.Event()).work()
    assert diary.of(Wrote) == [Wrote("ready", outcome)]


def test_an_answer_that_cannot_be_written_is_told_too(marker_directory: Path, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    diary = Diary()

    def observe(event: Event) -> None:
        diary.append(event)
        if isinstance(event, Succeeded):
            shutil.rmtree(marker_directory)

    waiting.ask(marker_directory, WatchSpec(uri=str(tmp_path / "file")))
    with pytest.raises(MarkerError):
        sidecar.Sidecar(marker_directory, None, observe, threading.Event()).work()
    assert diary.of(Wrote) == [Wrote("ready", "error")]


def test_candidates_are_told_too(marker_directory: Path, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    diary = Diary()
    waiting.ask(marker_directory, WatchSpec(uri=str(tmp_path / "file")), candidates=True)
    watcher = threading.Thread(
        target=sidecar.Sidecar(marker_directory, None, diary.append, threading.Event()).work, daemon=True
    )
    watcher.start()
    waiting.wait(marker_directory, 3600, until=math.inf, judge=lambda found: True)
    watcher.join(30)
    assert diary.of(Wrote) == [Wrote("candidate", "written"), Wrote("ready", "written")]
