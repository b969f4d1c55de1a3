"""What is in the images, and what is not; and that they run as their pods let them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.cluster import EXAMPLE_IMAGE, WATCHER_IMAGE, Cluster, script, tool
from tools import sbom

pytestmark = pytest.mark.timeout(1800)

LIMIT_ABOVE_BASE = 75_000_000
"""Bytes."""

LOOK = """
import errno, importlib.metadata as m, importlib.util as u, json, os, shutil
try:
    # The image lets every user write here: only the read-only root file system can refuse it.
    open("/var/tmp/written", "w")
    write = "done"
except OSError as error:
    write = errno.errorcode[error.errno]
print(json.dumps({
    "distributions": sorted(d.metadata["Name"].lower().replace("_", "-") for d in m.distributions()),
    "commands": [c for c in ("gcc", "cc", "make", "uv", "git", "go") if shutil.which(c)],
    "uid": os.getuid(),
    "write": write,
    "uncompiled": [n for n in ("objectstore_watcher", "minio", "urllib3")
                   if not os.path.exists(u.cache_from_source(u.find_spec(n).origin))],
}))
"""


def look_into(cluster: Cluster, namespace: str, image: str, python: str, program: str = LOOK) -> dict[str, Any]:
    """What a program sees in the image, in a pod that must not be root and must not write to its root file system."""
    name = image.partition(":")[0]
    pod = {
        "metadata": {"name": name},
        "spec": {
            "restartPolicy": "Never",
            "containers": [
                {
                    "name": "look",
                    "image": image,
                    "command": [python, "-c", program],
                    "securityContext": {"runAsNonRoot": True, "readOnlyRootFilesystem": True},
                }
            ],
        },
    }
    cluster.api.create_namespaced_pod(namespace, pod)
    ended = cluster.ended(namespace, name)
    log = cluster.logs(namespace, name, "look")
    assert ended.status.phase == "Succeeded", log
    return dict(json.loads(log))


def test_the_watchers_image_is_slim_and_runs_read_only_as_another_user(cluster: Cluster, namespace: str) -> None:
    found = look_into(cluster, namespace, WATCHER_IMAGE, "/opt/watcher/bin/python")
    assert {"objectstore-watcher", "minio", "prometheus-client"} <= set(found["distributions"])
    assert not {"flytekit", "kubernetes", "objectstore-sensor", "pytest", "uv"} & set(found["distributions"])
    assert found["commands"] == []
    assert found["uid"] == 65532
    assert found["write"] == "EROFS"
    assert found["uncompiled"] == [], "each start would compile"


def test_the_example_image_has_the_sensor_and_no_compiler(cluster: Cluster, namespace: str) -> None:
    found = look_into(cluster, namespace, EXAMPLE_IMAGE, "/opt/task/bin/python")
    assert {"objectstore-sensor", "flytekit", "kubernetes"} <= set(found["distributions"])
    assert not {"pytest", "hypothesis", "mypy", "uv"} & set(found["distributions"])
    assert found["commands"] == []
    assert found["uid"] == 1000
    assert found["write"] == "EROFS"


LEFT = """
import os
assert os.listdir("/root") is not None, "only root sees what is in /root"
print(*(p for p in ("/root/.cache", "/root/.local", "/source", "/opt/uv") if os.path.exists(p)))
"""


@pytest.mark.usefixtures("cluster")  # which has the images built
@pytest.mark.parametrize(
    ("image", "python"), [(WATCHER_IMAGE, "/opt/watcher/bin/python"), (EXAMPLE_IMAGE, "/opt/task/bin/python")]
)
def test_the_images_keep_nothing_of_their_build(image: str, python: str) -> None:
    assert tool("run", image, python, "-c", LEFT) == ""


def test_the_sbom_names_what_the_watchers_image_holds_where_it_runs(cluster: Cluster, namespace: str) -> None:
    found = look_into(cluster, namespace, WATCHER_IMAGE, "/opt/watcher/bin/python", sbom.LOOK)
    told = json.loads(Path(script("sbom.sh")).read_text())
    image = told["metadata"]["component"]
    named = {(part["purl"].partition("/")[0], part["name"], part["version"]) for part in told["components"]}
    python = {*found["distributions"].items(), *found["base"].items()} - {(image["name"], image["version"])}
    debian = {tuple(line.split()[:2]) for line in found["debian"]}
    assert named == {
        *(("pkg:pypi", *each) for each in python),
        *(("pkg:deb", *each) for each in debian),
        ("pkg:generic", "python", found["python"]),
    }
    assert {"libc6", "openssl", "libssl3"} & {name for name, _ in debian}
    assert {("pkg:pypi", "minio"), ("pkg:pypi", "urllib3")} <= {each[:2] for each in named}


def test_the_watchers_image_adds_at_most_75_mb_to_its_base(
    cluster: Cluster, capsys: pytest.CaptureFixture[str]
) -> None:
    base = int(tool("size", tool("base")))
    sizes = {image: int(tool("size", image)) - base for image in (WATCHER_IMAGE, EXAMPLE_IMAGE)}
    with capsys.disabled():
        print(f"\nbase {base / 1e6:.0f} MB; above it: " + ", ".join(f"{i} {s / 1e6:.0f} MB" for i, s in sizes.items()))
    assert 0 < sizes[WATCHER_IMAGE] <= LIMIT_ABOVE_BASE
