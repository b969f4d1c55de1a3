"""A writer that is killed at any step: a reader sees nothing or the whole, and the next writer is not hindered."""

from __future__ import annotations

import fcntl
import os
import subprocess
import sys
from pathlib import Path

import pytest
from objectstore_watcher import contract
from objectstore_watcher.contract import Failed, Ready, Request

from tests.servers import ROOT
from tests.sidecar import killed
from tests.sidecar.tools import listing

KINDS: dict[str, type[Ready] | type[Failed] | type[Request]] = {"ready": Ready, "failed": Failed, "request": Request}

OTHER = {"ready": "failed", "failed": "ready", "request": "ready"}


def run(*args: str | Path) -> list[str]:
    """Where writers were killed."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.sidecar.killed", *args],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    return done.stdout.splitlines()


@pytest.mark.parametrize("name", KINDS)
def test_killed_at_every_step_a_reader_sees_nothing_or_the_whole_and_the_next_writer_goes_on(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    *steps, survived = run(tmp_path, name)
    assert survived == ""
    assert {f"{event} {what}" for event in ("c_call", "c_return") for what in ("open", "flock", "fsync", "link")} <= {
        *steps
    }, "the steps that matter are among them"
    assert steps.index("c_return fsync") < steps.index("c_call link"), "what it holds is on the disk before its name is"
    assert steps.count("c_return fsync") == 2, "the file's, and the directory's"
    seen = [_seen(tmp_path / directory, name) for directory in listing(tmp_path)]
    first_whole = seen.index(True)
    assert seen == [False] * first_whole + [True] * (len(seen) - first_whole)
    assert steps[first_whole] == "c_return link", "it appears with that one call"
    with capsys.disabled():
        print(
            f"\n{name}: killed at {len(steps)} steps: {first_whole} saw nothing, {len(steps) - first_whole} the whole"
        )


def _seen(directory: Path, name: str) -> bool:
    """Whether the marker is there, whole; then the next writers try."""
    left = listing(directory)
    content = contract.read(directory, KINDS[name])  # type: ignore[type-var] # one of the three
    assert (name in left) == (content is not None)
    assert content is None or killed.is_whole(content, name)
    assert all(each.startswith(f".{name}.") and each.endswith(".tmp") for each in left if each != name), left
    assert len(left) <= 2
    _is_unlocked(directory)
    _next_writers(directory, name, was_there=content is not None)
    return content is not None


def _is_unlocked(directory: Path) -> None:
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    finally:
        os.close(descriptor)


def _next_writers(directory: Path, name: str, *, was_there: bool) -> None:
    """A restarted writer of the same, after one of the other answer: whoever is first stays, alone and whole."""
    names = [OTHER[name], name] if was_there and name != "request" else [name, OTHER[name]]
    written = [_written(directory, each) for each in names]
    if name == "request":
        assert written == [not was_there, True]
        assert listing(directory) == ["ready", "request"]
    else:
        assert written == ([False, False] if was_there else [True, False])
        assert listing(directory) == [name]
        assert killed.is_whole(contract.terminal(directory), name)


def _written(directory: Path, name: str) -> bool:
    try:
        contract.write(directory, killed.CONTENTS[name])
    except FileExistsError:
        return False
    return True


@pytest.mark.parametrize("name", KINDS)
def test_a_writer_that_is_killed_again_and_again_does_not_fill_the_volume(name: str, tmp_path: Path) -> None:
    assert run(tmp_path, name, "here") == ["c_return fsync"] * 100
    (left,) = listing(tmp_path)
    assert left.startswith(f".{name}.")
    contract.write(tmp_path, killed.CONTENTS[name])
    assert listing(tmp_path) == [name]
