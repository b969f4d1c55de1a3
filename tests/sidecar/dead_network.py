"""Networks that swallow what they are given, in a network namespace of its own.

Run as root: ``unshare --net --mount python -m tests.sidecar.dead_network DIRECTORY`` prints, as JSON, what each look
met and how long it took, by kind of network; and the most threads that there were.
"""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

from objectstore_watcher.contract import WatchSpec
from objectstore_watcher.errors import StoreError

from tests.sidecar.tools import Opened

LOOKS = 4

REQUEST_TIMEOUT = 0.5

ENDPOINTS = {"a silent name server": "http://store.example.com", "dropped packets": "http://10.77.0.2:9000"}


def main(directory: Path) -> None:
    """Look at each network."""
    (directory / "resolv.conf").write_text("nameserver 127.0.0.1\n")
    for command in (
        "ip link set lo up",
        "ip link add near type veth peer name far",
        "ip address add 10.77.0.1/24 dev near",
        "ip link set near up",
        "ip link set far up",
        "ip neighbour add 10.77.0.2 lladdr 02:00:00:00:00:02 dev near",  # nobody's address: what is sent there is gone
        f"mount --bind {directory / 'resolv.conf'} /etc/resolv.conf",
    ):
        subprocess.run(command.split(), check=True)
    threads: list[int] = []
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as silent:
        silent.bind(("127.0.0.1", 53))
        met = {network: looks(endpoint, threads) for network, endpoint in ENDPOINTS.items()}
        assert silent.recv(512), "the name server was asked"
    print(json.dumps([met, max(threads)]))


def looks(endpoint: str, threads: list[int]) -> list[tuple[str, float]]:
    """Kind and seconds of each look."""
    spec = WatchSpec(uri="s3://bucket/key", endpoint=endpoint, request_timeout=REQUEST_TIMEOUT)
    store = Opened(spec, ("key", "secret"))
    return [look(store, threads) for _ in range(LOOKS)]


def look(store: Opened, threads: list[int]) -> tuple[str, float]:
    """Kind and seconds of one look."""
    began, kind = time.monotonic(), "found"
    try:
        store.look()
    except StoreError as error:
        kind = error.kind.label
    threads.append(threading.active_count())
    return kind, round(time.monotonic() - began, 3)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
