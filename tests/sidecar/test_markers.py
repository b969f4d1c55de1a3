from __future__ import annotations

import fcntl
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from objectstore_watcher import markers
from objectstore_watcher.errors import MarkerError

from tests.sidecar.tools import listing, unprivileged

BIG = bytes(range(256)) * 4096  # a MiB: written in many parts

PUBLISH = """
import sys, time, pathlib
from objectstore_watcher import markers
directory, content = pathlib.Path(sys.argv[1]), sys.argv[2].encode() * 65536
while not (directory / "go").exists(): time.sleep(0.001)
try:
    markers.publish(directory, "marker", content)
except FileExistsError:
    sys.exit(17)
"""

PUBLISH_TOO_MUCH = """
import resource, sys, pathlib
from objectstore_watcher import errors, markers
resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
try:
    markers.publish(pathlib.Path(sys.argv[1]), "marker", b"x" * 2000)
except errors.MarkerError as error:
    sys.exit(str(error))
"""


@pytest.fixture
def tmpfs(tmp_path: Path) -> Iterator[Callable[[str], Path]]:
    """Mounts a memory file system with the options that it gets, like the emptyDir of a pod."""
    mounted: list[Path] = []

    def mount(options: str) -> Path:
        directory = tmp_path / f"tmpfs-{len(mounted)}"
        directory.mkdir()
        done = subprocess.run(
            ["mount", "-t", "tmpfs", "-o", options, "tmpfs", directory], stderr=subprocess.PIPE, check=False
        )
        if done.returncode != 0:
            pytest.skip(f"cannot mount here: {done.stderr.decode().strip()}")
        mounted.append(directory)
        return directory

    yield mount
    for directory in mounted:
        subprocess.run(["umount", directory], check=True)


def test_a_file_is_published_with_all_of_its_content(tmp_path: Path) -> None:
    markers.publish(tmp_path, "marker", BIG)
    assert markers.load(tmp_path, "marker", len(BIG)) == BIG
    assert listing(tmp_path) == ["marker"]


def test_a_reader_sees_a_file_whole_or_not_at_all(tmp_path: Path) -> None:
    done, seen = threading.Event(), set()

    def read() -> None:
        while not done.is_set():
            for number in range(40):
                data = markers.load(tmp_path, f"marker-{number}", len(BIG))
                seen.add(None if data is None else len(data))

    reader = threading.Thread(target=read)
    reader.start()
    for number in range(40):
        markers.publish(tmp_path, f"marker-{number}", BIG)
    done.set()
    reader.join()
    assert seen <= {None, len(BIG)}


def test_a_write_that_fails_half_way_shows_and_leaves_nothing(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", PUBLISH_TOO_MUCH, tmp_path], stderr=subprocess.PIPE, text=True, check=False
    )
    assert f"{tmp_path}: 'marker' cannot be written: File too large" in done.stderr
    assert listing(tmp_path) == []


def test_a_file_is_never_replaced(tmp_path: Path) -> None:
    markers.publish(tmp_path, "marker", b"first")
    with pytest.raises(FileExistsError):
        markers.publish(tmp_path, "marker", b"second")
    assert markers.load(tmp_path, "marker", 100) == b"first"
    assert listing(tmp_path) == ["marker"]


def test_of_processes_that_publish_at_once_exactly_one_wins_and_its_file_is_whole(tmp_path: Path) -> None:
    racers = {name: subprocess.Popen([sys.executable, "-c", PUBLISH, tmp_path, name]) for name in "abcd"}
    (tmp_path / "go").touch()
    codes = {name: racer.wait(timeout=60) for name, racer in racers.items()}
    assert sorted(codes.values()) == [0, 17, 17, 17]
    [winner] = [name for name, code in codes.items() if code == 0]
    assert (tmp_path / "marker").read_bytes() == winner.encode() * 65536
    assert listing(tmp_path) == ["go", "marker"]


@pytest.mark.parametrize("umask", [0o000, 0o022, 0o077, 0o777])
def test_other_users_can_read_a_file_and_not_write_it_whatever_the_umask(tmp_path: Path, umask: int) -> None:
    before = os.umask(umask)
    try:
        markers.publish(tmp_path, "marker", b"data")
    finally:
        os.umask(before)
    assert (tmp_path / "marker").stat().st_mode & 0o777 == 0o644


def test_what_a_killed_writer_left_behind_is_no_obstacle_and_goes_with_the_next_one(tmp_path: Path) -> None:
    """A writer that died between link and unlink leaves a second name of the very file: nobody writes to that again."""
    markers.publish(tmp_path, "marker", b"data")
    os.link(tmp_path / "marker", tmp_path / ".marker.left.tmp")
    (tmp_path / ".marker.half.tmp").write_bytes(b"other d")
    with pytest.raises(FileExistsError):
        markers.publish(tmp_path, "marker", b"other data")
    assert markers.load(tmp_path, "marker", 100) == b"data"
    assert listing(tmp_path) == ["marker"]


def test_a_file_that_looks_like_a_leftover_of_another_marker_stays(tmp_path: Path) -> None:
    """Its writer may be alive."""
    (tmp_path / ".other.half.tmp").touch()
    (tmp_path / ".marker").touch()
    markers.publish(tmp_path, "marker", b"data")
    assert listing(tmp_path) == [".marker", ".other.half.tmp", "marker"]


def test_of_names_that_exclude_each_other_only_one_is_published_whoever_is_first(tmp_path: Path) -> None:
    """Twenty processes at once, half for each name."""
    script = (
        "import sys, pathlib; from objectstore_watcher import markers\n"
        "sys.stdin.read(1)\n"
        "try: markers.publish(pathlib.Path(sys.argv[1]), sys.argv[2], sys.argv[2].encode() * 1000, ('a', 'b'))\n"
        "except FileExistsError: pass\n"
    )
    command = [sys.executable, "-c", script, str(tmp_path)]
    writers = [subprocess.Popen([*command, "ab"[n % 2]], stdin=subprocess.PIPE) for n in range(20)]
    for writer in writers:
        assert writer.stdin
        writer.stdin.write(b"x")
        writer.stdin.flush()
    assert [writer.wait(60) for writer in writers] == [0] * 20
    for writer in writers:
        writer.stdin.close()  # type: ignore[union-attr]  # as above
    (name,) = listing(tmp_path)
    assert (tmp_path / name).read_bytes() == name.encode() * 1000


def test_names_that_exclude_each_other_are_published_one_after_the_other(tmp_path: Path) -> None:
    """Who has the directory's lock looks and publishes; meanwhile nobody else does."""
    descriptor = os.open(tmp_path, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        other = threading.Thread(target=lambda: markers.publish(tmp_path, "marker", b"data", ("other",)))
        other.start()
        other.join(0.3)
        assert markers.load(tmp_path, "marker", 100) is None
    finally:
        os.close(descriptor)
    other.join()
    assert markers.load(tmp_path, "marker", 100) == b"data"


def _refused(directory: Path, cause: str) -> None:
    with pytest.raises(MarkerError) as publishing:
        markers.publish(directory, "marker", b"data")
    with pytest.raises(MarkerError) as touching:
        markers.touch(directory, "marker")
    for refused in (publishing, touching):
        assert str(refused.value).startswith(f"{directory}: 'marker' cannot be written: {cause}; ")
        assert "--dir" in str(refused.value)


def test_a_missing_directory_is_a_marker_error(tmp_path: Path) -> None:
    _refused(tmp_path / "missing", "No such file or directory")


def test_a_file_in_place_of_the_directory_is_a_marker_error(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text("not a directory")
    _refused(file, "Not a directory")
    assert file.read_text() == "not a directory"
    with pytest.raises(MarkerError, match="cannot be read: Not a directory"):
        markers.load(file, "marker", 100)


def test_a_directory_without_write_permission_is_a_marker_error(marker_directory: Path) -> None:
    marker_directory.chmod(0o555)
    for parent in list(marker_directory.parents)[:3]:
        parent.chmod(0o755)
    with unprivileged():
        _refused(marker_directory, "Permission denied")
    assert listing(marker_directory) == []


def test_a_read_only_volume_is_a_marker_error(tmpfs: Callable[[str], Path]) -> None:
    directory = tmpfs("ro")
    _refused(directory, "Read-only file system")
    assert listing(directory) == []


def test_a_full_volume_is_a_marker_error_and_nothing_is_left_behind(tmpfs: Callable[[str], Path]) -> None:
    directory = tmpfs("size=8k")
    (directory / "filler").write_bytes(b"x" * 8192)
    with pytest.raises(MarkerError, match="'marker' cannot be written: No space left on device"):
        markers.publish(directory, "marker", b"data")
    assert listing(directory) == ["filler"]


def test_a_volume_without_inodes_is_a_marker_error(tmpfs: Callable[[str], Path]) -> None:
    _refused(tmpfs("nr_inodes=1"), "No space left on device")


def test_a_file_that_is_not_there_is_none(tmp_path: Path) -> None:
    assert markers.load(tmp_path, "marker", 100) is None
    assert markers.load(tmp_path / "missing", "marker", 100) is None


def test_a_file_up_to_the_limit_is_read_and_a_longer_one_refused(tmp_path: Path) -> None:
    (tmp_path / "marker").write_bytes(b"x" * 100)
    assert markers.load(tmp_path, "marker", 100) == b"x" * 100
    with pytest.raises(MarkerError, match=f"^{tmp_path}/marker: is longer than 99 bytes; "):
        markers.load(tmp_path, "marker", 99)


def test_touch_makes_a_file_and_moves_its_time_on(tmp_path: Path) -> None:
    assert markers.modified(tmp_path, "heartbeat") == 0
    markers.touch(tmp_path, "heartbeat")
    os.utime(tmp_path / "heartbeat", ns=(1, 1))
    markers.touch(tmp_path, "heartbeat")
    assert markers.modified(tmp_path, "heartbeat") > 1
