"""A user's module, which the tests load again in other processes, as Flyte does in the pod."""

from __future__ import annotations

import random
import socket

from flytekit import FlyteFile, task, workflow
from objectstore_sensor import FromInput, MatchedObject, WaitForObjectStoreFile, WaitForObjectStoreFiles, metadata


def port_for_metrics() -> int:
    """A free port below the range that the kernel gives to clients and to port 0: nobody else takes it meanwhile."""
    for port in random.sample(range(20000, 32000), 100):
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)):
                return port
    raise OSError("no free port")


def team_sensor() -> WaitForObjectStoreFile:
    """A factory: what a team's sensors have in common."""
    return WaitForObjectStoreFile(main="flytekit", poll_interval=0.2, timeout="1h", metrics_port=None)


sensor = WaitForObjectStoreFile(main="flytekit", metadata=metadata(timeout="1H", retries=10), run_as_user=1000)
named = WaitForObjectStoreFile(main="flytekit", name="wait-for-test-orders", credentials_secret="minio")
made = team_sensor()

# The pods of test_in_pod.py.
metered = WaitForObjectStoreFile(main="flytekit", poll_interval=0.2, timeout="1h", metrics_port=port_for_metrics())
impatient = WaitForObjectStoreFile(main="flytekit", poll_interval=0.2, timeout=1, metrics_port=None)
guarded = WaitForObjectStoreFile(main="flytekit", timeout="1h", heartbeat_interval=2, metrics_port=port_for_metrics())

seen = WaitForObjectStoreFile(main="flytekit", poll_interval=0.2, timeout="1h", metrics_port=None, enable_deck=True)
seen_failing = WaitForObjectStoreFile(
    main="flytekit", poll_interval=0.2, timeout=1, metrics_port=None, enable_deck=True
)
seen_dying = WaitForObjectStoreFile(
    main="flytekit", timeout="1h", heartbeat_interval=0.5, metrics_port=None, enable_deck=True
)

matching = WaitForObjectStoreFile(main="flytekit", match="glob", poll_interval=0.2, timeout="1h", metrics_port=None)
all_of = WaitForObjectStoreFiles(main="flytekit", poll_interval=0.2, timeout="1h", metrics_port=None)
any_of = WaitForObjectStoreFiles(main="flytekit", require="any", poll_interval=0.2, timeout="1h", metrics_port=None)
any_gone = WaitForObjectStoreFiles(
    main="flytekit", absent=True, require="any", poll_interval=0.2, timeout=30, metrics_port=None
)
listed = WaitForObjectStoreFiles(
    main="flytekit", match="manifest", flag="_SUCCESS", poll_interval=0.2, timeout=30, metrics_port=None
)

as_file = WaitForObjectStoreFile(main="flytekit", output=FlyteFile, poll_interval=0.2, timeout="1h", metrics_port=None)
as_object = WaitForObjectStoreFile(
    main="flytekit", output=MatchedObject, poll_interval=0.2, timeout="1h", metrics_port=None
)
as_objects = WaitForObjectStoreFiles(
    main="flytekit", output=MatchedObject, match="glob", min_count=2, poll_interval=0.2, timeout="1h", metrics_port=None
)
released = WaitForObjectStoreFile(
    main="flytekit",
    user_metadata={"Owner": "etl"},
    tags={"quality": "passed"},
    poll_interval=0.2,
    timeout="1h",
    metrics_port=None,
)
scheduled = WaitForObjectStoreFile(
    main="flytekit", newer_than=FromInput("scheduled_at", minus="1h"), poll_interval=0.2, timeout=3, metrics_port=None
)


def ends_with_a_line(found: MatchedObject) -> bool:
    return found.read().endswith(b"\n")


def is_broken(found: MatchedObject) -> bool:
    raise KeyError(found.key)


judged = WaitForObjectStoreFile(
    main="flytekit", when=ends_with_a_line, poll_interval=0.2, timeout="1h", metrics_port=None
)
broken = WaitForObjectStoreFile(
    main="flytekit", when=is_broken, poll_interval=0.2, timeout="1h", metrics_port=None, enable_deck=True
)


@task
def do_next(path: str) -> int:
    return len(path)


@workflow
def wait_and_run(path: str) -> int:
    path = sensor(path=path)
    return do_next(path=path)
