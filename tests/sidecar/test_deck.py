"""The Deck, as a browser shows it: in light and dark, wide and narrow, and whatever keys and servers say."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from math import inf, nan

import pytest
from hypothesis import given
from hypothesis import strategies as st
from objectstore_watcher.contract import Failed, Matched, Ready, WatchSpec
from objectstore_watcher.deck import MOST_OBJECTS, page, render
from objectstore_watcher.errors import DeadlineExceeded, StoreError
from objectstore_watcher.history import MOST_ENTRIES, Entry, History
from playwright.sync_api import Page

from tests.browser import Scheme, opened, screenshot
from tests.sidecar import decks, hostile

SCHEMES: list[Scheme] = ["light", "dark"]

SPEC = WatchSpec(uri=decks.URI, poll_interval=10, timeout="1h", min_size="10MiB")  # type: ignore[arg-type] # as users write it

ATTACKS = (
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    '"><svg onload=alert(1)>',
    "'><a href=javascript:alert(1)>x</a>",
    "</style><script>alert(1)</script>",
    "--><iframe srcdoc='<script>alert(1)</script>'></iframe><!--",
    "&lt;script&gt;alert(1)&lt;/script&gt;",
    "${alert(1)} {{alert(1)}} $BODY_HTML",
    "\u202egnp.exe\x1b[2J\r\nnew line",
)

ATTACK = " ".join(ATTACKS)

CONTRAST = """
() => {
  const parse = text => text.match(/[\\d.]+/g).map(Number);
  const light = ([r, g, b]) => {
    const [x, y, z] = [r, g, b].map(v => (v /= 255) <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
    return 0.2126 * x + 0.7152 * y + 0.0722 * z;
  };
  const behind = element => {
    for (; element; element = element.parentElement) {
      const colour = parse(getComputedStyle(element).backgroundColor);
      if (colour.length < 4 || colour[3] > 0) return colour;
    }
    return [255, 255, 255];
  };
  const found = [];
  for (const element of document.querySelectorAll('.osw *')) {
    const text = [...element.childNodes].some(n => n.nodeType === 3 && n.textContent.trim());
    if (!text || element.tagName === 'STYLE') continue;
    const [a, b] = [light(parse(getComputedStyle(element).color)), light(behind(element))].sort((a, b) => b - a);
    found.push([(a + 0.05) / (b + 0.05), element.textContent]);
  }
  return found;
}
"""


@contextmanager
def shown(answer: Ready | Failed, scheme: Scheme = "light", width: int = 1000) -> Iterator[Page]:
    with opened(page(answer, SPEC), scheme=scheme, width=width) as tab:
        yield tab


def overflows(tab: Page) -> bool:
    """Whether something is wider than the window."""
    return bool(tab.evaluate("document.documentElement.scrollWidth > document.documentElement.clientWidth"))


def rows(tab: Page) -> list[list[str]]:
    return [row.locator("td").all_inner_texts() for row in tab.locator("tbody tr").all()]


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("answer", [decks.ready(), decks.failed()], ids=["ready", "failed"])
def test_it_can_be_read_in_light_and_dark(answer: Ready | Failed, scheme: Scheme) -> None:
    with shown(answer, scheme) as tab:
        screenshot(tab, f"deck-{answer.NAME}-{scheme}")
        contrasts = tab.evaluate(CONTRAST)
        background = tab.evaluate("getComputedStyle(document.querySelector('.osw')).backgroundColor")
        assert not overflows(tab)
    assert len(contrasts) > 30
    assert [each for each in contrasts if each[0] < 4.5] == []
    assert background == ("rgb(255, 255, 255)" if scheme == "light" else "rgb(21, 24, 29)")


@pytest.mark.parametrize("width", [320, 700, 1600])
def test_nothing_is_wider_than_the_window(width: int) -> None:
    with shown(decks.ready(), width=width) as tab:
        assert not overflows(tab)


def test_a_ready_wait_tells_what_happened_what_matched_and_what_it_cost() -> None:
    with shown(decks.ready()) as tab:
        assert tab.locator(".osw-state").inner_text() == "Ready"
        assert tab.locator("h1").inner_text() == decks.URI
        told = tab.locator(".osw-facts div").all_inner_texts()
        assert [each.split("\n")[:2] for each in told] == [
            ["Waited", "4 min 41 s"],
            ["Looks", "19"],
            ["Requests", "19"],
            ["Cost at most", "$0.0000076"],
            ["Detected by", "event"],
            ["Detection lag", "790 ms"],
        ]
        happened = tab.locator("li").all_inner_texts()
        assert len(happened) == len(decks.history().entries)
        assert "throttled" in happened[2]
        assert "3 looks until 1 min 51 s" in happened[2]
        assert decks.THROTTLED in happened[2]
        assert "left alone for up to 13.4 s" in happened[2]
        matched = decks.ready().objects[0]
        assert [
            matched.uri,
            "70.0 MiB (73,412,608 bytes)",
            "2026-06-01 12:00:00.000 UTC",
            matched.etag,
            matched.version_id,
        ] in rows(tab)
        assert ["head", "19", "$0.0000076"] in rows(tab)
        assert ["min_size", "10485760"] in rows(tab)
        assert ["timeout", "1 h"] in rows(tab)


def test_flytes_attempt_is_told_where_it_is_known() -> None:
    assert "<dt>Attempt</dt><dd>2</dd>" in render(decks.ready(), attempt=2)
    assert "Attempt" not in render(decks.ready())


def test_a_failed_wait_tells_why_and_what_to_do() -> None:
    with shown(decks.failed()) as tab:
        assert tab.locator(".osw-state").inner_text() == "Failed"
        why = tab.locator(".osw-why").inner_text()
        assert "4,194,304 of at least 10,485,760 bytes deadline_exceeded" in why
        assert "What to do: check its producer and the conditions of the wait, or raise the timeout." in why
        assert "A new attempt can help." in why


def hostile_answers() -> list[Ready | Failed]:
    entries = tuple(Entry(what=what, kind=ATTACK, detail=ATTACK) for what in ("error", "events", "failed", ATTACK))
    history = History(requested_at=ATTACK, entries=entries, operations={ATTACK: 1}, polls=1, waited=1)
    matched = Matched(uri=ATTACK, etag=ATTACK, version_id=ATTACK, last_modified=ATTACK)
    ready = Ready(uri=ATTACK, objects=(matched,), detected_at=ATTACK, detected_by=ATTACK, history=history)
    failed = Failed.of(ATTACK, DeadlineExceeded(ATTACK, ATTACK, cure=ATTACK))
    return [ready, replace(failed, kind=ATTACK, failed_at=ATTACK, history=history)]


@pytest.mark.parametrize("answer", hostile_answers(), ids=lambda answer: answer.NAME)
def test_what_keys_and_servers_say_is_text(answer: Ready | Failed) -> None:
    """A dialog, a script's error or a request fails the test in `opened`."""
    calm = decks.ready() if isinstance(answer, Ready) else decks.failed()
    with shown(calm) as tab:
        tags = tab.evaluate("[...new Set([...document.querySelectorAll('*')].map(e => e.tagName))].sort()")
    # As a part of a page, too, where no policy forbids scripts.
    for html in (page(answer, SPEC), f"<!doctype html><body>{render(answer, SPEC)}"):
        with opened(html) as tab:
            found = tab.evaluate("[...new Set([...document.querySelectorAll('*')].map(e => e.tagName))].sort()")
            assert set(found) <= set(tags)
            assert len(tab.locator("style").all()) <= 2
            assert tab.evaluate("[...document.querySelectorAll('*')].every(e => !e.onerror && !e.onload && !e.href)")
            assert "<script>alert(1)</script>" in tab.inner_text("h1")
            assert not overflows(tab)


@given(hostile.uris(), st.text(max_size=50))
def test_no_text_adds_an_element(uri: str, told: str) -> None:
    def answer(uri: str, told: str) -> Ready:
        entry = Entry(what="error", kind="timeout", detail=told)
        return Ready(
            uri=uri,
            objects=(Matched(uri=uri, etag=told or "e", version_id=told or "v"),),
            history=History(entries=(entry,), operations={"head": 1}, waited=1),
        )

    calm = "s3://bucket/key" if uri.startswith("s3://") else "/file"  # only of S3, prices are told
    strange, plain = render(answer(uri, told)), render(answer(calm, "text" if told else ""))
    assert strange.count("<") == plain.count("<")
    assert strange.count(">") == plain.count(">")
    assert strange.count('"') == plain.count('"')


@pytest.mark.parametrize("number", [inf, nan, -1.0, 0.0, 1e300, 1e-300])
def test_no_figure_of_a_marker_breaks_it(number: float) -> None:
    entry = Entry(what="absent", first=number, last=number, pause=number, count=-(10**30))
    history = History(entries=(entry, entry), operations={"head": 10**30}, waited=number, lag=number)
    assert "<section" in render(Ready(uri=decks.URI, waited=number, history=history))


def test_without_history_there_is_the_answer_alone() -> None:
    told = render(Failed.of(decks.URI, StoreError(decks.URI, kind="bucket_missing")))
    assert "bucket_missing" in told
    assert "What happened" not in told
    assert "Requests" not in told


def test_what_is_not_in_s3_has_no_price() -> None:
    history = replace(decks.history(), operations={"stat": 3})
    assert "Cost" not in render(Ready(uri="/data/file", history=history))


def test_of_thousands_of_objects_the_first_are_shown_and_the_rest_counted() -> None:
    objects = tuple(Matched(uri=f"s3://bucket/{number}") for number in range(10_000))
    told = render(Ready(uri="s3://bucket/* and 3 more", objects=objects))
    assert told.count("<code>s3://bucket/") == MOST_OBJECTS
    assert "and 9,980 more" in told


def test_the_end_of_an_object_is_told() -> None:
    assert "Nothing is there any more" in render(Ready(uri=decks.URI))


def test_the_longest_history_is_a_page_of_bounded_size() -> None:
    entries = tuple(Entry(what="error", kind=str(n), detail="<" * 300) for n in range(MOST_ENTRIES))
    assert len(page(Ready(uri=decks.URI, history=History(entries=entries)))) < 200_000
