"""``python -m tests.bench``: measures this product's speed and size, and prints a table."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from tests.bench import events, lean, size, speed
from tests.bench.laboratory import Laboratory, laboratory, main_container
from tests.bench.report import Figure, machine, ms, p99, table


@dataclass(frozen=True, kw_only=True)
class Effort:
    """How often, or for how long, each figure is measured."""

    detections: int
    returns: int
    starts: int
    seconds: int
    polls: int
    imports: int
    objects: int
    listening: int


FULL = Effort(
    detections=200,
    returns=100,
    starts=20,
    seconds=60,
    polls=10_000,
    imports=25,
    objects=1_000_000,
    listening=180,
)
QUICK = Effort(
    detections=20,
    returns=20,
    starts=3,
    seconds=5,
    polls=1_000,
    imports=20,
    objects=50_000,
    listening=90,
)


def main() -> int:
    arguments = _arguments()
    effort = QUICK if arguments.quick else FULL
    with laboratory() as lab:
        figures = _measured(lab, effort)
    missed = any(figure.reached is False for figure in figures)
    return int(arguments.check and missed)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer runs: three minutes instead of ten")
    parser.add_argument("--check", action="store_true", help="end with 1 where a limit is not kept")
    return parser.parse_args()


def _measured(lab: Laboratory, effort: Effort) -> list[Figure]:
    """The figures, printed, too."""
    began, figures = time.monotonic(), []
    for figure in _figures(lab, effort):
        print(f"{figure.name}: {figure.measured}", file=sys.stderr)
        figures.append(figure)
    said = {True: "yes", False: "**no**", None: ""}
    rows = [(figure.name, figure.limit, figure.measured, said[figure.reached]) for figure in figures]
    _print_table(("figure", "limit", "measured", "reached"), rows, began)
    lateness = [late for _, late in lab.noise.late]
    late = f"{ms(p99(lateness))} late at p99, {ms(max(lateness))} at most"
    print(f"Noise meanwhile: a sleep of {ms(lab.noise.PAUSE)} ended {late}.\n")
    print("\n".join(f"- {figure.name}: {figure.method}." for figure in figures))
    return figures


def _print_table(head: Sequence[str], rows: Sequence[Sequence[str]], began: float) -> None:
    print(f"\n{table([head, *rows])}\n")
    print(f"{machine()}; {time.strftime('%Y-%m-%d')}, measured in {time.monotonic() - began:.0f} s.")


def _figures(lab: Laboratory, effort: Effort) -> Iterator[Figure]:
    yield speed.put_to_marker(lab, effort.detections)
    yield events.put_to_marker(lab, effort.detections)
    yield events.requests_per_minute(lab, effort.listening)
    with main_container() as main:
        yield speed.marker_to_return(lab, main, effort.returns)
        yield from size.waiting_pod(lab, main, effort.seconds)
    yield from lean.waiting_pod(lab, effort.seconds)
    yield from lean.starts(lab, effort.starts)
    yield speed.request_to_head(lab, effort.starts)
    yield from size.many_polls(lab, effort.polls)
    yield size.scan_of_many(lab, effort.objects)
    yield size.many(lab)
    yield speed.import_of_contract(effort.imports)


if __name__ == "__main__":
    sys.exit(main())
