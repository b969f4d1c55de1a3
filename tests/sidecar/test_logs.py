from __future__ import annotations

import json
import logging
import os
import pty
import subprocess

import pytest
from hypothesis import given
from hypothesis import strategies as st
from objectstore_watcher import cli, logs
from objectstore_watcher.logs import EventLog, JsonFormatter, TextFormatter, log
from objectstore_watcher.watch import watch

from tests.fake_s3 import Answer, FakeS3, error, found
from tests.servers import MinioServer, Watcher, eventually
from tests.sidecar import hostile
from tests.sidecar.conftest import Start
from tests.sidecar.tools import VirtualTime

ABSENT = error(404, "NoSuchKey", x_minio_error_code="NoSuchKey")

FORGED = 'x\n{"level": "error", "message": "forged"}\r\n\x1b[31mred\u2028line'


def lines(watcher: Watcher) -> list[dict[str, object]]:
    """The log of a watcher that ended: every line is one JSON object."""
    told = watcher.end()[1]
    assert told.endswith("\n")
    return [json.loads(line) for line in told.removesuffix("\n").split("\n")]


@pytest.mark.parametrize("key", [FORGED, "".join(hostile.KEYS[:-1])], ids=["forged", "hostile"])
def test_a_log_line_is_one_json_object_whatever_the_key(start: Start, key: str) -> None:
    with FakeS3(found()) as server:
        waiting, hint, ready = lines(start("--", f"s3://bucket/{key}", **server.env()))
    assert (waiting["level"], waiting["uri"]) == ("info", f"s3://bucket/{key}")
    assert (ready["level"], ready["uri"], ready["size"], ready["polls"]) == ("info", f"s3://bucket/{key}", 4, 1)
    assert all({"time", "level", "message"} <= line.keys() for line in (waiting, hint, ready))


def test_errors_are_logged_when_they_change_and_not_at_each_poll(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    logs.configure("json")
    time = VirtualTime()
    with FakeS3(*[ABSENT] * 100, Answer(503), Answer(503), Answer(500), ABSENT, ABSENT, found()) as server:
        for name, value in server.env().items():
            monkeypatch.setenv(name, value)
        watch(time.request("s3://bucket/key"), stop=time, observe=EventLog().observe, clock=time.clock)
    told = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    assert [(line["level"], line.get("kind")) for line in told] == [
        ("info", None),
        ("warning", "throttled"),
        ("warning", "server_error"),
        ("info", None),
        ("info", None),
    ]
    assert told[3]["message"] == "the object store answers again"


def test_a_failure_is_one_error_line_with_cause_and_cure(start: Start) -> None:
    with FakeS3(error(404, "NoSuchBucket")) as server:
        told = lines(start(f"s3://bucket/{FORGED}", **server.env()))
    assert [line["level"] for line in told] == ["info", "warning", "error"]  # of a key that may be a pattern
    assert (told[2]["kind"], told[2]["retryable"]) == ("bucket_missing", False)
    assert "the bucket does not exist" in str(told[2]["message"])
    assert str(told[2]["message"]).isprintable()


def test_text_lines_have_no_line_break_or_control_character_of_a_key(start: Start) -> None:
    with FakeS3(found()) as server:
        told = start("--log-format=text", "--", f"s3://bucket/{FORGED}", **server.env()).end()[1]
    waiting, hint, ready = told.splitlines()
    assert waiting[8:].startswith(" waiting for s3://bucket/")
    assert ready[8:].startswith(" ready: s3://bucket/")
    assert (waiting + hint + ready).isprintable()


def on_terminal(args: list[str], env: dict[str, str]) -> str:
    """What the command writes to a terminal."""
    main, terminal = pty.openpty()
    base = {"PATH": os.environ["PATH"], "HOME": os.environ["HOME"], "TERM": "dumb"}
    process = subprocess.Popen([*Watcher.COMMAND, *args], env={**base, **env}, stderr=terminal)
    os.close(terminal)
    written = b""
    try:
        while part := _read(main):
            written += part
    finally:
        os.close(main)
        process.kill()
        process.wait()
    return written.decode()


def _read(descriptor: int) -> bytes:
    try:
        return os.read(descriptor, 65536)
    except OSError:  # how Linux says that nobody writes to the terminal any more
        return b""


@pytest.mark.parametrize(("style", "is_json"), [("auto", False), ("json", True)])
def test_on_a_terminal_lines_are_for_people_unless_json_is_asked_for(style: str, is_json: bool) -> None:
    with FakeS3(found()) as server:
        told = on_terminal([f"--log-format={style}", "s3://bucket/key"], server.env())
    written = [line for line in told.replace("\r", "\n").split("\n") if "ready" in line]
    assert [line.startswith("{") for line in written] == [is_json]
    assert "s3://bucket/key (4 bytes) after 0." in written[0]


def test_a_closed_log_changes_neither_the_wait_nor_the_exit_code(start: Start) -> None:
    with FakeS3(*[ABSENT] * 3, found()) as server:
        watcher = start("s3://bucket/key", "--poll-interval=0.05", **server.env())
        assert watcher.process.stderr
        watcher.process.stderr.close()
        assert watcher.process.wait(timeout=30) == 0
        assert len(server.requests) == 4


def test_no_secret_is_logged(start: Start, minio: MinioServer, bucket: str) -> None:
    secret = f"s3://{bucket}/{hostile.SECRET_VARIABLE}"
    watcher = start(secret, "--poll-interval=0.05", **minio.flyte_env())
    eventually(lambda: watcher.process.poll() is None, "the watcher runs")
    minio.put(bucket, hostile.SECRET_VARIABLE)
    code, told = watcher.end()
    assert code == 0
    assert hostile.SECRET_VARIABLE in told
    assert MinioServer.SECRET_KEY not in told


def record(message: str, extra: dict[str, str] | None = None) -> logging.LogRecord:
    made = logging.LogRecord("name", logging.WARNING, "file", 1, message, (), None)
    made.__dict__["fields"] = extra or {}
    return made


@given(st.text(), st.dictionaries(st.text(), st.text()))
def test_any_record_is_one_line_of_json(message: str, extra: dict[str, str]) -> None:
    line = JsonFormatter().format(record(message, extra))
    assert len(line.splitlines()) == 1
    assert json.loads(line) == {"time": json.loads(line)["time"], "level": "warning", "message": message, **extra}


@given(st.text())
def test_any_record_is_one_line_of_text(message: str) -> None:
    assert TextFormatter().format(record(message)).isprintable()


def test_an_unknown_error_is_logged_with_its_trace_in_the_same_line(capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure("json")
    try:
        raise RuntimeError("what nobody thought of")
    except RuntimeError:
        log(logging.ERROR, "internal error", exc_info=True)
    [line] = capsys.readouterr().err.splitlines()
    assert "what nobody thought of" in json.loads(line)["trace"]


def test_the_formats_are_those_of_the_command_line() -> None:
    assert logs.FORMATS == cli.LOG_FORMATS
