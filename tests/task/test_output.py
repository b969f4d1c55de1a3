"""What a sensor returns: a path, a file that nobody has downloaded, or a `MatchedObject` that reads what was found."""

from __future__ import annotations

import io
import os
import pickle
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import IO, Any

import pytest
from flytekit import FlyteContextManager, FlyteFile
from flytekit.core.data_persistence import FileAccessProvider
from flytekit.exceptions.system import FlyteDownloadDataException
from flytekit.models.types import SimpleType
from minio.commonconfig import ENABLED
from minio.versioningconfig import VersioningConfig
from objectstore_sensor import InvalidArgument, MatchedObject, ObjectChanged, WaitForObjectStoreFile
from objectstore_watcher.contract import Matched

from tests.servers import MinioServer
from tests.sidecar import hostile
from tests.task import sensors
from tests.task.conftest import Module
from tests.task.pods import SLOW, Pod, started
from tests.task.registration import registered

ETAG_OF_A = "0cc175b9c0f1b6a831c399e269772661"

SENSOR = "WaitForObjectStoreFile(output=MatchedObject, timeout=5)\n"


def versioned(minio: MinioServer, bucket: str) -> None:
    minio.client().set_bucket_versioning(bucket, VersioningConfig(ENABLED))


@pytest.fixture
def no_download(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody may download anything."""

    def refuse(*args: object, **kwargs: object) -> None:
        raise AssertionError("a download")

    for name in ("get", "get_data", "async_get_data"):
        monkeypatch.setattr(FileAccessProvider, name, refuse)


class TestLocally:
    @pytest.fixture(autouse=True)
    def server(self, minio: MinioServer, bucket: str, configured: None) -> None:
        self.minio, self.bucket = minio, bucket
        self.uri = f"s3://{bucket}/day/a.csv"
        minio.put(bucket, "day/a.csv", b"a")

    def test_a_file_is_remote_and_not_downloaded(self, no_download: None) -> None:
        file = sensors.as_file(path=self.uri)
        assert isinstance(file, FlyteFile)
        assert file.remote_source == self.uri
        assert not file.downloaded

    def test_a_file_is_downloaded_by_whom_reads_it(self) -> None:
        with open(sensors.as_file(path=self.uri), "rb") as file:
            assert file.read() == b"a"

    def test_an_object_says_what_was_found_and_reads_it(self) -> None:
        before = datetime.now(timezone.utc) - timedelta(seconds=5)
        found = sensors.as_object(path=self.uri)
        assert isinstance(found, MatchedObject)
        assert (found.uri, found.key, found.size, found.etag) == (self.uri, "day/a.csv", 1, ETAG_OF_A)
        assert found.version_id == ""
        assert found.last_modified
        assert found.detected_at
        assert before < found.last_modified < found.detected_at + timedelta(seconds=5)
        assert found.read() == b"a"

    def test_a_list_of_objects_has_all_that_match(self) -> None:
        self.minio.put(self.bucket, "day/b.csv", b"bb")
        found = sensors.as_objects(paths=[f"s3://{self.bucket}/day/*.csv"])
        assert [(each.uri, each.size, each.read()) for each in found] == [
            (f"s3://{self.bucket}/day/a.csv", 1, b"a"),
            (f"s3://{self.bucket}/day/b.csv", 2, b"bb"),
        ]

    def test_a_list_of_files(self, module: Module, no_download: None) -> None:
        user = module("sensor = WaitForObjectStoreFiles(output=FlyteFile, timeout=5)\n")
        assert [each.remote_source for each in user.sensor(paths=[self.uri, self.uri])] == [self.uri, self.uri]

    def test_of_a_pattern_the_first_is_returned(self, module: Module) -> None:
        user = module("sensor = WaitForObjectStoreFile(output=MatchedObject, match='glob', timeout=5)\n")
        assert user.sensor(path=f"s3://{self.bucket}/day/*").read() == b"a"

    def test_files_of_a_format_keep_it(self, module: Module) -> None:
        user = module("sensor = WaitForObjectStoreFile(output=FlyteFile['csv'], timeout=5)\n")
        assert user.sensor(path=self.uri).extension() == "csv"
        assert registered(user.sensor).template.interface.outputs.variables["path"].type.blob.format == "csv"

    def test_the_next_task_reads_the_version_that_was_found_although_it_was_overwritten(self, module: Module) -> None:
        versioned(self.minio, self.bucket)
        self.minio.put(self.bucket, "day/a.csv", b"first")
        user = module(
            f"sensor = {SENSOR}"
            "then = []\n"
            "@task\n"
            "def read(found: MatchedObject) -> str:\n"
            "    then[0]()\n"
            "    return found.read().decode()\n"
            "@workflow\n"
            "def wait_and_read(path: str) -> str: return read(found=sensor(path=path))\n"
        )
        user.then.append(lambda: self.minio.put(self.bucket, "day/a.csv", b"second, longer"))
        assert user.wait_and_read(path=self.uri) == "first"
        user.then[0] = lambda: self.minio.client().remove_object(self.bucket, "day/a.csv")
        assert user.wait_and_read(path=self.uri) == "second, longer"

    def test_what_a_pattern_found_has_no_version_so_an_overwrite_is_an_error(self) -> None:
        versioned(self.minio, self.bucket)
        self.minio.put(self.bucket, "day/b.csv", b"bb")
        found = sensors.as_objects(paths=[f"s3://{self.bucket}/day/*.csv"])
        self.minio.put(self.bucket, "day/b.csv", b"overwritten")
        assert [each.version_id for each in found] == ["", ""]
        assert found[0].read() == b"a"
        with pytest.raises(ObjectChanged, match="has been overwritten"):
            found[1].read()

    def test_a_workflow_can_pass_on_one_of_its_values(self, module: Module) -> None:
        user = module(
            f"sensor = {SENSOR}"
            "@task\n"
            "def tell(path: str, size: int) -> str: return f'{path} {size}'\n"
            "@workflow\n"
            "def wait_and_tell(path: str) -> str:\n"
            "    found = sensor(path=path)\n"
            "    return tell(path=found.uri, size=found.size)\n"
        )
        assert user.wait_and_tell(path=self.uri) == f"{self.uri} 1"
        assert registered(user.wait_and_tell)

    def test_without_versions_an_overwrite_is_an_error(self) -> None:
        found = sensors.as_object(path=self.uri)
        self.minio.put(self.bucket, "day/a.csv", b"b")
        with pytest.raises(ObjectChanged) as changed:
            found.read()
        assert str(changed.value) == (
            f"{self.uri}: has been overwritten: it has the ETag 92eb5ffee6ae2fec3ad71c777531578f, not {ETAG_OF_A};"
            " have each object written once, or wait for its exact path in a bucket with versioning, which keeps what"
            " was found"
        )
        assert str(pickle.loads(pickle.dumps(changed.value))) == str(changed.value)  # noqa: S301  # our own

    def test_without_versions_an_overwrite_while_it_is_read_is_an_error_too(self) -> None:
        found = sensors.as_object(path=self.uri)
        with found.open() as file:
            self.minio.put(self.bucket, "day/a.csv", b"b")
            with pytest.raises(OSError, match="no longer exists"):
                file.read()

    def test_keys_that_break_careless_code_are_read_byte_for_byte(self) -> None:
        versioned(self.minio, self.bucket)
        for key in hostile.KEYS:
            self.minio.put(self.bucket, key, key.encode())
        found = {key: sensors.as_object(path=f"s3://{self.bucket}/{key}") for key in hostile.KEYS}
        for key in hostile.KEYS:
            self.minio.put(self.bucket, key, b"overwritten")
        assert {key: each.read() for key, each in found.items()} == {key: key.encode() for key in hostile.KEYS}

    def test_what_s3fs_remembers_of_a_listing_does_not_count(self) -> None:
        store = FlyteContextManager.current_context().file_access.get_filesystem("s3", version_aware=False)
        assert store.ls(f"{self.bucket}/day")
        self.minio.put(self.bucket, "day/a.csv", b"b")
        assert sensors.as_object(path=self.uri).read() == b"b"

    def test_read_says_so_in_our_words(self, monkeypatch: pytest.MonkeyPatch) -> None:
        opened = MatchedObject.open

        def open_and_overwrite(found: MatchedObject) -> IO[bytes]:
            file = opened(found)
            self.minio.put(self.bucket, "day/a.csv", b"b")
            return file

        found = sensors.as_object(path=self.uri)
        monkeypatch.setattr(MatchedObject, "open", open_and_overwrite)
        with pytest.raises(ObjectChanged, match=f"{self.uri}: has been overwritten while it was read; have each"):
            found.read()

    @pytest.mark.parametrize("with_versions", [False, True])
    def test_an_object_that_is_gone_is_an_error(self, with_versions: bool) -> None:
        if with_versions:
            versioned(self.minio, self.bucket)
            self.minio.put(self.bucket, "day/a.csv", b"a")
        found = sensors.as_object(path=self.uri)
        version = found.version_id or None
        assert bool(version) is with_versions
        self.minio.client().remove_object(self.bucket, "day/a.csv", version_id=version)
        with pytest.raises(ObjectChanged, match=f"{self.uri}: is gone; have each object written once"):
            found.read()

    def test_a_file_reads_the_latest_version_of_its_path_whatever_was_found(self) -> None:
        """The README says so: flytekit reads by path alone."""
        versioned(self.minio, self.bucket)
        file = sensors.as_file(path=self.uri)
        self.minio.put(self.bucket, "day/a.csv", b"second")
        with open(file, "rb") as content:
            assert content.read() == b"second"

    def test_a_version_in_the_path_of_a_file_cannot_be_read_by_flytekit(self) -> None:
        """Why no FlyteFile is made of it: flytekit opens s3fs without the versions that this understands."""
        versioned(self.minio, self.bucket)
        self.minio.put(self.bucket, "day/a.csv", b"first")
        found = sensors.as_object(path=self.uri)
        self.minio.put(self.bucket, "day/a.csv", b"second")
        with pytest.raises(FlyteDownloadDataException, match="versionId"):
            FlyteFile(f"{self.uri}?versionId={found.version_id}").download()


class TestFiles:
    @pytest.mark.parametrize("scheme", ["", "file://"])
    def test_files_of_this_machine_stay_where_they_are(self, tmp_path: Path, scheme: str) -> None:
        (tmp_path / "file").write_bytes(b"data")
        assert str(sensors.as_file(path=f"{scheme}{tmp_path}/file").path) == f"{tmp_path}/file"
        found = sensors.as_object(path=f"{scheme}{tmp_path}/file")
        assert (found.uri, found.key) == (f"{scheme}{tmp_path}/file", f"{tmp_path}/file")
        assert found.read() == b"data"

    def test_a_file_that_was_written_again_is_an_error(self, tmp_path: Path) -> None:
        file = tmp_path / "file"
        file.write_bytes(b"data")
        found = sensors.as_object(path=str(file))
        file.write_bytes(b"longer data")
        with pytest.raises(ObjectChanged, match="has been overwritten: 11 bytes"):
            found.open()
        file.unlink()
        with pytest.raises(ObjectChanged, match="is gone"):
            found.open()

    def test_a_file_that_is_written_in_place_while_it_is_read_is_an_error(self, tmp_path: Path) -> None:
        file = tmp_path / "file"
        file.write_bytes(b"a" * 1_000_000)
        for rest in (-1, 500_000):
            os.utime(file, (1, 1))
            found = sensors.as_object(path=str(file))
            with found.open() as opened:
                assert set(opened.read(500_000)) == {ord("a")}
                with file.open("r+b") as other:
                    other.write(b"a" * 1_000_000)
                with pytest.raises(ObjectChanged, match="has been overwritten: 1000000 bytes"):
                    opened.read(rest)

    def test_a_manifest_comes_back_as_a_file(self, module: Module, tmp_path: Path) -> None:
        for name, text in (("manifest", "a"), ("a", "")):
            (tmp_path / name).write_text(text)
        user = module("sensor = WaitForObjectStoreFile(output=FlyteFile, match='manifest', timeout=5)\n")
        assert str(user.sensor(path=f"{tmp_path}/manifest").path) == f"{tmp_path}/manifest"


class TestRegistered:
    def test_flyte_knows_the_types(self) -> None:
        def output(sensor: WaitForObjectStoreFile) -> Any:  # noqa: ANN401  # a protobuf message
            (variable,) = registered(sensor).template.interface.outputs.variables.values()
            return variable.type

        assert output(sensors.as_file).WhichOneof("type") == "blob"
        assert output(sensors.as_object).simple == SimpleType.STRUCT
        assert output(sensors.as_objects).collection_type.simple == SimpleType.STRUCT
        assert output(sensors.made).simple == SimpleType.STRING

    @pytest.mark.parametrize(
        ("options", "told"),
        [
            ({"output": bytes}, "output: 'bytes' is unknown; use str, FlyteFile or MatchedObject"),
            ({"output": list[str]}, "output: 'list' is unknown; use str, FlyteFile or MatchedObject"),
            ({"output": FlyteFile, "absent": True}, "output: nothing is there when absent=True ends the wait"),
            ({"output": MatchedObject, "absent": True}, "output: nothing is there when absent=True ends the wait"),
            ({"output": MatchedObject, "match": "manifest"}, "output: one manifest stands for many objects"),
        ],
    )
    def test_what_cannot_be_returned_is_refused(self, options: dict[str, Any], told: str) -> None:
        with pytest.raises(InvalidArgument) as refused:
            WaitForObjectStoreFile(**options)
        assert told in str(refused.value)

    def test_times_that_are_not_told_are_none(self) -> None:
        assert MatchedObject.of(Matched(uri="s3://bucket/key"), "").last_modified is None


@pytest.fixture(scope="module")
def pods(minio: MinioServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Pod]]:
    bucket = "outputs-of-pods"
    minio.client().make_bucket(bucket)
    versioned(minio, bucket)
    for name in "ab":
        minio.put(bucket, f"{name}.csv", name.encode())
    asked: dict[str, tuple[Any, Any]] = {
        "file": (sensors.as_file, f"s3://{bucket}/a.csv"),
        "object": (sensors.as_object, f"s3://{bucket}/a.csv"),
        "objects": (sensors.as_objects, [f"s3://{bucket}/*.csv"]),
    }
    with started(minio, bucket, asked, tmp_path_factory) as pods:
        yield pods


@pytest.mark.timeout(2 * SLOW)
class TestInPod:
    def test_a_file_is_its_path(self, pods: dict[str, Pod], no_download: None) -> None:
        pod = pods["file"]
        assert pod.end() == 0, pod.log()
        assert pod.values()["path"].remote_source == pod.path

    def test_an_object_is_the_version_that_was_found(
        self, pods: dict[str, Pod], minio: MinioServer, configured: None
    ) -> None:
        pod = pods["object"]
        assert pod.end() == 0, pod.log()
        bucket = pod.path.split("/")[2]
        minio.client().put_object(bucket, "a.csv", io.BytesIO(b"second"), 6)
        found = pod.values()["path"]
        assert isinstance(found, MatchedObject)
        assert found.version_id
        assert found.read() == b"a"

    def test_objects_are_all_that_match(self, pods: dict[str, Pod]) -> None:
        pod = pods["objects"]
        assert pod.end() == 0, pod.log()
        assert [each.key for each in pod.values()["paths"]] == ["a.csv", "b.csv"]


@pytest.mark.parametrize("uri", ["gs://bucket/key", "az://container/key", "https://host/key"])
def test_what_is_elsewhere_is_told_of_and_not_read(uri: str) -> None:
    found = MatchedObject.of(Matched(uri=uri, size=4, etag="e"), "2026-06-01T12:00:00.000Z")
    assert (found.key, found.size) == (uri if uri.startswith("https") else "key", 4)
    with pytest.raises(OSError, match="only objects of S3 and files are read so; use FlyteFile"):
        found.open()
