"""What manifests list, and what is refused."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from objectstore_watcher.contract import MOST_PATHS
from objectstore_watcher.errors import StoreError
from objectstore_watcher.manifests import listed
from objectstore_watcher.targets import Target, exact

from tests.sidecar import hostile

MANIFEST = exact("s3://bucket/day/manifest")


def paths(data: bytes | str) -> list[str]:
    return [each.uri for each in listed(MANIFEST, data if isinstance(data, bytes) else data.encode())]


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        ("a.csv\nsub/b.csv\n", ["s3://bucket/day/a.csv", "s3://bucket/day/sub/b.csv"]),
        ("\r\n\r\na.csv\r\nb c.csv", ["s3://bucket/day/a.csv", "s3://bucket/day/b c.csv"]),
        ("\ufeffs3://other/key", ["s3://other/key"]),
        ("a\u2028b\x0bc\n", ["s3://bucket/day/a\u2028b\x0bc"]),
        ("a\na\ns3://bucket/day/a", ["s3://bucket/day/a"]),
        ('["a", "s3://other/key"]', ["s3://bucket/day/a", "s3://other/key"]),
        ('{"entries": [{"url": "s3://other/key", "mandatory": true}, "a"]}', ["s3://other/key", "s3://bucket/day/a"]),
    ],
)
def test_lines_and_json_list_objects(data: str, expected: list[str]) -> None:
    assert paths(data) == expected


def test_a_manifest_of_redshift_says_how_long_each_object_is() -> None:
    entries = [{"url": "s3://b-1/one", "meta": {"content_length": 5}}, {"url": "s3://b-1/two", "meta": {}}]
    found = listed(MANIFEST, json.dumps({"entries": entries}).encode())
    assert [(each.uri, each.size) for each in found] == [("s3://b-1/one", 5), ("s3://b-1/two", None)]


def test_a_manifest_in_one_cloud_names_nothing_in_another() -> None:
    with pytest.raises(StoreError, match="names 'az://container/a', in another kind of store"):
        listed(exact("gs://bucket/manifest"), b"az://container/a")


def test_a_manifest_in_no_folder_lists_what_is_in_none() -> None:
    assert [each.uri for each in listed(exact("s3://bucket/manifest"), b"a")] == ["s3://bucket/a"]
    assert [each.uri for each in listed(exact("/data/manifest"), b"a\n/b")] == ["/data/a", "/b"]


@pytest.mark.parametrize(
    ("data", "told"),
    [
        (b"", "lists 0 objects, not 1 to 10000"),
        (b"\n \n", "lists 0 objects"),
        (b"[]", "lists 0 objects"),
        (b"\xff\xfe", "it is not UTF-8"),
        (b"{", "it begins as JSON and is none: Expecting property name"),
        (b"{}", "its JSON has another form"),
        (b'{"entries": 5}', "its JSON has another form"),
        (b'{"entries": ["a", {}]}', "entry 2 of its JSON has another form"),
        (b"[5]", "entry 1 of its JSON has another form"),
        (b"[" * 100_000, "nested too deeply"),
        (
            b'[{"url": "a", "meta": {"content_length": "5"}}]',
            "entry 1 of its JSON: content_length '5' is no number of bytes",
        ),
        (b'[{"url": "a", "meta": {"content_length": -5}}]', "entry 1 of its JSON: content_length '-5' is no"),
        (b'[{"url": "a", "meta": null}]', "entry 1 of its JSON has another form"),
        (b"../a", "a part of it is '.' or '..'"),
        (
            b"/bucket/key\n",
            "'/bucket/key': the manifest cannot be read: it begins with a slash, and is neither a whole path",
        ),
        (b"ftp://bucket/key\n", "the scheme"),
        (b"s3://b/key", "cannot be the name of a bucket"),
        (b"file:///etc/passwd", "names 'file:///etc/passwd', in another kind of store"),
        ("\n".join(map(str, range(MOST_PATHS + 1))).encode(), "lists 10001 objects"),
    ],
)
def test_what_lists_nothing_that_is_known_is_refused(data: bytes, told: str) -> None:
    with pytest.raises(StoreError) as refused:
        listed(MANIFEST, data)
    assert refused.value.kind.label == "manifest_invalid"
    assert str(refused.value).startswith("s3://bucket/day/manifest: ")
    assert told in str(refused.value)
    cures = {"lists 0": "let it list what is to be waited for", "lists 10001": "wait for at most 10000 objects at a"}
    cure = next(
        (cures[begin] for begin in cures if begin in told), "let it hold one path in each line, or JSON such as"
    )
    assert f"; {cure}" in str(refused.value)


JSON: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text() | st.just("s3://bucket/key"),
    lambda inner: (
        st.lists(inner) | st.dictionaries(st.sampled_from(["entries", "url", "meta", "content_length"]), inner)
    ),
)


@given(st.binary() | JSON.map(lambda value: json.dumps(value).encode()) | hostile.keys().map(str.encode))
def test_any_content_lists_objects_or_is_refused_in_one_line(data: bytes) -> None:
    found: Sequence[Target] = ()
    told = ""
    try:
        found = listed(MANIFEST, data)
    except StoreError as error:
        told = str(error)
    assert told.isprintable()
    assert all(each.uri.startswith("s3://") for each in found)
