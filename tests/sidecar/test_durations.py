from __future__ import annotations

from contextlib import suppress
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from objectstore_watcher.durations import LONGEST, Duration, seconds
from objectstore_watcher.errors import InvalidArgument

LENGTHS = st.floats(min_value=0.001, max_value=LONGEST)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("10", 10),
        ("2.5", 2.5),
        ("500ms", 0.5),
        ("90s", 90),
        ("5m", 300),
        ("1H", 3600),
        ("1h30m", 5400),
        ("1d", 86400),
        ("1d2h3m4s500ms", 93784.5),
        ("0.5h", 1800),
        (" 5m ", 300),
    ],
)
def test_text_is_read_as_people_write_it(text: str, expected: float) -> None:
    assert seconds(text, "--timeout") == pytest.approx(expected)


@given(LENGTHS)
def test_a_number_is_seconds(length: float) -> None:
    assert seconds(length, "--timeout") == length


@given(LENGTHS)
def test_a_number_is_the_same_as_its_text(length: float) -> None:
    assert seconds(f"{length:.9f}", "--timeout") == pytest.approx(length)


@given(st.timedeltas(min_value=timedelta(milliseconds=1), max_value=timedelta(days=3650)))
def test_a_timedelta_counts_whole(length: timedelta) -> None:
    """Half a second and a day are not 0, as with ``timedelta.seconds``."""
    assert seconds(length, "--timeout") == length.total_seconds()


@pytest.mark.parametrize(
    "value",
    [
        *(
            "",
            " ",
            "soon",
            "5x",
            "m5",
            "5 m",
            "-5",
            "-5s",
            "+5",
            "1e3",
            "0x10",
            "1,5",
            "nan",
            "inf",
            "1h-30m",
            "٣",
            "5\n\n6",
        ),
        *(float("nan"), float("inf"), float("-inf"), True, None, [5], b"5"),
        *(0, -1, -0.001, "0", "0s", timedelta(0), timedelta(seconds=-1), LONGEST + 1, "99999d", "9" * 400),
    ],
)
def test_what_is_no_duration_above_zero_is_refused_by_the_name_of_its_flag(value: Duration) -> None:
    with pytest.raises(InvalidArgument, match=r"^--poll-interval: .*; use "):
        seconds(value, "--poll-interval")


@given(st.text())
def test_any_text_is_a_duration_or_refused(text: str) -> None:
    with suppress(InvalidArgument):
        assert 0 < seconds(text, "--timeout") <= LONGEST
