"""Main notices what appears in the directory, and does not look for it all the time."""

from __future__ import annotations

import math
import threading
import time
from pathlib import Path

import pytest
from objectstore_watcher import changes, contract, waiting
from objectstore_watcher.changes import Changes
from objectstore_watcher.contract import Ready

LONG = 30.0


def test_a_marker_that_appears_ends_the_pause(marker_directory: Path) -> None:
    with Changes(marker_directory) as changes:
        threading.Timer(0.2, contract.write, [marker_directory, Ready(uri="s3://bucket/key")]).start()
        begun = time.monotonic()
        while not contract.answered(marker_directory):  # its temporary file appears, too
            changes.wait(LONG)
    assert time.monotonic() - begun < LONG / 2


def test_what_appeared_before_the_pause_is_not_missed(marker_directory: Path) -> None:
    with Changes(marker_directory) as changes:
        contract.write(marker_directory, Ready(uri="s3://bucket/key"))
        begun = time.monotonic()
        changes.wait(LONG)
    assert time.monotonic() - begun < LONG / 2


def test_heartbeats_do_not_wake_main(marker_directory: Path) -> None:
    contract.beat(marker_directory)
    with Changes(marker_directory) as changes:
        contract.beat(marker_directory)
        begun = time.monotonic()
        changes.wait(0.3)
    assert time.monotonic() - begun >= 0.29


def test_where_nobody_tells_main_looks_soon(tmp_path: Path) -> None:
    with Changes(tmp_path / "missing") as changes:
        begun = time.monotonic()
        changes.wait(LONG)
    assert time.monotonic() - begun < LONG / 2


def test_without_inotify_a_marker_is_noticed_all_the_same(
    marker_directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(changes, "_inotify", lambda directory: None)
    threading.Timer(0.2, contract.write, [marker_directory, Ready(uri="s3://bucket/key")]).start()
    assert waiting.wait(marker_directory, LONG, until=math.inf) == Ready(uri="s3://bucket/key")
