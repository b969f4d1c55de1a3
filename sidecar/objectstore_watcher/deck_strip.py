"""The wait as one strip of time: what the looks saw, and below it, when events came."""

from __future__ import annotations

import math
from collections.abc import Iterator

from objectstore_watcher.deck_style import COLOURS
from objectstore_watcher.history import Entry, History
from objectstore_watcher.words import duration

WIDTH = 1000

_LOOKS = {
    "absent": "not there yet",
    "unmet": "there, but does not count yet",
    "error": "the look failed",
    "left_out": "not told in detail",
}
"""What fills the strip, from its first moment until something else is seen."""

_LEAST = 4.0
"""Of `WIDTH`: what lasted a moment can still be seen."""


def strip(history: History) -> str:
    """The strip as HTML; nothing where there is no time to show."""
    total = max([history.waited, *(each.last for each in history.entries)], default=0.0)
    seen = [each for each in history.entries if each.what in _LOOKS]
    if not seen or not 0 < total < math.inf:
        return ""
    parts = "".join(
        [
            *(_part(entry, _end(entry, seen, total), total, 0, 18) for entry in seen),
            *(_part(begin, end, total, 20, 6) for begin, end in _flows(history, total)),
        ]
    )
    return (
        f'<svg viewBox="0 0 {WIDTH} 26" preserveAspectRatio="none" shape-rendering="crispEdges" role="img"'
        f' aria-label="What was seen over {duration(total)}; the list below says the same">{parts}</svg>'
        f'<p class="osw-ends"><span>0 s</span><span>{duration(total)}</span></p>{_key(seen, history)}'
    )


def _end(entry: Entry, seen: list[Entry], total: float) -> float:
    later = seen[seen.index(entry) + 1 :]
    return later[0].first if later else total


def _flows(history: History, total: float) -> Iterator[tuple[Entry, float]]:
    """When the stream of events flowed: the entry with which it began, and when it ended."""
    begun: Entry | None = None
    for each in (each for each in history.entries if each.what == "events"):
        if begun and each.kind != "connected":
            yield begun, each.first
        begun = (begun or each) if each.kind == "connected" else None
    if begun:
        yield begun, total


def _part(entry: Entry, end: float, total: float, top: int, height: int) -> str:
    left = max(0.0, min(entry.first / total, 1.0)) * WIDTH
    width = max(_LEAST, min(end / total, 1.0) * WIDTH - left)
    return f'<rect x="{left:.1f}" y="{top}" width="{width:.1f}" height="{height}" fill="{COLOURS[entry.what]}"/>'


def _key(seen: list[Entry], history: History) -> str:
    told = {each.what: _LOOKS[each.what] for each in seen}
    if any(each.what == "events" and each.kind == "connected" for each in history.entries):
        told["events"] = "events come"
    keys = (f'<span><i style="background:{COLOURS[what]}"></i>{text}</span>' for what, text in told.items())
    return f'<p class="osw-key">{"".join(keys)}</p>'
