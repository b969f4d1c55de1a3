"""The README is true: its tables are the code's, and its examples run."""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path

from objectstore_watcher import contract

from tests.servers import ROOT, MinioServer, Watcher
from tools import readme

TEXT = readme.README.read_text()


def example(name: str) -> str:
    """The code block that follows ``<!-- example: name -->``."""
    found = re.search(rf"<!-- example: {name} -->\n```\w*\n(.*?)```", TEXT, re.DOTALL)
    assert found, name
    return found.group(1)


def last_line(folder: Path, code: str, env: Mapping[str, str] | None = None) -> str:
    """What a script of that code prints last."""
    script = folder / "readme_example.py"
    script.write_text(code)
    done = subprocess.run(
        [sys.executable, script], env={**os.environ, **(env or {})}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()[-1]


def test_every_code_block_that_can_run_is_named_and_so_run_here() -> None:
    blocks = re.findall(r"^(.*)\n```(\w+)\n", TEXT, re.MULTILINE)
    assert blocks
    for before, language in blocks:
        assert language == "text" or before.startswith("<!-- example: "), (before, language)
    tested = set(re.findall(r'example\("(\w+)"\)', Path(__file__).read_text()))
    assert set(re.findall(r"<!-- example: (\w+) -->", TEXT)) == tested


def test_the_tables_are_those_of_the_code() -> None:
    assert readme.with_tables(TEXT) == TEXT, "run: make docs"


def test_the_folders_are_there() -> None:
    for name in re.findall(r"^\| `(\w+/)`", TEXT, re.MULTILINE):
        assert (ROOT / name).is_dir(), name


def test_the_workflow_runs_as_the_readme_says(minio: MinioServer, bucket: str, tmp_path: Path) -> None:
    minio.put(bucket, "key", b"12345")
    file = tmp_path / "some-file"
    file.write_bytes(b"123")
    calls = f"wait_and_run(path='s3://{bucket}/key'), wait_and_run(path='{file}'), sensor(path='file://{file}')"
    code = example("workflow") + f"\nprint([{calls}])\n"
    assert last_line(tmp_path, code, minio.flyte_env()) == f"[5, 3, 'file://{file}']"


def test_the_decorated_function_runs_as_the_readme_says(minio: MinioServer, bucket: str, tmp_path: Path) -> None:
    minio.put(bucket, "key", b"12345")
    code = example("decorator") + f"\nprint(count(path='s3://{bucket}/key'))\n"
    assert last_line(tmp_path, code, minio.flyte_env()) == "5"


def test_the_list_is_waited_for_as_the_readme_says(minio: MinioServer, bucket: str, tmp_path: Path) -> None:
    paths = [f"s3://{bucket}/{key}" for key in "ab"]
    for key in "ab":
        minio.put(bucket, key)
    code = example("several") + f"\nprint(wait_for_parts(paths={paths}))\n"
    assert last_line(tmp_path, code, minio.flyte_env()) == "2"


def test_what_a_sensor_returns_is_read_as_the_readme_says(minio: MinioServer, bucket: str, tmp_path: Path) -> None:
    minio.put(bucket, "key", b"12345")
    code = example("output") + f"\nprint(wait_and_count(path='s3://{bucket}/key'))\n"
    assert last_line(tmp_path, code, minio.flyte_env()) == "5"


def test_a_scheduled_run_takes_an_object_of_its_day_as_the_readme_says(tmp_path: Path) -> None:
    file = tmp_path / "orders.csv"
    file.touch()
    os.utime(file, (1780311600, 1780311600))  # eleven o'clock in UTC on the day of the run below
    code = example("schedule") + f"\nprint(daily(scheduled_at=datetime(2026, 6, 1, 12), path={str(file)!r}))\n"
    assert last_line(tmp_path, code) == str(file)


def test_a_condition_of_ones_own_is_asked_as_the_readme_says(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_bytes(b"line")
    code = (
        example("when").replace('timeout="1h"', 'poll_interval=0.1, timeout="1h"')
        + f"\nimport threading\nthreading.Timer(1, lambda: open({str(file)!r}, 'ab').write(b'\\n')).start()"
        + f"\nprint(sensor(path={str(file)!r}), len(open({str(file)!r}).read()))\n"
    )
    assert last_line(tmp_path, code) == f"{file} 5"


def test_the_lean_sensor_is_the_same_locally(minio: MinioServer, bucket: str, tmp_path: Path) -> None:
    minio.put(bucket, "key")
    code = example("lean") + f"\nprint(sensor(path='s3://{bucket}/key'))\n"
    assert last_line(tmp_path, code, minio.flyte_env()) == f"s3://{bucket}/key"


def test_the_command_runs_as_the_readme_says(minio: MinioServer, bucket: str) -> None:
    program, path, *flags = shlex.split(example("command").removeprefix("$ "))
    assert (program, path) == ("objectstore-watcher", "s3://bucket/key")
    with Watcher([f"s3://{bucket}/key", *flags, "--poll-interval=0.2"], minio.flyte_env()) as watcher:
        time.sleep(1)
        assert watcher.process.poll() is None, "it must wait"
        minio.put(bucket, "key")
        assert watcher.end()[0] == 0


def test_the_ready_marker_has_the_fields_of_the_readme(tmp_path: Path) -> None:
    (tmp_path / "ready").write_text(example("ready"))
    marker = contract.read(tmp_path, contract.Ready)
    assert marker
    again = tmp_path / "again"
    again.mkdir()
    contract.write(again, marker)
    assert json.loads((again / "ready").read_text()) == json.loads(example("ready"))


def test_make_help_names_the_commands_of_the_readme() -> None:
    told = subprocess.run(["make", "help"], cwd=ROOT, check=True, capture_output=True, text=True).stdout
    for target in set(re.findall(r"`make ([a-z-]+)`", TEXT)):
        assert f"make {target} " in told, target
