"""The process ends within a second of SIGTERM. Here it gets five: machines that run tests are busy."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest
from objectstore_watcher import contract
from objectstore_watcher.contract import Request, WatchSpec
from objectstore_watcher.exits import Exit

from tests.fake_s3 import DRIP, SILENT, Answer, FakeS3, error
from tests.servers import MinioServer, Watcher, eventually
from tests.sidecar.conftest import Start

SLACK = 5

ABSENT = error(404, "NoSuchKey", x_minio_error_code="NoSuchKey")


def end(watcher: Watcher, by: signal.Signals = signal.SIGTERM) -> int:
    watcher.process.send_signal(by)
    return watcher.end(timeout=SLACK)[0]


@pytest.mark.parametrize(("by", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_a_watcher_that_idles_ends(start: Start, marker_directory: Path, by: signal.Signals, code: int) -> None:
    watcher = start("--dir", marker_directory)
    eventually(lambda: contract.last_heartbeat(marker_directory) > 0, "the watcher lives")
    assert end(watcher, by) == code


@pytest.mark.parametrize(
    ("interval", "by", "code"),
    [("0.01", signal.SIGTERM, 143), ("3600", signal.SIGTERM, 143), ("3600", signal.SIGINT, 130)],
)
def test_a_watcher_that_polls_or_pauses_ends(start: Start, interval: str, by: signal.Signals, code: int) -> None:
    with FakeS3(ABSENT) as server:
        watcher = start("s3://bucket/key", "--poll-interval", interval, **server.env())
        eventually(lambda: len(server.requests) >= (5 if interval == "0.01" else 1), "the watcher polls")
        assert end(watcher, by) == code


@pytest.mark.parametrize(("hole", "as_sidecar"), [(SILENT, False), (SILENT, True), (DRIP, True)])
def test_a_watcher_that_is_blocked_in_a_black_hole_ends(
    start: Start, marker_directory: Path, hole: Answer, as_sidecar: bool
) -> None:
    with FakeS3(hole) as server:
        args = ["--dir", marker_directory] if as_sidecar else []
        watcher = start(*args, "s3://bucket/key", "--request-timeout=1h", **server.env())
        eventually(lambda: len(server.requests) == 1, "the watcher asks")
        assert end(watcher) == 143


def test_a_watcher_whose_metrics_are_being_read_ends(start: Start, tmp_path: Path) -> None:
    watcher = start(tmp_path / "absent", "--metrics-address=127.0.0.1:0")
    eventually(lambda: listens(watcher), "the watcher serves metrics")
    connection = psutil.Process(watcher.process.pid).net_connections()[0].laddr
    with socket.create_connection(connection):
        assert end(watcher) == 143


def listens(watcher: Watcher) -> bool:
    return bool(psutil.Process(watcher.process.pid).net_connections())


@pytest.mark.parametrize("delay", [0.0, 0.05, 0.1, 0.2, 0.4])
def test_a_watcher_that_just_starts_ends(start: Start, marker_directory: Path, delay: float) -> None:
    """Before Python runs any code of ours the signal's own action ends it."""
    watcher = start("--dir", marker_directory)
    time.sleep(delay)
    assert end(watcher) in {143, -signal.SIGTERM}


def test_a_signal_that_comes_while_the_program_is_loaded_is_kept(tmp_path: Path) -> None:
    """As process 1 it would be lost if signals were blocked any later: loading the rest takes half a second."""
    script = (
        "import os, signal, sys\nfrom objectstore_watcher import cli, process\nblock = process.block\n"
        "def block_and_send():\n    block()\n    os.kill(os.getpid(), signal.SIGTERM)\n"
        "    print([name for name in ('minio', 'prometheus_client', 'rich') if name in sys.modules], flush=True)\n"
        f"process.block = block_and_send\ncli.main([{str(tmp_path / 'absent')!r}])"
    )
    done = subprocess.run([sys.executable, "-c", script], stdout=subprocess.PIPE, timeout=30, check=False)
    assert (done.returncode, done.stdout) == (143, b"[]\n")


def test_a_signal_that_comes_during_the_first_import_is_kept(tmp_path: Path) -> None:
    """The process sends it to itself at the moment when it looks for the first module that it loads."""
    script = (
        "import os, runpy, signal, sys\n"
        "class Finder:\n"
        "    def find_spec(self, name, *rest):\n"
        "        if name == 'objectstore_watcher.cli': os.kill(os.getpid(), signal.SIGTERM)\n"
        f"sys.meta_path.insert(0, Finder())\nsys.argv[1:] = [{str(tmp_path / 'absent')!r}]\n"
        "runpy.run_module('objectstore_watcher', run_name='__main__', alter_sys=True)"
    )
    assert subprocess.run([sys.executable, "-c", script], timeout=30, check=False).returncode == 143


def can_unshare() -> bool:
    command = ["unshare", "--pid", "--fork", "true"]
    return bool(shutil.which("unshare")) and subprocess.run(command, check=False).returncode == 0


@pytest.mark.skipif(not can_unshare(), reason="needs root and unshare for a process namespace")
def test_a_watcher_that_is_process_1_ends(marker_directory: Path) -> None:
    """As in a container, where signals without a handler are lost."""
    command = ["unshare", "--pid", "--fork", "--kill-child", *Watcher.COMMAND, "--dir", str(marker_directory)]
    outer = subprocess.Popen(command, stderr=subprocess.DEVNULL)
    try:
        eventually(lambda: contract.last_heartbeat(marker_directory) > 0, "the watcher lives")
        [watcher] = psutil.Process(outer.pid).children()
        watcher.send_signal(signal.SIGTERM)
        assert outer.wait(timeout=SLACK) == 143
    finally:
        outer.kill()
        outer.wait()


def test_another_signal_is_no_reason_to_claim_success(start: Start, tmp_path: Path) -> None:
    """SIGUSR1 is how the watching thread reports its end; from outside it means nothing."""
    with FakeS3(ABSENT) as server:
        watcher = start("s3://bucket/key", "--poll-interval=0.01", **server.env())
        eventually(lambda: len(server.requests) >= 3, "the watcher polls")
        watcher.process.send_signal(signal.SIGUSR1)
        seen = len(server.requests)
        eventually(lambda: len(server.requests) >= seen + 3, "the watcher goes on")
        assert end(watcher) == 143


def test_after_the_answer_the_sidecar_ends_with_0(
    start: Start, marker_directory: Path, minio: MinioServer, bucket: str
) -> None:
    minio.put(bucket, "key")
    watcher = start("--dir", marker_directory, f"s3://{bucket}/key", **minio.flyte_env())
    eventually((marker_directory / "ready").exists, "the object is found")
    assert end(watcher) == 0


def test_what_is_stopped_half_way_leaves_no_answer(start: Start, marker_directory: Path, tmp_path: Path) -> None:
    contract.write(marker_directory, Request(spec=WatchSpec(uri=str(tmp_path / "absent"), poll_interval=0.05)))
    watcher = start("--dir", marker_directory)
    eventually(lambda: contract.last_heartbeat(marker_directory) > 0, "the watcher lives")
    assert end(watcher) == 143
    assert set(os.listdir(marker_directory)) - {"progress"} == {"heartbeat", "request"}


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root for a process namespace")
@pytest.mark.parametrize("delay", [0.0, 0.05, 0.1, 0.2, 0.4])
def test_as_process_1_of_a_container_no_sigterm_is_lost_during_the_imports(tmp_path: Path, delay: float) -> None:
    """The kernel drops a signal that process 1 has neither blocked nor a handler for."""
    command = ["unshare", "--pid", "--fork", "--kill-child", sys.executable, "-m", "objectstore_watcher"]
    outer = subprocess.Popen([*command, str(tmp_path / "absent")], stderr=subprocess.DEVNULL)
    try:
        eventually(
            lambda: any(blocks_sigterm(child.pid) for child in psutil.Process(outer.pid).children()), "it starts"
        )
        time.sleep(delay)
        [watcher] = psutil.Process(outer.pid).children()
        watcher.send_signal(signal.SIGTERM)
        assert outer.wait(timeout=30) == Exit.TERMINATED
    finally:
        outer.kill()
        outer.wait()


def blocks_sigterm(pid: int) -> bool:
    """Whether the process is past its first line. While its main thread waits for signals, only others block them."""
    texts = [status.read_text() for status in Path(f"/proc/{pid}/task").glob("*/status")]
    masks = [int(text.split("SigBlk:")[1].split()[0], 16) for text in texts]
    return any(mask >> (signal.SIGTERM - 1) & 1 for mask in masks)
