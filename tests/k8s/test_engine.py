"""Which container engine is taken, and what is asked of it.

With programs in its place, which only write down how they are called: no machine has all of them.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.servers import ROOT

DOCKER, PODMAN = "Docker version 28.2.2, build e6534b4", "podman version 4.3.1"

Shell = Callable[..., str]


@pytest.fixture
def shell(tmp_path: Path) -> Shell:
    """Runs a command that finds the programs of `program` before all others; what it prints."""

    def run(command: str, **more: str) -> str:
        env = {
            "PATH": f"{tmp_path}:{os.environ['PATH']}",
            "OBJECTSTORE_SENSOR_CACHE": str(tmp_path / "cache"),
            "IMAGES": "stock",
            **more,
        }
        return subprocess.run(
            ["bash", "-c", command], cwd=ROOT, env=env, check=True, stdout=subprocess.PIPE, text=True
        ).stdout

    return run


def program(directory: Path, name: str, version: str, *, runs: bool = True, pulled: str = "") -> None:
    """A program that tells its version, works or not, and has no image but ``pulled``, once it was told to pull."""
    file = directory / name
    file.write_text(
        f'''#!/bin/sh
echo "$*" >>"{directory}/{name}.calls"
case $1 in
--version) echo "{version}" ;;
image) case "$*" in *" {pulled}") grep -s ^pull "{directory}/{name}.calls" ;; *) exit 1 ;; esac ;;
*) exit {0 if runs else 1} ;;
esac
'''
    )
    file.chmod(0o755)


FIND = ". tools/lib.sh; . k8s/airgap/engine.sh; find_engine"


@pytest.mark.parametrize(
    ("docker", "run", "engine"),
    [
        (DOCKER, {"docker", "podman"}, "docker"),
        (DOCKER, {"podman"}, "podman"),
        (PODMAN, {"docker", "podman"}, "podman"),
        (DOCKER, set(), ""),
    ],
    ids=["both", "docker without its daemon", "podman under the name of docker", "none"],
)
def test_the_first_engine_that_works_is_taken_by_its_own_name(
    tmp_path: Path, shell: Shell, docker: str, run: set[str], engine: str
) -> None:
    program(tmp_path, "docker", docker, runs="docker" in run)
    program(tmp_path, "podman", PODMAN, runs="podman" in run)
    assert shell(FIND) == engine


def test_with_docker_the_base_of_our_images_is_pulled_where_it_is_not_there(tmp_path: Path, shell: Shell) -> None:
    program(tmp_path, "docker", DOCKER)
    base = shell("tools/cluster.sh base")
    assert base.startswith("python:")
    assert f"pull --quiet {base}" in (tmp_path / "docker.calls").read_text().splitlines()


def test_with_podman_the_base_of_our_images_is_pulled_once(tmp_path: Path, shell: Shell) -> None:
    """It was pulled each time that anything asked for its name: seconds, and a registry that may not answer."""
    program(tmp_path, "docker", PODMAN)
    program(tmp_path, "podman", PODMAN, pulled="docker.io/library/python:3.11-slim-bookworm")
    names = {shell("tools/cluster.sh base") for _ in range(2)}
    assert len(names) == 1
    assert names != {""}
    calls = (tmp_path / "podman.calls").read_text().splitlines()
    assert [call for call in calls if call.startswith("pull")] == [
        "pull --quiet docker.io/library/python:3.11-slim-bookworm"
    ]


def test_a_wrong_choice_of_images_is_told_before_anything_is_pulled(tmp_path: Path, shell: Shell) -> None:
    program(tmp_path, "docker", DOCKER)
    with pytest.raises(subprocess.CalledProcessError):
        shell("tools/cluster.sh base", IMAGES="stok")
    assert "pull" not in (tmp_path / "docker.calls").read_text()
