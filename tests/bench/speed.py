"""The figures that are times."""

from __future__ import annotations

import random
import resource
import statistics
import subprocess
import sys
import time

from objectstore_watcher import contract, waiting
from objectstore_watcher.contract import Ready, Request, WatchSpec

from tests.bench.instruments import Noise
from tests.bench.laboratory import Laboratory, Main
from tests.bench.report import Figure, Time, left_out, ms, spread, undisturbed
from tests.bench.watchers import ServedWatcher, await_ready, foreign, forked_watcher, loaded_with_contract
from tests.servers import eventually

POLL_INTERVAL = 0.05
"""Seconds: short, so that 200 runs take half a minute. What counts is the excess over it."""

DISTURBED = (
    f"runs during which a sleeper in the benchmark woke more than {Noise.DISTURBED * 1000:g} ms late do not count"
)


def put_to_marker(lab: Laboratory, runs: int) -> Figure:
    """From the return of PUT to the marker."""
    times = [_detection(lab) for _ in range(runs)]
    counted = undisturbed(times)
    limit = POLL_INTERVAL + 0.020
    return Figure(
        name="PUT returned → marker `ready`, by polls alone",
        limit="poll interval + 20 ms",
        measured=f"of {ms(limit)}: {spread(counted)}{left_out(times)}",
        reached=max(counted) <= limit,
        method=f"poll interval {ms(POLL_INTERVAL)}; for each run a process of the watcher's command as a sidecar,"
        " forked with its modules loaded; PUT at a random moment after the first poll; the marker is looked for every"
        f" 0.5 ms; {DISTURBED}",
    )


def _detection(lab: Laboratory) -> Time:
    directory, uri = lab.new_directory(), lab.new_uri()
    watcher = forked_watcher([f"--dir={directory}", f"--poll-interval={POLL_INTERVAL}", "--detection=poll", "--", uri])
    try:
        eventually((directory / Request.NAME).exists, "the watch begins")
        time.sleep(2 * POLL_INTERVAL + random.uniform(0, POLL_INTERVAL))
        lab.put(uri)
        returned = time.monotonic()
        while not (directory / Ready.NAME).exists():
            time.sleep(0.0005)
        taken = Time(time.monotonic() - returned, lab.noise.disturbed_since(returned))
    finally:
        watcher.terminate()
        watcher.join()
    assert await_ready(directory).polls > 1, "the object was there before the first poll"
    return taken


def marker_to_return(lab: Laboratory, main: Main, runs: int) -> Figure:
    """From the marker to the return of ``execute``."""
    times = [_return(lab, main) for _ in range(runs)]
    return Figure(
        name="marker → `execute` returns",
        limit="20 ms at the median",
        measured=spread(times),
        reached=statistics.median(times) <= 0.020,
        method="WaitForObjectStoreFile.execute in pod mode in another process; from just before the marker is written,"
        " at a random moment, to the line after execute",
    )


def _return(lab: Laboratory, main: Main) -> float:
    directory, uri = lab.new_directory(), lab.new_uri()
    main.execute(directory, uri)
    time.sleep(random.uniform(1, 2) * waiting.LONGEST_PAUSE)
    written = time.monotonic()
    contract.write(directory, Ready(uri=uri))
    return float(main.line()) - written


def request_to_head(lab: Laboratory, runs: int) -> Figure:
    """From the request to the first HEAD."""
    times = [_first_head(lab) for _ in range(runs)]
    counted = undisturbed(times)
    return Figure(
        name="request written → first HEAD",
        limit="50 ms",
        measured=f"{spread(counted)}{left_out(times)}",
        reached=max(counted) <= 0.050,
        method="for each run a fresh watcher process, started and idle; from just before main's request is written, at"
        f" a random moment, to the request line at a TCP proxy before MinIO; {DISTURBED}",
    )


def _first_head(lab: Laboratory) -> Time:
    directory = lab.new_directory()
    lab.proxy.requests.clear()
    with ServedWatcher(directory, {**lab.minio.flyte_env(), "FLYTE_AWS_ENDPOINT": lab.proxy.endpoint}) as watcher:
        watcher.await_idle()
        time.sleep(random.uniform(0, 0.05))
        written = time.monotonic()
        waiting.ask(directory, WatchSpec(uri=lab.new_uri()))
        eventually(lambda: bool(lab.proxy.requests), "the first request")
    arrived, method = lab.proxy.requests[0]
    assert method == "HEAD", method
    return Time(arrived - written, lab.noise.disturbed_since(written))


def import_of_contract(runs: int) -> Figure:
    """What the contract costs who imports it."""
    strangers = foreign(loaded_with_contract())
    pairs = [(_start("import objectstore_watcher.contract"), _start("pass")) for _ in range(runs)]
    cpu, passed = (statistics.median(whole[i] - bare[i] for whole, bare in pairs) for i in (0, 1))
    least = min(whole[0] for whole, _ in pairs) - min(bare[0] for _, bare in pairs)
    loaded = f"also {', '.join(sorted(strangers))}" if strangers else "standard library only"
    return Figure(
        name="import of `objectstore_watcher.contract`",
        limit="standard library only, under 50 ms on top of Python's start",
        measured=f"{loaded}; median {ms(cpu)} of CPU ({ms(passed)} passed), least {ms(least)}, n = {runs}",
        reached=not strangers and cpu < 0.050,
        method="fresh processes in pairs, with and without the import: the median of the differences, of CPU time since"
        " the time that passes is also other processes'; modules: sys.modules against sys.stdlib_module_names",
    )


def _start(code: str) -> tuple[float, float]:
    """CPU time and time passed of a fresh Python, in seconds."""
    cpu, began = _cpu_of_children(), time.monotonic()
    subprocess.run([sys.executable, "-c", code], check=True)
    return _cpu_of_children() - cpu, time.monotonic() - began


def _cpu_of_children() -> float:
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime
