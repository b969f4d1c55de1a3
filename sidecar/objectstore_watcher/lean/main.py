"""What the lean main does, from its arguments to its exit code.

Most of a process that has read ``inputs.pb`` is the client of the object store. So, where the answer does not come
soon, it is exchanged for one that has loaded none of it: ``exec`` keeps the process, and the request is handed over in
memory. That one loads the client when the answer has come.
"""

from __future__ import annotations

import sys
import traceback
from dataclasses import dataclass
from functools import partial

from objectstore_watcher import mains, termination, waiting
from objectstore_watcher.contract import Failed, Ready
from objectstore_watcher.errors import InvalidArgument, StoreError, WaitError, one_line
from objectstore_watcher.lean import handover
from objectstore_watcher.lean.handover import Wait
from objectstore_watcher.lean.task import LeanTask
from objectstore_watcher.waiting import Pulse, Relief

TYPE_CHECKING = False  # as in the contract
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import NoReturn

    from objectstore_watcher.lean.metadata import MetadataStore

SOON = 10.0
"""Seconds for which main waits with all that it has loaded: an object that is there is found within them, and writing
``outputs.pb`` need not load it again, which takes 0.3 s of CPU."""


@dataclass(frozen=True, kw_only=True)
class Call:
    """The arguments, each as ``--name=value``.

    Attributes:
        task: as `LeanTask.encoded` writes it.
        inputs: path of inputs.pb.
        outputs: prefix of outputs.pb and error.pb.
    """

    task: str
    inputs: str
    outputs: str


@dataclass(frozen=True)
class End:
    """What Flyte is to find.

    Attributes:
        name: of the file: outputs.pb or error.pb.
        document: what it holds.
        deck: the page of the wait for Flyte's console; empty: none.
    """

    name: str
    document: bytes
    deck: str = ""


class Platform(Exception):
    """What went wrong is around the wait, not of it: flytekit's main takes that for the platform's error, too.

    Attributes:
        cause: what.
        is_retryable: whether a new attempt can help.
    """

    def __init__(self, cause: Exception, *, is_retryable: bool) -> None:
        self.cause = cause
        self.is_retryable = is_retryable
        super().__init__(str(cause))


def main() -> NoReturn:
    """Run the lean main and end the process: with 0 where Flyte finds outputs.pb or error.pb, else with 1."""
    sys.exit(run(sys.argv[1:]))


def run(argv: Sequence[str]) -> int:
    """Run the lean main; returns its exit code."""
    try:
        call, handed_over = parse(argv), handover.received()
        if handed_over is None:
            _check_extra()
        end = _outcome(call, handed_over)
        _metadata(call).write(f"{call.outputs}/{end.name}", end.document)
        if end.deck:
            _write_deck(call, end.deck)
    except WaitError as error:  # of the arguments, or where nothing can be written for Flyte
        say(f"error: {error}")
        termination.leave(str(error))
        return 1
    return 0


def parse(argv: Sequence[str]) -> Call:
    """The arguments.

    Raises:
        InvalidArgument: they are not those of a sensor's pod.
    """
    try:
        return Call(**dict(argument.removeprefix("--").split("=", 1) for argument in argv))
    except (TypeError, ValueError):
        raise InvalidArgument(
            "arguments", "are not those of a sensor's pod", cure="give --task=, --inputs= and --outputs="
        ) from None


def say(text: str) -> None:
    """One line of log."""
    print(f"objectstore-watcher-main: {one_line(text)}", file=sys.stderr, flush=True)


def _outcome(call: Call, handed_over: Wait | None) -> End:
    """Wait; what Flyte is to find."""
    task, wait = None, handed_over
    try:
        task = LeanTask.decoded(call.task)
        wait = wait or _asked(call, task)
        ready = _answer(wait, None if handed_over else Relief(SOON, partial(handover.hand_over, wait)))
        from objectstore_watcher.lean import literals  # late, as said above

        return End("outputs.pb", literals.outputs(task, wait.request.spec, ready), _deck(task, wait, ready))
    except Exception as error:
        termination.leave(str(error))  # it exits with 0 whatever happened, as flytekit does
        account = mains.account_of(wait.request.spec, error) if wait and isinstance(error, WaitError) else None
        return End("error.pb", _failure(error), _deck(task, wait, account))


def _answer(wait: Wait, relief: Relief | None) -> Ready:
    request = wait.request
    return waiting.wait(
        mains.marker_directory(),
        request.spec.heartbeat_interval,
        until=request.answer_due,
        pulse=wait.pulse,
        relief=relief,
    )


def _deck(task: LeanTask | None, wait: Wait | None, answer: Ready | Failed | None) -> str:
    """The page for Flyte's console, where that is asked for."""
    if not (task and task.deck and wait and answer):
        return ""
    from objectstore_watcher import deck  # late: few ask for it

    return deck.page(answer, wait.request.spec, mains.attempt())


def _write_deck(call: Call, page: str) -> None:
    """Show the wait; what the task returns does not depend on it."""
    try:
        _metadata(call).write(f"{call.outputs}/deck.html", page.encode())
    except StoreError as error:
        say(f"no deck: {error}")


def _asked(call: Call, task: LeanTask) -> Wait:
    """Ask the watcher for what the inputs say."""
    from objectstore_watcher.lean import literals

    store = _metadata(call)
    try:
        given = literals.inputs(task, store.read(call.inputs), store.read)
    except (StoreError, literals.NotInputs) as error:
        raise Platform(error, is_retryable=isinstance(error, StoreError)) from None
    request = mains.ask(task.watch_spec(given.path, given.moment))
    say(f"waiting for {request.spec.name}")
    return Wait(request, Pulse())


def _failure(error: Exception) -> bytes:
    from objectstore_watcher.lean import literals

    say(f"{type(error).__name__}: {error}")
    if isinstance(error, WaitError):
        return literals.failure(error)
    if isinstance(error, Platform):
        return literals.system_failure(error.cause, is_retryable=error.is_retryable)
    for line in "".join(traceback.format_exception(error)).splitlines():
        say(line)  # what is not ours in it is escaped
    return literals.broken(error)


def _metadata(call: Call) -> MetadataStore:
    from objectstore_watcher.lean.metadata import opened

    return opened(call.outputs + "/outputs.pb")


def _check_extra() -> None:
    """See that Flyte's messages are installed, before anything else.

    Raises:
        InvalidArgument: they are not.
    """
    try:
        from objectstore_watcher.lean import literals  # noqa: F401  # only whether it can be
    except ImportError as error:
        raise InvalidArgument(
            "main='lean'",
            f"this image has no {error.name}",
            cure="use a watcher image (watcher_image=) made with make image, or install objectstore-watcher[flyte]",
        ) from None
