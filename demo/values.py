"""Values as a dashboard shows them: in their unit, or as the text and the colour that stand for them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from objectstore_watcher.words import dollars, duration

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


def shown(value: float, options: Mapping[str, Any]) -> str:
    """A value in its unit."""
    match options.get("unit"):
        case "s":
            return duration(value)
        case "currencyUSD":
            return dollars(value)
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
