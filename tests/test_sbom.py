"""The SBOM is put together from what is locked and what is found, and refuses what does not fit."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import pytest

from tools import sbom

LOCKED: dict[str, Any] = {
    "bomFormat": "CycloneDX",
    "specVersion": "1.5",
    "version": 1,
    "serialNumber": "urn:uuid:another-each-time",
    "metadata": {
        "timestamp": "another each time",
        "tools": [{"name": "uv"}],
        "component": {"type": "library", "bom-ref": "w-1", "name": "watcher", "version": "1"},
    },
    "components": [
        {"type": "library", "bom-ref": "a-2@1", "name": "a", "version": "1", "purl": "pkg:pypi/a@1"},
        {"type": "library", "bom-ref": "a-3@2", "name": "a", "version": "2", "purl": "pkg:pypi/a@2"},
    ],
    "dependencies": [{"ref": "w-1", "dependsOn": ["a-2@1", "a-3@2"]}, {"ref": "a-2@1"}, {"ref": "a-3@2"}],
}

FOUND: dict[str, Any] = {
    "distributions": {"watcher": "1", "a": "2"},
    "base": {"pip": "23", "a": "2"},
    "debian": ["libc6 1:2.36-9+deb12u1 amd64", "bash 5.2 amd64"],
    "python": "3.11.2",
}


def test_it_names_what_is_in_the_image_and_nothing_that_another_python_would_have_got() -> None:
    made = sbom.document(LOCKED, FOUND)
    assert [part["purl"] for part in made["components"]] == [
        "pkg:pypi/a@2",
        "pkg:generic/python@3.11.2",
        "pkg:pypi/pip@23",
        "pkg:deb/debian/bash@5.2?arch=amd64",
        "pkg:deb/debian/libc6@1%3A2.36-9%2Bdeb12u1?arch=amd64",
    ]
    assert made["dependencies"] == [{"ref": "w-1", "dependsOn": ["a-3@2"]}, {"ref": "a-3@2", "dependsOn": []}]
    assert made["metadata"]["component"]["type"] == "container"


def test_it_is_the_same_each_time() -> None:
    assert "another" not in json.dumps(sbom.document(LOCKED, FOUND))


@pytest.mark.parametrize(
    ("distributions", "message"),
    [
        ({"watcher": "1", "a": "2", "b": "1"}, "holds what is not in the lock file: b"),
        ({"watcher": "1", "a": "3"}, "holds what is not in the lock file: a"),
        ({"watcher": "2", "a": "2"}, "does not hold watcher 1"),
    ],
)
def test_an_image_that_is_not_of_this_lock_file_is_refused(distributions: dict[str, str], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        sbom.document(LOCKED, {**FOUND, "distributions": distributions})


def test_what_looks_into_an_image_finds_what_is_here() -> None:
    told = json.loads(subprocess.run([sys.executable, "-c", sbom.LOOK], stdout=subprocess.PIPE, check=True).stdout)
    assert {"objectstore-watcher", "prometheus-client"} <= told["distributions"].keys()
    assert told["python"] == sys.version.split()[0]
