"""Horizontal bars as SVG: one panel for each quantity, one row for each who is compared."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from xml.sax.saxutils import escape

LABELS, PANEL, GAP, ROW, HEAD = 270, 180, 34, 24, 34
"""Pixels: width of the names, of a panel and of what is between two, height of a row and of the head."""

OURS, OTHERS, INK = "#1f6fb2", "#9aa5b1", "#1c2733"
"""Colours: this product's bars, others' bars, text."""


@dataclass(frozen=True)
class Panel:
    """A quantity: its title, a value for each row, and where lines go on to, if anywhere."""

    title: str
    values: Sequence[float]
    ends: Sequence[float] = ()


def bars(names: Sequence[str], panels: Sequence[Panel], ours: int) -> str:
    """The plot as the text of an SVG file; the first ``ours`` rows are this product's."""
    width, height = LABELS + len(panels) * (PANEL + GAP), HEAD + len(names) * ROW + 10
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}"'
        ' font-family="sans-serif" font-size="12">',
        '<rect width="100%" height="100%" fill="white"/>',
        *(_text(LABELS - 8, _middle(row), name, "end") for row, name in enumerate(names)),
    ]
    for number, panel in enumerate(panels):
        parts += _panel(panel, LABELS + number * (PANEL + GAP), ours)
    return "\n".join([*parts, "</svg>\n"])


def _panel(panel: Panel, left: int, ours: int) -> Iterator[str]:
    scale = (PANEL - 30) / max([*panel.values, *panel.ends])
    yield _text(left, 18, panel.title, "start")
    for row, value in enumerate(panel.values):
        length, y, colour = max(1.0, value * scale), HEAD + row * ROW, OURS if row < ours else OTHERS
        yield f'<rect x="{left}" y="{y + 4}" width="{length:.1f}" height="{ROW - 8}" fill="{colour}"/>'
        end = length
        if panel.ends:
            end = max(length, panel.ends[row] * scale)
            yield f'<path d="M{left + length:.1f} {_middle(row)}H{left + end:.1f}" stroke="{colour}" stroke-width="2"/>'
        yield _text(left + end + 4, _middle(row), f"{value:.2g}" if value < 10 else f"{value:.0f}", "start")


def _middle(row: int) -> float:
    return HEAD + (row + 0.5) * ROW


def _text(x: float, y: float, text: str, anchor: str) -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" dy="0.35em" text-anchor="{anchor}" fill="{INK}">{escape(text)}</text>'
