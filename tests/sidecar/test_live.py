from __future__ import annotations

import os
import re
import signal
from collections.abc import Mapping
from pathlib import Path

import pytest
from objectstore_watcher.contract import Request, WatchSpec
from objectstore_watcher.live import LiveLine
from objectstore_watcher.stores.hints import Streamed
from objectstore_watcher.watch import Event, Pausing, Polled, Started

from tests.fake_s3 import SILENT, Answer, FakeS3, error
from tests.servers import Watcher
from tests.sidecar.conftest import Start
from tests.terminal import Terminal

COLUMNS = 80

URI = "s3://bucket/key"


def started(*args: str, env: Mapping[str, str] | None = None, columns: int = COLUMNS) -> Terminal:
    """A watcher on a terminal; its standard output is none."""
    base = {"PATH": os.environ["PATH"], "HOME": os.environ["HOME"]}
    return Terminal([*Watcher.COMMAND, *args], {**base, **(env or {})}, columns=columns, pipe=True)


def test_a_person_sees_one_line_with_elapsed_time_next_look_and_path(tmp_path: Path) -> None:
    path = str(tmp_path / "absent")
    with started(path, "--timeout=5m", "--poll-interval=1m") as terminal:
        terminal.see(r"waiting 0:0[1-9] of 5:00  look \d in \d+ s  /")
        assert terminal.end(signal.SIGINT) == 130
    log, *live = terminal.frames()
    assert log.endswith(f" waiting for {path}")
    told = next(each for each in live if "SIGINT" in each)
    live = live[: live.index(told)]
    assert told.endswith(f"{path}: told to stop by SIGINT before the wait ended")
    assert all(re.match(r"\S\s+(waiting 0:\d\d of 5:00  look \d (now|in \d+ s)  /|$)", frame) for frame in live), live


def test_the_live_line_goes_away_and_the_result_stays(tmp_path: Path) -> None:
    file = tmp_path / "file"
    with started(str(file), "--poll-interval=0.1") as terminal:
        terminal.see(r"look \d+ ")
        file.write_bytes(b"1234")
        assert terminal.end() == 0
    assert any(re.search(rf" ready: {file} \(4 bytes\) after \d+\.\d s$", frame) for frame in terminal.frames())
    after = terminal.shown.rpartition("ready: ")[2]
    assert after.endswith("\x1b[2K"), "the last thing is that the live line is wiped"
    assert "\x1b[?25h" in after, "the cursor is shown again"


def test_the_last_error_is_shown(tmp_path: Path) -> None:
    with FakeS3(Answer(503)) as server, started("s3://bucket/key", env=server.env()) as terminal:
        terminal.see("last error: the server asks")
        terminal.end(signal.SIGINT)
    warnings = [frame for frame in terminal.frames() if "warning: s3://bucket/key: the server asks for" in frame]
    assert len(warnings) == 1


@pytest.mark.parametrize("key", ["new\nline\r\x1b[2J\x1b[31m[red]key" + "k" * 300, "語" * 100])
def test_the_live_line_is_one_line_whatever_the_path(key: str) -> None:
    absent = error(404, "NoSuchKey", x_minio_error_code="NoSuchKey")
    with FakeS3(absent) as server, started("--timeout=5m", "--", f"s3://bucket/{key}", env=server.env()) as terminal:
        terminal.see(r"look \d+ in .* s3://bucket/")
        terminal.end(signal.SIGINT)
    assert all(_width(frame) <= COLUMNS for frame in terminal.frames() if " of " in frame and "look" in frame)
    assert "\x1b[1A\x1b[2K\x1b[1A" not in terminal.shown, "never more than one line is wiped"
    assert "\x1b[2J" not in terminal.shown
    assert "\x1b[31m" not in terminal.shown


def line(width: int, *events: Event, path: str = URI) -> str:
    """The line in so many columns, after these events of a wait of an hour that just began."""
    live = LiveLine()
    for event in (Started(Request(spec=WatchSpec(uri=path, timeout=3600))), *events):
        live.observe(event)
    return live.text(width).plain


def test_events_are_told_while_they_come() -> None:
    connected = (Polled(), Pausing(60), Streamed("connected"), Pausing(59.6))
    assert line(80, *connected) == f"waiting 0:00 of 1:00:00  look 2 in 60 s  events connected  {URI}"
    assert "events" not in line(80, *connected, Streamed("lost", "the server closed the stream"))


def test_a_look_that_is_under_way_is_told_and_for_how_long() -> None:
    assert "  look 1 now  " in line(80), "the first"
    assert "  look 2 now  " in line(80, Polled(), Pausing(0.2))
    assert "  look 2 for 7 s  " in line(80, Polled(), Pausing(-7))


def test_a_look_that_hangs_is_seen_on_the_terminal() -> None:
    with FakeS3(SILENT) as server, started(URI, "--request-timeout=1m", env=server.env()) as terminal:
        terminal.see(r"look 1 for \d+ s")
        terminal.end(signal.SIGINT)


def test_a_long_path_is_shortened_in_the_middle() -> None:
    path = "s3://bucket/" + "x" * 300 + "/part-00042.parquet"
    shown = line(80, Polled(), Pausing(10), path=path)
    assert len(shown) == 80
    assert re.search(r"  s3://bucket/x+…x*/part-00042.parquet$", shown), shown


@pytest.mark.parametrize("letter", ["x", "語"])
@pytest.mark.parametrize("width", range(50, 200, 7))
def test_a_path_takes_the_columns_that_are_left(letter: str, width: int) -> None:
    assert _width(line(width, Polled(), Pausing(10), path=f"s3://bucket/{letter * 300}")) <= width


def test_where_there_is_no_room_for_a_path_it_is_left_out() -> None:
    assert line(40, Polled(), Pausing(10)) == "waiting 0:00 of 1:00:00  look 2 in 10 s"


def test_a_narrow_terminal_has_one_line_too() -> None:
    with FakeS3(Answer(503)) as server, started(URI, columns=30, env=server.env()) as terminal:
        terminal.see(r"waiting 0:0\d of 24:00:00")
        terminal.end(signal.SIGINT)
    assert all(_width(frame) <= 30 for frame in terminal.frames() if "waiting 0:" in frame)
    assert "\x1b[1A\x1b[2K\x1b[1A" not in terminal.shown, "never more than one line is wiped"


def test_no_color_means_none(tmp_path: Path) -> None:
    with started(str(tmp_path / "absent"), env={"NO_COLOR": "1"}) as terminal:
        terminal.see(r"look \d+ ")
        terminal.end(signal.SIGINT)
    assert not re.search(r"\x1b\[[0-9;]*m", terminal.shown.replace("\x1b[0m", ""))


def test_with_json_the_line_is_there_and_the_answer_alone_on_standard_output(tmp_path: Path) -> None:
    file = tmp_path / "file"
    with started("--json", str(file), "--poll-interval=0.1") as terminal:
        terminal.see(r"look \d+ ")
        file.touch()
        assert terminal.end() == 0
        assert terminal.output().startswith('{"state": "ready", ')


def _width(text: str) -> int:
    return sum(2 if c == "語" else 1 for c in text)


def test_where_there_is_no_terminal_there_is_no_live_line(start: Start, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    code, told = start(tmp_path / "file").end()
    assert code == 0
    assert "\x1b" not in told
    assert "look" not in told
