from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from objectstore_watcher.errors import (
    KINDS,
    DeadlineExceeded,
    InvalidArgument,
    MarkerError,
    StoreError,
    WaitError,
    WatcherDied,
    one_line,
    rebuild,
)

EVERY_KIND = sorted(KINDS)


@pytest.mark.parametrize("kind", EVERY_KIND)
def test_a_message_names_the_object_the_cause_and_the_cure(kind: str) -> None:
    error = StoreError("s3://bucket/key", kind=kind)
    assert str(error) == f"s3://bucket/key: {KINDS[kind].cause}; {KINDS[kind].cure}"
    assert KINDS[kind].cause
    assert KINDS[kind].cure


@pytest.mark.parametrize("kind", EVERY_KIND)
def test_an_error_is_the_same_again_after_a_marker(kind: str) -> None:
    error = rebuild(kind, "s3://bucket/key", "seen", "do this")
    again = rebuild(error.kind.label, error.subject, error.detail, error.cure)
    assert type(again) is type(error)
    assert (again.kind, str(again)) == (KINDS[kind], "s3://bucket/key: seen; do this")


@pytest.mark.parametrize(
    ("kind", "cls"),
    [
        ("invalid_argument", InvalidArgument),
        ("deadline_exceeded", DeadlineExceeded),
        ("watcher_died", WatcherDied),
        ("marker_unwritable", MarkerError),
        ("bucket_missing", StoreError),
    ],
)
def test_a_kind_has_its_class(kind: str, cls: type[WaitError]) -> None:
    assert type(rebuild(kind, "subject", "detail", "cure")) is cls


def test_a_kind_of_a_newer_watcher_becomes_internal_and_keeps_its_words() -> None:
    error = rebuild("kind_of_tomorrow", "subject", "detail", "cure")
    assert (error.kind.label, str(error)) == ("internal", "subject: detail; cure")


def test_python_code_can_catch_the_builtin_classes() -> None:
    assert issubclass(InvalidArgument, ValueError)
    assert issubclass(DeadlineExceeded, TimeoutError)


@pytest.mark.parametrize(
    ("kind", "code"),
    [("deadline_exceeded", "USER:DeadlineExceeded"), ("dns", "USER:Dns"), ("bucket_missing", "USER:BucketMissing")],
)
def test_the_code_for_flyte_is_the_kind(kind: str, code: str) -> None:
    assert WaitError("subject", kind=kind).error_code == code


def test_what_time_can_cure_is_retryable_and_what_only_people_can_is_not() -> None:
    retryable = {label for label, kind in KINDS.items() if kind.retryable}
    assert {
        "deadline_exceeded",
        "watcher_died",
        "credentials_expired",
        "connection",
        "timeout",
        "throttled",
    } < retryable
    assert retryable.isdisjoint(
        {"bucket_missing", "forbidden", "credentials_invalid", "invalid_argument", "not_a_file"}
    )


@given(st.text(), st.integers(min_value=2, max_value=50))
def test_any_text_becomes_one_short_printable_line(text: str, limit: int) -> None:
    line = one_line(text, limit)
    assert len(line) <= limit
    assert line.isprintable()


@given(st.text(st.characters(categories=("L", "N", "P", "S"))))
def test_printable_text_stays_as_it_is(text: str) -> None:
    assert one_line(text, 10**6) == text


@given(st.text(), st.text(), st.text())
def test_no_part_of_a_message_can_break_the_line(subject: str, detail: str, cure: str) -> None:
    assert str(WaitError(subject, detail, cure=cure)).isprintable()
