"""Mistakes of people who use this for the first time: refused at once, or told in words that help."""

from __future__ import annotations

import pytest
from objectstore_watcher.contract import WatchSpec
from objectstore_watcher.errors import InvalidArgument


@pytest.mark.parametrize(
    ("uri", "flag"),
    [
        ("s3://bucket/k1", "k1"),
        ("s3://bucket/k1", "s3://bucket/k1"),
        ("k1", "k1"),
        ("/data/k1", "k1"),
        (["s3://bucket/day/part-1", "s3://bucket/day/_SUCCESS"], "_SUCCESS"),
        (["s3://bucket/part-1", "s3://bucket/day/done"], "day/done"),
    ],
)
def test_a_flag_that_is_the_path_itself_is_refused(uri: str | list[str], flag: str) -> None:
    with pytest.raises(InvalidArgument, match=r"^--flag \(flag\): '.*(k1|_SUCCESS|done)' is the path itself"):
        WatchSpec(uri=uri if isinstance(uri, str) else tuple(uri), flag=flag)


@pytest.mark.parametrize(
    ("uri", "flag"), [("s3://bucket/a/k1", "b/k1"), ("s3://bucket/a/k1", "s3://bucket/k1"), ("s3://bucket/x-k1", "k1")]
)
def test_a_flag_of_another_name_or_place_is_taken(uri: str, flag: str) -> None:
    assert WatchSpec(uri=uri, flag=flag).flag == flag
