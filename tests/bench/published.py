"""The comparison's figures as they are published: ``docs/bench-peers.json``, and the table and plot made from them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from tests.bench import cost, plot
from tests.bench.instruments import MIB
from tests.bench.report import table
from tests.servers import ROOT

FIGURES = ROOT / "docs" / "bench-peers.json"
PAGE = FIGURES.with_suffix(".md")
PLOT = FIGURES.with_suffix(".svg")


@dataclass(frozen=True, kw_only=True)
class Measured:
    """What was measured of who waits; times in seconds.

    Attributes:
        name: who waits, and for what.
        interval: from one look to the next while it was measured.
        default: the same where nobody says otherwise.
        objects: how many objects are under its pattern's prefix; 0 where it waits for an exact key.
        runs: objects that it waited for.
        p50: median from the return of PUT to its notice.
        p99: what 99 of 100 of these times do not exceed.
        start: median from the start of its processes to their first request.
        look: requests of its usual look, by operation.
        requests: of an hour of waiting at `interval`.
        dollars: what these cost.
        default_dollars: what an hour of waiting at `default` costs.
        memory: resident bytes of all its processes while it waits.
        cpu: processor time of an hour of waiting at `interval`.
    """

    name: str
    interval: float
    default: float
    objects: int
    runs: int
    p50: float
    p99: float
    start: float
    look: Mapping[str, int]
    requests: int
    dollars: float
    default_dollars: float
    memory: int
    cpu: float


HEADER = (
    "who waits",
    "PUT -> noticed, median",
    "p99",
    "n",
    "requests of a look",
    "requests an hour",
    "$ an hour at that interval",
    "own interval",
    "$ an hour at its own",
    "memory",
    "CPU s an hour",
    "start -> first request",
)

METHOD = (
    "each tool really waits for objects of 4 bytes on one MinIO server, through a TCP proxy that counts its requests,"
    " in an environment of its own, with its own settings but for the interval",
    "noticed: from the return of a PUT at a random moment after the first look to the return of the tool's call, and of"
    " commands to the end of the process. Of the watcher beside a main container: to the end of main, which has then"
    " written outputs.pb; their processes are started with the args of the sensor's pod",
    "an hour: measured for {seconds} s after the first look, and scaled. Dollars are AWS's list prices for S3 Standard"
    " in us-east-1. On AWS a watcher of exact keys asks one GET more in 60 looks, which MinIO makes unnecessary, and"
    " there are no events",
    "own interval: what the tool does where nobody says otherwise; for `FileSensor` how often Flyte's engine asks, and"
    " measured was its local loop. `aws s3api wait` has no option for it: a model of the waiter tells it to ask each"
    " second. With events, the watcher polls six times less often, as a net",
    "memory: resident bytes of the waiting processes, at the end of that. What they need around them is not in it:"
    " Airflow's worker or triggerer, of which one carries many deferred sensors, and Flyte's connector",
    "start: from exec to the first request, median of the fresh processes ({starts} of a program that waits for several"
    " objects, else all)",
)


def load() -> dict[str, Any]:
    """The figures as they were published."""
    return dict(json.loads(FIGURES.read_text()))


def rows(figures: Mapping[str, Any]) -> list[Measured]:
    """Each row of the figures."""
    return [Measured(**row) for row in figures["rows"]]


def write(measured: Sequence[Measured], date: str, machine: str, seconds: int, starts: int) -> None:
    """Publish what was measured."""
    told = {"date": date, "machine": machine, "seconds": seconds, "starts": starts}
    FIGURES.parent.mkdir(exist_ok=True)
    FIGURES.write_text(json.dumps({**told, "rows": [asdict(row) for row in measured]}, indent=1) + "\n")
    redraw()


def page(figures: Mapping[str, Any]) -> str:
    """The page with the whole table."""
    method = "\n".join(f"- {line.format_map(figures)}." for line in METHOD)
    return (
        "# What waiting takes, here and elsewhere\n\n"
        f"Written by `make bench-peers` on {figures['date']}: {figures['machine']}.\n\n"
        f"![Plot of the table]({PLOT.name})\n\n{full_table(rows(figures))}\n\n{method}\n"
    )


def full_table(measured: Sequence[Measured]) -> str:
    """Each row with all of its columns."""
    return table([HEADER, *map(_cells, measured)])


def _cells(row: Measured) -> tuple[str, ...]:
    return (
        row.name,
        _seconds(row.p50),
        _seconds(row.p99),
        f"{row.runs}",
        cost.told(row.look),
        f"{row.requests:,} at {row.interval:g} s",
        f"{row.dollars:.6f}",
        f"{row.default:g} s",
        f"{row.default_dollars:.6f}",
        f"{row.memory / MIB:.0f} MiB",
        f"{row.cpu:.1f}",
        _seconds(row.start),
    )


def short_table(figures: Mapping[str, Any]) -> str:
    """Of exact keys, the columns that tell most."""
    head = (
        "who waits",
        "PUT -> noticed: median, p99 (below 100 waits: the most)",
        "$ an hour, own interval",
        "memory",
        "CPU s an hour",
        "start",
    )
    body = [
        (
            row.name,
            f"{_seconds(row.p50)}, {_seconds(row.p99)}",
            f"{row.default_dollars:.6f}, {row.default:g} s",
            f"{row.memory / MIB:.0f} MiB",
            f"{row.cpu:.1f}",
            _seconds(row.start),
        )
        for row in _exact(figures)
    ]
    measured_on, waits = figures["machine"].partition(";")[0], _range([row.runs for row in _exact(figures)])
    return f"{table([head, *body])}\n\n{figures['date']}, {measured_on}; {waits} waits."


def _range(runs: list[int]) -> str:
    return f"{min(runs)} to {max(runs)}" if min(runs) < max(runs) else str(min(runs))


def drawn(figures: Mapping[str, Any]) -> str:
    """The plot: of exact keys, what a wait takes."""
    exact = _exact(figures)
    return plot.bars(
        [row.name.replace("`", "") for row in exact],
        [
            plot.Panel("PUT → noticed, s (line: p99)", [row.p50 for row in exact], [row.p99 for row in exact]),
            plot.Panel("memory, MiB", [row.memory / MIB for row in exact]),
            plot.Panel("CPU s an hour of waiting", [row.cpu for row in exact]),
            plot.Panel("start → first request, s", [row.start for row in exact]),
        ],
        ours=sum(row.name.startswith("watcher") for row in exact),
    )


def _exact(figures: Mapping[str, Any]) -> list[Measured]:
    return [row for row in rows(figures) if not row.objects]


def _seconds(seconds: float) -> str:
    return f"{seconds:.2f} s" if seconds >= 0.1 else f"{seconds * 1000:.0f} ms"


def redraw() -> None:
    """Write page and plot from the published figures."""
    PAGE.write_text(page(load()))
    PLOT.write_text(drawn(load()))


if __name__ == "__main__":
    redraw()
