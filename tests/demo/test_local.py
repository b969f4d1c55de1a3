"""What `make demo` runs."""

from __future__ import annotations

import socket
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pytest

from tests.servers import ROOT

SLOW = 300
"""Seconds for flytekit to start on a busy machine, and two objects that come later."""


@pytest.mark.timeout(SLOW)
def test_the_demo_shows_both_ways_whoever_has_the_port_of_the_metrics(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(Path(sys.executable).parent), prepend=":")
    with socket.socket() as taken:
        with suppress(OSError):  # somebody else has it
            taken.bind(("127.0.0.1", 9464))
            taken.listen()
        done = subprocess.run(
            [sys.executable, "-m", "demo.local"], cwd=ROOT, capture_output=True, text=True, check=False
        )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "18 bytes read; the run ended" in done.stdout
    assert "{'path': 's3://demo/orders/pod.csv'}" in done.stdout
    assert 'objectstore_watcher_phase{phase="ready"} 1.0' in done.stdout
