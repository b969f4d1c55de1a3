from __future__ import annotations

from pathlib import Path

import pytest
from objectstore_watcher.contract import WatchSpec
from objectstore_watcher.errors import Action, StoreError
from objectstore_watcher.stores import Found

from tests.sidecar import hostile
from tests.sidecar.tools import One, Opened, unprivileged


def look(uri: str | Path) -> Found | None:
    return One(Opened(WatchSpec(uri=str(uri)))).look()


@pytest.mark.parametrize("prefix", ["", "file://"])
def test_a_file_is_found_by_plain_path_and_file_uri(tmp_path: Path, prefix: str) -> None:
    file = tmp_path / "file"
    file.write_bytes(b"12345")
    found = Found(bucket="", key=str(file), size=5, last_modified=file.stat().st_mtime)
    assert look(f"{prefix}{file}") == found


def test_a_relative_path_is_found_by_its_absolute_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file").touch()
    found = look("file")
    assert found
    assert (found.key, found.size) == (str(tmp_path / "file"), 0)


@pytest.mark.parametrize("key", [key for key in hostile.KEYS if max(map(len, key.encode().split(b"/"))) < 256])
def test_a_hostile_name_is_looked_for_as_it_is(tmp_path: Path, key: str) -> None:
    file = tmp_path / key
    assert look(f"file://{file}") is None
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(b"x")
    found = look(f"file://{file}")
    assert found
    assert found.key == str(file)
    assert [miss for miss in hostile.near_misses(key) if look(f"file://{tmp_path / miss}") is not None] == []


def test_what_is_not_there_is_absent(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "dangling").symlink_to(tmp_path / "nowhere")
    absent = [
        tmp_path / "missing",
        tmp_path / "no" / "such" / "dir",
        tmp_path / "file" / "below",
        tmp_path / "dangling",
    ]
    assert [look(path) for path in absent] == [None] * 4


def test_a_link_stands_for_the_file_that_it_points_to(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"123")
    (tmp_path / "link").symlink_to("file")
    found = look(tmp_path / "link")
    assert found
    assert found.size == 3


def test_a_directory_is_refused(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match=f"^{tmp_path}: the path is a directory; give the path of a file$") as refused:
        look(tmp_path)
    assert refused.value.kind.action is Action.FAIL


def test_a_file_that_this_user_may_not_see_is_an_error(tmp_path: Path) -> None:
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o000)
    for parent in [*list(tmp_path.parents)[:2], tmp_path]:
        parent.chmod(0o755)
    with unprivileged(), pytest.raises(StoreError, match="closed/file: Permission denied; grant this user") as refused:
        look(closed / "file")
    assert refused.value.kind.label == "unreadable"


def test_a_name_that_no_file_can_have_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="File name too long"):
        look(tmp_path / ("a" * 256))


def test_each_look_is_one_stat_of_known_outcome(tmp_path: Path) -> None:
    seen: list[tuple[str, str]] = []
    store = Opened(WatchSpec(uri=str(tmp_path / "file")), on_request=lambda *request: seen.append(request))
    store.look()
    (tmp_path / "file").touch()
    store.look()
    assert seen == [("stat", "absent"), ("stat", "found")]
