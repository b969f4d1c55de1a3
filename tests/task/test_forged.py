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
    (marker_directory / "ready").write_text(json.dumps({"version": 1, "uri": FORGED, "objects": [{"uri": FORGED}]}))
    assert sensors.made.execute(path=PATH) == PATH


@pytest.mark.parametrize(
    ("told", "is_match"),
    [
        (["s3://bucket/in/a.csv"], True),
        (["s3://other/in/a.csv"], False),
        (["in/a.csv"], False),
        (["s3://bucket/out/a.csv"], False),
        (["s3://bucket/in/a.csv", "s3://bucket/out/a.csv"], False),
        ([], False),
    ],
)
def test_main_returns_only_what_matches_its_pattern(marker_directory: Path, told: list[str], is_match: bool) -> None:
    (marker_directory / "ready").write_text(
        json.dumps({"version": 1, "uri": PATH, "objects": [{"uri": uri} for uri in told]})
    )
    if is_match:
        assert sensors.matching.execute(path="s3://bucket/in/*.csv") == "s3://bucket/in/a.csv"
    else:
        with pytest.raises(MarkerError, match=r"the marker tells of .*; find out who else writes there"):
            sensors.matching.execute(path="s3://bucket/in/*.csv")


@pytest.mark.parametrize("told", [[FORGED], [PATH, FORGED], []], ids=str)
def test_main_returns_of_what_is_gone_only_what_it_asked_for(marker_directory: Path, told: list[str]) -> None:
    (marker_directory / "ready").write_text(json.dumps({"version": 1, "uri": PATH, "gone": told}))
    with pytest.raises(MarkerError, match=r"the marker tells of .*; find out who else writes there"):
        sensors.any_gone.execute(paths=[PATH, f"{PATH}2"])


@pytest.mark.parametrize(
    "objects", [[], [{"uri": "s3://other/key"}], [{"uri": PATH, "last_modified": "yesterday"}]], ids=str
)
def test_main_makes_no_object_of_a_marker_that_does_not_tell_of_its_path(
    marker_directory: Path, objects: list[dict[str, str]]
) -> None:
    (marker_directory / "ready").write_text(json.dumps({"version": 1, "uri": PATH, "objects": objects}))
    with pytest.raises(MarkerError, match=r"the marker does not tell of it: .*; find out who else writes there"):
        sensors.as_object.execute(path=PATH)


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


@pytest.mark.parametrize(("told", "is_fine"), [("s3://any/key", True), ("file:///etc/passwd", False), ("s3://", False)])
def test_main_returns_of_a_manifest_only_what_may_be_in_its_store(
    marker_directory: Path, told: str, is_fine: bool
) -> None:
    forged = {"version": 1, "uri": PATH, "objects": [{"uri": told}]}
    (marker_directory / "ready").write_text(json.dumps(forged))
    path = [f"{PATH}/manifest"]
    if is_fine:
        assert sensors.listed.execute(paths=path) == [told]
    else:
        with pytest.raises(MarkerError, match=r"the marker tells of .*; find out who else writes there"):
            sensors.listed.execute(paths=path)
