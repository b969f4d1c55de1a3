"""Last words: what the kubelet, which mounts the file, finds in it when the container has ended."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from objectstore_watcher import contract, termination
from objectstore_watcher.contract import Failed, Ready

from tests.fake_s3 import FakeS3, error
from tests.servers import eventually
from tests.sidecar.test_fuzz import TEXT

URI = "s3://bucket/key"

ABSENT = error(404, "NoSuchKey", x_minio_error_code="NoSuchKey")

ELSEWHERE = """
import sys
from objectstore_watcher import termination
termination.PATH = sys.argv.pop(1)
from objectstore_watcher.__main__ import main
main()
"""
"""The command, in a container whose file for last words is elsewhere."""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """What the kubelet mounts: there, and empty."""
    path = tmp_path / "termination-log"
    path.touch()
    return path


class Container:
    """The command, as the kubelet starts it."""

    def __init__(self, file: Path, args: tuple[str, ...], env: dict[str, str]) -> None:
        base = {"PATH": os.environ["PATH"], "HOME": os.environ["HOME"], "AWS_EC2_METADATA_DISABLED": "true"}
        self.process = subprocess.Popen(
            [sys.executable, "-c", ELSEWHERE, str(file), *args],
            env={**base, **env},
            stderr=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )

    def __enter__(self) -> Container:
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.process.communicate()

    def end(self, by: signal.Signals | None = None) -> int:
        if by:
            self.process.send_signal(by)
        return self.process.wait(timeout=30)


@pytest.fixture
def containers() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


def test_a_message_replaces_what_was_there(file: Path) -> None:
    termination.leave("a long message", str(file))
    termination.leave("short", str(file))
    assert file.read_text() == "short"


@given(TEXT)
def test_any_message_is_one_line_that_the_kubelet_keeps_whole(message: str) -> None:
    path = Path("/dev/shm" if Path("/dev/shm").is_dir() else "/tmp") / f"last-words-{os.getpid()}"
    path.touch()
    try:
        termination.leave(message, str(path))
        data = path.read_bytes()
    finally:
        path.unlink()
    assert len(data) <= termination.MOST_BYTES
    assert data.decode().isprintable()


@pytest.mark.parametrize("letter", ["x", "é", "語", "\U0001f600"])
def test_of_a_long_message_the_beginning_is_kept(file: Path, letter: str) -> None:
    termination.leave("it is about this: " + letter * 5000, str(file))
    data = file.read_bytes()
    assert termination.MOST_BYTES - 4 <= len(data) <= termination.MOST_BYTES
    assert data.decode().startswith(f"it is about this: {letter}")
    assert data.decode().endswith("…")


def test_no_file_is_made(tmp_path: Path) -> None:
    termination.leave("words", str(tmp_path / "absent"))
    termination.leave("words", str(tmp_path / "absent" / "too"))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.timeout(20)
def test_what_is_no_file_is_left_alone(tmp_path: Path, file: Path) -> None:
    (tmp_path / "link").symlink_to(file)
    os.mkfifo(tmp_path / "pipe")
    for name in ("link", "pipe", "."):
        termination.leave("words", str(tmp_path / name))
    assert file.read_text() == ""


def test_a_command_leaves_why_it_failed(containers: ExitStack, file: Path) -> None:
    with FakeS3(error(403, "AccessDenied")) as server:
        container = containers.enter_context(Container(file, (URI,), server.env()))
        assert container.end() == 4
    assert file.read_text().startswith(f"{URI}: ")
    assert "s3:GetObject" in file.read_text()


def test_a_command_leaves_what_it_found(containers: ExitStack, file: Path, tmp_path: Path) -> None:
    (tmp_path / "found").write_bytes(b"1234")
    assert containers.enter_context(Container(file, (str(tmp_path / "found"),), {})).end() == 0
    assert file.read_text().startswith(f"ready: {tmp_path / 'found'} (4 bytes) after 0.")


def test_a_command_leaves_which_argument_is_wrong(containers: ExitStack, file: Path) -> None:
    assert containers.enter_context(Container(file, ("s3:/typo",), {})).end() == 2
    assert "s3:/typo" in file.read_text()


def test_a_command_leaves_that_it_was_told_to_stop(containers: ExitStack, file: Path, tmp_path: Path) -> None:
    absent = str(tmp_path / "absent")
    container = containers.enter_context(Container(file, (absent, f"--dir={tmp_path}"), {}))
    eventually((tmp_path / "request").exists, "the wait has begun")
    assert container.end(signal.SIGTERM) == 143
    assert file.read_text() == f"{absent}: told to stop by SIGTERM before the wait ended"


def test_a_sidecar_leaves_its_answer_at_once_and_again_after_a_restart(
    containers: ExitStack, file: Path, marker_directory: Path
) -> None:
    with FakeS3(ABSENT) as server:
        args = (URI, f"--dir={marker_directory}", "--timeout=100ms", "--detection=poll")
        first = containers.enter_context(Container(file, args, server.env()))
        eventually((marker_directory / "failed").exists, "failed")
        first.end(signal.SIGKILL)
    answer = contract.terminal(marker_directory)
    assert isinstance(answer, Failed)
    assert file.read_text() == answer.message
    file.write_text("")  # each container gets a file of its own
    second = containers.enter_context(Container(file, args, {}))
    eventually(lambda: file.read_text() != "", "the next container says the same")
    assert second.end(signal.SIGTERM) == 0
    assert file.read_text() == answer.message


def test_who_looks_into_a_container_leaves_its_last_words_alone(
    containers: ExitStack, file: Path, marker_directory: Path
) -> None:
    contract.write(marker_directory, Ready(uri=URI))
    assert containers.enter_context(Container(file, ("status", str(marker_directory)), {})).end() == 0
    assert containers.enter_context(Container(file, ("status", "/absent"), {})).end() == 6
    assert file.read_text() == ""


@given(st.text(max_size=20))
def test_no_path_is_no_error(path: str) -> None:
    if "\0" not in path:
        termination.leave("words", f"/absent/{path}")
