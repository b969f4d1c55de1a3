"""The errors of a wait, as flytekit sees them."""

from __future__ import annotations

import traceback
from pathlib import Path

import pytest
from flytekit.bin import entrypoint
from flytekit.exceptions.user import FlyteRecoverableException, FlyteUserRuntimeException
from objectstore_sensor import errors
from objectstore_sensor._wait import wait_for
from objectstore_sensor.errors import as_flyte
from objectstore_watcher.contract import WatchSpec
from objectstore_watcher.errors import KINDS, WaitError, rebuild

RETRYABLE = [row.label for row in KINDS.values() if row.retryable]
FINAL = [row.label for row in KINDS.values() if not row.retryable]


def error(kind: str) -> WaitError:
    return rebuild(kind, "s3://bucket/key", "what was seen", "what to do")


def test_both_sorts_are_there() -> None:
    assert {"deadline_exceeded", "watcher_died", "credentials_expired"} <= set(RETRYABLE)
    assert {"bucket_missing", "forbidden", "invalid_argument"} <= set(FINAL)


@pytest.mark.parametrize("kind", RETRYABLE)
def test_what_a_new_attempt_can_help_is_recoverable_for_flytes_entry_point(kind: str) -> None:
    """Flytekit has two classes of this name; its entry point looks for the one of ``exceptions.user``."""
    assert isinstance(as_flyte(error(kind)), entrypoint.FlyteRecoverableException)


@pytest.mark.parametrize("kind", FINAL)
def test_what_it_cannot_help_is_not(kind: str) -> None:
    given = error(kind)
    assert as_flyte(given) is given
    assert not isinstance(given, FlyteRecoverableException)


@pytest.mark.parametrize("kind", RETRYABLE)
def test_a_recoverable_error_is_caught_and_read_as_the_original_one(kind: str) -> None:
    given = error(kind)
    recoverable = as_flyte(given)
    assert isinstance(recoverable, type(given))
    assert type(recoverable).__name__ == type(given).__name__
    assert str(recoverable) == str(given) == "s3://bucket/key: what was seen; what to do"
    assert (recoverable.kind, recoverable.cure) == (given.kind, given.cure)


@pytest.mark.parametrize("kind", list(KINDS))
def test_the_code_that_flyte_shows_names_the_kind(kind: str) -> None:
    code = FlyteUserRuntimeException(as_flyte(error(kind))).error_code
    assert code == "USER:" + kind.title().replace("_", "")


def test_a_traceback_names_the_public_class() -> None:
    shown = traceback.format_exception_only(as_flyte(error("deadline_exceeded")))
    assert shown == [
        "objectstore_watcher.errors.DeadlineExceeded: s3://bucket/key: what was seen; what to do\n",
    ]


def test_the_watchers_classes_are_the_sensors_classes() -> None:
    """One ``except`` serves both packages; who reads what was found waits for nothing any more."""
    for name in (n for n in errors.__all__ if n not in ("as_flyte", "ObjectChanged")):
        assert issubclass(getattr(errors, name), WaitError)


def test_a_local_failure_shows_no_line_of_the_watcher(tmp_path: Path) -> None:
    with pytest.raises(WaitError) as failed:
        wait_for(WatchSpec(uri=str(tmp_path)))
    frames = traceback.extract_tb(failed.value.__traceback__)
    assert not [frame.filename for frame in frames if "objectstore_watcher" in frame.filename]
