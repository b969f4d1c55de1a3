"""What another container of the pod can put into the volume: never a hang, always one clear error."""

from __future__ import annotations

import fcntl
import os
import socket
import stat
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import pytest
from objectstore_watcher import contract, markers, waiting
from objectstore_watcher.contract import Failed, Ready, Request, WatchSpec
from objectstore_watcher.errors import MarkerError, WaitError

from tests.servers import eventually
from tests.sidecar.conftest import Start
from tests.sidecar.tools import listing

pytestmark = pytest.mark.timeout(60)

URI = "s3://bucket/key"
SECRET = '{"version": 1, "uri": 12345}'


def a_fifo(path: Path) -> None:
    os.mkfifo(path)


def a_device(path: Path) -> None:
    """/dev/zero: without end, and open to all."""
    try:
        os.mknod(path, stat.S_IFCHR | 0o666, os.makedev(1, 5))
    except PermissionError:
        pytest.skip("only root makes devices")


def a_directory(path: Path) -> None:
    path.mkdir()


def a_socket(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(path))


def a_link(path: Path) -> None:
    """To a file of the reader's own container, whose words an error would repeat."""
    secret = path.parent.parent / "secret"
    secret.write_text(SECRET)
    path.symlink_to(secret)


def a_dangling_link(path: Path) -> None:
    path.symlink_to(path.parent.parent / "absent")


TRAPS = [a_fifo, a_device, a_directory, a_socket, a_link, a_dangling_link]

trapped = pytest.mark.parametrize("trap", TRAPS, ids=lambda trap: trap.__name__)


@trapped
@pytest.mark.parametrize("kind", [Request, Ready, Failed])
def test_a_marker_that_is_no_regular_file_is_one_marker_error_at_once(
    marker_directory: Path, kind: type[Ready], trap: Callable[[Path], None]
) -> None:
    trap(marker_directory / kind.NAME)
    with pytest.raises(MarkerError) as refused:
        contract.read(marker_directory, kind)
    assert str(refused.value).startswith(
        f"{marker_directory}: '{kind.NAME}' cannot be read: it is no regular file; find out who else"
    )
    assert "12345" not in str(refused.value)


@trapped
def test_a_heartbeat_that_is_no_regular_file_is_one_marker_error_and_no_sign_of_life(
    marker_directory: Path, trap: Callable[[Path], None]
) -> None:
    trap(marker_directory / "heartbeat")
    assert contract.last_heartbeat(marker_directory) == 0
    with pytest.raises(MarkerError, match=r"'heartbeat' cannot be written: (it is no regular file|Is a directory); "):
        contract.beat(marker_directory)
    assert not (marker_directory.parent / "absent").exists(), "nothing is made at the other end of a link"


def test_a_fifo_that_somebody_reads_is_no_heartbeat_either(marker_directory: Path) -> None:
    os.mkfifo(marker_directory / "heartbeat")
    reader = os.open(marker_directory / "heartbeat", os.O_RDONLY | os.O_NONBLOCK)
    try:
        with pytest.raises(MarkerError, match="it is no regular file"):
            contract.beat(marker_directory)
    finally:
        os.close(reader)


@trapped
@pytest.mark.parametrize("name", ["ready", "failed"])
def test_a_trap_in_place_of_the_answer_is_not_replaced(
    marker_directory: Path, name: str, trap: Callable[[Path], None]
) -> None:
    trap(marker_directory / name)
    for answer in (Ready(uri=URI), Failed.of(URI, WaitError(URI))):
        with pytest.raises(FileExistsError):
            contract.write(marker_directory, answer)
    assert listing(marker_directory) == [name]


@pytest.mark.parametrize("kind", [Request, Ready, Failed])
def test_a_huge_file_is_refused_by_its_first_bytes(marker_directory: Path, kind: type[Ready]) -> None:
    """Of its 256 MiB nothing is on disk; read whole, it would be more than the watcher may have."""
    with (marker_directory / kind.NAME).open("wb") as file:
        file.truncate(256 << 20)
    tracemalloc.start()
    try:
        with pytest.raises(MarkerError, match=f"is longer than {contract.MAX_FILE_BYTES} bytes"):
            contract.read(marker_directory, kind)
        assert tracemalloc.get_traced_memory()[1] < 4 * contract.MAX_FILE_BYTES
    finally:
        tracemalloc.stop()


def test_who_keeps_the_lock_does_not_keep_a_writer_for_ever(
    marker_directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Even a container that may only read can take it."""
    assert markers.LOCK_TIMEOUT == 10
    monkeypatch.setattr(markers, "LOCK_TIMEOUT", 0.3)
    descriptor = os.open(marker_directory, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH)
        with pytest.raises(MarkerError, match=r"'ready' cannot be written: another process has kept the lock for 0.3"):
            contract.write(marker_directory, Ready(uri=URI))
    finally:
        os.close(descriptor)
    assert listing(marker_directory) == []
    contract.write(marker_directory, Ready(uri=URI))


@trapped
@pytest.mark.parametrize("name", ["request", "ready", "heartbeat"])
def test_a_watcher_ends_with_one_line_that_says_so(
    start: Start, marker_directory: Path, name: str, trap: Callable[[Path], None]
) -> None:
    trap(marker_directory / name)
    watcher = start("--dir", marker_directory, "--log-format=json", "--metrics-address=127.0.0.1:0")
    if name == "request":  # it has answered, and stays
        answer = eventually_failed(marker_directory)
        assert answer.kind == "marker_unwritable"
        assert "'request' cannot be read: it is no regular file" in answer.message
        return
    code, told = watcher.end()
    assert code == 6
    assert f"'{name}' cannot be" in told.splitlines()[-1]


def eventually_failed(directory: Path) -> Failed:
    eventually((directory / "failed").exists, "the watcher answers")
    answer = contract.terminal(directory)
    assert isinstance(answer, Failed)
    return answer


def test_main_does_not_hang_on_a_request_that_is_a_trap(marker_directory: Path) -> None:
    os.mkfifo(marker_directory / "request")
    with pytest.raises(MarkerError, match="'request' cannot be read: it is no regular file"):
        waiting.ask(marker_directory, WatchSpec(uri=URI))
