"""The command ``objectstore-watcher``: arguments, wiring, exit codes."""

from __future__ import annotations

import argparse
import json
import logging
import os
import signal
import sys
import threading
from argparse import BooleanOptionalAction
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from objectstore_watcher import contract, process, termination
from objectstore_watcher.contract import (
    ENV_PREFIX,
    Failed,
    Ready,
    Request,
    WatchSpec,
    default_poll_interval,
    flag,
    options,
    title,
    truth,
    variable,
)
from objectstore_watcher.durations import seconds, seconds_or_0
from objectstore_watcher.errors import InvalidArgument, WaitError, one_line
from objectstore_watcher.exits import EXITS, Exit, Parser, code_of
from objectstore_watcher.uri import FileLocation

if TYPE_CHECKING:
    from objectstore_watcher.metrics import Metrics
    from objectstore_watcher.serving import Check
    from objectstore_watcher.watch import Event, Observer


EXECUTION_VARIABLE = "FLYTE_INTERNAL_EXECUTION_ID"
"""Where Flyte tells each container the execution that it belongs to."""

LOG_FORMATS = ("auto", "json", "text")

OWN_OPTIONS = {
    "dir": (
        "DIRECTORY",
        "marker directory; makes this a sidecar, which asks `request` when no PATH is given",
    ),
    "metrics_address": ("HOST:PORT", "serve /metrics, /healthz and /readyz here (default: nowhere)"),
    "linger": (
        "SECONDS",
        "stay after the wait, with --dir after SIGTERM, until /metrics is scraped, at most this long (default: 0)",
    ),
    "log_format": ("|".join(LOG_FORMATS), "auto: text on a terminal, else JSON (default: auto)"),
}

_OF_SERVERS = {"endpoint", "region", "ca_file"}

SWITCHES = {
    "json": "write how the wait ended to standard output, as one JSON object: `ready` or `failed`, and its state;"
    " where a signal ended it, the state `stopped`"
}
"""Of this command alone."""


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What the command line and the environment say.

    Attributes:
        spec: what to wait for; None: what main asks for in the marker directory.
        directory: the marker directory; None: no markers, exit when the wait ends.
        metrics_address: where to serve metrics; empty: nowhere.
        linger: seconds to stay at most after the wait, until its last values were scraped.
        log_format: one of `LOG_FORMATS`.
        json: write the answer to standard output.
    """

    spec: WatchSpec | None
    directory: Path | None
    metrics_address: str
    linger: float = 0.0
    log_format: str
    json: bool = False


def main(argv: Sequence[str] | None = None) -> NoReturn:
    """Run the command and end the process with one of `Exit`."""
    process.block()  # as __main__ did; for callers that did not come through it
    process.open_standard_files()
    code = run(sys.argv[1:] if argv is None else argv)
    try:
        sys.stderr.flush()
    except OSError:  # nobody reads the log any more: Python would end with 120 for that
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stderr.fileno())
    sys.exit(code)


def run(argv: Sequence[str]) -> int:
    """Run the command; returns its exit code."""
    if argv[:1] == ["status"]:  # not in the container whose last words are told: kubectl exec shares its files
        from objectstore_watcher import status

        return status.run(argv[1:])
    try:
        try:
            settings = parse(argv)
        except WaitError as error:
            _refuse(argv, error)
            raise
        return _run(settings)
    except WaitError as error:
        print(f"objectstore-watcher: error: {error}", file=sys.stderr)
        termination.leave(str(error))
        if "--json" in _options(argv) or os.environ.get(variable("json")):
            Printer().print_answer(Failed.of("", error))
        return code_of(error)


class Printer:
    """Writes to standard output how the wait ended, once, for scripts; the log goes to standard error.

    Args:
        is_wanted: whether that was asked for.

    Attributes:
        is_broken: it could not be written.
    """

    def __init__(self, is_wanted: bool = True) -> None:
        self._is_due = is_wanted
        self._lock = threading.Lock()  # the wait can end while a signal ends it
        self.is_broken = False

    def print_answer(self, answer: Ready | Failed) -> None:
        """Tell the answer."""
        self.print(answer.NAME, asdict(answer))

    def print(self, state: str, fields: dict[str, Any]) -> None:
        """Tell that state."""
        with self._lock:
            is_due, self._is_due = self._is_due, False
            try:
                if is_due:
                    print(json.dumps({"state": state, **fields}), flush=True)
            except OSError as error:
                self.is_broken = True
                told = f"--json: standard output cannot be written: {error.strerror}"
                print(f"objectstore-watcher: error: {told}", file=sys.stderr)


def _options(argv: Sequence[str]) -> Sequence[str]:
    """What stands before ``--``: behind it are paths, whatever they look like."""
    return argv[: argv.index("--")] if "--" in argv else argv


def _refuse(argv: Sequence[str], error: WaitError) -> None:
    """Tell whoever waits at the marker directory, as far as that can be known, why there will be no answer."""
    parser = Parser(add_help=False, allow_abbrev=False)
    parser.add_argument("--dir", default=os.environ.get(variable("dir"), ""))
    with suppress(InvalidArgument):
        if directory := parser.parse_known_args(_options(argv))[0].dir:
            contract.refuse(Path(directory), "", error)


def parse(argv: Sequence[str]) -> Settings:
    """The settings; flags win over the environment.

    Raises:
        InvalidArgument: one of them cannot be right.
    """
    before = _options(argv)
    flags = vars(_parser().parse_intermixed_args(before))  # paths may stand before options and behind them
    if paths := [*flags.pop("uri", ()), *argv[len(before) + 1 :]]:
        flags["uri"] = paths
    names = ["uri", *(option.name for option in options()), *OWN_OPTIONS, *SWITCHES]
    values: dict[str, Any] = {name: os.environ[variable(name)] for name in names if os.environ.get(variable(name))}
    values |= flags
    own = {name: values.pop(name, "") for name in OWN_OPTIONS}
    for name in flags:
        if flags[name] == "":
            raise InvalidArgument(flag(name), "is empty", cure="give a value, or leave it out")
    as_json = truth(values.pop("json", False), "--json")
    if as_json and own["dir"]:
        raise InvalidArgument("--json", "has no effect with --dir", cure="read the markers, or use: status --json")
    if as_json and sys.stdout is None:
        raise InvalidArgument("--json", "standard output is closed", cure="open it, or leave --json out")
    log_format = own["log_format"] or "auto"
    if log_format not in LOG_FORMATS:
        raise InvalidArgument("--log-format", f"{log_format!r} is unknown", cure=f"use one of {', '.join(LOG_FORMATS)}")
    return Settings(
        spec=_spec(values, flags, bool(own["dir"])),
        directory=Path(own["dir"]) if own["dir"] else None,
        metrics_address=own["metrics_address"],
        linger=_linger(own),
        log_format=log_format,
        json=as_json,
    )


def _linger(own: dict[str, Any]) -> float:
    linger = seconds_or_0(own["linger"] or 0, flag("linger"))
    if linger and not own["metrics_address"]:
        raise InvalidArgument(
            flag("linger"), "waits for a scrape, and no metrics are served", cure=f"add {flag('metrics_address')}"
        )
    return linger


def _spec(values: dict[str, Any], flags: dict[str, Any], is_sidecar: bool) -> WatchSpec | None:
    if "uri" in values:
        if "timeout" in values and "poll_interval" not in values:
            values["poll_interval"] = default_poll_interval(seconds(values["timeout"], title("timeout")))
        spec = WatchSpec(**values)
        if isinstance(spec.location, FileLocation):  # a sensor's are for its paths elsewhere
            for name in _OF_SERVERS.intersection(flags):
                raise InvalidArgument(flag(name), "means nothing here: the path is a file", cure="leave it out")
        return spec
    if not is_sidecar:
        raise InvalidArgument("PATH", "no path to wait for is given", cure="try objectstore-watcher s3://bucket/key")
    for option in options():
        if option.name in flags:
            raise InvalidArgument(flag(option.name), "has no effect without a PATH", cure="main's request says it")
    return None


def _parser() -> argparse.ArgumentParser:
    parser = Parser(
        prog="objectstore-watcher",
        description="Wait until an object is there: s3://bucket/key, gs://, abfs://, https:// or a plain path."
        " `objectstore-watcher status DIR` tells what a marker directory says.",
        epilog=f"Each option can be given as {ENV_PREFIX}<NAME> in the environment, once; flags win.\n\nexit codes:\n"
        + "\n".join(f"  {code.value:3}  {meaning}" for code, meaning in EXITS.items()),
        formatter_class=argparse.RawDescriptionHelpFormatter,
        argument_default=argparse.SUPPRESS,
        allow_abbrev=False,
    )
    parser.add_argument("uri", nargs="*", metavar="PATH", help="what to wait for; several: see --require")
    for option in options():
        if option.default is False:
            text = f"{option.metadata['help']} (default: no)"
            parser.add_argument(flag(option.name), action=BooleanOptionalAction, help=text)
            continue
        if isinstance(option.default, tuple):
            parser.add_argument(flag(option.name), action="append", metavar="NAME=VALUE", help=option.metadata["help"])
            continue
        default = f"{option.default:g}" if isinstance(option.default, float) else str(option.default)
        told = f" (default: {default})" if option.default else ""
        metavar = "|".join(option.metadata.get("choices", ("VALUE",)))
        parser.add_argument(flag(option.name), metavar=metavar, help=option.metadata["help"] + told)
    for name, (metavar, text) in OWN_OPTIONS.items():
        parser.add_argument(flag(name), metavar=metavar, help=text)
    for name, text in SWITCHES.items():
        parser.add_argument(flag(name), action="store_true", help=f"{text} (default: no)")
    parser.add_argument("--version", action="version", version=f"objectstore-watcher {version('objectstore-watcher')}")
    return parser


def _run(settings: Settings) -> int:
    # Here, and not at the top: wrong arguments are told without loading the S3 client.
    from objectstore_watcher import logs
    from objectstore_watcher.live import LiveLine
    from objectstore_watcher.metrics import Metrics
    from objectstore_watcher.recorder import Recorder
    from objectstore_watcher.watch import GaveUp, Succeeded

    logs.configure(settings.log_format)
    metrics, event_log = Metrics(os.environ.get(EXECUTION_VARIABLE, "")), logs.EventLog()
    recorder, printer, stop = Recorder(), Printer(settings.json), threading.Event()
    with LiveLine() as live:

        def observe(event: Event) -> None:
            for observer in (recorder, metrics, event_log, live):
                observer.observe(event)
            if recorder.answer and isinstance(event, Succeeded | GaveUp):
                termination.leave(logs.ended(recorder.answer))
                printer.print_answer(recorder.answer)  # before it lingers

        if settings.directory:
            return _serve(settings, settings.directory, metrics, observe, stop)
        assert settings.spec  # noqa: S101  # parse() gives one of the two
        code = _wait(settings, settings.spec, metrics, observe, stop)
        if code in {Exit.INTERRUPTED, Exit.TERMINATED}:
            printer.print("stopped", {"uri": settings.spec.name, "signal": signal.Signals(code - 128).name})
    return Exit.INTERNAL if printer.is_broken and code == Exit.READY else code


def _told_to_stop(heard: int, name: str) -> int:
    """The exit code where a signal ended the wait for ``name``."""
    from objectstore_watcher.logs import log

    told = f"{one_line(name)}: told to stop by {signal.Signals(heard).name} before the wait ended"
    log(logging.INFO, told)
    termination.leave(told)
    return 128 + heard


def _wait(settings: Settings, spec: WatchSpec, metrics: Metrics, observe: Observer, stop: threading.Event) -> int:
    """Wait as a command: exit when the wait ends."""
    from objectstore_watcher.watch import watch

    worker = process.Worker(lambda: watch(Request(spec=spec), stop=stop, observe=observe))
    scrape = _serve_metrics(settings, metrics, worker, lambda: True, lambda: True)
    worker.start()
    while (heard := process.hear(spec.timeout)) not in process.STOPPING and not worker.ended:
        pass
    stop.set()
    if heard in process.STOPPING:
        return _told_to_stop(heard, spec.name)
    code = _ended(worker.error)
    _stay(scrape, settings.linger)
    return code


def _ended(error: BaseException | None) -> int:
    if error is None:
        return Exit.READY
    if not isinstance(error, WaitError):
        raise error
    return code_of(error)  # the log has told it


def _serve(settings: Settings, directory: Path, metrics: Metrics, observe: Observer, stop: threading.Event) -> int:
    """Wait as a sidecar: leave a marker, then stay until told to stop, or the kubelet would restart the container.

    The kubelet tells it when main has ended: who lingers then holds up the pod, and not main.
    """
    from objectstore_watcher.logs import ended
    from objectstore_watcher.sidecar import Sidecar

    sidecar = Sidecar(directory, settings.spec, observe, stop)
    worker = process.Worker(sidecar.work)
    try:
        scrape = _serve_metrics(settings, metrics, worker, sidecar.alive, sidecar.watching)
    except InvalidArgument as error:
        contract.refuse(directory, settings.spec.name if settings.spec else "", error)
        raise
    sidecar.check()
    if sidecar.answer:
        metrics.enter(sidecar.answer.NAME)
        termination.leave(ended(sidecar.answer))  # of this container, the kubelet knows no message yet
    worker.start()
    heard = sidecar.keep_alive(worker)
    stop.set()
    if not contract.answered(directory):
        return _told_to_stop(heard, sidecar.name or "a sidecar")
    if heard == signal.SIGTERM:  # a person's SIGINT means now
        _stay(scrape, settings.linger)
    return Exit.READY


def _stay(scrape: process.LastScrape, limit: float) -> None:
    """Stay until the last values were scraped, at most ``limit`` seconds."""
    from objectstore_watcher.logs import log

    if limit and not scrape.has_happened:
        log(logging.INFO, f"the wait is over: staying until /metrics is scraped, at most {limit:g} s", linger=limit)
        scrape.wait(limit)


def _serve_metrics(
    settings: Settings, metrics: Metrics, worker: process.Worker, alive: Check, ready: Check
) -> process.LastScrape:
    scrape = process.LastScrape()
    if settings.metrics_address:
        from objectstore_watcher.serving import serve

        serve(
            settings.metrics_address,
            flag("metrics_address"),
            metrics.registry,
            alive=alive,
            ready=ready,
            is_final=lambda: worker.ended,
            scraped=scrape.happened,
        )
    return scrape
