"""What the benchmark reports: figures, and the statistics that stand in them."""

from __future__ import annotations

import os
import platform
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, kw_only=True)
class Figure:
    """One row of the table.

    Attributes:
        name: what is measured.
        limit: the most it may be, in words.
        measured: what it was, in words.
        reached: whether the limit is kept; None where there is none.
        method: how it was measured.
    """

    name: str
    limit: str
    measured: str
    reached: bool | None
    method: str


@dataclass(frozen=True)
class Time:
    """A time in seconds, and whether the machine's other work is in it."""

    seconds: float
    disturbed: bool


def undisturbed(times: Sequence[Time]) -> list[float]:
    """Those that count; all of them on a machine too busy for any."""
    return [time.seconds for time in times if not time.disturbed] or [time.seconds for time in times]


def p99(times: Sequence[float]) -> float:
    """The time that 99 of 100 do not exceed."""
    return statistics.quantiles(times, n=100, method="inclusive")[98]


def spread(times: Sequence[float]) -> str:
    """Median, p99, most and number of ``times``."""
    return f"median {ms(statistics.median(times))}, p99 {ms(p99(times))}, most {ms(max(times))}, n = {len(times)}"


def left_out(times: Sequence[Time]) -> str:
    """What the disturbed runs would have added, if there were any."""
    number = len(times) - len(undisturbed(times))
    return f"; with {number} disturbed runs, most {ms(max(time.seconds for time in times))}" if number else ""


def ms(seconds: float) -> str:
    """A time as text."""
    return f"{seconds * 1000:.1f} ms"


def table(rows: Sequence[Sequence[str]]) -> str:
    """A table in Markdown, whose first row is its head."""
    head, *body = rows
    return "\n".join(f"| {' | '.join(row)} |" for row in (head, ["---"] * len(head), *body))


def machine() -> str:
    """What it was measured on."""
    models = [line for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("model name")]
    model = models[0].partition(":")[2].strip() if models else platform.machine()
    load = " ".join(f"{number:.1f}" for number in os.getloadavg())
    return f"{os.cpu_count()} cores ({model}), load {load}, Python {platform.python_version()}, MinIO on loopback"
