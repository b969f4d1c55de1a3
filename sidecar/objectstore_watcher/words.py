"""Figures in words, for people: durations, sizes, dollars."""

from __future__ import annotations

import math

_MINUTE, _HOUR, _DAY = 60, 3600, 86400


def duration(seconds: float) -> str:
    """A duration with two units at most: ``430 ms``, ``5.4 s``, ``3 min 20 s``, ``2 h 5 min``, ``1 d 3 h``."""
    if not math.isfinite(seconds):
        return "?"
    if seconds < 0:
        return f"-{duration(-seconds)}"
    if seconds < 1:
        return f"{seconds * 1000:.0f} ms" if seconds else "0 s"
    if seconds < _MINUTE:
        return f"{seconds:.1f}".removesuffix(".0") + " s"
    for unit, name, smaller, smaller_name in ((_DAY, "d", _HOUR, "h"), (_HOUR, "h", _MINUTE, "min")):
        if seconds >= unit:
            return _two(int(seconds), unit, name, smaller, smaller_name)
    return _two(int(seconds), _MINUTE, "min", 1, "s")


def _two(seconds: int, unit: int, name: str, smaller: int, smaller_name: str) -> str:
    rest = seconds % unit // smaller
    return f"{seconds // unit} {name}" + (f" {rest} {smaller_name}" if rest else "")


def size(number: int) -> str:
    """A number of bytes: ``18 bytes``, ``3.2 MiB (3,355,443 bytes)``."""
    told = f"{number:,} byte{'' if number == 1 else 's'}"
    for power, unit in ((4, "TiB"), (3, "GiB"), (2, "MiB"), (1, "KiB")):
        if number >= 1024**power:
            return f"{number / 1024**power:.1f} {unit} ({told})"
    return told


def dollars(amount: float) -> str:
    """A sum of dollars with two digits that count, however small: ``$0.0000028``."""
    if amount <= 0 or not math.isfinite(amount):
        return "$0"
    digits = max(2, 1 - math.floor(math.log10(amount)))
    return f"${amount:,.{digits}f}"


def many(number: int, what: str) -> str:
    """A number of things: ``1 look``, ``1,200 looks``."""
    return f"{number:,} {what}{'' if number == 1 else 's'}"
