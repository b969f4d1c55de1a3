"""Local runs: the same call, the same conditions, errors and deadline, in the user's own process."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from flytekit import FlyteContextManager
from flytekit.configuration import DataConfig, S3Config
from flytekit.core.data_persistence import FileAccessProvider
from flytekit.exceptions.user import FlyteRecoverableException
from objectstore_sensor import DeadlineExceeded, InvalidArgument, StoreError, WaitError

from tests.servers import MinioServer, free_port
from tests.task.conftest import IMPORTS, Module
from tests.task.test_sensor import TUTORIAL
from tests.terminal import SLOW, Terminal

QUICK = """
sensor = WaitForObjectStoreFile(poll_interval=0.05, timeout="1h")
hasty = WaitForObjectStoreFile(poll_interval=0.05, timeout=0.3)

@task
def first(path: str) -> str:
    return path

@workflow
def wait(path: str) -> str:
    return sensor(path=path)

@workflow
def wait_in_vain(path: str) -> str:
    return hasty(path=path)

@workflow
def wait_for_the_path_of_another_task(path: str) -> str:
    return sensor(path=first(path=path))

@workflow
def wait_for_all(paths: list[str]) -> list[str]:
    return map_task(sensor)(path=paths)

@dynamic
def wait_one_by_one(paths: list[str]) -> list[str]:
    return [sensor(path=path) for path in paths]
"""

SCRIPT = (
    "import sys\nprint('imported as', __name__)\n"
    + IMPORTS
    + TUTORIAL.replace("metadata=", "poll_interval=2, metadata=", 1)
    + """
if __name__ == "__main__":
    print(f"{sensor.name} says {wait_and_run(path=sys.argv[1])}")
"""
)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "order.csv"


@pytest.fixture
def script(tmp_path: Path) -> Path:
    path = tmp_path / "tutorial.py"
    path.write_text(SCRIPT)
    return path


@pytest.fixture
def environment() -> dict[str, str]:
    """Of a process that a person starts: no credentials in it."""
    return {"PATH": os.environ["PATH"], "HOME": os.environ["HOME"], "LANG": "C.UTF-8"}


class TestTheTutorial:
    def test_it_runs_as_written_and_counts_the_bytes(self, module: Module, file: Path) -> None:
        file.write_text("12345")
        assert module(TUTORIAL).wait_and_run(path=str(file)) == 5

    def test_the_sensor_alone_is_a_function(self, module: Module, file: Path) -> None:
        file.touch()
        sensor = module(TUTORIAL).sensor
        assert sensor(path=str(file)) == str(file)
        assert sensor(str(file)) == str(file)


class TestTheSameConditions:
    def test_a_workflow_goes_on_when_the_object_is_there_not_before(
        self, module: Module, minio: MinioServer, bucket: str, flyte_env: dict[str, str]
    ) -> None:
        path, user, ended = f"s3://{bucket}/late", module(QUICK), threading.Event()

        def upload() -> None:
            assert not ended.wait(0.5), "the sensor did not wait"
            minio.put(bucket, "late")

        uploader = FailingThread(upload)
        with uploader:
            assert user.wait(path=path) == path
            ended.set()

    def test_a_file_too(self, module: Module, file: Path) -> None:
        user = module(QUICK)

        def produce() -> None:
            threading.Event().wait(0.3)
            file.touch()

        with FailingThread(produce):
            assert user.wait(path=file.as_uri()) == file.as_uri()

    @pytest.mark.parametrize("key", ["a\nb", "$(HOME)/{{.input}}", "ключ/鍵 ?#%2F", "-- --timeout=0"])
    def test_the_path_is_taken_byte_for_byte(
        self, module: Module, minio: MinioServer, bucket: str, flyte_env: dict[str, str], key: str
    ) -> None:
        minio.put(bucket, key)
        path = f"s3://{bucket}/{key}"
        assert module(QUICK).wait(path=path) == path

    def test_the_path_may_come_from_another_task(self, module: Module, file: Path) -> None:
        file.touch()
        assert module(QUICK).wait_for_the_path_of_another_task(path=str(file)) == str(file)

    @pytest.mark.parametrize("kind", ["wait_for_all", "wait_one_by_one"])
    def test_many_at_once_by_map_task_or_dynamic(self, module: Module, file: Path, kind: str) -> None:
        file.touch()
        paths = [str(file), file.as_uri()]
        assert getattr(module(QUICK), kind)(paths=paths) == paths


class TestTheSameErrors:
    def test_the_deadline_ends_the_wait(self, module: Module, file: Path) -> None:
        with pytest.raises(DeadlineExceeded) as ended:
            module(QUICK).wait_in_vain(path=str(file))
        told = str(ended.value)
        assert told.startswith(f"{file}: the object did not appear within 0.3 s in ")
        assert told.endswith(" looks; check the producer of the object, or raise the timeout")

    def test_it_is_one_that_flyte_retries_and_a_timeout_error(self, module: Module, file: Path) -> None:
        with pytest.raises(FlyteRecoverableException) as ended:
            module(QUICK).hasty(path=str(file))
        assert isinstance(ended.value, TimeoutError)

    def test_a_missing_bucket_is_a_store_error_through_the_workflows_call(
        self, module: Module, flyte_env: dict[str, str]
    ) -> None:
        with pytest.raises(StoreError) as ended:
            module(QUICK).wait(path="s3://no-such-bucket-7f3e/key")
        assert ended.value.kind.label == "bucket_missing"
        assert not isinstance(ended.value, FlyteRecoverableException)
        assert str(ended.value).startswith("s3://no-such-bucket-7f3e/key: the bucket does not exist")

    def test_wrong_credentials_are_told_without_the_secret(
        self, module: Module, bucket: str, flyte_env: dict[str, str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("FLYTE_AWS_SECRET_ACCESS_KEY", "a-wrong-secret-51c0")
        with pytest.raises(StoreError) as ended:
            module(QUICK).wait(path=f"s3://{bucket}/key")
        assert ended.value.kind.label == "credentials_invalid"
        assert "a-wrong-secret-51c0" not in repr(ended.value) + str(ended.value)

    def test_a_directory_is_none_to_wait_for(self, module: Module, tmp_path: Path) -> None:
        with pytest.raises(StoreError, match=r"the path is a directory; give the path of a file$"):
            module(QUICK).wait(path=str(tmp_path))

    @pytest.mark.parametrize(
        ("path", "told"),
        [
            ("", "the path is empty"),
            ("s3:/bucket/key", "there is no // after s3:"),
            ("s3:///key", "there is no bucket"),
            ("s3://bucket", "there is no key"),
            ("gopher://bucket/key", "the scheme gopher:// is not known"),
        ],
    )
    def test_a_path_that_cannot_be_right_is_refused_at_once(self, module: Module, path: str, told: str) -> None:
        with pytest.raises(InvalidArgument, match=told):
            module(QUICK).wait(path=path)

    def test_one_class_catches_them_all(self, module: Module, file: Path) -> None:
        user = module(QUICK)
        for run, path in ((user.wait_in_vain, str(file)), (user.wait, ""), (user.wait, str(file.parent))):
            with pytest.raises(WaitError):
                run(path=path)


class TestFlytekitsOwnConfiguration:
    @pytest.fixture
    def configured(self, minio: MinioServer) -> Iterator[None]:
        """As after reading a configuration file; nothing is in the environment."""
        s3 = S3Config(endpoint=minio.endpoint, access_key_id=minio.ACCESS_KEY, secret_access_key=minio.SECRET_KEY)
        with configured_by(s3):
            yield

    def test_its_endpoint_and_credentials_are_used(
        self, module: Module, minio: MinioServer, bucket: str, configured: None
    ) -> None:
        minio.put(bucket, "key")
        path = f"s3://{bucket}/key"
        assert module(QUICK).wait(path=path) == path

    def test_it_comes_before_the_environment(
        self, module: Module, minio: MinioServer, bucket: str, configured: None, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        minio.put(bucket, "key")
        for name in ("FLYTE_AWS_ACCESS_KEY_ID", "FLYTE_AWS_SECRET_ACCESS_KEY"):
            monkeypatch.setenv(name, "wrong")
        monkeypatch.setenv("FLYTE_AWS_ENDPOINT", f"http://127.0.0.1:{free_port()}")
        path = f"s3://{bucket}/key"
        assert module(QUICK).wait(path=path) == path

    def test_events_come_with_it_too(self, module: Module, minio: MinioServer, bucket: str, configured: None) -> None:
        """No second poll is in sight; what comes before the stream is found by the look when it is there."""
        user = module('sensor = WaitForObjectStoreFile(poll_interval="1h", detection="events")')

        def upload() -> None:
            threading.Event().wait(0.5)
            minio.put(bucket, "late")

        with FailingThread(upload):
            assert user.sensor(path=f"s3://{bucket}/late") == f"s3://{bucket}/late"

    def test_the_sensors_own_endpoint_comes_before_it(self, module: Module, minio: MinioServer, bucket: str) -> None:
        minio.put(bucket, "key")
        path = f"s3://{bucket}/key"
        elsewhere = S3Config(
            endpoint=f"http://127.0.0.1:{free_port()}",
            access_key_id=minio.ACCESS_KEY,
            secret_access_key=minio.SECRET_KEY,
        )
        user = module(f'sensor = WaitForObjectStoreFile(endpoint="{minio.endpoint}", timeout="1m")')
        with configured_by(elsewhere):
            assert user.sensor(path=path) == path


def configured_by(s3: S3Config) -> FlyteContextManager:
    context = FlyteContextManager.current_context()
    access = FileAccessProvider(
        local_sandbox_dir=context.file_access.local_sandbox_dir,
        raw_output_prefix=context.file_access.raw_output_prefix,
        data_config=DataConfig(s3=s3),
    )
    return FlyteContextManager.with_context(context.with_file_access(access))


class TestAsAProcess:
    def test_a_script_runs_with_the_credentials_of_flytes_configuration_file_and_shows_its_result_only(
        self, script: Path, environment: dict[str, str], minio: MinioServer, bucket: str
    ) -> None:
        """The script is not imported a second time, and flytekit does not complain of the sensor's name."""
        script.write_text(SCRIPT.replace("open(path)", "open(FlyteFile(path))"))
        minio.put(bucket, "key", b"123")
        configuration = Path(environment["HOME"]) / ".flyte" / "config.yaml"
        configuration.parent.mkdir()
        configuration.write_text(
            "storage:\n  connection:\n"
            f"    endpoint: {minio.endpoint}\n"
            f"    access-key: {minio.ACCESS_KEY}\n"
            f"    secret-key: {minio.SECRET_KEY}\n"
        )
        done = subprocess.run(
            [sys.executable, script, f"s3://{bucket}/key"],
            env=environment,
            cwd=script.parent,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.stdout == "imported as __main__\ntutorial.sensor says 3\n", done.stderr
        assert "Could not find LHS" not in done.stderr
        assert MinioServer.SECRET_KEY not in done.stderr

    def test_a_live_line_on_the_terminal_tells_what_it_waits_for(
        self, script: Path, environment: dict[str, str], file: Path
    ) -> None:
        with Terminal([sys.executable, str(script), str(file)], environment, folder=script.parent) as terminal:
            terminal.see(f"waiting for {file}")
            terminal.see(" of 58:00  look ")
            file.write_text("1234")
            assert terminal.end() == 0, terminal.shown
        assert "tutorial.sensor says 4" in terminal.shown

    def test_ctrl_c_ends_it_and_leaves_the_terminal_as_it_was(
        self, script: Path, environment: dict[str, str], file: Path
    ) -> None:
        with Terminal([sys.executable, str(script), str(file)], environment, folder=script.parent) as terminal:
            terminal.see(" of 58:00  look ")
            terminal.process.send_signal(signal.SIGINT)
            assert terminal.end() == 1, "flytekit has a handler of its own for SIGINT"
        hidden, shown = terminal.shown.rfind("\x1b[?25l"), terminal.shown.rfind("\x1b[?25h")
        assert 0 <= hidden < shown


class FailingThread(threading.Thread):
    """A thread whose error becomes the test's; joined at the end of its block."""

    def __init__(self, work: Callable[[], None]) -> None:
        super().__init__(daemon=True)
        self._work = work
        self._error: BaseException | None = None

    def run(self) -> None:
        try:
            self._work()
        except BaseException as error:
            self._error = error

    def __enter__(self) -> None:
        self.start()

    def __exit__(self, *_: object) -> None:
        self.join(timeout=SLOW)
        if self._error:
            raise self._error


def test_what_is_cached_is_returned_without_a_look(module: Module, tmp_path: Path) -> None:
    """As flytekit documents it of tasks: it is for the author to ask for it, and for nobody else."""
    version = uuid.uuid4().hex
    user = module(
        f"cached = WaitForObjectStoreFile(timeout=0.2, metadata=metadata(cache=True, cache_version={version!r}))\n"
        "other = WaitForObjectStoreFile(timeout=0.2)\n"
    )
    file = tmp_path / "file"
    file.touch()
    for sensor in (user.cached, user.other):
        assert sensor(path=str(file)) == str(file)
    file.unlink()
    assert user.cached(path=str(file)) == str(file)
    with pytest.raises(DeadlineExceeded):
        user.other(path=str(file))


def test_a_pattern_gives_the_path_that_matches(module: Module, tmp_path: Path) -> None:
    (tmp_path / "b.csv").touch()
    (tmp_path / "c.csv").touch()
    user = module('sensor = WaitForObjectStoreFile(match="glob", timeout=1)')
    assert user.sensor(path=f"{tmp_path}/*.csv") == f"{tmp_path}/b.csv"
    user = module('sensor = WaitForObjectStoreFile(match="glob", absent=True, timeout=1)')
    assert user.sensor(path=f"{tmp_path}/*.txt") == f"{tmp_path}/*.txt"
