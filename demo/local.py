"""``make demo``: the main job on one machine, without a cluster, against a real MinIO."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import IO

from examples.wait_and_run import sensor
from tests import flyte_backend
from tests.flyte_backend import Execution
from tests.servers import ROOT, MinioServer, eventually, free_port

UPLOAD_AFTER = 5.0
"""Seconds until the object is uploaded: long enough to see that something waits."""

BUCKET = "demo"


def main() -> None:
    """Show both ways, one after the other."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        server = stack.enter_context(MinioServer(folder / "minio"))
        server.client().make_bucket(BUCKET)
        say(f"A MinIO server runs at {server.endpoint}; the bucket {BUCKET} is empty.")
        env = {**os.environ, **server.flyte_env(), "PYTHONPATH": str(ROOT)}
        local(env)
        as_a_pod(server, env, folder)


def local(env: dict[str, str]) -> None:
    """The workflow runs here, and the watch with it."""
    title("1. The workflow, run locally: wait for an object, then read it")
    path = f"s3://{BUCKET}/orders/local.csv"
    command = ["pyflyte", "run", "examples/wait_and_run.py", "wait_and_run", "--path", path]
    say("$ " + " ".join(command))
    with subprocess.Popen(
        command, env=env, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as workflow:
        lines = relay(workflow)
        if not any("waiting for" in line for line in lines):
            sys.exit("the workflow ended without waiting")
        uploader = upload(env, "orders/local.csv", after=UPLOAD_AFTER)
        *_, result = lines
    say(f"{result} bytes read; the run ended {time.time() - uploaded(uploader):.2f} s after the upload")


def relay(process: subprocess.Popen[str]) -> Iterator[str]:
    """The lines that ``process`` prints, each printed as it comes."""
    for line in process.stdout or ():
        say("  " + line.rstrip())
        yield line.strip()


def as_a_pod(server: MinioServer, env: dict[str, str], folder: Path) -> None:
    """Main and watcher as two processes, started with the args of the serialized task, but for the metrics' address."""
    title("2. The same sensor as its pod runs it: two processes that share a directory")
    path, markers = f"s3://{BUCKET}/orders/pod.csv", folder / "markers"
    markers.mkdir()
    execution = Execution(name="demo", bucket=BUCKET, platform_env=server.flyte_env())
    flyte_backend.put_inputs(server.client(), execution, sensor, path=path)
    spec = flyte_backend.pod(sensor, "example:v1", execution, path=path)["spec"]
    watcher, main_container = spec["initContainers"][0], spec["containers"][0]
    at = f"127.0.0.1:{free_port()}"  # in a pod, the port is the pod's own
    args = [f"--metrics-address={at}" if arg.startswith("--metrics-address=") else arg for arg in watcher["args"]]
    with ExitStack() as stack:
        stack.enter_context(run(["objectstore-watcher", *args], watcher, env, markers))
        log = stack.enter_context((folder / "main.log").open("w+"))
        command = [*main_container.get("command", ()), *main_container["args"]]
        main_process = stack.enter_context(run(command, main_container, env, markers, log))
        reached(markers / "request", main_process, log)
        say(f"main asked the watcher for {path}")
        uploader = upload(env, "orders/pod.csv", after=UPLOAD_AFTER)
        reached(markers / "ready", main_process, log)
        noticed = (markers / "ready").stat().st_mtime
        main_process.wait(timeout=120)
        after = uploaded(uploader)
        by = json.loads((markers / "ready").read_text())["detected_by"]
        say(f"ready marker {max(0.0, noticed - after):.3f} s after the upload ended, by {by} (poll interval: 1 s)")
        result = flyte_backend.outputs(server.client(), execution)
        say(f"outputs.pb {time.time() - after:.2f} s after the upload ended: {result}")
        title("The marker")
        say((markers / "ready").read_text().strip())
        title(f"The watcher's metrics (http://{at}/metrics)")
        say(metrics(at))


def run(
    args: list[str], container: dict[str, object], env: dict[str, str], markers: Path, log: IO[str] | None = None
) -> subprocess.Popen[bytes]:
    """A container's process; its context manager ends it."""
    say("$ " + " ".join(args))
    own = {**flyte_backend.environment(container), "OBJECTSTORE_WATCHER_DIR": str(markers)}
    return Ending(args, env={**env, **own}, cwd=ROOT, stdout=log, stderr=log)


def reached(marker: Path, main_process: subprocess.Popen[bytes], log: IO[str]) -> None:
    """Wait for a file of the contract; show main's log where main ends without it."""
    eventually(lambda: marker.exists() or main_process.poll() is not None, marker.name, timeout=120)
    if not marker.exists():
        log.seek(0)
        sys.exit(f"main ended without {marker.name!r}:\n{log.read()}")


class Ending(subprocess.Popen[bytes]):
    """A process that is ended when its block ends."""

    def __exit__(self, *exc: object) -> None:
        self.terminate()
        with suppress(subprocess.TimeoutExpired):
            self.wait(timeout=1)
        self.terminate()  # a watcher that nobody has scraped lingers after the first
        self.wait(timeout=10)


def upload(env: dict[str, str], key: str, *, after: float) -> subprocess.Popen[str]:
    """Another process uploads the object later."""
    say(f"another process uploads {key} in {after:g} s")
    command = [sys.executable, "-m", "demo.upload", BUCKET, key, f"--after={after}"]
    return subprocess.Popen(command, env=env, cwd=ROOT, stdout=subprocess.PIPE, text=True)


def uploaded(uploader: subprocess.Popen[str]) -> float:
    """When the upload had ended, in Unix time."""
    told, _ = uploader.communicate(timeout=60)
    return float(told)


def metrics(at: str) -> str:
    """What Prometheus would see, without the comments and the runtime's own series."""
    with urllib.request.urlopen(f"http://{at}/metrics", timeout=10) as answer:  # our own process
        lines = answer.read().decode().splitlines()
    return "\n".join(line for line in lines if line.startswith("objectstore_watcher") and "_bucket" not in line)


def title(text: str) -> None:
    """A heading."""
    print(f"\n\033[1m{text}\033[0m" if sys.stdout.isatty() else f"\n== {text}", flush=True)


def say(text: str) -> None:
    """A line."""
    print(text, flush=True)


if __name__ == "__main__":
    main()
