"""Draws a dashboard as a static page: the panels, with what the queries answer now. Grafana's JSON is the product."""

from __future__ import annotations

import time
from collections.abc import Mapping
from html import escape
from itertools import groupby
from pathlib import Path
from typing import Any

from objectstore_watcher.words import duration

from demo import grafana
from demo.chart import chart
from demo.grafana import Row, View
from demo.values import COLOURS, words

STYLE = """
body { margin: 0; padding: 20px 24px; width: 1352px; background: #f4f5f7; color: #1f2933;
  font: 13px/1.4 "DejaVu Sans", system-ui, sans-serif; }
h1 { font-size: 19px; margin: 0; } .range { color: #616e7c; margin: 2px 0 14px; }
.row { display: grid; grid-template-columns: repeat(24, 1fr); gap: 8px; margin-bottom: 8px; }
.panel { background: #fff; border: 1px solid #e1e4e8; border-radius: 4px; padding: 8px 12px; overflow: hidden; }
h2 { font-size: 12px; font-weight: 600; margin: 0 0 4px; white-space: nowrap; }
.number { line-height: 44px; text-align: center; white-space: nowrap; }
table { border-collapse: collapse; width: 100%; font-size: 12px; white-space: nowrap; }
th { text-align: left; color: #616e7c; font-weight: 500; border-bottom: 1px solid #cbd2d9; padding: 3px 8px; }
td { border-bottom: 1px solid #eef0f2; padding: 3px 8px; } .value { text-align: right; }
.text { white-space: normal; overflow-wrap: anywhere; min-width: 120px; }
.pill { color: #fff; border-radius: 3px; padding: 1px 7px; } .plain { color: #8a949e; padding: 1px 7px; }
.none { color: #8a949e; padding: 6px 0; } svg { display: block; width: 100%; }
.legend { font-size: 11px; color: #3e4c59; } .legend span { margin-right: 12px; white-space: nowrap; }
.legend i { display: inline-block; width: 12px; height: 3px; margin-right: 5px; vertical-align: middle; }
pre { margin: 0; font-size: 11px; }
"""


LONG = 22
"""Characters of a label that is broken into lines, lest the table be wider than the page."""


def page(dashboard: Mapping[str, Any], view: View) -> str:
    """The dashboard as HTML that needs nothing else."""
    parts = []
    for _, row in groupby(dashboard["panels"], key=lambda panel: panel["gridPos"]["y"]):
        cells = [
            f'<div class="panel" style="grid-column: span {panel["gridPos"]["w"]}">'
            f"<h2>{escape(panel['title'])}</h2>{DRAWN[panel['type']](panel, view)}</div>"
            for panel in row
        ]
        parts.append(f'<div class="row">{"".join(cells)}</div>')
    range_ = f"last {duration(view.seconds)}, until {time.strftime('%H:%M:%S', time.gmtime())} UTC"
    return (
        f'<!doctype html><meta charset="utf-8"><title>{escape(dashboard["title"])}</title><style>{STYLE}</style>'
        f'<h1>{escape(dashboard["title"])}</h1><div class="range">{range_}</div>{"".join(parts)}'
    )


def number(panel: Mapping[str, Any], view: View) -> str:
    """One value, large."""
    options = panel["fieldConfig"]["defaults"]
    found = view.now(panel["targets"][0])
    text, colour = words(found[0][1], options) if found else (options.get("noValue", ""), COLOURS["transparent"])
    size = min(28, 340 // len(text or " "))
    return f'<div class="number" style="color: {colour}; font-size: {size}px">{escape(text)}</div>'


def table(panel: Mapping[str, Any], view: View) -> str:
    """Rows, as they are sorted."""
    found = grafana.rows(panel, view)
    if not found:
        return '<div class="none">none</div>'
    head = "".join(f"<th{_side(found, name)}>{escape(name)}</th>" for name in found[0])
    body = "".join(f"<tr>{''.join(_cell(panel, name, row[name]) for name in row)}</tr>" for row in found)
    return f"<table><tr>{head}</tr>{body}</table>"


def _side(found: list[Row], name: str) -> str:
    return ' class="value"' if name != "Trouble" and any(isinstance(row[name], float) for row in found) else ""


def _cell(panel: Mapping[str, Any], name: str, value: float | str | None) -> str:
    if not isinstance(value, float):
        long = ' class="text"' if len(value or "") > LONG else ""
        return f"<td{long}>{escape(value or '')}</td>"
    options = grafana.options(panel, name)
    text, colour = words(value, options)
    if "custom.cellOptions" in options and colour == COLOURS["transparent"]:
        return f'<td><span class="plain">{escape(text)}</span></td>'
    if "custom.cellOptions" in options:
        return f'<td><span class="pill" style="background: {colour}">{escape(text)}</span></td>'
    return f'<td class="value">{escape(text)}</td>'


def plain(panel: Mapping[str, Any], view: View) -> str:
    """A text as it is written."""
    return f"<pre>{escape(view.filled(panel['options']['content']).replace('```', '').strip())}</pre>"


DRAWN = {"stat": number, "table": table, "timeseries": chart, "text": plain}
"""How each kind of panel is drawn."""


def save(name: str, view: View, path: Path) -> None:
    """A picture of the dashboard ``name``, drawn by Chromium.

    Raises:
        subprocess.CalledProcessError: there is none, and none can be installed.
    """
    from tests.browser import opened

    path.parent.mkdir(exist_ok=True)
    with opened(page(grafana.load(name), view), width=1400, height=900) as tab:
        tab.screenshot(path=path, full_page=True)
