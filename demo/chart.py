"""Draws lines over time as SVG."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from html import escape
from typing import Any

from demo import grafana
from demo.grafana import View
from demo.values import COLOURS, shown

PALETTE = ("#3a74b8", "#d9822b", "#3b8a52", "#7d5ba6", "#2a9d9d", "#c4403f", "#8a6d3b", "#7b8794")

WIDTH, HEIGHT, LEFT, BELOW = 420, 150, 68, 18
"""Of a chart, and the room for its axes, in pixels."""

SHORT = 900
"""Seconds of a time range in which minutes do not tell the marks apart."""


def chart(panel: Mapping[str, Any], view: View) -> str:
    """Lines over time, or bands on each other."""
    drawn = [
        (grafana.legend(target, labels), dict(points))
        for target in panel["targets"]
        for labels, points in view.over_time(target)
    ]
    drawn = [(name, {at: value for at, value in points.items() if not math.isnan(value)}) for name, points in drawn]
    drawn.sort(key=lambda each: each[0])
    colours = [_colour(panel, name, place) for place, (name, _) in enumerate(drawn)]
    stacked = panel["fieldConfig"]["defaults"]["custom"].get("stacking", {}).get("mode") == "normal"
    tops, base = [], dict[float, float]()
    for _, points in drawn:
        top = {at: value + (base.get(at, 0) if stacked else 0) for at, value in points.items()}
        tops.append((top, dict(base)))
        base.update(top)
    highest = max((value for top, _ in tops for value in top.values()), default=0) or 1
    most = _ceiling(highest, panel["fieldConfig"]["defaults"]["unit"])
    x, y = _scales(view, most)
    svg = _axes(view, most, x, y, panel["fieldConfig"]["defaults"])
    for (top, below), colour in reversed(list(zip(tops, colours, strict=True))):
        line = " ".join(f"{x(at):.1f},{y(value):.1f}" for at, value in top.items())
        if stacked:
            back = " ".join(f"{x(at):.1f},{y(below.get(at, 0)):.1f}" for at in reversed(top))
            svg += f'<polygon points="{line} {back}" fill="{colour}" fill-opacity="0.25"/>'
        svg += f'<polyline points="{line}" fill="none" stroke="{colour}" stroke-width="1.8" stroke-linejoin="round"/>'
    names = "".join(
        f'<span><i style="background: {colour}"></i>{escape(name)}</span>'
        for (name, _), colour in zip(drawn, colours, strict=True)
    )
    return f'<svg viewBox="0 0 {WIDTH} {HEIGHT}">{svg}</svg><div class="legend">{names or "no data"}</div>'


def _colour(panel: Mapping[str, Any], name: str, place: int) -> str:
    fixed = grafana.options(panel, name).get("color", {}).get("fixedColor")
    return COLOURS[fixed] if fixed else PALETTE[place % len(PALETTE)]


def _ceiling(value: float, unit: str) -> float:
    """The next number that is round in its unit."""
    length = 1.0
    if unit == "s":
        length = next(length for length in (86400.0, 3600.0, 60.0, 1.0) if value >= length or length == 1)
    if unit == "bytes":
        length = 2**20
    scale = length * 10 ** math.floor(math.log10(value / length))
    return next(step * scale for step in (1, 2, 4, 5, 8, 10) if step * scale >= value * 0.999)


Scale = Callable[[float], float]


def _scales(view: View, most: float) -> tuple[Scale, Scale]:
    start, width, height = time.time() - view.seconds, WIDTH - LEFT - 8, HEIGHT - BELOW - 8
    return (
        lambda at: LEFT + width * min(1, max(0, (at - start) / view.seconds)),
        lambda value: 8 + height * (1 - value / most),
    )


def _axes(view: View, most: float, x: Scale, y: Scale, options: Mapping[str, Any]) -> str:
    svg, text = "", 'font-size="10" fill="#616e7c"'
    for share in (0, 0.5, 1):
        at = y(most * share)
        svg += f'<line x1="{LEFT}" x2="{WIDTH - 8}" y1="{at:.1f}" y2="{at:.1f}" stroke="#e4e7eb"/>'
        svg += f'<text x="{LEFT - 6}" y="{at + 3:.1f}" text-anchor="end" {text}>{shown(most * share, options)}</text>'
    end = time.time()
    for share in (0.1, 0.5, 0.9):
        at = end - view.seconds * (1 - share)
        clock = time.strftime("%H:%M:%S" if view.seconds < SHORT else "%H:%M", time.gmtime(at))
        svg += f'<text x="{x(at):.1f}" y="{HEIGHT - 4}" text-anchor="middle" {text}>{clock}</text>'
    return svg
