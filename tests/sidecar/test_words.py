from __future__ import annotations

from math import inf, nan

import pytest
from objectstore_watcher.words import dollars, duration, size


@pytest.mark.parametrize(
    ("seconds", "told"),
    [
        (0, "0 s"),
        (0.0004, "0 ms"),
        (0.43, "430 ms"),
        (1, "1 s"),
        (5.42, "5.4 s"),
        (60, "1 min"),
        (200, "3 min 20 s"),
        (7500, "2 h 5 min"),
        (86400, "1 d"),
        (97300, "1 d 3 h"),
        (-3, "-3 s"),
        (inf, "?"),
        (nan, "?"),
    ],
)
def test_durations(seconds: float, told: str) -> None:
    assert duration(seconds) == told


@pytest.mark.parametrize(
    ("number", "told"),
    [(0, "0 bytes"), (1, "1 byte"), (1023, "1,023 bytes"), (3355443, "3.2 MiB (3,355,443 bytes)"), (-5, "-5 bytes")],
)
def test_sizes(number: int, told: str) -> None:
    assert size(number) == told


@pytest.mark.parametrize(
    ("amount", "told"),
    [(0, "$0"), (0.0000028, "$0.0000028"), (0.05, "$0.050"), (1.5, "$1.50"), (12345.6, "$12,345.60"), (inf, "$0")],
)
def test_dollars_have_two_digits_that_count(amount: float, told: str) -> None:
    assert dollars(amount) == told
