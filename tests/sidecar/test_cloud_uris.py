from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from objectstore_watcher.cloud_uris import AZURE, AZURE_DOMAIN, GCS, CloudLocation, WebLocation
from objectstore_watcher.contract import WatchSpec
from objectstore_watcher.errors import InvalidArgument
from objectstore_watcher.uri import parse, parse_endpoint

from tests.sidecar import hostile

HOST = "account1.dfs.core.windows.net"


def is_addressable(key: str) -> bool:
    """The rule, written another way than the code has it."""
    if any(ord(character) < 32 or ord(character) == 127 for character in key) or key.isspace():
        return False
    return all(part not in ("", ".", "..") for part in key.split("/"))


def refusal(uri: str) -> str:
    """With which message it is refused."""
    with pytest.raises(InvalidArgument) as refused:
        parse(uri)
    return str(refused.value)


@pytest.mark.parametrize("begin", ["gs://some-bucket/", "abfs://container/", f"abfss://container@{HOST}/", "az://c01/"])
@example("a?b#c%41 d")
@example("ä*[x]\\")
@example("a//b")
@example("dir/")
@example("/lead")
@example("a\nb")
@given(hostile.keys())
def test_a_key_is_kept_byte_for_byte_or_refused_where_the_client_would_ask_for_another(begin: str, key: str) -> None:
    if not is_addressable(key):
        assert refusal(begin + key).isprintable()
        return
    location = parse(begin + key)
    assert isinstance(location, CloudLocation)
    assert (location.uri, location.key.encode()) == (begin + key, key.encode())


@pytest.mark.parametrize(
    ("uri", "bucket", "account", "domain"),
    [
        ("gs://my_bucket.example.com/k", "my_bucket.example.com", "", AZURE_DOMAIN),
        ("GS://bucket/k", "bucket", "", AZURE_DOMAIN),
        (f"abfs://data@{HOST}/k", "data", "account1", AZURE_DOMAIN),
        (f"abfss://data@{HOST}/k", "data", "account1", AZURE_DOMAIN),
        ("az://data@account1.blob.core.windows.net/k", "data", "account1", AZURE_DOMAIN),
        ("abfs://d-1@acc.dfs.core.chinacloudapi.cn/k", "d-1", "acc", "core.chinacloudapi.cn"),
        ("abfs://data/k", "data", "", AZURE_DOMAIN),
        ("az://$web/k", "$web", "", AZURE_DOMAIN),
    ],
)
def test_the_bucket_and_the_account_are_read_as_fsspec_and_flyte_write_them(
    uri: str, bucket: str, account: str, domain: str
) -> None:
    cloud = GCS if uri.lower().startswith("gs") else AZURE
    assert parse(uri) == CloudLocation(uri, cloud, bucket, "k", account, domain)


@pytest.mark.parametrize(
    "uri",
    ["https://example.com/a/b%20c", "http://127.0.0.1:8080/x?y=1&z=%23", "HTTPS://[::1]:8443/~a;b=c", "http://h//a/"],
)
def test_a_url_is_kept_as_it_is(uri: str) -> None:
    assert parse(uri) == WebLocation(uri)


@pytest.mark.parametrize(
    ("uri", "detail"),
    [
        ("gs:///key", "there is no bucket"),
        ("gs://bucket", "there is no key"),
        ("gs://bucket/", "there is no key"),
        ("gs://ab/key", "cannot be the name of a bucket"),
        ("gs://Bucket/key", "cannot be the name of a bucket"),
        ("gs://bu..cket/key", "cannot be the name of a bucket"),
        ("gs://" + "b" * 64 + "/key", "cannot be the name of a bucket"),
        ("gs://user:pw@bucket/key", "cannot be the name of a bucket"),
        ("gs://bucket/" + "é" * 513, "the key has 1026 bytes"),
        ("gs://bucket/a\rb", "the key has control characters"),
        ("gs://bucket/../b", "a part of it is empty, '.' or '..'"),
        ("abfs:///key", "there is no container"),
        ("abfs://Con/key", "cannot be the name of a container"),
        ("abfs://a--b/key", "cannot be the name of a container"),
        ("abfs://data@evil.example.com/key", "'evil.example.com' is no storage account of Azure"),
        ("abfs://data@acc.dfs.core.windows.net.evil.com/key", "is no storage account of Azure"),
        ("abfs://data@acc.dfs.core.windows.net:80/key", "is no storage account of Azure"),
        ("abfs://data@/key", "'' is no storage account of Azure"),
        (f"abfs://data@{HOST}", "there is no key"),
        ("abfs://data/" + "a" * 1025, "the name of the blob has 1025 characters"),
        ("https://host", "there is no path"),
        ("https://host/", "there is no path"),
        ("https:///path", "'' is no host"),
        ("https://ho st/path", "is no host"),
        ("https://host/a b", "characters that are none of a URL"),
        ("https://host/ä", "characters that are none of a URL"),
        ("https://host/a#b", "characters that are none of a URL"),
        ("https://host/%zz", "characters that are none of a URL"),
        ("https://host/a/../b", "a part of the path is '.' or '..'"),
        ("http:/typo", "there is no // after http:"),
    ],
)
def test_a_path_that_cannot_be_right_is_refused_in_one_line(uri: str, detail: str) -> None:
    message = refusal(uri)
    assert message.startswith("path")
    assert detail in message
    assert message.isprintable()


def test_azure_counts_the_characters_of_a_name_and_not_its_bytes() -> None:
    assert isinstance(parse("abfs://data/" + "é" * 1024), CloudLocation)


@pytest.mark.parametrize(
    "uri",
    [
        "https://user:hunter2@host/path",
        "https://hunter2@host/path",
        "https://host/path?a=b&X-Amz-Signature=hunter2",
        "https://acc.blob.core.windows.net/c/k?sv=2026&sig=hunter2",
        "https://host/path?token=hunter2",
    ],
)
def test_a_url_with_a_credential_is_refused_without_repeating_it(uri: str) -> None:
    with pytest.raises(InvalidArgument, match="would be in logs") as refused:
        parse(uri)
    assert "hunter2" not in str(refused.value)


@given(st.from_regex(r"https?://[ -~]{0,40}", fullmatch=True))
def test_any_url_is_kept_as_it_is_or_refused(uri: str) -> None:
    with suppress(InvalidArgument):
        assert parse(uri) == WebLocation(uri)


@pytest.mark.parametrize(
    ("uri", "option", "value"),
    [
        ("gs://bucket/key", "region", "us-east1"),
        ("abfs://data/key", "region", "westeurope"),
        ("https://host/path", "region", "us-east-1"),
        ("https://host/path", "endpoint", "https://other"),
        ("https://host/path", "version_id", "1"),
        ("https://host/path", "match", "glob"),
        ("gs://bucket/key", "endpoint", "http://host/account"),
    ],
)
def test_an_option_that_means_nothing_there_is_refused_at_once(uri: str, option: str, value: str) -> None:
    with pytest.raises(InvalidArgument, match=rf"^--{option.replace('_', '-')}"):
        WatchSpec.from_mapping({"uri": uri, option: value})


def test_the_endpoint_of_azure_may_name_the_account_as_its_emulator_does() -> None:
    assert parse_endpoint("http://127.0.0.1:10000/devstoreaccount1", "--endpoint", AZURE) == ("127.0.0.1:10000", False)
    WatchSpec(uri="abfs://data/key", endpoint="http://127.0.0.1:10000/devstoreaccount1")
