"""The rows of the table of errors that need no server, shown by the whole watcher."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from pathlib import Path

import pytest
from objectstore_watcher import contract, waiting
from objectstore_watcher.contract import WatchSpec
from objectstore_watcher.errors import MarkerError, WatcherDied
from objectstore_watcher.exits import Exit
from objectstore_watcher.stores import Found, local
from objectstore_watcher.targets import Target

from tests.figures import Figure
from tests.sidecar.conftest import Start
from tests.sidecar.rows import MACHINE, Row, shows
from tests.sidecar.tools import unprivileged
from tests.sidecar.whole import Wait

Patch = pytest.MonkeyPatch


@shows("not_a_file", MACHINE)
def test_a_directory_is_no_file(row: Row, wait: Wait, tmp_path: Path) -> None:
    row.is_shown_by(wait(str(tmp_path)))


@shows("unreadable", MACHINE)
def test_a_file_that_may_not_be_seen_is_told(row: Row, wait: Wait, tmp_path: Path, monkeypatch: Patch) -> None:
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o000)
    for parent in [*list(tmp_path.parents)[:2], tmp_path]:
        parent.chmod(0o755)
    stat = local.LocalStore.look

    def as_nobody(self: local.LocalStore, within: float, targets: Sequence[Target]) -> Sequence[Found]:
        with unprivileged():
            return stat(self, within, targets)

    monkeypatch.setattr(local.LocalStore, "look", as_nobody)  # root may see all
    row.is_shown_by(wait(str(closed / "file")), cause="Permission denied")


@shows("deadline_exceeded", MACHINE)
def test_what_does_not_come_is_told_at_the_deadline(row: Row, wait: Wait, tmp_path: Path) -> None:
    account = wait(str(tmp_path / "absent"), timeout=25, poll_interval=10)
    assert account.pauses == [pytest.approx(pause, abs=3) for pause in (10, 10, 5)]
    account.pauses.clear()
    row.is_shown_by(account, "in 4 looks", cause="the object did not appear within 25 s")


@shows("too_many_objects", MACHINE)
def test_more_objects_than_a_marker_can_tell_of_end_the_wait(row: Row, wait: Wait, tmp_path: Path) -> None:
    for number in range(6000):
        (tmp_path / f"{'é' * 100}{number:04}").touch()  # six bytes each in JSON
    row.is_shown_by(wait(f"{tmp_path}/*", match="glob"), cause="'ready' would have")


@shows("internal", MACHINE)
def test_an_error_of_the_watchers_own_ends_the_wait(row: Row, wait: Wait, monkeypatch: Patch) -> None:
    monkeypatch.setattr(local.LocalStore, "look", lambda self, within, targets: 1 / 0)
    row.is_shown_by(wait("/any"), cause="ZeroDivisionError")


@shows("watcher_died", MACHINE)
def test_the_death_of_the_watcher_is_noticed_within_three_heartbeats(
    row: Row, start: Start, marker_directory: Path, tmp_path: Path, figure: Figure
) -> None:
    interval = 0.5
    watcher = start("--dir", marker_directory)
    waiting.ask(marker_directory, WatchSpec(uri=str(tmp_path / "absent"), heartbeat_interval=interval))
    seen: list[float] = []

    def sleep(seconds: float) -> None:
        if not seen and contract.last_heartbeat(marker_directory) > 0:
            watcher.process.kill()
            watcher.process.wait()
            seen.append(time.monotonic())
        time.sleep(seconds)

    with pytest.raises(WatcherDied) as died:
        waiting.wait(marker_directory, interval, until=math.inf, sleep=sleep)
    heartbeats = (time.monotonic() - seen[0]) / interval
    figure("a watcher's death is noticed after, limit 3 heartbeats", f"{heartbeats:.2f} heartbeats")
    assert heartbeats < 3 + 20  # the rest is for machines that are busy
    assert died.value.kind is row.kind
    assert died.value.retryable
    told = str(died.value)
    assert told == f"{marker_directory}: the watcher gave no sign of life for 1.5 s; {row.kind.cure}"
    row.done()


@shows("marker_unwritable", MACHINE)
def test_a_directory_that_cannot_be_used_is_told_by_both_sides(row: Row, start: Start, tmp_path: Path) -> None:
    missing = tmp_path / "missing"
    code, told = start("--dir", missing).end()
    assert code == Exit.MARKERS
    with pytest.raises(MarkerError) as refused:
        waiting.ask(missing, WatchSpec(uri="/any"))
    assert refused.value.kind is row.kind
    assert refused.value.retryable
    for message in (told, str(refused.value)):
        assert str(missing) in message
        assert "No such file or directory" in message
        assert row.kind.cure in message
    row.done()
