from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st
from objectstore_watcher.errors import InvalidArgument
from objectstore_watcher.sizes import LARGEST, in_bytes


@pytest.mark.parametrize(
    ("text", "size"),
    [
        (0, 0),
        (7, 7),
        ("0", 0),
        ("1000", 1000),
        ("10 B", 10),
        ("1kB", 1000),
        ("1KiB", 1024),
        ("1.5MB", 1_500_000),
        ("10MiB", 10 * 1024**2),
        ("2gib", 2 * 1024**3),
        ("5TB", 5 * 10**12),
        (" 3MB ", 3_000_000),
        ("0.5B", 1),
    ],
)
def test_what_people_write(text: int | str, size: int) -> None:
    assert in_bytes(text, "--min-size") == size


@pytest.mark.parametrize("value", ["", "MB", "1 XB", "-1", "1e3", "1,5MB", True, None, 1.5, "٣"])
def test_what_is_no_size(value: object) -> None:
    with pytest.raises(InvalidArgument, match=r"^--min-size: .* is not a size; use bytes or text"):
        in_bytes(value, "--min-size")  # type: ignore[arg-type]


@pytest.mark.parametrize("value", [-1, LARGEST + 1, "51TiB"])
def test_what_no_object_has(value: int | str) -> None:
    with pytest.raises(InvalidArgument, match="is out of range"):
        in_bytes(value, "--min-size")


@given(st.text(max_size=12))
def test_any_text_is_a_size_or_refused(text: str) -> None:
    with suppress(InvalidArgument):
        assert 0 <= in_bytes(text, "size") <= LARGEST
