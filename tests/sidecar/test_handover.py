"""What the lean main hands over to the process that waits: through a real exec, and with it what it saw."""

from __future__ import annotations

import json
import subprocess
import sys

PROGRAM = """
import json
from dataclasses import asdict
from objectstore_watcher.contract import Request, WatchSpec
from objectstore_watcher.lean import handover
from objectstore_watcher.waiting import Pulse

if wait := handover.received():
    print(json.dumps([wait.request.spec.uri, wait.request.requested_monotonic, asdict(wait.pulse)]))
else:
    request = Request(spec=WatchSpec(uri="s3://bucket/key"), requested_monotonic=1.25)
    handover.hand_over(handover.Wait(request, Pulse(seen=7, since=1.5)))
"""


def test_the_request_and_what_was_seen_of_the_heartbeat_go_on() -> None:
    """Else a watcher that died before would be noticed later by as much as main had waited."""
    told = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True, timeout=60)
    assert json.loads(told.stdout) == ["s3://bucket/key", 1.25, {"seen": 7, "since": 1.5}]
