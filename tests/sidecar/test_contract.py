from __future__ import annotations

import json
import math
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict, fields
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from objectstore_watcher import cli, contract
from objectstore_watcher.contract import Failed, Matched, Ready, Request, WatchSpec
from objectstore_watcher.errors import (
    KINDS,
    InvalidArgument,
    MarkerError,
    StoreError,
    TooManyObjects,
    WaitError,
    rebuild,
)

from tests.sidecar import hostile
from tests.sidecar.tools import listing

URI = "s3://bucket/key"

DURATIONS = st.floats(min_value=0.001, max_value=10**8)


TEXTS = hostile.keys().filter(lambda text: text != "--")
"""What an option may be: argparse takes the one exception for its own."""


@st.composite
def specs(draw: st.DrawFn) -> WatchSpec:
    """Any spec that is valid."""
    interval = draw(DURATIONS)
    options: dict[str, Any] = {
        "poll_interval": interval,
        "timeout": draw(st.floats(min_value=interval, max_value=3 * 10**8)),
        "request_timeout": draw(DURATIONS),
        "heartbeat_interval": draw(DURATIONS.filter(lambda seconds: seconds >= 0.5)),
        "endpoint": draw(st.sampled_from(["http://minio:9000", "https://s3.example.com", "http://[::1]:1"])),
        "region": draw(st.sampled_from(["eu-west-1", "eu_west", "1"])),
        "ca_file": draw(TEXTS),
        "on_missing_bucket": draw(st.sampled_from(contract.POLICIES)),
        "on_forbidden": draw(st.sampled_from(contract.POLICIES)),
        "absent": draw(st.booleans()),
        "min_size": draw(st.integers(min_value=0, max_value=2**40)),
        "stable_for": draw(st.just(0.0) | st.floats(min_value=0.0001, max_value=interval, exclude_max=True)),
        "expected_within": draw(st.just(0.0) | st.floats(min_value=0.0001, max_value=interval)),
        "tags": draw(st.dictionaries(st.sampled_from(["a", "ü b", "-c"]), st.sampled_from(["", "-x", "y=z"]))),
        "user_metadata": draw(st.dictionaries(st.sampled_from(["a", "-b"]), st.sampled_from(["", "-x", "y=z w"]))),
        "newer_than": draw(st.just("") | st.datetimes(timezones=st.just(timezone.utc)).map(datetime.isoformat)),
    }
    chosen = draw(st.sets(st.sampled_from(sorted(options))))
    if chosen & {"poll_interval", "timeout", "expected_within", "stable_for"}:
        chosen |= {"poll_interval", "timeout"}
    uri = draw(hostile.uris())
    if options["absent"] or not uri.startswith("s3://"):
        chosen -= {"tags", "user_metadata"}
    if not uri.startswith("s3://"):
        chosen -= {"endpoint", "region", "ca_file"}
    if options["absent"]:
        chosen -= {"min_size", "stable_for", "newer_than"}
    return WatchSpec(uri=uri, **{name: options[name] for name in chosen})


@given(specs())
def test_a_spec_is_the_same_after_the_request_file(spec: WatchSpec) -> None:
    with tempfile.TemporaryDirectory() as name:
        request = Request(spec=spec)
        contract.write(Path(name), request)
        assert contract.read(Path(name), Request) == request


@given(specs())
def test_a_spec_is_the_same_after_the_command_line(spec: WatchSpec) -> None:
    assert cli.parse(spec.to_args()).spec == spec


@pytest.mark.parametrize("key", hostile.KEYS)
def test_a_hostile_key_is_the_same_after_file_and_command_line(key: str, marker_directory: Path) -> None:
    spec = WatchSpec(uri=f"s3://bucket/{key}")
    contract.write(marker_directory, Request(spec=spec))
    read = contract.read(marker_directory, Request)
    assert read
    assert str(read.spec.uri).encode() == str(spec.uri).encode()
    assert cli.parse(read.spec.to_args()).spec == spec


def test_a_hostile_path_is_the_same_after_the_arguments_of_a_real_process() -> None:
    path = "-" + "".join(key for key in hostile.KEYS if "://" not in key)
    show = "import json, sys; from objectstore_watcher import cli; print(json.dumps(cli.parse(sys.argv[1:]).spec.uri))"
    args = [sys.executable, "-c", show, *WatchSpec(uri=path).to_args()]
    assert json.loads(subprocess.run(args, stdout=subprocess.PIPE, check=True).stdout) == path


def test_the_request_is_json_that_any_language_reads(marker_directory: Path) -> None:
    contract.write(marker_directory, Request(spec=WatchSpec(uri=f"s3://bucket/{hostile.SECRET_VARIABLE}\n")))
    values = json.loads((marker_directory / "request").read_bytes())
    assert values["version"] == 1
    assert values["spec"]["uri"] == "s3://bucket/$(FLYTE_AWS_SECRET_ACCESS_KEY)\n"


def test_the_longest_key_fits_into_every_file(marker_directory: Path) -> None:
    uri = "s3://bucket/" + "\x01" * 1024
    ready = Ready(uri=uri, objects=(Matched(uri=uri),))
    contract.write(marker_directory, Request(spec=WatchSpec(uri=uri)))
    contract.write(marker_directory, ready)
    request = contract.read(marker_directory, Request)
    assert request
    assert request.spec.uri == uri
    assert contract.read(marker_directory, Ready) == ready


def test_a_lone_surrogate_is_refused() -> None:
    with pytest.raises(InvalidArgument, match="is not valid Unicode"):
        WatchSpec(uri="s3://bucket/\udc80")


def test_defaults_are_left_out_of_the_command_line() -> None:
    assert WatchSpec(uri=URI).to_args() == ["--", URI]


@pytest.mark.parametrize(
    ("options", "flag"),
    [
        ({"poll_interval": 0}, "--poll-interval (poll_interval)"),
        ({"poll_interval": -1}, "--poll-interval (poll_interval)"),
        ({"timeout": 0}, "--timeout (timeout)"),
        ({"timeout": math.inf}, "--timeout (timeout)"),
        ({"expected_within": -1}, "--expected-within (expected_within)"),
        ({"expected_within": 61, "timeout": 60, "poll_interval": 1}, "--expected-within (expected_within)"),
        ({"request_timeout": "soon"}, "--request-timeout (request_timeout)"),
        ({"heartbeat_interval": math.nan}, "--heartbeat-interval (heartbeat_interval)"),
        ({"poll_interval": 60, "timeout": 5}, "--timeout (timeout)"),
        ({"endpoint": "minio:9000"}, "--endpoint (endpoint)"),
        ({"region": 5}, "--region (region)"),
        ({"on_missing_bucket": "retry"}, "--on-missing-bucket (on_missing_bucket)"),
        ({"on_forbidden": None}, "--on-forbidden (on_forbidden)"),
        ({"on_forbidden": "WAIT"}, "--on-forbidden (on_forbidden)"),
    ],
)
def test_a_value_that_cannot_be_right_is_refused_by_the_name_of_its_flag(options: dict[str, Any], flag: str) -> None:
    with pytest.raises(InvalidArgument) as refused:
        WatchSpec(uri=URI, **options)
    assert str(refused.value).startswith(f"{flag}: ")


@pytest.mark.parametrize(("timeout", "interval"), [(3, 3), (10, 10), (3600, 10)])
def test_the_default_interval_gives_way_to_a_shorter_timeout(timeout: float, interval: float) -> None:
    assert contract.default_poll_interval(timeout) == interval


def test_a_heartbeat_that_a_busy_node_cannot_keep_is_refused() -> None:
    with pytest.raises(InvalidArgument, match=r"--heartbeat-interval \(heartbeat_interval\): 0.4 s is too short"):
        WatchSpec(uri=URI, heartbeat_interval=0.4)


def test_a_spec_has_no_place_for_a_credential() -> None:
    names = {field.name for field in fields(WatchSpec)}
    policies = {"on_missing_bucket", "on_forbidden"}
    several = {"require", "match", "flag", "min_count", "expected_count"}
    of_s3 = {"sha256", "tags", "user_metadata"}
    conditions = {"absent", "min_size", "stable_for", "newer_than", "etag", "version_id", *of_s3}
    assert names == {
        "uri",
        "endpoint",
        "region",
        "ca_file",
        "detection",
        "expected_within",
        *policies,
        *several,
        *conditions,
        *WatchSpec.DURATIONS,
    }


@pytest.mark.parametrize(
    ("values", "detail"),
    [
        ({"uri": URI, "colour": "red"}, "unknown field 'colour'"),
        ({}, "missing 1 required keyword-only argument: 'uri'"),
        ({"uri": URI, "timeout": "5m"}, "'timeout' is '5m', not float"),
        ({"uri": URI, "timeout": True}, "'timeout' is True, not float"),
        ({"uri": 5}, "path: is a int; give a path, or a list of 1 to 10000 of them"),
        ({"uri": URI, "timeout": -1}, "--timeout (timeout): -1.0 is out of range"),
        ({"uri": "ftp://bucket/key"}, "the scheme ftp:// is not known"),
    ],
)
def test_a_request_that_asks_for_nonsense_is_an_invalid_argument(
    marker_directory: Path, values: dict[str, Any], detail: str
) -> None:
    (marker_directory / "request").write_text(json.dumps({"version": 1, "spec": values}))
    with pytest.raises(InvalidArgument) as refused:
        contract.read(marker_directory, Request)
    assert detail in str(refused.value)


def test_the_deadline_counts_from_the_request() -> None:
    assert Request(spec=WatchSpec(uri=URI, timeout=60), requested_monotonic=1000.0).deadline == 1060.0


def test_a_request_from_the_future_does_not_put_the_deadline_off(marker_directory: Path) -> None:
    """The monotonic clock begins anew when the machine starts; a volume on disk outlives that."""
    request = f'{{"version": 1, "requested_monotonic": 1e18, "spec": {{"uri": "{URI}", "timeout": 60}}}}'
    (marker_directory / "request").write_text(request)
    read = contract.read(marker_directory, Request)
    assert read
    assert read.deadline <= time.monotonic() + 60


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity", "9" * 400, "-" + "9" * 400, '"5"', "true"])
def test_what_is_no_moment_is_a_marker_error(marker_directory: Path, number: str) -> None:
    request = f'{{"version": 1, "requested_monotonic": {number}, "spec": {{"uri": "{URI}", "timeout": 60}}}}'
    (marker_directory / "request").write_text(request)
    with pytest.raises(MarkerError, match="is not what this version writes"):
        contract.read(marker_directory, Request)


def test_no_file_is_written_that_would_be_too_long_to_be_read(marker_directory: Path) -> None:
    with pytest.raises(TooManyObjects, match=r"'ready' would have \d+ of at most 4194304 bytes"):
        contract.write(
            marker_directory, Ready(uri=URI, objects=(Matched(uri=URI, etag="e" * contract.MAX_FILE_BYTES),))
        )
    assert listing(marker_directory) == []


@pytest.mark.parametrize("text", ["\ud800", "a\0b", "--", "x" * 1025])
@pytest.mark.parametrize("name", ["region", "ca_file", "endpoint"])
def test_text_that_cannot_travel_is_refused(name: str, text: str) -> None:
    with pytest.raises(InvalidArgument, match=rf"\({name}\): .* cannot be right") as refused:
        WatchSpec(uri=URI, **{name: text})  # type: ignore[arg-type]
    assert len(str(refused.value)) < 300


def test_a_path_that_no_system_takes_is_refused() -> None:
    with pytest.raises(InvalidArgument, match="the path has 4097 bytes; use at most 4096"):
        WatchSpec(uri="/" * 4097)


def test_a_very_short_interval_is_the_same_after_the_command_line() -> None:
    spec = WatchSpec(uri=URI, poll_interval=1e-05)
    assert spec.to_args()[0] == "--poll-interval=0.00001"
    assert cli.parse(spec.to_args()).spec == spec


MATCHED = st.builds(
    Matched,
    uri=hostile.uris(),
    size=st.integers(min_value=0, max_value=5 * 2**40),
    etag=st.text(max_size=40),
    version_id=st.text(max_size=40),
)

READY = st.builds(
    Ready,
    uri=hostile.uris(),
    objects=st.lists(MATCHED, max_size=3).map(tuple),
    polls=st.integers(min_value=0),
    waited=st.floats(min_value=0, max_value=10**9),
)


@given(READY)
def test_ready_is_the_same_after_its_file(ready: Ready) -> None:
    with tempfile.TemporaryDirectory() as name:
        contract.write(Path(name), ready)
        assert contract.terminal(Path(name)) == ready


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_failed_gives_main_the_error_that_the_watcher_met(marker_directory: Path, kind: str) -> None:
    met = rebuild(kind, "s3://bucket/new\nline", "what was seen", "what to do")
    contract.write(marker_directory, Failed.of(URI, met))
    answer = contract.terminal(marker_directory)
    assert isinstance(answer, Failed)
    error = answer.error()
    assert (type(error), str(error), error.retryable) == (type(met), str(met), KINDS[kind].retryable)
    assert (answer.message, answer.retryable, answer.kind) == (str(met), met.retryable, kind)


ANSWERS = [Ready(uri=URI), Failed.of(URI, WaitError(URI))]


@pytest.mark.parametrize("first", ANSWERS)
@pytest.mark.parametrize("second", ANSWERS)
def test_ready_and_failed_exclude_each_other_and_themselves(
    marker_directory: Path, first: Ready | Failed, second: Ready | Failed
) -> None:
    contract.write(marker_directory, first)
    with pytest.raises(FileExistsError):
        contract.write(marker_directory, second)
    assert listing(marker_directory) == [first.NAME]
    assert contract.terminal(marker_directory) == first


def shell_that_waits(directory: Path) -> subprocess.Popen[bytes]:
    """Waits as the contract says that one can."""
    loop = re.search("``(until .*; done)``", contract.__doc__ or "")
    assert loop
    return subprocess.Popen(["sh", "-c", loop[1]], cwd=directory)


def test_a_shell_can_wait_for_ready(marker_directory: Path) -> None:
    """A container that is not Python needs no more than this."""
    shell = shell_that_waits(marker_directory)
    contract.beat(marker_directory)
    contract.write(marker_directory, Request(spec=WatchSpec(uri=URI)))
    still_waiting = shell.poll() is None
    contract.write(marker_directory, Ready(uri=URI))
    assert still_waiting
    assert shell.wait(timeout=30) == 0


def test_a_shell_does_not_wait_for_what_will_not_come(marker_directory: Path) -> None:
    shell = shell_that_waits(marker_directory)
    contract.write(marker_directory, Failed.of(URI, StoreError(URI, kind="bucket_missing")))
    assert shell.wait(timeout=30) == 1


def test_fields_of_a_newer_writer_are_passed_over(marker_directory: Path) -> None:
    values = {"version": 1, **asdict(Ready(uri=URI)), "colour": "red"}
    (marker_directory / "ready").write_text(json.dumps(values))
    assert contract.read(marker_directory, Ready) == Ready(uri=URI)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"null",
        b"[]",
        b'"ready"',
        b"\xff\xfe",
        b"{}",
        b'{"version": 2, "uri": "/a"}',
        b'{"version": "1", "uri": "/a"}',
        b'{"version": 1}',
        b'{"version": 1, "uri": null}',
        b'{"version": 1, "uri": ["/a"]}',
        b'{"version": 1, "uri": "/a", "objects": [{"uri": "/a", "size": "4"}], "retryable": "yes"}',
        b'{"version": 1, "uri": "/a", "objects": [{"size": 4}], "retryable": "yes"}',
        b'{"version": 1, "uri": "/a", "objects": "/a", "retryable": "yes"}',
        b'{"version": 1, "uri": "/a", "polls": true, "kind": 5}',
        b'{"version": 1, "spec": []}',
        b'{"version": 1, "spec": null}',
        b"[" * 60000,
        b" " * (contract.MAX_FILE_BYTES + 1),
    ],
    ids=lambda content: repr(content[:50]),
)
@pytest.mark.parametrize("kind", [Request, Ready, Failed])
def test_a_file_that_this_version_does_not_write_is_a_marker_error(
    marker_directory: Path, kind: type[Ready], content: bytes
) -> None:
    (marker_directory / kind.NAME).write_bytes(content)
    with pytest.raises(MarkerError) as refused:
        contract.read(marker_directory, kind)
    assert str(refused.value).startswith(f"{marker_directory / kind.NAME}: is ")
    assert str(refused.value).isprintable()


def test_the_heartbeat_is_known_by_the_time_of_its_file_alone(marker_directory: Path) -> None:
    assert contract.last_heartbeat(marker_directory) == 0
    contract.beat(marker_directory)
    assert contract.last_heartbeat(marker_directory) == (marker_directory / "heartbeat").stat().st_mtime_ns


@pytest.mark.parametrize("module", ["contract", "waiting", "errors", "uri", "durations", "markers"])
def test_mains_side_of_the_contract_loads_the_standard_library_only(module: str) -> None:
    loaded = (
        f"import sys; before = set(sys.modules); import objectstore_watcher.{module}; print(*set(sys.modules) - before)"
    )
    out = subprocess.run([sys.executable, "-c", loaded], stdout=subprocess.PIPE, text=True, check=True).stdout
    packages = {name.partition(".")[0] for name in out.split()}
    assert packages - sys.stdlib_module_names == {"objectstore_watcher"}


MOMENTS: list[Callable[[], str]] = [contract.now_iso, lambda: Failed.of(URI, WaitError(URI)).failed_at]


@pytest.mark.parametrize("moment", MOMENTS)
def test_times_are_utc_to_the_millisecond(moment: Callable[[], str]) -> None:
    text = moment()
    assert len(text) == len("2026-06-01T12:00:00.000Z")
    parsed = datetime.strptime(text, "%Y-%m-%dT%H:%M:%S.%fZ").replace(tzinfo=timezone.utc)
    assert abs(time.time() - parsed.timestamp()) < 60
