"""Durations as people write them: seconds, ``timedelta``, or text such as ``90s``, ``5m``, ``1H``, ``1h30m``."""

from __future__ import annotations

import math
import re
from datetime import timedelta

from objectstore_watcher.errors import InvalidArgument

Duration = float | int | str | timedelta

_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_PART = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h|d)", re.IGNORECASE | re.ASCII)
_WHOLE = re.compile(rf"(?:{_PART.pattern})+", re.IGNORECASE | re.ASCII)
_NUMBER = re.compile(r"\d+(?:\.\d+)?", re.ASCII)

LONGEST = 10 * 365 * 86400.0
"""Ten years, in seconds: longer waits are typing errors, and timers overflow beyond."""


def seconds(value: Duration, name: str) -> float:
    """The duration ``value`` in seconds.

    Args:
        value: a number of seconds, a ``timedelta``, or text (``"90s"``, ``"5m"``, ``"1H"``, ``"1h30m"``, ``"2.5"``).
        name: the flag or argument that it was given for; named in the error.

    Raises:
        InvalidArgument: it is no duration, not above zero, or longer than ten years.
    """
    result = _parse(value)
    if result is None:
        raise InvalidArgument(
            name, f"{_shown(value)} is not a duration", cure='use seconds or text such as "90s", "5m", "1h30m"'
        )
    if not 0 < result <= LONGEST:
        raise InvalidArgument(
            name, f"{_shown(value)} is out of range", cure="use a duration above zero, at most ten years"
        )
    return result


def seconds_or_0(value: Duration, name: str) -> float:
    """The same, or 0 where ``value`` is 0, which stands for none; raises as `seconds` does."""
    return 0.0 if _parse(value) == 0 else seconds(value, name)


def _parse(value: Duration) -> float | None:
    if isinstance(value, timedelta):
        return value.total_seconds()
    if isinstance(value, bool) or not isinstance(value, float | int | str):
        return None
    if isinstance(value, str):
        return _parse_text(value.strip())
    if isinstance(value, int):
        return float(max(-1, min(value, int(LONGEST) + 1)))  # a float has no room for the longest integers
    return value if math.isfinite(value) else None


def _shown(value: Duration) -> str:
    try:
        return repr(value)
    except ValueError:  # Python does not write integers of more than 4,300 digits
        return "such a number"


def _parse_text(text: str) -> float | None:
    if _NUMBER.fullmatch(text):
        return float(text)
    if not _WHOLE.fullmatch(text):
        return None
    return sum(float(number) * _UNITS[unit.lower()] for number, unit in _PART.findall(text))
