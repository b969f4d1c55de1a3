"""Whatever comes in, what comes out is a value or one clear error; ``make fuzz`` tries for longer, and other things."""

from __future__ import annotations

import io
import json
import logging
import socket
import tempfile
import time
from collections.abc import Callable
from contextlib import redirect_stderr, redirect_stdout, suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any, TypeVar

from hypothesis import example, given
from hypothesis import strategies as st
from minio.helpers import BaseURL
from objectstore_watcher import cli, contract, deck, durations, logs, serving, status, uri
from objectstore_watcher.cloud_uris import CloudLocation
from objectstore_watcher.contract import Failed, Ready, Request, WatchSpec
from objectstore_watcher.errors import KINDS, InvalidArgument, MarkerError, WaitError, one_line, rebuild
from objectstore_watcher.live import LONGEST_PATH, LiveLine
from objectstore_watcher.logs import JsonFormatter, TextFormatter
from objectstore_watcher.uri import FileLocation, ObjectLocation
from objectstore_watcher.watch import Polled, Started
from prometheus_client import CollectorRegistry
from urllib3.exceptions import LocationParseError
from urllib3.util import parse_url

from tests.sidecar import decks, hostile

T = TypeVar("T")

TEXT = st.text(st.characters(exclude_categories=()))
"""Any string of Python's, lone surrogates and NUL among them, which `st.text` leaves out."""


def tried(call: Callable[[], T]) -> T | WaitError:
    """What came of it: a value, or an error in one line; nothing else is right."""
    try:
        return call()
    except WaitError as refused:
        error = refused
    assert str(error).isprintable()
    return error


# Paths, endpoints, addresses, durations

_SCHEMES = [
    "s3://",
    "S3://",
    "s3:/",
    "s3:",
    "file://",
    "FILE:///",
    "file:",
    "gs://",
    "://",
    "s3a://",
    "s3://bucket/",
    "gs://bucket/",
    "az://container/",
    "abfs://c01@account.dfs.core.windows.net/",
    "http://host/",
    "https://",
]
_PIECES = st.sampled_from([*hostile.KEYS, "..", "/", "//", ":", "@", "bucket", "s3://", "\0", "\udcff", "é" * 512])


def paths() -> st.SearchStrategy[str]:
    """Text that is a path, or nearly."""
    rest = st.lists(_PIECES | TEXT, max_size=5).map("".join)
    return TEXT | st.tuples(st.sampled_from(_SCHEMES), rest).map("".join)


@example("s3://bucket/ key\n")
@example("file\udcff")
@given(paths())
def test_any_text_is_a_location_with_every_byte_of_it_or_refused(text: str) -> None:
    location = tried(lambda: uri.parse(text))
    if isinstance(location, WaitError):
        assert isinstance(location, InvalidArgument)
        return
    assert location.uri.encode() == text.encode()
    if isinstance(location, ObjectLocation):
        assert f"{text[:5]}{location.bucket}/{location.key}" == text
    elif isinstance(location, FileLocation):
        assert location.path in (text, text[len("file://") :])
    elif isinstance(location, CloudLocation):
        assert text.endswith("/" + location.key)


@example("evil.example:80", "key")
@example("evil#b", "@evil.example/key")
@given(st.from_regex(r"[A-Za-z0-9._:@?#\\-]{3,63}", fullmatch=True), hostile.keys())
def test_no_path_chooses_the_server_that_is_asked(bucket: str, key: str) -> None:
    """On AWS a bucket is a part of the host's name."""
    location = tried(lambda: uri.parse(f"s3://{bucket}/{key}"))
    if not isinstance(location, ObjectLocation):
        return
    server = BaseURL("https://s3.amazonaws.com", "us-east-1")
    url = server.build(
        method="HEAD", region="us-east-1", bucket_name=location.bucket, object_name=location.key
    ).geturl()
    with suppress(LocationParseError):  # then nobody is asked
        host = parse_url(url).host
        assert host
        assert host.endswith("s3.us-east-1.amazonaws.com")


def endpoints() -> st.SearchStrategy[str]:
    """Text that is an endpoint, or nearly."""
    part = (
        st.sampled_from(["minio", ":", "9000", "[::1]", "user:hunter2@", "/", "?", "#", "\n", " ", "%", "\\", "é"])
        | TEXT
    )
    return TEXT | st.tuples(
        st.sampled_from(["http://", "https://", "HTTP://", "ftp://", "http:/", "//"]),
        st.lists(part, max_size=4).map("".join),
    ).map("".join)


@given(endpoints())
def test_any_text_is_an_endpoint_as_it_stands_or_refused_without_its_password(text: str) -> None:
    parsed = tried(lambda: uri.parse_endpoint(text, "--endpoint"))
    if isinstance(parsed, WaitError):
        assert "is not the URL of a server; " in str(parsed)
        assert "hunter2" not in str(parsed)
        return
    host, tls = parsed
    assert text.removesuffix("/").lower() == f"{'https' if tls else 'http'}://{host}".lower()
    assert host.isascii()
    assert {"@", "/", "?", "#", "%", "\\"}.isdisjoint(host)


@example("h:" + "9" * 5000)
@example("h:65536")
@given(TEXT | st.tuples(TEXT, st.integers().map(str)).map(":".join))
def test_any_text_is_an_address_or_refused(text: str) -> None:
    parsed = tried(lambda: serving.parse_address(text, "--metrics-address"))
    if not isinstance(parsed, WaitError):
        host, port = parsed
        assert 0 <= port <= 65535
        assert int(text.rpartition(":")[2]) == port
        assert host in text


ANYTHING = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.integers(300, 6000).flatmap(lambda digits: st.sampled_from([10**digits, -(10**digits)]))
    | st.floats()
    | st.timedeltas()
    | st.binary()
    | st.complex_numbers()
    | st.decimals()
    | st.lists(st.integers())
    | TEXT
    | st.from_regex(r"(\d+(\.\d+)?(ms|s|m|h|d)?)+", fullmatch=True)
)


@example(10**5000)
@given(ANYTHING)
def test_anything_is_a_duration_or_refused_by_the_name_of_its_flag(value: durations.Duration) -> None:
    parsed = tried(lambda: durations.seconds(value, "--timeout"))
    if isinstance(parsed, WaitError):
        assert str(parsed).startswith("--timeout: ")
    else:
        assert 0 < parsed <= durations.LONGEST


# The command line

WORDS = st.text(st.characters(codec="utf-8", exclude_characters="\0"))


@example("-dash", "-r", "--ca-file")
@given(paths() | WORDS, WORDS, WORDS)
def test_any_text_that_a_spec_takes_is_the_same_after_the_command_line(path: str, region: str, ca_file: str) -> None:
    spec = tried(lambda: WatchSpec(uri=path, region=region, ca_file=ca_file))
    if isinstance(spec, WatchSpec) and not (
        isinstance(spec.location, FileLocation) and (region or ca_file)
    ):  # which the command line refuses
        assert cli.parse(spec.to_args()).spec == spec


@given(st.lists(WORDS | st.sampled_from(["--", "-", "--dir", "--timeout", "@file", "--uri=x", "-h5", "--region="])))
def test_any_command_line_is_settings_or_refused(args: list[str]) -> None:
    with suppress(SystemExit), redirect_stdout(io.StringIO()):  # of --help and --version
        tried(lambda: cli.parse(args))


# Markers

MARKERS: list[Request | Ready | Failed] = [
    Request(spec=WatchSpec(uri="s3://bucket/key", endpoint="http://minio:9000", region="r", ca_file="/ca.pem")),
    decks.ready(),
    decks.failed(),
]

RAW = [
    "9" * 300,
    "9" * 400,
    "-" + "9" * 400,
    "9" * 5000,
    "1e999",
    "-1e999",
    "NaN",
    "Infinity",
    "-Infinity",
    "1E-400",
    "-0",
]
RAW += ["[" * 5000, "[" * 500 + "]" * 500, '{"a":' * 500 + "1" + "}" * 500, '"\\ud800"', '"\\u0000"', "tru", "", '"']
"""JSON that `json.dumps` would not write, and what is nearly JSON."""

_RAW = st.sampled_from([f"raw {number}" for number in range(len(RAW))])
_PLAIN = st.none() | st.booleans() | st.integers() | st.floats() | TEXT | paths()
_LEAF = _RAW | _PLAIN
_BRANCH = st.lists(_LEAF, max_size=3) | st.dictionaries(TEXT, _LEAF, max_size=3)
VALUES = _LEAF | _BRANCH | st.lists(_BRANCH, max_size=3) | st.dictionaries(TEXT, _BRANCH, max_size=3)


@st.composite
def marker_files(draw: st.DrawFn) -> tuple[type[Ready], bytes]:
    """A kind of marker, and the bytes of a file that is one, or nearly."""
    marker = draw(st.sampled_from(MARKERS))
    if draw(st.integers(0, 9)) == 0:
        return type(marker), draw(st.binary())  # type: ignore[return-value] # any of the three
    values: dict[str, Any] = {"version": 1, **asdict(marker)}
    for _ in range(draw(st.integers(0, 3))):
        parts = (values, values.get("spec"), values.get("history"))
        inside = draw(st.sampled_from([each for each in parts if isinstance(each, dict)]))
        name = draw(st.sampled_from([*inside, "version", "spec", "colour"]))
        if draw(st.integers(0, 4)):
            inside[name] = draw(VALUES)
        else:
            inside.pop(name, None)
    text = json.dumps(values)
    for number, raw in enumerate(RAW):
        text = text.replace(f'"raw {number}"', raw)
    if draw(st.booleans()):  # a name twice
        text = text[:-1] + "," + json.dumps({draw(st.sampled_from([*values, "version"])): draw(VALUES)})[1:]
    data = text.encode()
    if draw(st.integers(0, 3)) == 0:  # bytes that the file system lost or found
        at = draw(st.integers(0, len(data)))
        data = data[:at] + draw(st.binary(max_size=4)) + data[at + draw(st.integers(0, 4)) :]
    return type(marker), data  # type: ignore[return-value] # any of the three


@given(marker_files())
def test_any_file_is_a_marker_that_can_be_used_or_one_error(file: tuple[type[Ready], bytes]) -> None:
    kind, data = file
    with tempfile.TemporaryDirectory() as name:
        (Path(name) / kind.NAME).write_bytes(data)
        marker: Request | Ready | Failed | WaitError | None = tried(lambda: contract.read(Path(name), kind))
        told = tried(lambda: "\n".join(status.lines(status.look(Path(name)))))
    assert isinstance(told, WaitError) or all(line.isprintable() for line in told.split("\n"))
    if isinstance(marker, WaitError):
        assert isinstance(marker, MarkerError) or kind.NAME == Request.NAME
    else:
        assert marker
        _can_be_used(marker)


def _can_be_used(marker: Request | Ready | Failed) -> None:
    """As main and the watcher do."""
    if isinstance(marker, Request):
        assert marker.deadline <= time.monotonic() + durations.LONGEST
        assert cli.parse(marker.spec.to_args()).spec
        return
    assert deck.page(marker).encode()
    if isinstance(marker, Failed):
        _is_one_line(str(marker.error()))
    else:
        _is_one_line(logs.ended(marker))


# Errors, logs and the live line


def _is_one_line(message: str) -> None:
    record = logging.LogRecord("name", logging.ERROR, "file", 1, message, (), None)
    line = JsonFormatter().format(record)
    assert len(line.splitlines()) == 1
    assert line.isascii()
    assert json.loads(line)["message"] == message
    assert TextFormatter().format(record).isprintable()


@given(st.sampled_from(sorted(KINDS)), hostile.uris(), TEXT, TEXT, TEXT)
def test_any_error_is_the_same_after_its_marker_and_one_line_in_each_log(
    kind: str, path: str, subject: str, detail: str, cure: str
) -> None:
    met = rebuild(kind, subject, detail, cure)
    with tempfile.TemporaryDirectory() as name:
        contract.write(Path(name), Failed.of(path, met))
        answer = contract.terminal(Path(name))
    assert isinstance(answer, Failed)
    told = answer.error()
    assert (type(told), str(told), told.kind) == (type(met), str(met), met.kind)
    assert answer.message == str(told)
    assert str(told).isprintable()
    _is_one_line(str(told))


@given(TEXT)
def test_an_unknown_error_cannot_forge_a_line_of_the_log(message: str) -> None:
    try:
        raise RuntimeError(message)
    except RuntimeError as error:
        record = logging.LogRecord(
            "name", 40, "file", 1, "internal error", (), (RuntimeError, error, error.__traceback__)
        )
    assert len(JsonFormatter().format(record).splitlines()) == 1
    first, *trace = TextFormatter().format(record).split("\n")
    assert first.endswith(" error: internal error")
    assert all(line.startswith("  ") and line.isprintable() for line in trace)


@example("s3://bucket/[red]key[/red]", "")
@given(hostile.uris(), TEXT)
def test_the_live_line_is_one_line_of_printable_text_whatever_path_and_error(path: str, detail: str) -> None:
    line = LiveLine()
    line.observe(Started(Request(spec=WatchSpec(uri=path))))
    line.observe(Polled(WaitError(path, detail)))
    text = line.text(100_000)
    assert text.plain.isprintable()
    assert text.plain.endswith(one_line(path, LONGEST_PATH))
    assert not text.spans, "nothing in it is taken for markup"


# The metrics server


class _Asked:
    """A server that was started once, and answers."""

    address: tuple[str, int] | None = None

    @classmethod
    def tell(cls, sent: bytes) -> bytes:
        cls.address = cls.address or serving.serve(
            "127.0.0.1:0", "", CollectorRegistry(), alive=lambda: True, ready=lambda: True
        )
        with socket.create_connection(cls.address, timeout=30) as client, client.makefile("rb") as answer:
            client.sendall(sent)
            client.shutdown(socket.SHUT_WR)
            with suppress(ConnectionResetError):
                return answer.read()
        return b""


_LINES = st.sampled_from(
    [
        *(b"GET /metrics HTTP/1.1", b"GET /healthz", b"HEAD /readyz HTTP/1.0", b"GET //[ HTTP/1.1"),
        *(b"GET /metrics?%ff HTTP/1.1", b"Accept: text/plain", b"Accept: application/openmetrics-text; version=1.0.0"),
        *(b"Content-Length: -1", b"Expect: 100-continue", b"Connection: keep-alive", b"Host: \xff"),
        *(b": ", b" folded", b"\r"),
    ]
)


@given(st.lists(_LINES | st.binary(max_size=30), max_size=6))
def test_any_bytes_leave_the_metrics_server_calm(lines: list[bytes]) -> None:
    with redirect_stderr(io.StringIO()) as told:
        answer = _Asked.tell(b"\r\n".join(lines) + b"\r\n\r\n")
        assert _Asked.tell(b"GET /healthz HTTP/1.1\r\n\r\n").endswith(b"\r\n\r\nOK\n")
    assert told.getvalue() == ""
    assert b"Traceback" not in answer
