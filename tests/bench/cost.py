"""What a wait costs: its requests, look by look, at AWS's prices."""

from __future__ import annotations

import statistics
from collections import Counter
from collections.abc import Mapping, Sequence
from urllib.parse import parse_qs, urlsplit

from objectstore_watcher.prices import HEAD_DOLLARS_PER_1000, LIST_DOLLARS_PER_1000

DOLLARS_PER_1000 = {
    **dict.fromkeys(("PUT", "POST", "LIST"), LIST_DOLLARS_PER_1000),
    **dict.fromkeys(("GET", "HEAD"), HEAD_DOLLARS_PER_1000),
    "DELETE": 0.0,
}
"""By the prices that the watcher itself decides by: "PUT, COPY, POST, LIST", "GET, SELECT, and all other requests", and
DELETE, which is free."""


def operation(method: str, target: str) -> str:
    """What a request is billed as: its HTTP method, or LIST for a GET that lists."""
    lists = method == "GET" and "list-type" in parse_qs(urlsplit(target).query, keep_blank_values=True)
    return "LIST" if lists else method


def looks(requests: Sequence[tuple[float, str]], apart: float) -> list[Counter[str]]:
    """Requests, grouped by look: one that comes ``apart`` seconds or more after the one before it begins another.

    Args:
        requests: when each arrived, in seconds, and its operation.
        apart: seconds.
    """
    found: list[Counter[str]] = []
    before = 0.0
    for arrived, name in requests:
        if not found or arrived - before >= apart:
            found.append(Counter())
        found[-1][name] += 1
        before = arrived
    return found


def usual(looks: Sequence[Mapping[str, int]]) -> dict[str, int]:
    """The most frequent look; the first of those as frequent."""
    return dict(statistics.mode(tuple(sorted(look.items())) for look in looks))


def dollars(requests: Mapping[str, int]) -> float:
    """What requests cost, by operation.

    Raises:
        KeyError: an operation has no price.
    """
    return sum(DOLLARS_PER_1000[name] * number for name, number in requests.items()) / 1000


def dollars_per_hour(look: Mapping[str, int], interval: float) -> float:
    """What the requests of an hour cost with a look each ``interval`` seconds.

    Raises:
        KeyError: an operation has no price.
    """
    return dollars(look) * 3600 / interval


def told(look: Mapping[str, int]) -> str:
    """A look in words."""
    return ", ".join(f"{number:,} {name}" for name, number in sorted(look.items()))
