from __future__ import annotations

import pytest
from hypothesis import given
from objectstore_watcher.errors import InvalidArgument
from objectstore_watcher.uri import FileLocation, ObjectLocation, parse, parse_endpoint

from tests.sidecar import hostile


@given(hostile.keys())
def test_a_key_is_kept_byte_for_byte(key: str) -> None:
    location = parse(f"s3://some-bucket/{key}")
    assert isinstance(location, ObjectLocation)
    assert (location.bucket, location.key.encode()) == ("some-bucket", key.encode())


@pytest.mark.parametrize("key", hostile.KEYS)
def test_a_hostile_key_is_kept_byte_for_byte(key: str) -> None:
    assert parse(f"s3://some-bucket/{key}") == ObjectLocation(f"s3://some-bucket/{key}", "some-bucket", key)


def test_the_scheme_is_the_same_in_capitals() -> None:
    assert parse("S3://b-1/Key") == ObjectLocation("S3://b-1/Key", "b-1", "Key")


@pytest.mark.parametrize("key", ["/lead", "a//b", "dir/", "a" * 1024, "é" * 512])
def test_slashes_and_length_up_to_the_limit_are_part_of_the_key(key: str) -> None:
    assert parse(f"s3://bucket/{key}") == ObjectLocation(f"s3://bucket/{key}", "bucket", key)


@pytest.mark.parametrize(
    ("uri", "path"),
    [
        ("/data/file", "/data/file"),
        ("relative/file", "relative/file"),
        ("file:///data/a%20b?c#d", "/data/a%20b?c#d"),
        ("FILE:///data/file", "/data/file"),
        ("name:with:colons", "name:with:colons"),
        ("-dash", "-dash"),
    ],
)
def test_files_are_named_by_plain_paths_and_file_uris_as_they_are(uri: str, path: str) -> None:
    assert parse(uri) == FileLocation(uri, path)


@pytest.mark.parametrize(
    ("uri", "detail"),
    [
        ("", "the path is empty"),
        ("s3:/typo", "there is no // after s3:"),
        ("s3:typo", "there is no // after s3:"),
        ("file:/typo", "there is no // after file:"),
        ("s3://", "there is no bucket"),
        ("s3:///key", "there is no bucket"),
        ("s3://bucket", "there is no key"),
        ("s3://bucket/", "there is no key"),
        ("s3://ab/key", "cannot be the name of a bucket"),
        ("s3://bu cket/key", "cannot be the name of a bucket"),
        ("s3://user:pw@bucket/key", "cannot be the name of a bucket"),
        ("s3://bu..cket/key", "cannot be the name of a bucket"),
        ("s3://bucket\n/key", "cannot be the name of a bucket"),
        ("s3://" + "b" * 64 + "/key", "cannot be the name of a bucket"),
        ("s3://bucket/" + "a" * 1025, "the key has 1025 bytes"),
        ("s3://bucket/" + "é" * 513, "the key has 1026 bytes"),
        ("s3://bucket/a/../b", "a part of it is '.' or '..'"),
        ("s3://bucket/.", "a part of it is '.' or '..'"),
        ("s3://bucket/ \n", "the key is only white space"),
        ("ftp://host/key", "the scheme ftp:// is not known"),
        ("s3a://bucket/key", "the scheme s3a:// is not known"),
        ("gs:/typo", "there is no // after gs:"),
        ("file://host/path", "names a path on this machine, not a host"),
        ("s3://bucket/nul\0", "the path contains a NUL character"),
        ("s3://bucket/\udcff", "the path is not valid Unicode"),
    ],
)
def test_a_path_that_cannot_be_right_is_refused_in_one_line(uri: str, detail: str) -> None:
    with pytest.raises(InvalidArgument) as refused:
        parse(uri)
    message = str(refused.value)
    assert message.startswith("path")
    assert detail in message
    assert message.isprintable()


def test_what_is_not_text_is_refused() -> None:
    with pytest.raises(InvalidArgument, match="the path is empty"):
        parse(None)  # type: ignore[arg-type] # what a caller without a type checker does


@pytest.mark.parametrize(
    ("endpoint", "expected"),
    [
        ("http://minio:9000", ("minio:9000", False)),
        ("https://s3.example.com/", ("s3.example.com", True)),
        ("HTTPS://host", ("host", True)),
        ("http://[::1]:9000", ("[::1]:9000", False)),
    ],
)
def test_an_endpoint_is_a_host_and_whether_it_speaks_tls(endpoint: str, expected: tuple[str, bool]) -> None:
    assert parse_endpoint(endpoint, "--endpoint") == expected


@pytest.mark.parametrize(
    ("endpoint", "told"),
    [
        ("minio:9000", "--endpoint: 'minio:9000' is not the URL of a server; write http://host:port"),
        ("ftp://host", "'ftp://host' is not the URL of a server"),
        ("http://", "'http://' is not the URL of a server"),
        ("http://host/path", "'http://host/path' is not the URL of a server; write http://host:port"),
        ("http://h\n", r"--endpoint: 'http://h\n' is not the URL of a server; remove the white space around it"),
        ("http://user:hunter2@host", "--endpoint: is not the URL of a server; write http://host:port"),
    ],
)
def test_an_endpoint_that_is_no_url_of_a_server_is_refused_without_its_password(endpoint: str, told: str) -> None:
    with pytest.raises(InvalidArgument) as no:
        parse_endpoint(endpoint, "--endpoint")
    assert told in str(no.value)
    assert "hunter2" not in str(no.value)
