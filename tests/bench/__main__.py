"""``python -m tests.bench``: measures this product's speed and size, and what waits cost, and prints tables."""

from __future__ import annotations

import argparse
import os
import platform
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.bench import comparison, events, lean, size, speed, waiters
from tests.bench.instruments import Noise, RecordingProxy
from tests.bench.laboratory import Laboratory, main_container
from tests.bench.report import Figure, ms, p99, table
from tests.conftest import CREDENTIAL_PREFIXES
from tests.servers import MinioServer, minio_binary

MEMORY = "/dev/shm"
"""A file system in memory, as the marker volume of a pod is."""


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
    waits: int
    looks: int
    listening: int


FULL = Effort(
    detections=200,
    returns=100,
    starts=20,
    seconds=60,
    polls=10_000,
    imports=25,
    objects=1_000_000,
    waits=3,
    looks=5,
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
    waits=1,
    looks=3,
    listening=90,
)


def main() -> int:
    arguments = _arguments()
    effort = QUICK if arguments.quick else FULL
    with _laboratory() as lab:
        figures = _measured(lab, effort) if arguments.part != "costs" else []
        if arguments.part != "figures":
            _compare(lab, effort)
    missed = any(figure.reached is False for figure in figures)
    return int(arguments.check and missed)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument("part", nargs="?", choices=("figures", "costs"), help="only these (default: both)")
    parser.add_argument("--quick", action="store_true", help="fewer runs: three minutes instead of ten")
    parser.add_argument("--check", action="store_true", help="end with 1 where a limit is not kept")
    return parser.parse_args()


@contextmanager
def _laboratory() -> Iterator[Laboratory]:
    """A MinIO server with a proxy before it, in an environment of its own."""
    minio_binary()  # before HOME changes: these are cached there
    waiters.peer_pythons()
    with tempfile.TemporaryDirectory(dir=MEMORY if os.path.isdir(MEMORY) else None) as place:
        _own_environment(place)
        with MinioServer(Path(place) / "minio") as minio, RecordingProxy(minio.port) as proxy, Noise() as noise:
            os.environ.update(minio.flyte_env())  # for the watchers that are forked
            lab = Laboratory(minio, proxy, noise, Path(place))
            minio.client().make_bucket(lab.bucket)
            yield lab


def _own_environment(home: str) -> None:
    """Hide the credentials and settings of the person who runs this."""
    for name in list(os.environ):
        if name.startswith(CREDENTIAL_PREFIXES):
            del os.environ[name]
    os.environ["HOME"] = home
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)  # installed packages have their bytecode, and so must these


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


def _compare(lab: Laboratory, effort: Effort) -> None:
    """Print what waits cost here and elsewhere."""
    began, rows = time.monotonic(), []
    for row in comparison.compare(lab, [*waiters.ours(), *waiters.peers()], effort.waits, effort.looks):
        print(": ".join(row[:2]), file=sys.stderr)
        rows.append(row)
    _print_table(comparison.HEADER, rows, began)
    print(f"{effort.waits} waits of {effort.looks} looks each; of the others: {waiters.versions()}.\n")
    print("\n".join(f"- {line}." for line in comparison.METHOD))


def _print_table(head: Sequence[str], rows: Sequence[Sequence[str]], began: float) -> None:
    print(f"\n{table([head, *rows])}\n")
    print(f"{_machine()}; {time.strftime('%Y-%m-%d')}, measured in {time.monotonic() - began:.0f} s.")


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


def _machine() -> str:
    models = [line for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("model name")]
    model = models[0].partition(":")[2].strip() if models else platform.machine()
    load = " ".join(f"{number:.1f}" for number in os.getloadavg())
    return f"{os.cpu_count()} cores ({model}), load {load}, Python {platform.python_version()}, MinIO on loopback"


if __name__ == "__main__":
    sys.exit(main())
