"""The Deck of a wait: what happened, as HTML that needs nothing else.

Keys, and what servers say, are shown as text only: each goes through `_text`.
"""

from __future__ import annotations

from collections.abc import Iterable
from html import escape

from objectstore_watcher import narrative
from objectstore_watcher.contract import Failed, Matched, Ready, WatchSpec, options
from objectstore_watcher.deck_strip import strip
from objectstore_watcher.deck_style import COLOURS, STYLE
from objectstore_watcher.errors import one_line
from objectstore_watcher.history import NOTHING, Entry
from objectstore_watcher.prices import cost
from objectstore_watcher.words import dollars, duration, size

NAME = "Wait"
"""Of the tab in Flyte's console."""

MOST_OBJECTS = 20
"""Rows of objects: the marker and the task's output have all of them."""


def page(answer: Ready | Failed, spec: WatchSpec | None = None, attempt: int = 0) -> str:
    """The same as `render`, as a whole document."""
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Wait</title>'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">"
        '<meta name="color-scheme" content="light dark">'
        "<style>body{margin:0;background:#fff}@media (prefers-color-scheme:dark){body{background:#15181d}}</style>"
        f"</head><body>{render(answer, spec, attempt)}</body></html>"
    )


def render(answer: Ready | Failed, spec: WatchSpec | None = None, attempt: int = 0) -> str:
    """What a wait did, as a part of a page.

    Args:
        answer: how it ended, with its history.
        spec: what was asked for, where that is known.
        attempt: of Flyte's attempts of the task, from 1; 0: not known. Each attempt has a Deck of its own.
    """
    parts = (
        _head(answer),
        _facts(answer, attempt),
        _section("What happened", strip(answer.history) + _timeline(answer.history.entries)),
        _section("What matched", _objects(answer.objects) if isinstance(answer, Ready) else ""),
        _section("Requests", _requests(answer)),
        _section("Asked for", _asked(spec) if spec else ""),
    )
    return f'<section class="osw"><style>{STYLE}</style>{"".join(parts)}</section>'


def _text(text: object, limit: int = 1000) -> str:
    return escape(one_line(str(text), limit))


def _section(title: str, content: str) -> str:
    return f"<h2>{title}</h2>{content}" if content else ""


def _head(answer: Ready | Failed) -> str:
    ready = isinstance(answer, Ready)
    state, label = ("ready", "Ready") if ready else ("failed", "Failed")
    told = _found(answer) if isinstance(answer, Ready) else f"Gave up at {_moment(answer.failed_at)}."
    return (
        f'<span class="osw-state osw-{state}">{label}</span><h1>{_text(answer.uri or "A wait")}</h1>'
        f'<p class="osw-muted">{told}</p>{"" if isinstance(answer, Ready) else _why(answer)}'
    )


def _found(ready: Ready) -> str:
    many_there = f"{len(ready.objects):,} objects there" if len(ready.objects) > 1 else "There"
    told = many_there if ready.objects else "Gone"
    by = "an event" if ready.detected_by == "event" else "a poll"
    return f"{told} after {duration(ready.waited)}, seen at {_moment(ready.detected_at)} by {by}."


def _why(failed: Failed) -> str:
    why = _text(failed.detail[:1].upper() + failed.detail[1:])
    again = "A new attempt can help." if failed.retryable else "A new attempt cannot help."
    return (
        f'<div class="osw-why"><p><strong>{why}</strong> <code>{_text(failed.kind, 50)}</code></p>'
        f'<p>What to do: {_text(failed.cure)}. <span class="osw-muted">{again}</span></p></div>'
    )


def _moment(text: str) -> str:
    """``2026-06-01T12:00:00.000Z`` as people read it."""
    return _text(text, 40).replace("T", " ").replace("Z", " UTC") or "an unknown time"


def _facts(answer: Ready | Failed, attempt: int) -> str:
    history = answer.history
    number = sum(history.operations.values())
    told = [
        *([("Attempt", str(attempt), "")] if attempt else []),
        ("Waited", duration(history.waited), ""),
        ("Looks", f"{history.polls:,}", ""),
        ("Requests", f"{number:,}", ""),
    ]
    if _has_price(answer):
        told.append(("Cost at most", dollars(cost(answer.uri, history.operations)), "at AWS's list prices"))
    if isinstance(answer, Ready):
        told.append(("Detected by", "event" if answer.detected_by == "event" else "poll", ""))
        if history.lag is not None:
            told.append(("Detection lag", duration(history.lag), "since last modified"))
    cells = (f"<div><dt>{name}</dt><dd>{value}{_small(note)}</dd></div>" for name, value, note in told)
    return f'<dl class="osw-facts">{"".join(cells)}</dl>' if history != NOTHING else ""


def _small(note: str) -> str:
    return f"<small>{note}</small>" if note else ""


def _has_price(answer: Ready | Failed) -> bool:
    return cost(answer.uri, {"head": 1}) > 0


def _timeline(entries: Iterable[Entry]) -> str:
    return "".join(["<ol>", *map(_item, entries), "</ol>"]) if entries else ""


def _item(entry: Entry) -> str:
    colour = COLOURS.get(entry.what, "var(--gray)")
    kind, count = narrative.label(entry), narrative.count(entry)
    title = "".join(
        [
            f"<b>{_text(narrative.title(entry))}</b>" if entry.what in _ENDS else _text(narrative.title(entry)),
            f" <code>{_text(kind, 50)}</code>" if kind else "",
            f'<span class="osw-count">{count}</span>' if count else "",
        ]
    )
    details = narrative.details(entry) if entry.what != "failed" else []  # the head of the page says why
    told = "".join(f"<p>{_text(detail)}</p>" for detail in details)
    return f'<li style="--dot:{colour}"><time>{duration(entry.first)}</time><div><p>{title}</p>{told}</div></li>'


_ENDS = ("found", "failed")


def _objects(objects: tuple[Matched, ...]) -> str:
    if not objects:
        return '<p class="osw-muted">Nothing is there any more: that was waited for.</p>'
    rest = f'<p class="osw-muted">and {len(objects) - MOST_OBJECTS:,} more</p>' if len(objects) > MOST_OBJECTS else ""
    columns = [
        ("Object", [f"<code>{_text(each.uri)}</code>" for each in objects[:MOST_OBJECTS]]),
        ("Size", [size(each.size) for each in objects[:MOST_OBJECTS]]),
        ("Last modified", [_moment(each.last_modified) for each in objects[:MOST_OBJECTS]]),
        ("ETag", [_code(each.etag) for each in objects[:MOST_OBJECTS]]),
        ("Version", [_code(each.version_id) for each in objects[:MOST_OBJECTS]]),
    ]
    told = [(name, cells) for name, cells in columns if any(cells)]  # no column for what nobody told
    rows = [_row(row) for row in zip(*(cells for _, cells in told), strict=True)]
    return _table([name for name, _ in told], rows) + rest


def _code(text: str) -> str:
    return f"<code>{_text(text, 200)}</code>" if text else ""


def _requests(answer: Ready | Failed) -> str:
    operations, priced = answer.history.operations, _has_price(answer)
    if not operations:
        return ""
    rows = [_priced_row(answer.uri, {name: number}, name, priced) for name, number in sorted(operations.items())]
    rows.append(_priced_row(answer.uri, operations, "all", priced, "osw-sum"))
    return _table(["Operation", "Requests", *(["Cost"] if priced else [])], rows, numbers=True)


def _priced_row(uri: str, operations: dict[str, int], name: str, priced: bool, style: str = "") -> str:
    cells = [_text(name, 50), f"{sum(operations.values()):,}"]
    return _row([*cells, *([dollars(cost(uri, operations))] if priced else [])], style, numbers=True)


def _asked(spec: WatchSpec) -> str:
    told = [(name, duration(getattr(spec, name))) for name in _ALWAYS]
    for option in options():
        value = getattr(spec, option.name)
        if option.name not in _ALWAYS and value != option.default:
            told.append((option.name, str(value)))
    return _table(["Option", "Value"], [_row([f"<code>{name}</code>", _text(value)]) for name, value in told])


_ALWAYS = ("poll_interval", "timeout")


def _table(names: Iterable[str], rows: Iterable[str], *, numbers: bool = False) -> str:
    head = _row(names, tag="th", numbers=numbers)
    return f'<div class="osw-scroll"><table><thead>{head}</thead><tbody>{"".join(rows)}</tbody></table></div>'


def _row(cells: Iterable[str], style: str = "", *, tag: str = "td", numbers: bool = False) -> str:
    of_number = ' class="osw-number"' if numbers else ""
    told = "".join(f"<{tag}{of_number if column else ''}>{cell}</{tag}>" for column, cell in enumerate(cells))
    return f'<tr class="{style}">{told}</tr>' if style else f"<tr>{told}</tr>"
