"""Google Cloud Storage and Azure, on servers that speak like them."""

from __future__ import annotations

import sys
import time
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest
from objectstore_watcher.contract import Ready, WatchSpec
from objectstore_watcher.errors import InvalidArgument, StoreError
from objectstore_watcher.stores import Found

from tests.servers import AzureServer, GcsServer
from tests.sidecar import hostile
from tests.sidecar.tools import Opened
from tests.sidecar.whole import Wait

KEYS = [key for key in hostile.KEYS if not {"", ".", ".."} & set(key.split("/")) and key.isprintable()]


@dataclass
class Place:
    """A bucket of the test's own.

    Attributes:
        server: where it is.
        bucket: its name.
        begin: what stands before a key in a URI.
    """

    server: GcsServer | AzureServer
    bucket: str
    begin: str

    def put(self, *keys: str, data: bytes = b"data") -> None:
        for key in keys:
            self.server.put(self.bucket, key, data)

    def look(self, key: str, requests: list[str] | None = None, **options: float | str) -> Sequence[Found]:
        return look(self.begin + key, requests, **options)


def look(uri: str, requests: list[str] | None = None, **options: float | str) -> Sequence[Found]:
    asked = [] if requests is None else requests
    spec = WatchSpec.from_mapping({"uri": uri, "request_timeout": 10.0, **options})
    return Opened(spec, on_request=lambda operation, outcome: asked.append(f"{operation} {outcome}")).look()


@pytest.fixture
def gcs_place(gcs: GcsServer, monkeypatch: pytest.MonkeyPatch) -> Place:
    name = f"test-{uuid.uuid4().hex[:12]}"
    gcs.make_bucket(name)
    for variable, value in gcs.env().items():
        monkeypatch.setenv(variable, value)
    return Place(gcs, name, f"gs://{name}/")


@pytest.fixture
def azure_place(azure: AzureServer, monkeypatch: pytest.MonkeyPatch) -> Place:
    name = f"test-{uuid.uuid4().hex[:12]}"
    azure.make_container(name)
    for variable, value in azure.env().items():
        monkeypatch.setenv(variable, value)
    return Place(azure, name, f"abfs://{name}@{azure.ACCOUNT}.dfs.core.windows.net/")


@pytest.fixture(params=["gcs_place", "azure_place"])
def place(request: pytest.FixtureRequest) -> Place:
    found = request.getfixturevalue(request.param)
    assert isinstance(found, Place)
    return found


def test_an_object_that_is_there_is_told_with_all_that_the_cloud_says(place: Place) -> None:
    place.put("orders/1.csv", data=b"12345")
    (found,) = place.look("orders/1.csv")
    assert (found.bucket, found.key, found.size) == (place.bucket, "orders/1.csv", 5)
    assert found.etag
    assert '"' not in found.etag
    assert abs(found.last_modified - time.time()) < 60


def test_an_object_is_waited_for_by_one_head_for_each_look(place: Place, wait: Wait) -> None:
    account = wait(place.begin + "later", {3: lambda: place.put("later")})
    assert isinstance(account.main, Ready)
    assert (account.main.polls, account.main.objects[0].uri) == (4, place.begin + "later")
    assert account.metric("requests_total", operation="head", outcome="absent") == 3
    assert account.metric("requests_total", operation="head", outcome="found") == 1
    assert account.metric("requests_total", operation="get", outcome="absent") == 1, "the cause is asked for once"


@pytest.mark.parametrize("key", KEYS)
def test_a_hostile_key_is_found_and_no_other(place: Place, key: str) -> None:
    assert place.look(key) == []
    place.put(key)
    (found,) = place.look(key)
    assert found.key == key


def test_a_pattern_is_one_list_from_its_fixed_folder_in_the_order_of_the_keys(place: Place) -> None:
    requests: list[str] = []
    place.put("d/2026-06-02/b", "d/2026-06-01/a", "d/2026-06-01/sub/a", "d/2025-01-01/a", "other/2026-06-01/a", "d/z")
    found = place.look("d/2026-*/*", match="glob", requests=requests)
    assert [each.key for each in found] == ["d/2026-06-01/a", "d/2026-06-02/b"]
    assert all(each.etag and each.size == 4 and each.last_modified for each in found)
    assert requests == ["list found"]
    (exact,) = place.look("d/2026-06-01/a")
    assert found[0].etag == exact.etag, "a condition means the same for both"


@pytest.mark.parametrize("pattern", ["**", "*", "a*", "[ab]/x"])
def test_a_pattern_without_a_fixed_folder_lists_the_bucket(place: Place, pattern: str) -> None:
    place.put("a", "ab", "a/x")
    expected = {"**": ["a", "a/x", "ab"], "*": ["a", "ab"], "a*": ["a", "ab"], "[ab]/x": ["a/x"]}[pattern]
    assert [each.key for each in place.look(pattern, match="glob")] == expected


def test_a_pattern_of_which_nothing_matches_finds_nothing(place: Place) -> None:
    assert place.look("none/*", match="glob") == []


def test_a_pattern_that_is_none_is_one_head(place: Place) -> None:
    requests: list[str] = []
    place.put("a*b")
    assert [each.key for each in place.look(r"a\*b", match="glob", requests=requests)] == ["a*b"]
    assert requests == ["head found"]


def test_a_pattern_that_stands_for_a_key_that_cannot_be_asked_for_is_refused(place: Place) -> None:
    with pytest.raises(InvalidArgument, match=r"a part of it is empty, '\.' or"):
        place.look(r"a/\./b", match="glob")


def test_a_folder_as_consoles_make_it_is_no_object(place: Place) -> None:
    """obstore drops the slash of its name."""
    place.server.put(place.bucket, "d/x", b"")
    if isinstance(place.server, GcsServer):  # obstore, by which Azurite gets its blobs, cannot make one
        place.server.put(place.bucket, "d/sub/", b"")
    assert [each.key for each in place.look("d/*", match="glob")] == ["d/x"]


def test_a_listing_is_read_page_by_page(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("objectstore_watcher.stores.cloud.PAGE", dict.fromkeys(["Google Cloud Storage", "Azure"], 10))
    place.put(*(f"many/{number:03}" for number in range(25)))
    requests: list[str] = []
    assert len(place.look("many/*", match="glob", requests=requests)) == 25
    assert requests == ["list found"] * 3


def test_a_listing_of_google_ends_where_no_key_can_match_any_more(
    gcs_place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("objectstore_watcher.stores.cloud.PAGE", dict.fromkeys(["Google Cloud Storage", "Azure"], 10))
    gcs_place.put(*(f"many/{number:03}" for number in range(40)))
    requests: list[str] = []
    assert len(gcs_place.look("many/00*", match="glob", requests=requests)) == 10
    assert requests == ["list found"] * 2, "the first key beyond the prefix is on the second page"


def test_a_key_that_obstore_cannot_name_is_told_and_not_taken_for_an_empty_listing(gcs_place: Place) -> None:
    gcs_place.put("d//x", "d/y")
    with pytest.raises(StoreError, match=r"InvalidPathError.*empty path segment"):
        gcs_place.look("d/*", match="glob")


def test_a_generation_of_google_can_be_waited_for(gcs_place: Place) -> None:
    gcs_place.put("k")
    (first,) = gcs_place.look("k")
    assert first.version_id.isdigit()
    gcs_place.put("k", data=b"second")
    (found,) = gcs_place.look("k", version_id=first.version_id)
    assert (found.size, found.version_id) == (4, first.version_id)
    assert gcs_place.look("k", version_id="17") == []
    with pytest.raises(InvalidArgument, match="a generation of Google's is a number"):
        gcs_place.look("k", version_id="first")


def test_a_container_that_is_missing_is_told_by_azure(azure_place: Place, wait: Wait) -> None:
    for match in ("exact", "glob"):
        with pytest.raises(StoreError) as missing:
            look("abfs://no-such-container/a*", match=match)
        assert missing.value.kind.label == "bucket_missing"
        assert "HTTP 404 ContainerNotFound" in str(missing.value)
    name = f"late-{uuid.uuid4().hex[:12]}"

    def come() -> None:
        assert isinstance(azure_place.server, AzureServer)
        azure_place.server.make_container(name)
        azure_place.server.put(name, "k")

    account = wait(f"az://{name}/k", {65: come}, on_missing_bucket="wait")
    assert isinstance(account.main, Ready), "at the latest after 60 looks the cause is asked for again"


def test_the_wrong_key_is_told_by_azure(azure_place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AZURE_STORAGE_ACCOUNT_KEY", "c2VjcmV0LWtleQ==")
    with pytest.raises(StoreError, match="HTTP 403") as refused:
        azure_place.look("k")
    assert refused.value.kind.label in ("credentials_invalid", "forbidden"), "Azurite calls it AuthorizationFailure"
    assert "c2Vj" not in str(refused.value)


@pytest.mark.parametrize("prefix", ["FLYTE_AZURE_STORAGE_ACCOUNT_{}", "OBJECTSTORE_WATCHER_{}"])
def test_azures_credentials_can_be_flytekits_variables_or_the_sensors_own_secret(
    azure_place: Place, monkeypatch: pytest.MonkeyPatch, prefix: str
) -> None:
    azure_place.put("k")
    names = ("NAME", "KEY") if prefix.startswith("FLYTE") else ("ACCESS_KEY_ID", "SECRET_ACCESS_KEY")
    for name, value in zip(names, (AzureServer.ACCOUNT, AzureServer.KEY), strict=True):
        monkeypatch.setenv(prefix.format(name), value)
    monkeypatch.delenv("AZURE_STORAGE_ACCOUNT_NAME")
    monkeypatch.delenv("AZURE_STORAGE_ACCOUNT_KEY")
    assert azure_place.look("k")
    assert look(f"abfs://{azure_place.bucket}/k"), "the account is that of the environment"


def test_the_endpoint_is_the_specs_before_that_of_the_environment(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    place.put("k")
    monkeypatch.setenv("AZURE_STORAGE_ENDPOINT", "http://127.0.0.1:1")
    monkeypatch.setenv("GOOGLE_SKIP_SIGNATURE", "true")
    monkeypatch.setenv("STORAGE_EMULATOR_HOST", "127.0.0.1:1")
    assert place.look("k", endpoint=place.server.endpoint)
    with pytest.raises(StoreError, match="Connection refused"):
        place.look("k")


@pytest.mark.parametrize("uri", ["gs://bucket/key", "abfs://container/key", "az://container/*"])
def test_without_the_extra_one_line_says_what_to_install(uri: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "obstore", None)
    with pytest.raises(InvalidArgument) as refused:
        look(uri)
    told = str(refused.value)
    assert "needs the package obstore, which is not installed here; install objectstore-watcher with its extra" in told
    assert "'clouds', which the watcher's image has" in told


def test_a_system_without_authorities_is_enough(place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """obstore adds others to the system's, and does not begin without any."""
    monkeypatch.setenv("SSL_CERT_DIR", str(tmp_path))
    monkeypatch.setenv("SSL_CERT_FILE", "")
    assert place.look("k") == []


def test_what_obstore_cannot_begin_with_is_an_argument_that_cannot_be_right(tmp_path: Path) -> None:
    file = tmp_path / "ca.pem"
    file.write_text("-----BEGIN CERTIFICATE-----\nbm9uZQ==\n-----END CERTIFICATE-----\n")
    with pytest.raises(InvalidArgument, match=r"^path 'gs://bucket/key': the client cannot be made: .*--ca-file"):
        look("gs://bucket/key", ca_file=str(file))


@pytest.mark.parametrize("content", [None, "no certificate"])
def test_a_ca_file_that_cannot_be_used_is_refused(tmp_path: Path, content: str | None) -> None:
    file = tmp_path / "ca.pem"
    if content:
        file.write_text(content)
    with pytest.raises(InvalidArgument, match="the certificate authorities cannot be read"):
        look("gs://bucket/key", ca_file=str(file))


def test_several_of_a_cloud_are_waited_for_with_their_flag(place: Place, wait: Wait) -> None:
    place.put("in/a")
    account = wait(
        [place.begin + "in/b", place.begin + "in/a"],
        {2: lambda: place.put("in/b"), 3: lambda: place.put("in/_SUCCESS")},
        flag="_SUCCESS",
    )
    assert isinstance(account.main, Ready)
    assert [each.uri for each in account.main.objects] == [place.begin + "in/b", place.begin + "in/a"]
    assert account.main.polls == 4


def test_what_a_manifest_in_a_cloud_lists_is_waited_for(place: Place, wait: Wait) -> None:
    place.put("in/manifest", data=f"a\n{place.begin}b".encode())
    account = wait(
        place.begin + "in/manifest", {1: lambda: place.put("in/a"), 2: lambda: place.put("b")}, match="manifest"
    )
    assert isinstance(account.main, Ready)
    assert [each.uri for each in account.main.objects] == [place.begin + "in/a", place.begin + "b"]


def test_a_manifest_in_a_cloud_that_is_too_long_is_refused(place: Place, wait: Wait) -> None:
    place.put("manifest", data=b"a\n" * (2 * 1024 * 1024 + 1))
    account = wait(place.begin + "manifest", match="manifest")
    assert account.failed
    assert (account.failed.kind, "more than 4194304 bytes" in account.failed.message) == ("manifest_invalid", True)
