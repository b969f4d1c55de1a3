"""Which container engine is taken, and what is asked of it.

With programs in its place, which only write down how they are called: no machine has all of them.
"""

from __future__ import annotations

import os
import socket
import subprocess
from collections.abc import Callable
from contextlib import ExitStack, suppress
from pathlib import Path

import pytest

from tests.servers import ROOT, free_port

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
pull) echo "{pulled}" ;;
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


def test_the_engine_that_the_cluster_was_made_with_is_taken_whatever_else_works(tmp_path: Path, shell: Shell) -> None:
    """A docker that was started later found no cluster, and make kind-down left podman's running, its ports taken."""
    program(tmp_path, "docker", DOCKER)
    program(tmp_path, "podman", PODMAN)
    (tmp_path / "cache" / "cluster").mkdir(parents=True)
    (tmp_path / "cache" / "cluster" / "engine").write_text("podman\n")
    assert shell(FIND) == "podman"
    assert "KIND_EXPERIMENTAL_PROVIDER=podman" in shell("tools/cluster.sh env")


def test_the_environment_chooses_between_two_engines(tmp_path: Path, shell: Shell) -> None:
    program(tmp_path, "docker", DOCKER)
    program(tmp_path, "podman", PODMAN)
    assert [shell(FIND, ENGINE=engine) for engine in ("docker", "podman")] == ["docker", "podman"]


@pytest.mark.parametrize(
    ("engine", "error"),
    [
        ("dokcer", "ENGINE=dokcer: unknown; leave it out, or set it to docker or podman"),
        ("docker", 'ENGINE=docker: "docker info" does not work here; start docker, or leave ENGINE out'),
        (
            "podman",
            "ENGINE=podman: the cluster was made with docker; remove it first, by make kind-down without ENGINE",
        ),
    ],
)
def test_an_engine_that_cannot_be_had_is_told(tmp_path: Path, shell: Shell, engine: str, error: str) -> None:
    program(tmp_path, "docker", DOCKER, runs=False)
    program(tmp_path, "podman", PODMAN)
    (tmp_path / "cache" / "cluster").mkdir(parents=True)
    (tmp_path / "cache" / "cluster" / "engine").write_text("docker\n")
    with pytest.raises(subprocess.CalledProcessError) as failure:
        shell("tools/cluster.sh id image 2>&1", ENGINE=engine)
    assert failure.value.stdout == f"error: {error}\n"


def test_with_docker_the_base_of_our_images_is_pulled_where_it_is_not_there(tmp_path: Path, shell: Shell) -> None:
    program(tmp_path, "docker", DOCKER)
    base = shell("tools/cluster.sh base")
    assert base.startswith("python:")
    assert f"pull --quiet {base}" in (tmp_path / "docker.calls").read_text().splitlines()


def test_with_podman_the_base_of_our_images_is_pulled_once(tmp_path: Path, shell: Shell) -> None:
    """It was pulled each time that anything asked for its name: seconds, and a registry that may not answer."""
    program(tmp_path, "docker", PODMAN)
    program(tmp_path, "podman", PODMAN, pulled="0123abc")
    names = {shell("tools/cluster.sh base") for _ in range(2)}
    assert names == {"0123abc"}
    calls = (tmp_path / "podman.calls").read_text().splitlines()
    assert [call for call in calls if call.startswith("pull")] == ["pull --quiet docker://python:3.11-slim-bookworm"]


def stand_in(directory: Path, name: str, script: str) -> Path:
    """A program that writes down how it is called, then runs ``script``; the file of its calls."""
    calls, file = directory / f"{name}.calls", directory / name
    file.write_text(f'#!/bin/sh\necho "$*" >>"{calls}"\n{script}')
    file.chmod(0o755)
    return calls


def kind(directory: Path) -> Path:
    """A kind of the version that the scripts would build; the file of its calls."""
    version = shell_variable("KIND_VERSION")
    (directory / "cache" / "bin" / f"kind-{version}").mkdir(parents=True)
    calls = stand_in(directory, "kind", "")
    (directory / "kind").rename(directory / "cache" / "bin" / f"kind-{version}" / "kind")
    return calls


def shell_variable(name: str) -> str:
    command = ["bash", "-c", f'. ./versions.env; printf %s "${name}"']
    return subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True).stdout


def test_a_port_that_is_taken_is_told_with_what_needs_it_before_a_cluster_is_made(tmp_path: Path, shell: Shell) -> None:
    stand_in(tmp_path, "docker", "[ $1 != image ]")
    stand_in(tmp_path, "kubectl", "exit 1")
    calls = kind(tmp_path)
    with ExitStack() as stack:
        with suppress(OSError):  # else something, perhaps a cluster, listens there already
            stack.enter_context(socket.create_server(("127.0.0.1", 30900)))
        with pytest.raises(subprocess.CalledProcessError) as failure:
            shell("tools/cluster.sh up 2>&1")
    last = failure.value.stdout.splitlines()[-1]
    assert last.startswith("error: port 30900 of 127.0.0.1 is in use, and the cluster needs it (kind-config.yaml);")
    assert "ss --listening" in last
    assert "create" not in calls.read_text()


def test_ports_that_are_free_are_none_to_tell_of(tmp_path: Path, shell: Shell) -> None:
    config = tmp_path / "config.yaml"
    config.write_text("".join(f"      - hostPort: {port}\n" for port in (free_port(), free_port())))
    assert shell(f". tools/lib.sh; . k8s/airgap/engine.sh; need_ports {config}; echo free") == "free\n"


def test_down_removes_the_cluster_and_our_images_and_says_what_stays(tmp_path: Path, shell: Shell) -> None:
    ours = ["objectstore-watcher:0.1.0", "localhost/objectstore-sensor-example:0.1.0"]
    others = ["minio/minio:1", "my-objectstore-watcher:1", "flytepropeller:of-somebody"]
    docker = stand_in(
        tmp_path,
        "docker",
        f"""case "$*" in
*label=objectstore-sensor.recipe*) echo minio/minio:1 ;;
"image ls"*) printf '%s\\n' {" ".join(ours + others)} ;;
esac""",
    )
    calls = kind(tmp_path)
    marks = tmp_path / "cache" / "images"
    marks.mkdir()
    for name in ("objectstore-watcher", "objectstore-sensor-example"):
        (marks / name).write_text("made from")
    told = shell("tools/cluster.sh down 2>&1")
    assert calls.read_text().splitlines() == ["delete cluster --name objectstore-sensor"]
    removed = [call for call in docker.read_text().splitlines() if call.startswith("image rm")]
    assert removed == ["image rm " + " ".join(sorted(ours))]
    assert not marks.exists(), "what is gone is built again"
    assert docker.read_text().count("image prune --force --filter label=objectstore-sensor.recipe\n") == 1
    assert f"{tmp_path / 'cache'}: downloads and builds" in told
    assert "images that stand in for a registry's: minio/minio:1" in told


def test_a_wrong_choice_of_images_is_told_before_anything_is_pulled(tmp_path: Path, shell: Shell) -> None:
    program(tmp_path, "docker", DOCKER)
    with pytest.raises(subprocess.CalledProcessError):
        shell("tools/cluster.sh base", IMAGES="stok")
    assert "pull" not in (tmp_path / "docker.calls").read_text()


BUILD = "tools/cluster.sh build watcher --file sidecar/Dockerfile . 2>&1"


def docker_with_the_base(directory: Path) -> Path:
    """A docker that has every image it is asked for; the file of its calls."""
    return stand_in(directory, "docker", "case $1 in image) echo sha256:1 ;; esac")


def builds(calls: Path) -> list[str]:
    return [call for call in calls.read_text().splitlines() if call.startswith("build ")]


def test_docker_gets_the_hosts_package_settings_as_an_image_to_build_from(tmp_path: Path, shell: Shell) -> None:
    """Its build mounts no files of the host: behind a proxy with a certificate of its own, pip found nothing."""
    bundle = tmp_path / "own.crt"
    bundle.write_text("certificate")
    calls = docker_with_the_base(tmp_path)
    shell(BUILD, SSL_CERT_FILE=str(bundle), PIP_INDEX_URL="https://index.example/simple")
    settings = tmp_path / "cache" / "build-settings"
    first, second = builds(calls)
    assert first == f"build --network=host --force-rm --tag objectstore-sensor-build-settings {settings}"
    assert "--build-arg BASE_IMAGE=python:3.11-slim-bookworm" in second
    assert "--build-arg BUILD_IMAGE=objectstore-sensor-build-settings" in second
    assert (settings / "ca-certificates.crt").read_text() == "certificate"
    assert "index-url = https://index.example/simple\n" in (settings / "pip.conf").read_text()
    assert 'index-url = "https://index.example/simple"\n' in (settings / "uv.toml").read_text()
    assert "COPY ca-certificates.crt /etc/ssl/certs/ca-certificates.crt" in (settings / "Dockerfile").read_text()


def test_docker_builds_from_the_base_alone_where_the_host_has_no_package_settings(tmp_path: Path, shell: Shell) -> None:
    calls = docker_with_the_base(tmp_path)
    shell(BUILD, PIP_CONFIG_FILE=os.devnull)
    (build,) = builds(calls)
    assert "BUILD_IMAGE" not in build


def test_a_password_in_an_index_is_kept_from_dockers_images(tmp_path: Path, shell: Shell) -> None:
    calls = docker_with_the_base(tmp_path)
    told = shell(BUILD, PIP_INDEX_URL="https://user:hunter2@index.example/simple", PIP_CONFIG_FILE=os.devnull)
    assert len(builds(calls)) == 1
    assert not any("hunter2" in file.read_text() for file in (tmp_path / "cache" / "build-settings").iterdir())
    assert "warning: a package index of pip has a password in its URL" in told
    assert "hunter2" not in told
