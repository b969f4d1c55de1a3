"""Kills a writer of markers at every step; a program of its own: it forks, and has no thread but its first.

``python -m tests.sidecar.killed FOLDER NAME`` publishes the marker NAME in ``FOLDER/0001``, where the writer is killed
(SIGKILL) at the first call or return of any function, Python's or C's, from `markers.publish` on; in ``FOLDER/0002`` at
the second, and so on, until one survives. It prints one line for each that was killed: where.

With a third argument, all of them publish in that one directory, each killed at the same step: once it has written.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from types import FrameType

from objectstore_watcher import contract, markers
from objectstore_watcher.contract import Failed, Matched, Ready, Request, WatchSpec
from objectstore_watcher.errors import WaitError

URI = "s3://bucket/" + "k" * 1000

CONTENTS: dict[str, Ready | Failed | Request] = {
    "ready": Ready(uri=URI, objects=(Matched(uri=URI, size=4, etag="e"),)),
    "failed": Failed.of(URI, WaitError(URI, "what was seen")),
    "request": Request(spec=WatchSpec(uri=URI)),
}


def is_whole(content: object, name: str) -> bool:
    """Whether a reader got all of the marker; the times differ between processes."""
    wanted = CONTENTS[name]
    if isinstance(content, Failed) and isinstance(wanted, Failed):
        return (content.uri, content.detail, content.message) == (wanted.uri, wanted.detail, wanted.message)
    if isinstance(content, Request) and isinstance(wanted, Request):
        return content.spec == wanted.spec
    return content == wanted


def killed_at(step: Callable[[int, str], bool], directory: Path, name: str) -> str:
    """Where a forked writer was killed, or nothing where it survived; ``step`` says whether it is to be now."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        count = 0

        def at_each(frame: FrameType, event: str, argument: object) -> None:
            nonlocal count
            count += bool(count) or frame.f_code is markers.publish.__code__
            what = getattr(argument, "__name__", "") if event.startswith("c_") else frame.f_code.co_name
            if count and step(count, f"{event} {what}"):
                os.write(writer, f"{event} {what}".encode())
                os.kill(os.getpid(), signal.SIGKILL)

        sys.setprofile(at_each)
        contract.write(directory, CONTENTS[name])
        sys.setprofile(None)
        os._exit(0)
    os.close(writer)
    with open(reader) as told:
        where = told.read()
    _, status = os.waitpid(child, 0)
    if os.WIFSIGNALED(status):
        return where
    if os.WEXITSTATUS(status) != 0:
        sys.exit(f"the writer in {directory} failed")
    return ""


def at_every_step(folder: Path, name: str) -> None:
    """Until one survives, which has a directory, too."""
    number, where = 0, "begin"
    while where:
        number += 1
        directory = folder / f"{number:04}"
        directory.mkdir()
        where = killed_at(lambda count, _, last=number: count == last, directory, name)  # type: ignore[misc]
        print(where, flush=True)


def again_and_again(directory: Path, name: str) -> None:
    """A hundred times in one directory, each with a whole temporary file and no marker yet."""
    for _ in range(100):
        print(killed_at(lambda _, what: what == "c_return fsync", directory, name))


if __name__ == "__main__":
    if len(sys.argv) > 3:
        again_and_again(Path(sys.argv[1]), sys.argv[2])
    else:
        at_every_step(Path(sys.argv[1]), sys.argv[2])
