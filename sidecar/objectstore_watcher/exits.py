"""How the command ends: its exit codes; and how it reads a command line."""

from __future__ import annotations

import argparse
from enum import IntEnum
from typing import NoReturn

from objectstore_watcher.errors import DeadlineExceeded, InvalidArgument, MarkerError, WaitError


class Exit(IntEnum):
    """The exit codes."""

    READY = 0
    INTERNAL = 1
    USAGE = 2
    DEADLINE = 3
    REFUSED = 4
    TRY_AGAIN = 5
    MARKERS = 6
    WAITING = 7
    DEAD = 8
    INTERRUPTED = 130
    TERMINATED = 143


EXITS = {
    Exit.READY: "the object is there; with --dir: told to stop after the wait ended",
    Exit.INTERNAL: "an error of this program's own; or the object is there, and --json could not be written",
    Exit.USAGE: "an argument cannot be right; nothing was requested",
    Exit.DEADLINE: "the object did not appear in time",
    Exit.REFUSED: "waiting cannot help: bucket missing, no access, TLS",
    Exit.TRY_AGAIN: "waiting cannot help, but a new attempt may: expired credentials, clock skew",
    Exit.MARKERS: "the marker directory is missing, full or read-only; status: it or a marker cannot be read",
    Exit.WAITING: "status: the wait goes on, or has not begun",
    Exit.DEAD: "status: the watcher gives no sign of life",
    Exit.INTERRUPTED: "SIGINT before the wait ended",
    Exit.TERMINATED: "SIGTERM before the wait ended",
}


class Parser(argparse.ArgumentParser):
    """Tells what is wrong as everything else does, and leaves the end of the process to the caller."""

    def error(self, message: str) -> NoReturn:
        """Raise `InvalidArgument`."""
        raise InvalidArgument("arguments", message, cure="see objectstore-watcher --help")


def code_of(error: WaitError) -> Exit:
    """The exit code for ``error``."""
    if isinstance(error, InvalidArgument):
        return Exit.USAGE
    if isinstance(error, MarkerError):
        return Exit.MARKERS
    if isinstance(error, DeadlineExceeded):
        return Exit.DEADLINE
    return Exit.TRY_AGAIN if error.retryable else Exit.REFUSED
