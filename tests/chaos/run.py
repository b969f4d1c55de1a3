"""A whole run: many waits, some at a time, on one server; and what is said about them in the end."""

from __future__ import annotations

import json
import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path

from tests.chaos import schedule
from tests.chaos.judge import Verdict, judge
from tests.chaos.kubelet import Kubelet, log_of
from tests.chaos.observer import Observer
from tests.chaos.proxy import Proxies
from tests.chaos.record import Record
from tests.chaos.server import Server
from tests.chaos.wait import Wait, World

AT_ONCE = 16
"""Waits side by side: they mostly sleep."""

AMBIGUOUS_SHARE = 0.04
"""How many of the waits may be ones whose end says little; more, and the run proves nothing."""

TOLD = 5
"""Violations that are told in full."""


@dataclass
class Result:
    """What a run has shown.

    Attributes:
        seed: the schedule's.
        seconds: how long it took.
        ends: how waits ended, and how many did so.
        faults: what was done to them, and how often.
        heard: waits that found their object by an event.
        ambiguous: waits of which two ends were right, by why.
        violations: of the product's promises, each in words.
    """

    seed: int
    waits: int = 0
    seconds: float = 0.0
    ends: Counter[str] = field(default_factory=Counter)
    faults: Counter[str] = field(default_factory=Counter)
    heard: int = 0
    ambiguous: Counter[str] = field(default_factory=Counter)
    violations: list[str] = field(default_factory=list)

    def add(self, record: Record, verdict: Verdict, log: Path) -> None:
        """Count one wait."""
        self.waits += 1
        self.ends[record.end] += 1
        self.faults.update(_suffered(record))
        self.heard += b'"detected_by": "event"' in record.last.get("ready", b"")
        if verdict.ambiguous:
            self.ambiguous[verdict.ambiguous] += 1
        if verdict.violations:
            self.violations.append(_told(record, verdict, log))

    def __str__(self) -> str:
        figures = [
            f"Chaos: {self.waits} waits, {len(self.violations)} violations"
            f" ({self.seconds:.0f} s, seed {self.seed}, {self.ambiguous.total()} ambiguous).",
            f"  ends: {_counts(self.ends)}; {self.heard} ready by an event",
            f"  faults: {_counts(self.faults)}",
        ]
        if self.ambiguous:
            figures.append(f"  ambiguous: {_counts(self.ambiguous)}")
        return "\n".join(figures)


def _counts(counter: Counter[str]) -> str:
    return ", ".join(f"{count} {name}" for name, count in counter.most_common())


def _suffered(record: Record) -> Iterator[str]:
    yield from (f"line: {window.kind}" for window in record.faults)
    yield from (f"volume: {window.kind}" for window in record.volume)
    yield from ("watcher killed" for life in record.lives if life.killed < float("inf"))
    if record.was(record.outages, record.asked, record.ended):
        yield "server restarted"
    if record.asked + record.plan.twin_at < record.ended:
        yield "second watcher"
    if record.stepped < record.ended:
        yield "clock step"
    if len(record.waits) > 1:
        yield "main restarted"
    if record.lives and record.lives[0].started < record.asked:
        yield "main late"


def _told(record: Record, verdict: Verdict, log: Path) -> str:
    """All about a wait that went wrong; times in seconds after main asked."""
    values = {name: value for name, value in asdict(record).items() if name not in {"plan", "looks", "last"}}
    values["beats"] = [beat.before for beat in record.beats]
    values["exchanges"] = [
        f"{e.arrived - record.asked:.3f}-{e.ended - record.asked:.3f} {e.method} {e.fault} {e.status} {e.code}"
        for e in record.exchanges[-20:]
    ]
    lines = [f"wait {record.plan.index}: {'; '.join(verdict.violations)}", f"  {record.plan}"]
    lines += [f"  {name}: {_relative(value, record.asked)}" for name, value in values.items() if value]
    told = log.read_text().splitlines()[-12:] if log.exists() else []
    return "\n".join([*lines, *(f"  log: {json.loads(line) if line[:1] == '{' else line}" for line in told)])


def _relative(value: object, origin: float) -> object:
    if isinstance(value, float):
        return round(value - origin, 3)
    if isinstance(value, dict):
        return {name: _relative(each, origin) for name, each in value.items()}
    if isinstance(value, list | tuple | set):
        return [_relative(each, origin) for each in value]
    return value


@contextmanager
def world(directory: Path) -> Iterator[World]:
    """Everything that waits need, in ``directory``."""
    (directory / "waits").mkdir()
    server, observer, kubelet = Server(directory / "server"), Observer(), Kubelet()
    proxies = Proxies(server.minio.port)
    try:
        yield World(server, proxies, kubelet, observer, directory / "waits")
    finally:
        kubelet.close()
        proxies.close()
        server.close()
        observer.close()


def run(directory: Path, seed: int, indexes: Sequence[int]) -> Result:
    """Let waits happen, and judge them."""
    result, began, stop = Result(seed), time.monotonic(), threading.Event()
    todo, lock = iter(indexes), threading.Lock()
    with world(directory) as where:

        def work() -> None:
            while True:
                with lock:
                    index = next(todo, None)
                if index is None:
                    return
                wait = Wait(where, schedule.plan(seed, index))
                record = wait.run()
                with lock:
                    result.add(record, judge(record), log_of(wait.directory))

        outages = schedule.outages(seed, len(indexes))
        fate = threading.Thread(
            target=where.server.suffer, args=(outages, lambda: result.waits / len(indexes), stop), daemon=True
        )
        fate.start()
        try:
            with ThreadPoolExecutor(AT_ONCE) as pool:
                for done in [pool.submit(work) for _ in range(AT_ONCE)]:
                    done.result()
        finally:
            stop.set()
            fate.join()
    result.seconds = time.monotonic() - began
    return result
