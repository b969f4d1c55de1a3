from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from objectstore_watcher import cli, contract
from objectstore_watcher.cli import OWN_OPTIONS, Settings, parse, run
from objectstore_watcher.contract import WatchSpec
from objectstore_watcher.errors import KINDS, InvalidArgument, rebuild
from objectstore_watcher.exits import EXITS, Exit, code_of

from tests.fake_s3 import FakeS3, error, found
from tests.servers import MinioServer, Watcher, eventually
from tests.sidecar.conftest import Start
from tests.sidecar.tools import listing

URI = "s3://bucket/key"


# Flags and environment


@dataclass(frozen=True)
class Sample:
    """An option: two values of it, how to see what became of them, and what that should be."""

    one: str
    other: str
    read: Callable[[Settings], object]
    is_one: object
    is_other: object


def of_spec(name: str) -> Callable[[Settings], object]:
    return lambda settings: getattr(settings.spec, name)


SAMPLES = {
    "uri": Sample("s3://one/key", "/other", of_spec("uri"), "s3://one/key", "/other"),
    "poll_interval": Sample("500ms", "3", of_spec("poll_interval"), 0.5, 3.0),
    "timeout": Sample("1h30m", "1d", of_spec("timeout"), 5400.0, 86400.0),
    "request_timeout": Sample("2s", "1m", of_spec("request_timeout"), 2.0, 60.0),
    "heartbeat_interval": Sample("1", "2.5", of_spec("heartbeat_interval"), 1.0, 2.5),
    "endpoint": Sample("http://one:9000", "https://other", of_spec("endpoint"), "http://one:9000", "https://other"),
    "region": Sample("eu-west-1", "eu-west-2", of_spec("region"), "eu-west-1", "eu-west-2"),
    "ca_file": Sample("/one.pem", "/other.pem", of_spec("ca_file"), "/one.pem", "/other.pem"),
    "on_missing_bucket": Sample("wait", "fail", of_spec("on_missing_bucket"), "wait", "fail"),
    "on_forbidden": Sample("wait", "fail", of_spec("on_forbidden"), "wait", "fail"),
    "require": Sample("any", "all", of_spec("require"), "any", "all"),
    "flag": Sample("_SUCCESS", "s3://bucket/done", of_spec("flag"), "_SUCCESS", "s3://bucket/done"),
    "expected_count": Sample("0", "00", of_spec("expected_count"), 0, 0),  # other numbers need patterns
    "match": Sample("glob", "exact", of_spec("match"), "glob", "exact"),
    "min_count": Sample("1", "001", of_spec("min_count"), 1, 1),  # other numbers need patterns
    "absent": Sample("true", "false", of_spec("absent"), True, False),
    "min_size": Sample("10MiB", "7", of_spec("min_size"), 10 * 1024**2, 7),
    "stable_for": Sample("30s", "1m", of_spec("stable_for"), 30.0, 60.0),
    "newer_than": Sample("1h", "2026-06-01T12:00:00Z", of_spec("newer_than"), "1h", "2026-06-01T12:00:00Z"),
    "etag": Sample("one", "other", of_spec("etag"), "one", "other"),
    "version_id": Sample("one", "other", of_spec("version_id"), "one", "other"),
    "detection": Sample("poll", "events", of_spec("detection"), "poll", "events"),
    "sha256": Sample("0" * 64, "F" * 64, of_spec("sha256"), "0" * 64, "f" * 64),
    "user_metadata": Sample("Owner=etl", "a=b=c", of_spec("user_metadata"), (("owner", "etl"),), (("a", "b=c"),)),
    "tags": Sample("a=1", "b=2", of_spec("tags"), (("a", "1"),), (("b", "2"),)),
    "expected_within": Sample("30m", "2h", of_spec("expected_within"), 1800.0, 7200.0),
    "dir": Sample("/one", "/other", lambda settings: settings.directory, Path("/one"), Path("/other")),
    "metrics_address": Sample(":1", ":2", lambda settings: settings.metrics_address, ":1", ":2"),
    "linger": Sample("0", "0", lambda settings: settings.linger, 0.0, 0.0),  # others need --metrics-address
    "log_format": Sample("json", "text", lambda settings: settings.log_format, "json", "text"),
}


def as_flag(name: str, value: str) -> list[str]:
    if value in ("true", "false"):
        return [URI, contract.flag(name) if value == "true" else "--no-" + contract.flag(name)[2:]]
    return [value] if name == "uri" else [URI, contract.flag(name), value]


def test_the_samples_are_all_options() -> None:
    assert SAMPLES.keys() == {"uri", *(option.name for option in contract.options()), *OWN_OPTIONS}


@pytest.mark.parametrize("name", SAMPLES)
def test_each_option_is_a_flag(name: str) -> None:
    sample = SAMPLES[name]
    assert sample.read(parse(as_flag(name, sample.one))) == sample.is_one
    assert sample.read(parse(as_flag(name, sample.other))) == sample.is_other


@pytest.mark.parametrize("name", SAMPLES)
def test_each_option_can_be_an_environment_variable(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OBJECTSTORE_WATCHER_URI", URI)
    monkeypatch.setenv(f"OBJECTSTORE_WATCHER_{name.upper()}", SAMPLES[name].one)
    assert SAMPLES[name].read(parse([])) == SAMPLES[name].is_one


@pytest.mark.parametrize("name", SAMPLES)
def test_a_flag_wins_over_the_environment(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(f"OBJECTSTORE_WATCHER_{name.upper()}", SAMPLES[name].one)
    assert SAMPLES[name].read(parse(as_flag(name, SAMPLES[name].other))) == SAMPLES[name].is_other


@pytest.mark.parametrize("name", SAMPLES)
def test_an_empty_variable_is_none(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(f"OBJECTSTORE_WATCHER_{name.upper()}", "")
    assert parse([URI]) == Settings(spec=WatchSpec(uri=URI), directory=None, metrics_address="", log_format="auto")


def test_options_can_stand_on_both_sides_of_the_path() -> None:
    assert parse(["--timeout=5m", URI, "--poll-interval", "1"]).spec == WatchSpec(uri=URI, timeout=300, poll_interval=1)


@pytest.mark.parametrize("name", ["etag", "sha256", "newer_than", "flag", "endpoint", "timeout"])
def test_an_empty_flag_is_refused_since_it_would_drop_a_condition(name: str) -> None:
    with pytest.raises(InvalidArgument, match=rf"{contract.flag(name)}: is empty; give a value, or leave it out"):
        parse([URI, f"{contract.flag(name)}="])


@pytest.mark.parametrize("args", [["s3://demo"], [URI, "--min-size=1XB"], [URI, "--no-such-flag"], [URI, "--etag="]])
def test_who_waits_at_the_marker_directory_is_told_of_arguments_that_cannot_be_right(
    marker_directory: Path, args: list[str]
) -> None:
    assert run([*args, "--dir", str(marker_directory)]) == Exit.USAGE
    failed = contract.terminal(marker_directory)
    assert isinstance(failed, contract.Failed)
    assert (failed.kind, failed.retryable) == ("invalid_argument", False)


def test_several_paths_can_stand_anywhere() -> None:
    several = WatchSpec(uri=("/a", "/b", "-c", "--"), timeout=300)
    assert parse(["/a", "--timeout=5m", "/b", "--", "-c", "--"]).spec == several
    assert parse(several.to_args()).spec == several
    any_of = WatchSpec(uri=("/a", "/b"), timeout=300, require="any")
    assert parse(["--require=any", "--timeout", "5m", "/a", "/b"]).spec == any_of


def test_a_path_that_looks_like_an_option_comes_after_two_dashes() -> None:
    assert parse(["--timeout=5m", "--", "--timeout=1"]).spec == WatchSpec(uri="--timeout=1", timeout=300)


def test_a_directory_without_a_path_means_that_main_asks() -> None:
    assert parse(["--dir=/markers"]).spec is None


def test_help_lists_each_option_and_each_exit_code(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        cli.run(["--help"])
    assert ended.value.code == 0
    told = capsys.readouterr().out
    assert [name for name in SAMPLES if name != "uri" and contract.flag(name) not in told] == []
    assert [code for code in Exit if f"\n  {code.value:3}  {EXITS[code]}" not in told] == []
    assert "OBJECTSTORE_WATCHER_<NAME>" in told
    assert "--detection auto|poll|events" in told
    assert told.count("(default: fail)") == 2
    assert "(default: 10)" in told
    assert " ".join(told.split()).count("(default: no)") == 2, "of switches, too"
    assert EXITS.keys() == set(Exit)


def test_the_installed_command_tells_its_version() -> None:
    command = shutil.which("objectstore-watcher", path=Path(sys.executable).parent)
    assert command
    told = subprocess.run([command, "--version"], stdout=subprocess.PIPE, text=True, check=True).stdout
    assert told == "objectstore-watcher 0.1.0\n"


@pytest.mark.parametrize(
    ("args", "message"),
    [
        ([], "PATH: no path to wait for is given; try objectstore-watcher s3://bucket/key"),
        (["--dir=/m", "--timeout=5"], "--timeout: has no effect without a PATH; main's request says it"),
        (
            [URI, "--on-forbidden=ignore"],
            "--on-forbidden (on_forbidden): 'ignore' is unknown; use fail or wait",
        ),
        ([URI, "--log-format=xml"], "--log-format: 'xml' is unknown; use one of auto, json, text"),
        ([URI, "--time=5"], "arguments: unrecognized arguments: --time=5; see objectstore-watcher --help"),
        ([URI, "--timeout"], "arguments: argument --timeout: expected one argument; see objectstore-watcher --help"),
    ],
)
def test_a_command_line_that_makes_no_sense_is_refused(args: list[str], message: str) -> None:
    with pytest.raises(InvalidArgument) as refused:
        parse(args)
    assert str(refused.value) == message


# Bad input: one line that names the flag or argument and what is right, exit code 2 (6 for the marker directory),
# and nothing half-written.

BAD = [
    ([""], "path: the path is empty; use s3://bucket/key, "),
    (["s3:///key"], "path 's3:///key': there is no bucket; write s3://bucket/key"),
    (["s3://bucket"], "path 's3://bucket': there is no key; write s3://bucket/key"),
    (["ftp://bucket/key"], "path 'ftp://bucket/key': the scheme ftp:// is not known; use s3://bucket/key, "),
    (["s3:/typo"], "path 's3:/typo': there is no // after s3:; write s3://bucket/key"),
    (["s3://bucket/\udcff"], r"path 's3://bucket/\udcff': the path is not valid Unicode; use text that can be encoded"),
    ([URI, "--poll-interval=-1"], "--poll-interval (poll_interval): '-1' is not a duration; use seconds or text"),
    ([URI, "--poll-interval", "-1"], "--poll-interval (poll_interval): '-1' is not a duration; use seconds or text"),
    ([URI, "--poll-interval=0"], "--poll-interval (poll_interval): '0' is out of range; use a duration above zero"),
    ([URI, "--timeout=0s"], "--timeout (timeout): '0s' is out of range; use a duration above zero"),
    ([URI, "--poll-interval=1m", "--timeout=5"], "--timeout (timeout): 5 s is shorter than the poll interval of 60 s;"),
    ([URI, "--endpoint=minio:9000"], "--endpoint (endpoint): 'minio:9000' is not the URL of a server; write"),
]


@pytest.mark.parametrize(("args", "message"), BAD, ids=[message for _, message in BAD])
def test_a_bad_argument_is_one_line_and_exit_code_2_and_the_marker_failed(
    marker_directory: Path, args: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.run(["--dir", str(marker_directory), *args]) == Exit.USAGE
    told = capsys.readouterr().err
    assert told.startswith(f"objectstore-watcher: error: {message}")
    assert told.count("\n") == 1
    assert listing(marker_directory) == ["failed"]


def test_an_unreadable_ca_file_is_one_error_line_and_exit_code_2(start: Start) -> None:
    with FakeS3(found()) as server:
        code, told = start(URI, "--ca-file=/no/such/file", "--log-format=text", **server.env()).end()
        assert server.requests == []
    assert code == Exit.USAGE
    [line] = [line for line in told.splitlines() if "error" in line]
    assert "--ca-file (ca_file) '/no/such/file': the certificate authorities cannot be read: No such file" in line
    assert line.endswith("; give a readable PEM file")


def test_a_missing_marker_directory_is_one_line_and_exit_code_6(start: Start, tmp_path: Path) -> None:
    code, told = start("--dir", tmp_path / "missing").end()
    assert code == Exit.MARKERS
    missing = f"{tmp_path}/missing: 'heartbeat' cannot be written: No such file or directory"
    assert told.startswith(f"objectstore-watcher: error: {missing}; let --dir name a writable volume")
    assert told.count("\n") == 1
    assert listing(tmp_path) == []


class Unprivileged(Watcher):
    """A watcher for which access rights count even where the tests run as root."""

    _DROP = "-dac_override,-dac_read_search"
    COMMAND = (
        *(("setpriv", f"--bounding-set={_DROP}", f"--inh-caps={_DROP}") if os.geteuid() == 0 else ()),
        *Watcher.COMMAND,
    )


def test_a_read_only_marker_directory_is_one_line_and_exit_code_6(marker_directory: Path) -> None:
    marker_directory.chmod(0o555)
    with Unprivileged(["--dir", str(marker_directory)], {}) as watcher:
        code, told = watcher.end()
    assert code == Exit.MARKERS
    assert told.startswith(
        f"objectstore-watcher: error: {marker_directory}: 'heartbeat' cannot be written: Permission denied; let --dir"
    )
    assert told.count("\n") == 1
    assert listing(marker_directory) == []


@pytest.mark.parametrize("as_sidecar", [False, True])
def test_a_metrics_port_that_is_taken_is_one_line_and_exit_code_2(
    start: Start, marker_directory: Path, as_sidecar: bool
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken, FakeS3(found()) as server:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        args = ["--dir", marker_directory] if as_sidecar else []
        code, told = start(*args, URI, "--metrics-address", address, **server.env()).end()
        assert server.requests == []
    assert code == Exit.USAGE
    assert told == (
        f"objectstore-watcher: error: --metrics-address: {address!r} cannot be bound: Address already in use;"
        " give a free port\n"
    )
    # Main is told: it would wait for heartbeats otherwise.
    assert listing(marker_directory) == (["failed"] if as_sidecar else [])
    if as_sidecar:
        failed = contract.read(marker_directory, contract.Failed)
        assert failed
        assert failed.kind == "invalid_argument"
        assert "Address already in use" in failed.message


@pytest.mark.parametrize("option", ["--endpoint=http://user:hunter2@minio", "--endpoint=hunter2"])
def test_what_may_be_a_password_is_not_repeated(start: Start, option: str) -> None:
    code, told = start(URI, option).end()
    assert code == Exit.USAGE
    assert "hunter2" not in told


# Exit codes


def ended_by(by: signal.Signals) -> Callable[[Start, Path], int]:
    def stopped(start: Start, directory: Path) -> int:
        with FakeS3(error(404, "NoSuchKey")) as server:
            watcher = start(URI, **server.env())
            eventually(lambda: len(server.requests) > 0, "the watcher polls")
            watcher.process.send_signal(by)
            return watcher.end()[0]

    return stopped


def ready(start: Start, directory: Path) -> int:
    (directory / "file").touch()
    return start(directory / "file").end()[0]


def internal(start: Start, directory: Path) -> int:
    """Nothing is known to reach it: the program is broken for this."""
    script = (
        "from objectstore_watcher.stores import local\nfrom objectstore_watcher import cli\n"
        "local.LocalStore.look = lambda self, within, targets: 1 / 0\ncli.main(['/any'])"
    )
    done = subprocess.run([sys.executable, "-c", script], stderr=subprocess.PIPE, text=True, check=False)
    assert "ZeroDivisionError" in done.stderr
    return done.returncode


def expired(start: Start, directory: Path) -> int:
    with FakeS3(error(400, "ExpiredToken")) as server:
        return start(URI, **server.env()).end()[0]


def waiting(start: Start, directory: Path) -> int:
    start(f"--dir={directory}")
    eventually((directory / "heartbeat").exists, "heartbeat")
    return start("status", directory).end()[0]


CASES: dict[Exit, Callable[[Start, Path], int]] = {
    Exit.READY: ready,
    Exit.INTERNAL: internal,
    Exit.USAGE: lambda start, directory: start("s3:/typo").end()[0],
    Exit.DEADLINE: lambda start, directory: start(directory / "absent", "--timeout=100ms").end()[0],
    Exit.REFUSED: lambda start, directory: start(directory).end()[0],
    Exit.TRY_AGAIN: expired,
    Exit.MARKERS: lambda start, directory: start("--dir", directory / "missing").end()[0],
    Exit.WAITING: waiting,
    Exit.DEAD: lambda start, directory: start("status", directory).end()[0],
    Exit.INTERRUPTED: ended_by(signal.SIGINT),
    Exit.TERMINATED: ended_by(signal.SIGTERM),
}


@pytest.mark.parametrize("code", EXITS, ids=[code.name for code in EXITS])
def test_each_exit_code_means_what_the_help_says(start: Start, tmp_path: Path, code: Exit) -> None:
    assert CASES[code](start, tmp_path) == code


def test_the_exit_codes_are_distinct_and_as_documented() -> None:
    assert [code.value for code in Exit] == [0, 1, 2, 3, 4, 5, 6, 7, 8, 130, 143]


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_each_kind_of_error_has_its_exit_code(kind: str) -> None:
    special = {"invalid_argument": Exit.USAGE, "marker_unwritable": Exit.MARKERS, "deadline_exceeded": Exit.DEADLINE}
    expected = special.get(kind, Exit.TRY_AGAIN if KINDS[kind].retryable else Exit.REFUSED)
    assert code_of(rebuild(kind, URI, "", "")) == expected


# As a person uses it


def test_the_command_ends_with_0_once_the_object_is_there(start: Start, minio: MinioServer, bucket: str) -> None:
    watcher = start(f"s3://{bucket}/key", "--poll-interval=0.05", **minio.flyte_env())
    minio.put(bucket, "key")
    code, told = watcher.end()
    assert code == Exit.READY, told


def test_a_path_can_come_from_the_environment(start: Start, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    watcher = start(OBJECTSTORE_WATCHER_URI=str(tmp_path / "file"), OBJECTSTORE_WATCHER_TIMEOUT="5s")
    assert watcher.end()[0] == Exit.READY


def test_wrong_arguments_are_told_without_loading_the_s3_client() -> None:
    script = (
        "import sys\nfrom objectstore_watcher import cli\ncli.run(['s3:/typo'])\n"
        "print([name for name in ('minio', 'urllib3', 'prometheus_client', 'rich') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True, check=True)
    assert done.stdout == "[]\n"


# As a script uses it


def answer(start: Start, *args: str | Path, **env: str) -> tuple[int, list[dict[str, Any]], str]:
    """Exit code, the JSON objects on standard output, and standard error."""
    watcher = start("--json", *args, **env)
    out, errors = watcher.process.communicate(timeout=30)
    return watcher.process.returncode, [json.loads(line) for line in out.splitlines()], errors


def test_with_json_what_was_found_is_one_object_on_standard_output(start: Start, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"1234")
    code, told, errors = answer(start, tmp_path / "file")
    assert code == Exit.READY
    assert [(each["state"], each["objects"][0]["size"]) for each in told] == [("ready", 4)]
    assert told[0]["history"]["operations"] == {"stat": 1}
    assert '"message": "ready: ' in errors, "the log goes where it always does"


def test_with_json_why_it_failed_is_one_object_on_standard_output(start: Start, tmp_path: Path) -> None:
    code, told, _ = answer(start, tmp_path / "absent", "--timeout=100ms")
    assert code == Exit.DEADLINE
    assert [(each["state"], each["kind"], each["retryable"]) for each in told] == [
        ("failed", "deadline_exceeded", True)
    ]


def test_with_json_the_answer_does_not_wait_until_it_has_lingered(start: Start, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    watcher = start("--json", "--linger=1h", "--metrics-address=127.0.0.1:0", tmp_path / "file")
    assert watcher.process.stdout
    assert json.loads(watcher.process.stdout.readline())["state"] == "ready"
    assert watcher.process.poll() is None


def test_behind_two_dashes_json_is_a_path(start: Start) -> None:
    out, errors = start("--", "s3:/typo", "--json").process.communicate(timeout=30)
    assert (out, "s3:/typo" in errors) == ("", True)


def test_with_json_a_wrong_argument_is_told_so_too(start: Start) -> None:
    code, told, errors = answer(start, "s3:/typo")
    assert code == Exit.USAGE
    assert [(each["state"], each["kind"]) for each in told] == [("failed", "invalid_argument")]
    assert told[0]["message"] in errors


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_wait_that_was_stopped_says_so(start: Start, tmp_path: Path, number: signal.Signals) -> None:
    watcher = start("--json", tmp_path / "absent")
    assert watcher.process.stderr
    assert "waiting for" in watcher.process.stderr.readline()
    watcher.process.send_signal(number)
    out, errors = watcher.process.communicate(timeout=30)
    assert json.loads(out) == {"state": "stopped", "uri": str(tmp_path / "absent"), "signal": number.name}
    assert f"told to stop by {number.name} before the wait ended" in errors
    assert watcher.process.returncode == 128 + number


def shell(command: str, *paths: Path) -> subprocess.CompletedProcess[str]:
    """A shell's command, in which $W is the watcher, and $1 the first of the paths."""
    script = ["sh", "-c", command.replace("$W", " ".join(Watcher.COMMAND)), "sh", *map(str, paths)]
    return subprocess.run(script, capture_output=True, text=True, check=False)


def test_standard_error_may_be_closed(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    assert shell('$W "$1" 2>&-', tmp_path / "file").returncode == Exit.READY
    assert shell('$W "$1" --timeout=0.1 2>&- <&- >&-', tmp_path / "absent").returncode == Exit.DEADLINE


def test_with_json_a_closed_standard_output_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    done = shell('$W --json "$1" >&-', tmp_path / "file")
    assert (done.returncode, "--json: standard output is closed" in done.stderr) == (Exit.USAGE, True)


def test_with_json_an_answer_that_cannot_be_written_is_no_success(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    done = shell('$W --json "$1" >/dev/full', tmp_path / "file")
    assert done.returncode == Exit.INTERNAL
    assert "error: --json: standard output cannot be written: No space left on device" in done.stderr
    assert shell('$W --json --timeout=0.1 "$1" >/dev/full', tmp_path / "absent").returncode == Exit.DEADLINE


def test_json_beside_markers_is_refused(start: Start, tmp_path: Path) -> None:
    code, _, errors = answer(start, tmp_path / "absent", "--dir", tmp_path)
    assert code == Exit.USAGE
    assert "--json: has no effect with --dir" in errors
