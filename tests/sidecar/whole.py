"""The whole watcher in this process, in virtual time: main asks, the sidecar waits and answers, main reads."""

from __future__ import annotations

import math
import os
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import pytest
from objectstore_watcher import contract, sidecar, waiting
from objectstore_watcher.contract import Failed, Ready, WatchSpec
from objectstore_watcher.errors import WaitError, one_line
from objectstore_watcher.metrics import Metrics
from objectstore_watcher.sidecar import Sidecar
from objectstore_watcher.watch import Event, watch
from prometheus_client import generate_latest
from prometheus_client.parser import text_string_to_metric_families

from tests.fake_s3 import FakeS3, found
from tests.sidecar.tools import Diary, highest

URI = "s3://bucket/key"

PREFIX = "objectstore_watcher_"

POLL_INTERVAL = 1000.0
"""Seconds: no pause after an error can be taken for it."""

MOST_PAUSES = 200
"""A wait that pauses more often does not end as the test meant."""


@dataclass
class Account:
    """What a wait did and left behind.

    Attributes:
        uri: what was waited for.
        subject: what the messages are about.
        main: what main got in the end.
        failed: the marker ``failed``, if there is one.
        events: all that happened.
        pauses: the seconds of each pause.
        backoffs: the metric ``backoff_seconds`` during each pause.
        samples: the metrics at the end, as they are served.
    """

    uri: str
    subject: str
    main: Ready | WaitError
    failed: Failed | None = None
    events: Diary = field(default_factory=Diary)
    pauses: list[float] = field(default_factory=list)
    backoffs: list[float] = field(default_factory=list)
    samples: Mapping[tuple[str, frozenset[tuple[str, str]]], float] = field(default_factory=dict)

    def metric(self, name: str, **labels: str) -> float:
        """A metric of the watcher; 0 where it was not counted."""
        return self.samples.get((PREFIX + name, frozenset(labels.items())), 0)


class Clock(threading.Event):
    """A stop whose pauses take no time, and the clock that they move: the real one plus all pauses."""

    def __init__(self, at_pause: Mapping[int, Callable[[], object]], watched: Callable[[], float]) -> None:
        super().__init__()
        self.pauses: list[float] = []
        self.watched: list[float] = []
        self._at_pause = at_pause
        self._watched = watched

    def now(self) -> float:
        """Seconds."""
        return time.monotonic() + sum(self.pauses)

    def wait(self, timeout: float | None = None) -> bool:
        """Let ``timeout`` seconds pass."""
        assert timeout is not None
        self.pauses.append(timeout)
        self.watched.append(self._watched())
        assert len(self.pauses) < MOST_PAUSES, "the wait does not end"
        self._at_pause.get(len(self.pauses), lambda: None)()
        return False


Wait = Callable[..., Account]


@pytest.fixture
def wait(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Wait:
    """Waits for a path: ``wait(uri, at_pause={3: mend}, endpoint=...)``."""

    def whole(
        uri: str | list[str], at_pause: Mapping[int, Callable[[], object]] | None = None, **options: float | str
    ) -> Account:
        directory = tmp_path / f"markers-{len(list(tmp_path.iterdir()))}"
        directory.mkdir()
        metrics, events = Metrics(), Diary()
        clock = Clock(at_pause or {}, lambda: metrics.registry.get_sample_value(PREFIX + "backoff_seconds") or 0)
        monkeypatch.setattr(sidecar, "watch", partial(watch, clock=clock.now, uniform=highest))

        def observe(event: Event) -> None:
            metrics.observe(event)
            events.append(event)

        told = {"uri": uri, "poll_interval": POLL_INTERVAL, "detection": "poll"}  # events come in real time
        spec = WatchSpec.from_mapping({**told, **options})
        waiting.ask(directory, spec)
        Sidecar(directory, None, observe, clock).work()
        answer = contract.terminal(directory)
        shown = " ".join(file.read_text() for file in directory.iterdir()) + generate_latest(metrics.registry).decode()
        assert [name for name in os.environ if "SECRET" in name and os.environ[name] in shown] == []
        return Account(
            uri=spec.name,
            subject=one_line(spec.name),
            main=_got(directory),
            failed=answer if isinstance(answer, Failed) else None,
            events=events,
            pauses=clock.pauses,
            backoffs=clock.watched,
            samples=_samples(generate_latest(metrics.registry).decode()),
        )

    return whole


@pytest.fixture
def fake_credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a fake S3 needs: any."""
    monkeypatch.setenv("FLYTE_AWS_ACCESS_KEY_ID", "fake-access-key")
    monkeypatch.setenv("FLYTE_AWS_SECRET_ACCESS_KEY", "fake-secret-key-77d1")


def at_fake(server: FakeS3, wait: Wait, **options: float | str) -> Account:
    """The account of a wait on ``server`` whose object is there after the third pause."""
    return wait(URI, {3: lambda: server.answer_with(found())}, endpoint=server.endpoint, **options)


def _got(directory: Path) -> Ready | WaitError:
    try:
        return waiting.wait(directory, 10, until=math.inf)
    except WaitError as error:
        return error


def _samples(page: str) -> Mapping[tuple[str, frozenset[tuple[str, str]]], float]:
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(page)
        for sample in family.samples
    }
