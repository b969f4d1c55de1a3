"""The comparison measures real waits; those of other tools are left to ``make bench-peers``."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from tests.bench import pods
from tests.bench.comparison import compare
from tests.bench.instruments import MIB, Noise, RecordingProxy
from tests.bench.laboratory import Laboratory
from tests.bench.tool import Tool
from tests.bench.waiters import Waiter, ours
from tests.servers import MinioServer


@pytest.fixture
def lab(minio: MinioServer, bucket: str, tmp_path: Path) -> Iterator[Laboratory]:
    with RecordingProxy(minio.port) as proxy, Noise() as noise:
        yield Laboratory(minio, proxy, noise, tmp_path, bucket)


def test_polls_are_counted_priced_and_timed(lab: Laboratory) -> None:
    polls = next(waiter for waiter in ours() if "polls alone" in waiter.name)
    (found,) = compare(lab, [polls], runs=2, seconds=4)
    assert found.look == {"HEAD": 1}
    assert 2400 <= found.requests <= 4800, "three to five looks in four seconds"
    assert found.dollars == pytest.approx(found.requests * 0.0004 / 1000, rel=0.01)
    assert found.default_dollars == pytest.approx(0.000144)
    assert (found.runs, found.objects) == (2, 0)
    assert 0 < found.p50 <= found.p99
    assert found.start > 0
    assert found.cpu > 0
    assert 20 * MIB < found.memory < 45 * MIB


@pytest.mark.parametrize("main", pods.MAINS)
def test_of_a_pod_both_processes_are_measured_until_outputs_are_written(lab: Laboratory, main: str) -> None:
    (pod,) = (waiter for waiter in ours() if f"{main} main" in waiter.name)
    soon = replace(pod, interval=3.5)  # in two of these it polls once
    (found,) = compare(lab, [soon], runs=1, seconds=1)
    assert found.look.keys() == {"HEAD"}, "main itself speaks with MinIO past the proxy"
    assert found.memory > 45 * MIB
    written = [each.object_name for each in lab.minio.client().list_objects(lab.bucket, recursive=True)]
    assert len([name for name in written if name and name.endswith("/0/outputs.pb")]) == found.runs + 1, written


def test_a_tool_that_fails_is_an_error_not_a_fast_one(lab: Laboratory) -> None:
    broken = Waiter(name="broken", command=lambda lab, uri: [sys.executable, "-c", "exit(3)"], default=1)
    with Tool(lab, broken) as tool:
        tool.begin("s3://bucket/key")
        with pytest.raises(AssertionError, match="broken ended with 3"):
            tool.noticed()
        assert not tool.still_waits()


def test_a_program_that_lasts_says_when_it_has_noticed_each_object(lab: Laboratory) -> None:
    program = "import sys\nfor line in sys.stdin:\n    print('a log')\n    print('noticed', flush=True)"
    lasting = Waiter(name="p", command=lambda lab, uri: [sys.executable, "-c", program], default=1, lasts=True)
    with Tool(lab, lasting) as tool:
        began = []
        for uri in ("s3://bucket/1", "s3://bucket/2"):
            tool.begin(uri)
            began.append(tool.began)
            assert tool.noticed() > tool.began
        assert began[0] == began[1], "one process"
