"""A watcher whose wait has ended stays until its last values were scraped: real processes, real scrapes."""

from __future__ import annotations

import signal
import socket
import struct
import time
from contextlib import suppress
from pathlib import Path

import pytest
import urllib3
from objectstore_watcher import contract
from objectstore_watcher.cli import parse
from objectstore_watcher.errors import InvalidArgument
from objectstore_watcher.exits import Exit

from tests.servers import Watcher, eventually
from tests.sidecar.conftest import Start
from tests.sidecar.tools import metrics_url, samples

LONG = "--linger=1h"
"""Longer than any test: whoever ends sooner does so for another reason."""

SERVED = "--metrics-address=127.0.0.1:0"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """What is waited for."""
    path = tmp_path / "file"
    path.touch()
    return path


def lingers(watcher: Watcher) -> None:
    """Wait until it says so."""
    assert watcher.process.stderr
    told = iter(watcher.process.stderr.readline, "")
    assert any("staying until /metrics is scraped" in line for line in told), "it ended"


def terminate(watcher: Watcher) -> None:
    watcher.process.send_signal(signal.SIGTERM)


def answered(start: Start, directory: Path, path: Path, *args: str) -> tuple[Watcher, str]:
    """A sidecar that has answered, and where it serves its metrics."""
    watcher = start("--dir", directory, SERVED, *args, path)
    url = metrics_url(watcher)
    eventually(lambda: contract.answered(directory), "the watcher answers")
    return watcher, url


def scraped(watcher: Watcher, url: str) -> dict[str, float]:
    """The values of the scrape that ended it: one that began before the watching thread had ended does not count."""
    seen: dict[str, float] = {}

    def has_ended() -> bool:
        with suppress(urllib3.exceptions.HTTPError):
            seen.update(samples(url))
        return watcher.process.poll() is not None

    eventually(has_ended, "it ends")
    return seen


def reads(url: str, request: bytes, size: int = -1) -> None:
    """Send a request and read so much of the answer, then break off."""
    host, _, port = url.removeprefix("http://").rpartition(":")
    with socket.create_connection((host, int(port)), timeout=30) as client:
        client.sendall(request)
        if size >= 0:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            client.recv(size)


def test_a_scrape_of_the_last_values_ends_it_at_once(start: Start, marker_directory: Path, file: Path) -> None:
    watcher, url = answered(start, marker_directory, file, LONG)
    terminate(watcher)
    lingers(watcher)
    seen = scraped(watcher, url)
    assert seen['objectstore_watcher_phase{phase="ready"}'] == 1
    assert seen['objectstore_watcher_wait_duration_seconds_count{outcome="ready"}'] == 1
    assert seen['objectstore_watcher_marker_writes_total{marker="ready",outcome="written"}'] == 1
    assert watcher.end()[0] == Exit.READY


def test_a_wait_that_failed_lingers_too(start: Start, marker_directory: Path, tmp_path: Path) -> None:
    watcher, url = answered(start, marker_directory, tmp_path / "absent", LONG, "--timeout=0.1")
    terminate(watcher)
    lingers(watcher)
    assert scraped(watcher, url)['objectstore_watcher_phase{phase="failed"}'] == 1
    assert watcher.end()[0] == Exit.READY


def test_who_was_scraped_after_the_end_of_the_wait_and_before_sigterm_ends_at_once(
    start: Start, marker_directory: Path, file: Path
) -> None:
    watcher, url = answered(start, marker_directory, file, LONG, "--heartbeat-interval=0.5")
    written = 'objectstore_watcher_marker_writes_total{marker="ready",outcome="written"}'
    eventually(lambda: written in samples(url), "all is told")
    beats = contract.last_heartbeat(marker_directory)
    eventually(lambda: contract.last_heartbeat(marker_directory) > beats, "it was told that the watching thread ended")
    samples(url)
    terminate(watcher)
    assert watcher.end()[0] == Exit.READY


def test_a_scrape_before_the_end_of_the_wait_does_not_count(
    start: Start, marker_directory: Path, tmp_path: Path
) -> None:
    watcher = start("--dir", marker_directory, SERVED, LONG, "--poll-interval=0.05", tmp_path / "file")
    url = metrics_url(watcher)
    eventually(lambda: samples(url)["objectstore_watcher_polls_total"] > 0, "the watcher polls")
    (tmp_path / "file").touch()
    eventually(lambda: contract.answered(marker_directory), "the watcher answers")
    terminate(watcher)
    lingers(watcher)
    scraped(watcher, url)
    assert watcher.end()[0] == Exit.READY


def test_what_is_no_whole_scrape_does_not_count(start: Start, marker_directory: Path, file: Path) -> None:
    watcher, url = answered(start, marker_directory, file, LONG)
    terminate(watcher)
    lingers(watcher)
    reads(url, b"HEAD /metrics HTTP/1.1\r\n\r\n")
    reads(url, b"GET /healthz HTTP/1.1\r\n\r\n")
    reads(url, b"GET /metrics HTTP/1.1\r\n\r\n", size=10)
    reads(url, b"GET /metrics HTTP/1.1\r\n", size=0)
    time.sleep(0.5)
    assert watcher.process.poll() is None
    scraped(watcher, url)
    assert watcher.end()[0] == Exit.READY


def test_the_cap_ends_it_where_nobody_scrapes(start: Start, marker_directory: Path, file: Path) -> None:
    watcher, _ = answered(start, marker_directory, file, "--linger=0.2")
    terminate(watcher)
    assert watcher.end()[0] == Exit.READY


@pytest.mark.parametrize("second", [signal.SIGTERM, signal.SIGINT])
def test_a_second_signal_ends_it_at_once(
    start: Start, marker_directory: Path, file: Path, second: signal.Signals
) -> None:
    watcher, _ = answered(start, marker_directory, file, LONG)
    terminate(watcher)
    lingers(watcher)
    watcher.process.send_signal(second)
    assert watcher.end()[0] == Exit.READY


def test_a_persons_interrupt_ends_a_sidecar_at_once(start: Start, marker_directory: Path, file: Path) -> None:
    watcher, _ = answered(start, marker_directory, file, LONG)
    watcher.process.send_signal(signal.SIGINT)
    code, told = watcher.end()
    assert code == Exit.READY
    assert "staying" not in told


def test_without_an_answer_sigterm_ends_it_at_once(start: Start, marker_directory: Path, tmp_path: Path) -> None:
    watcher = start("--dir", marker_directory, SERVED, LONG, tmp_path / "absent")
    eventually((marker_directory / "request").exists, "the wait begins")
    terminate(watcher)
    assert watcher.end()[0] == Exit.TERMINATED


@pytest.mark.parametrize("args", [[], ["--linger=0"]])
def test_without_linger_sigterm_ends_it_at_once(
    start: Start, marker_directory: Path, file: Path, args: list[str]
) -> None:
    watcher, _ = answered(start, marker_directory, file, *args)
    terminate(watcher)
    code, told = watcher.end()
    assert code == Exit.READY
    assert "staying" not in told


@pytest.mark.parametrize(("name", "code"), [("file", Exit.READY), ("absent", Exit.DEADLINE)])
def test_by_hand_it_stays_until_a_scrape_and_keeps_its_exit_code(
    start: Start, tmp_path: Path, file: Path, name: str, code: int
) -> None:
    watcher = start(tmp_path / name, "--timeout=0.1", SERVED, LONG)
    lingers(watcher)
    url = metrics_url(watcher)
    assert scraped(watcher, url)["objectstore_watcher_polls_total"] > 0
    assert watcher.end()[0] == code


def test_by_hand_a_signal_while_it_stays_ends_it_with_the_code_of_the_wait(start: Start, file: Path) -> None:
    watcher = start(file, SERVED, LONG)
    lingers(watcher)
    watcher.process.send_signal(signal.SIGINT)
    assert watcher.end()[0] == Exit.READY


def test_by_hand_it_ends_at_once_unless_told_to_stay(start: Start, file: Path) -> None:
    assert start(file, SERVED).end()[0] == Exit.READY


def test_lingering_for_a_scrape_needs_metrics() -> None:
    with pytest.raises(InvalidArgument, match=r"^--linger: waits for a scrape, .*; add --metrics-address$"):
        parse(["s3://bucket/key", "--linger=30"])
