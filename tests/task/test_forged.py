"""Markers that somebody else wrote: they may end the wait, and no more."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from flytekit import FlyteContextManager
from flytekit.core.context_manager import ExecutionState
from flytekit.exceptions.user import FlyteRecoverableException
from objectstore_sensor.errors import MarkerError, WaitError
from objectstore_watcher.contract import DIRECTORY_VARIABLE

from tests.task import sensors

PATH = "s3://bucket/key"
FORGED = "s3://other/\n\x1b[2Jforged"


@pytest.fixture(autouse=True)
def in_pod(marker_directory: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """As main runs there."""
    monkeypatch.setenv(DIRECTORY_VARIABLE, str(marker_directory))
    context = FlyteContextManager.current_context()
    state = context.new_execution_state().with_params(mode=ExecutionState.Mode.TASK_EXECUTION)
    with FlyteContextManager.with_context(context.with_execution_state(state)):
        yield


def test_main_returns_the_path_that_it_was_given_whatever_a_marker_says(marker_directory: Path) -> None:
    (marker_directory / "ready").write_text(json.dumps({"version": 1, "uri": FORGED, "bucket": "other", "key": FORGED}))
    assert sensors.made.execute(path=PATH) == PATH


@pytest.mark.parametrize(
    ("bucket", "key", "is_match"),
    [
        ("bucket", "in/a.csv", True),
        ("other", "in/a.csv", False),
        ("", "in/a.csv", False),
        ("bucket", "out/a.csv", False),
    ],
)
def test_main_returns_only_what_matches_its_pattern(
    marker_directory: Path, bucket: str, key: str, is_match: bool
) -> None:
    (marker_directory / "ready").write_text(json.dumps({"version": 1, "uri": PATH, "bucket": bucket, "key": key}))
    if is_match:
        assert sensors.matching.execute(path="s3://bucket/in/*.csv") == "s3://bucket/in/a.csv"
    else:
        with pytest.raises(MarkerError, match=r"the marker tells of .*; find out who else writes there"):
            sensors.matching.execute(path="s3://bucket/in/*.csv")


@pytest.mark.parametrize("kind", ["forbidden", "timeout", "no such kind"])
def test_main_shows_the_words_of_a_marker_in_one_line_without_control_characters(
    marker_directory: Path, kind: str
) -> None:
    words = dict.fromkeys(("uri", "subject", "detail", "cure", "message", "failed_at"), FORGED)
    forged = {"version": 1, "kind": kind, "retryable": False, **words}
    (marker_directory / "failed").write_text(json.dumps(forged))
    with pytest.raises(WaitError) as failed:
        sensors.made.execute(path=PATH)
    assert str(failed.value).isprintable()
    assert isinstance(failed.value, FlyteRecoverableException) == (kind != "forbidden")
