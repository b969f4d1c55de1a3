"""What the lean main does, from its arguments to its exit code."""

from __future__ import annotations

import sys
import traceback

from objectstore_watcher import mains, waiting
from objectstore_watcher.errors import InvalidArgument, StoreError, WaitError, one_line
from objectstore_watcher.lean.task import LeanTask

TYPE_CHECKING = False  # as in the contract
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import NoReturn

    from objectstore_watcher.lean.metadata import MetadataStore

ARGUMENTS = ("task", "inputs", "outputs")
"""``--task=TEXT``, as `LeanTask.encoded` writes it; ``--inputs=PATH`` of inputs.pb; ``--outputs=PREFIX`` of what is
written."""


def main() -> NoReturn:
    """Run the lean main and end the process: with 0 where Flyte finds outputs.pb or error.pb, else with 1."""
    sys.exit(run(sys.argv[1:]))


def run(argv: Sequence[str]) -> int:
    """Run the lean main; returns its exit code."""
    try:
        _check_extra()
        arguments = parse(argv)
        _run(arguments)
    except WaitError as error:  # of the arguments, or where nothing can be written for Flyte
        say(f"error: {error}")
        return 1
    return 0


def parse(argv: Sequence[str]) -> dict[str, str]:
    """The arguments by name.

    Raises:
        InvalidArgument: they are not those of a sensor's pod.
    """
    given = dict(argument.removeprefix("--").split("=", 1) for argument in argv if "=" in argument)
    if given.keys() != set(ARGUMENTS) or len(argv) != len(ARGUMENTS):
        raise InvalidArgument(
            "arguments", "are not those of a sensor's pod", cure=f"give {', '.join(f'--{name}=' for name in ARGUMENTS)}"
        )
    return given


def say(text: str) -> None:
    """One line of log."""
    print(f"objectstore-watcher-main: {one_line(text)}", file=sys.stderr, flush=True)


def _run(arguments: Mapping[str, str]) -> None:
    from objectstore_watcher.lean.metadata import MetadataStore

    store = MetadataStore(arguments["outputs"] + "/outputs.pb")
    name, document = _outcome(arguments, store)
    store.write(f"{arguments['outputs']}/{name}", document)


def _outcome(arguments: Mapping[str, str], store: MetadataStore) -> tuple[str, bytes]:
    """What Flyte is to find: the file's name, and what it holds."""
    from objectstore_watcher.lean import literals

    try:
        task = LeanTask.decoded(arguments["task"])
        try:
            given = literals.inputs(task, store.read(arguments["inputs"]), store.read)
        except (StoreError, literals.NotInputs) as error:  # the platform's: flytekit's main takes it so, too
            say(str(error))
            return "error.pb", literals.system_failure(error, is_retryable=isinstance(error, StoreError))
        request = mains.ask(task.watch_spec(given.path, given.moment))
        say(f"waiting for {request.spec.name}")
        ready = waiting.wait(mains.marker_directory(), request.spec.heartbeat_interval, until=request.answer_due)
        return "outputs.pb", literals.outputs(task, request.spec, ready)
    except WaitError as error:
        say(str(error))
        return "error.pb", literals.failure(error)
    except Exception as error:
        traceback.print_exc()
        return "error.pb", literals.system_failure(error, is_retryable=True)


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
