"""Values as a dashboard shows them: in their unit, or as the text and the colour that stand for them."""

from __future__ import annotations

import math
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

COLOURS = {
    "green": "#3b8a52",
    "red": "#c4403f",
    "orange": "#d9822b",
    "yellow": "#c9a227",
    "purple": "#7d5ba6",
    "blue": "#3a74b8",
    "text": "#1f2933",
    "transparent": "#8a949e",
}
SCALES = ((60, 1, "s"), (3600, 60, "min"), (86400, 3600, "h"), (math.inf, 86400, "d"))
"""Seconds below which a unit is used, its length, and its name."""


def duration(seconds: float) -> str:
    """Seconds as people say them."""
    size = abs(seconds)
    if 0 < size < 1:
        return f"{seconds * 1000:.3g} ms"
    length, name = next((length, name) for below, length, name in SCALES if size < below)
    return f"{seconds / length:.3g} {name}"


def shown(value: float, options: Mapping[str, Any]) -> str:
    """A value in its unit."""
    match options.get("unit"):
        case "s":
            return duration(value)
        case "currencyUSD":
            return f"${Decimal(f'{value:.2g}'):f}" if value < 1 else f"${value:,.2f}"
        case "bytes":
            return f"{value / 2**20:.3g} MiB"
    return f"{value:,.0f}" if value == int(value) else f"{value:,.3g}"


def words(value: float, options: Mapping[str, Any]) -> tuple[str, str]:
    """A value's text, and its colour by mapping or threshold."""
    for mapping in options.get("mappings") or []:
        if found := mapping["options"].get(f"{value:g}"):
            return found["text"], COLOURS[found["color"]]
    steps = (options.get("thresholds") or {}).get("steps") or []
    colours = [step["color"] for step in steps if step["value"] is None or value >= step["value"]]
    return shown(value, options), COLOURS[colours[-1] if colours else "text"]
