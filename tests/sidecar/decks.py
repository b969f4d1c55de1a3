"""Waits to draw Decks of. ``python -m tests.sidecar.decks`` draws the one that the README shows."""

from __future__ import annotations

from dataclasses import replace

from objectstore_watcher.contract import Failed, Matched, Ready
from objectstore_watcher.deck import page
from objectstore_watcher.errors import DeadlineExceeded
from objectstore_watcher.history import Entry, History

from tests.browser import ROOT, opened

URI = "s3://lake/orders/2026-06-01/part-00042.parquet"

BEGUN = "2026-06-01T11:55:18.204Z"

THROTTLED = "the server asks for fewer requests (503 SlowDown: Please reduce your request rate.)"


def history() -> History:
    """Of a wait in which a bit of everything happened."""
    return History(
        requested_at=BEGUN,
        entries=(
            Entry(what="began", first=0.021, last=0.021),
            Entry(what="absent", count=9, first=0.034, last=74.2),
            Entry(what="error", kind="throttled", detail=THROTTLED, count=3, first=84.2, last=111.9, pause=13.4),
            Entry(what="absent", count=2, first=124.6, last=134.6),
            Entry(what="events", kind="connected", first=134.9, last=134.9),
            Entry(what="absent", count=2, first=135.1, last=195.1),
            Entry(what="heard", first=214.3, last=214.3),
            Entry(
                what="unmet",
                detail="the object has 4,194,304 of at least 10,485,760 bytes",
                count=2,
                first=214.4,
                last=274.4,
            ),
            Entry(what="heard", first=281.77, last=281.77),
            Entry(what="found", kind="event", first=281.79, last=281.79),
        ),
        operations={"head": 19},
        polls=19,
        waited=281.79,
        lag=0.79,
    )


def ready() -> Ready:
    """A wait that ended with its object."""
    return Ready(
        uri=URI,
        objects=(
            Matched(
                uri=URI,
                size=73_412_608,
                etag="9b2cf535f27731c974343645a3985328-14",
                version_id="3/L4kqtJlcpXroDTDmJ+rmSpXd3dIbrHY",
                last_modified="2026-06-01T12:00:00.000Z",
            ),
        ),
        detected_at="2026-06-01T12:00:00.792Z",
        detected_by="event",
        polls=19,
        requests=19,
        waited=281.79,
        history=history(),
    )


def failed() -> Failed:
    """A wait that ended without it."""
    told = history()
    late = DeadlineExceeded(
        URI,
        "what is there did not become what is waited for within 300 s in 20 looks: the object has 4,194,304 of at least"
        " 10,485,760 bytes",
        cure="check its producer and the conditions of the wait, or raise the timeout",
    )
    end = Entry(what="failed", kind="deadline_exceeded", detail=str(late), first=300, last=300)
    answer = Failed.of(URI, late)
    story = replace(told, entries=(*told.entries[:-2], end), waited=300.0, lag=None)
    return replace(answer, failed_at="2026-06-01T12:00:18.204Z", history=story)


def main() -> None:
    """Draw the picture of the README: the Deck down to the end of what happened."""
    with opened(page(ready()), width=960) as tab:
        end = tab.locator("ol").bounding_box()
        assert end
        path = ROOT / "docs" / "deck.png"
        path.parent.mkdir(exist_ok=True)
        tab.screenshot(
            path=path, full_page=True, clip={"x": 0, "y": 0, "width": 960, "height": end["y"] + end["height"]}
        )


if __name__ == "__main__":
    main()
