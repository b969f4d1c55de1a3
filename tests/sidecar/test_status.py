"""``objectstore-watcher status``: what a marker directory says, whatever is in it, and nothing is changed there."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from objectstore_watcher import contract, status
from objectstore_watcher.contract import Failed, Ready, Request, WatchSpec
from objectstore_watcher.errors import StoreError, WaitError, rebuild
from objectstore_watcher.exits import Exit, code_of
from objectstore_watcher.history import History

from tests.fake_s3 import Answer, FakeS3
from tests.servers import Watcher, eventually
from tests.sidecar import decks
from tests.sidecar.conftest import Start
from tests.sidecar.test_deck import ATTACK
from tests.sidecar.tools import listing, unprivileged

URI = "s3://bucket/key"


def told(directory: Path | None, *args: str, **env: str) -> tuple[int, str, str]:
    """Exit code, output and errors of the command."""
    base = {"PATH": os.environ["PATH"], "HOME": os.environ["HOME"]}
    command = [*Watcher.COMMAND, "status", *([str(directory)] if directory else []), *args]
    done = subprocess.run(command, env={**base, **env}, capture_output=True, text=True, timeout=60, check=False)
    return done.returncode, done.stdout, done.stderr


def as_json(directory: Path) -> Any:  # noqa: ANN401
    return json.loads(told(directory, "--json")[1])


def shown(directory: Path) -> str:
    return "\n".join(status.lines(status.look(directory)))


def ask(directory: Path, **options: float | str) -> Request:
    request = Request(spec=WatchSpec.from_mapping({"uri": URI, **options}))
    contract.write(directory, request)
    return request


def test_a_wait_that_goes_on_is_told_with_its_deadline_and_what_happened(start: Start, marker_directory: Path) -> None:
    with FakeS3(Answer(503)) as server:
        start(URI, f"--dir={marker_directory}", "--timeout=1h", "--heartbeat-interval=0.5", **server.env())
        eventually(lambda: "throttled" in shown(marker_directory), "the last error is told")
        code, out, errors = told(marker_directory)
        machine = as_json(marker_directory)
    assert (code, errors) == (Exit.WAITING, "")
    first, *facts = out.splitlines()
    assert first == "waiting: the wait goes on"
    assert f"  path       {URI}" in facts
    assert any(line.startswith("  deadline   in 59 min") for line in facts)
    assert any(line.startswith("  heartbeat  ") and line.endswith(" ago") for line in facts)
    assert any("The look failed throttled" in line for line in facts)
    assert (machine["state"], machine["uri"], machine["answer"]) == ("waiting", URI, None)
    assert 3000 < machine["deadline_in"] < 3600
    assert machine["history"]["entries"][1]["kind"] == "throttled"


def test_an_answer_ends_the_progress(start: Start, marker_directory: Path, tmp_path: Path) -> None:
    late = tmp_path / "late"
    start(late, f"--dir={marker_directory}", "--poll-interval=0.1", "--heartbeat-interval=0.5")
    eventually((marker_directory / "progress").exists, "progress")
    late.touch()
    eventually((marker_directory / "ready").exists, "ready")
    eventually(lambda: listing(marker_directory) == ["heartbeat", "ready", "request"], "no progress is left")


def test_a_watcher_that_nobody_has_asked_is_idle(start: Start, marker_directory: Path) -> None:
    start(f"--dir={marker_directory}")
    eventually((marker_directory / "heartbeat").exists, "heartbeat")
    code, out, _ = told(marker_directory)
    assert code == Exit.WAITING
    assert out.startswith("idle: the watcher lives, and main has not asked yet\n")


def test_a_wait_whose_main_judges_what_was_found_says_so(marker_directory: Path) -> None:
    ask(marker_directory)
    contract.beat(marker_directory)
    contract.offer(marker_directory, decks.ready(), 1)
    assert "main's own condition (when=) is being asked" in shown(marker_directory)
    assert as_json(marker_directory)["judging"]
    contract.decide(marker_directory, 1, contract.Verdict(accepted=False))
    assert "when=" not in shown(marker_directory)


def test_what_was_found_is_told(marker_directory: Path) -> None:
    contract.write(marker_directory, decks.ready())
    code, out, _ = told(marker_directory)
    assert code == Exit.READY
    assert out.startswith(f"ready: {decks.URI} (73412608 bytes) after 281.8 s\n")
    assert "Found, by an event" in out
    assert as_json(marker_directory)["answer"]["objects"][0]["etag"] == decks.ready().objects[0].etag


@pytest.mark.parametrize("kind", ["deadline_exceeded", "bucket_missing", "credentials_expired"])
def test_why_it_failed_is_told_with_the_cure_and_the_exit_code_of_the_wait(marker_directory: Path, kind: str) -> None:
    error = rebuild(kind, URI, "what was seen", "what to do")
    contract.write(marker_directory, Failed.of(URI, error))
    code, out, _ = told(marker_directory)
    assert code == code_of(error)
    assert out.startswith(f"failed: {URI}: what was seen; what to do\n")
    assert ("a new attempt can help" in out) == error.retryable


@pytest.mark.parametrize("age", [None, 100])
def test_a_watcher_without_heartbeat_is_dead(marker_directory: Path, age: float | None) -> None:
    ask(marker_directory)
    contract.tell_progress(marker_directory, decks.history())
    if age:
        contract.beat(marker_directory)
        os.utime(marker_directory / "heartbeat", (time.time() - age,) * 2)
    code, out, _ = told(marker_directory)
    assert code == Exit.DEAD
    assert out.startswith("dead: the watcher gives no sign of life, and has not answered\n")
    assert ("heartbeat  1 min 40 s ago" if age else "heartbeat  none") in out
    assert "kubectl describe pod" in out
    assert "throttled" in out, "what it knew stays"


def test_a_killed_watcher_is_dead_after_three_heartbeats(start: Start, marker_directory: Path, tmp_path: Path) -> None:
    watcher = start(tmp_path / "absent", f"--dir={marker_directory}", "--heartbeat-interval=0.5")
    eventually(lambda: status.look(marker_directory).state == "waiting", "it waits")
    watcher.process.send_signal(signal.SIGKILL)
    eventually(lambda: status.look(marker_directory).state == "dead", "it is dead")


def test_the_directory_is_that_of_the_container(marker_directory: Path) -> None:
    contract.write(marker_directory, Ready(uri=URI))
    assert told(None, OBJECTSTORE_WATCHER_DIR=str(marker_directory))[0] == Exit.READY


def test_a_directory_that_is_none_is_told(tmp_path: Path) -> None:
    code, out, errors = told(tmp_path / "absent")
    assert (code, out) == (Exit.MARKERS, "")
    assert errors.startswith(f"objectstore-watcher: error: {tmp_path / 'absent'}: cannot be read: No such file")
    code, out, _ = told(tmp_path / "absent", "--json")
    assert code == Exit.MARKERS
    assert json.loads(out)["state"] == "unreadable"


@pytest.mark.parametrize("args", [("--jsno",), ("a", "b")])
def test_a_wrong_argument_is_told(tmp_path: Path, args: tuple[str, ...]) -> None:
    code, _, errors = told(tmp_path, *args)
    assert code == Exit.USAGE
    assert len(errors.splitlines()) == 1


NO_MARKERS = [b"", b"{", b"\xff", b'{"version": 1}', b"x" * (contract.MAX_FILE_BYTES + 1)]


@pytest.mark.parametrize("name", ["ready", "failed", "request"])
@pytest.mark.parametrize("content", NO_MARKERS, ids=lambda content: repr(content[:20]))
def test_a_marker_that_is_none_is_an_error_in_one_line(marker_directory: Path, name: str, content: bytes) -> None:
    (marker_directory / name).write_bytes(content)
    with pytest.raises(WaitError) as refused:
        shown(marker_directory)
    assert str(refused.value).isprintable()
    assert name in str(refused.value)


@pytest.mark.parametrize("content", NO_MARKERS, ids=lambda content: repr(content[:20]))
def test_progress_that_is_none_is_passed_over(marker_directory: Path, content: bytes) -> None:
    ask(marker_directory)
    contract.beat(marker_directory)
    (marker_directory / "progress").write_bytes(content)
    assert shown(marker_directory).startswith("waiting: ")


def test_hostile_markers_add_no_line_and_no_escape(marker_directory: Path) -> None:
    error = StoreError(ATTACK, ATTACK, cure=ATTACK)
    answer = replace(Failed.of(ATTACK, error), message=ATTACK, history=decks.history())
    entries = tuple(replace(each, kind=ATTACK, detail=ATTACK, what=ATTACK) for each in decks.history().entries)
    calm = len(shown_of(marker_directory / "a", decks.failed()).splitlines())
    hostile = shown_of(marker_directory / "b", replace(answer, history=History(entries=entries[:9], polls=1)))
    assert all(line.isprintable() for line in hostile.splitlines())
    assert "\x1b" not in hostile
    assert len(hostile.splitlines()) <= calm + 2 * len(entries)


def shown_of(directory: Path, answer: Ready | Failed) -> str:
    directory.mkdir()
    contract.write(directory, answer)
    return shown(directory)


def test_it_reads_only_and_as_any_user() -> None:
    with tempfile.TemporaryDirectory() as name:  # pytest's own is for its user alone
        directory = Path(name)
        ask(directory)
        contract.beat(directory)
        contract.tell_progress(directory, decks.history())
        directory.chmod(0o555)
        before = {path.name: path.stat().st_mtime_ns for path in directory.iterdir()}
        with unprivileged():
            found = status.look(directory)
        assert (found.state, found.history) == ("waiting", decks.history())
        assert {path.name: path.stat().st_mtime_ns for path in directory.iterdir()} == before
        directory.chmod(0o755)


def test_progress_that_cannot_be_written_harms_nothing(marker_directory: Path) -> None:
    (marker_directory / ".progress.tmp").symlink_to("/etc/hostname")
    contract.tell_progress(marker_directory, decks.history())
    assert contract.progress(marker_directory) == History()
    os.unlink(marker_directory / ".progress.tmp")
    os.mkfifo(marker_directory / ".progress.tmp")
    contract.tell_progress(marker_directory, decks.history())
    assert contract.progress(marker_directory) == History()
