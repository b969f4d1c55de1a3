"""One wait, from its first watcher to the judge: everything happens when its plan says."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from objectstore_watcher.contract import PATIENCE, WatchSpec

from tests.chaos.kubelet import Kubelet, Pod, log_of
from tests.chaos.main import Main
from tests.chaos.observer import Observer
from tests.chaos.proxy import Line, Proxies
from tests.chaos.record import Record, Window
from tests.chaos.schedule import STALE, Plan
from tests.chaos.server import BUCKET, Server
from tests.chaos.volume import Volume
from tests.servers import MinioServer, eventually

TICK = 0.01
"""Seconds between two looks at the plan."""

AFTERWARDS = 0.2
"""Seconds that the watcher goes on after main's end, longer if it is killed or not alone: its answer must stay."""

PATIENT = 30.0
"""Seconds after an answer is due at the latest, after which a wait counts as endless."""


@dataclass(frozen=True)
class World:
    """What all waits share."""

    server: Server
    proxies: Proxies
    kubelet: Kubelet
    observer: Observer
    directory: Path


class Wait:
    """One wait.

    Args:
        world: where.
        plan: what happens.
    """

    def __init__(self, world: World, plan: Plan) -> None:
        self.record = Record(plan)
        self._world = world
        self._plan = plan
        self._bucket = BUCKET if math.isinf(plan.bucket_at) and plan.bucket_at < 0 else f"bucket-{plan.index}"
        self._key = f"key-{plan.index}"
        self.record.uri = f"s3://{self._bucket}/{self._key}"
        self._line = Line(world.proxies, self.record)
        self._volume = Volume(world.directory / f"wait-{plan.index}", self.record.volume, may_break=bool(plan.volume))
        self.directory = self._volume.directory
        self._origin = time.monotonic() + 0.02 - min(0.0, self._first_time())
        self._main = Main(self.directory, self._spec(), self.record, self._origin + plan.main_restarts_at)
        self._pod = Pod(world.kubelet, self._order(plan.story != "credentials"), plan.backoff, self.record.lives)
        self._twin = Pod(world.kubelet, self._order(has_credentials=False), plan.backoff, [])
        self._is_restarted = True
        self._over = threading.Event()
        self._producers: list[threading.Thread] = []

    def run(self) -> Record:
        """Let it happen."""
        number = self._world.observer.add(self.directory, self.record)
        try:
            self._until_main_ends()
            self._afterwards()
        finally:
            self._finish()
            self._world.observer.remove(number)
            self.record.last = {
                name: (self.directory / name).read_bytes()
                for name in ("request", "ready", "failed")
                if (self.directory / name).exists()
            }
            self._volume.close()
        self.record.outages = list(self._world.server.outages)
        return self.record

    def _spec(self) -> WatchSpec:
        plan = self._plan
        return WatchSpec(
            uri=self.record.uri,
            poll_interval=plan.poll_interval,
            timeout=plan.timeout,
            request_timeout=plan.request_timeout,
            heartbeat_interval=plan.heartbeat_interval,
            detection=plan.detection,
            on_missing_bucket="wait" if plan.story == "bucket_later" else "fail",
        )

    def _order(self, has_credentials: bool) -> dict[str, object]:
        secret = MinioServer.SECRET_KEY if has_credentials else "wrong"
        return {
            "argv": ["--dir", str(self.directory)],
            "log": str(log_of(self.directory)),
            "step": self._plan.step,
            "step_at": self._origin + self._plan.step_at if self._plan.step else 0.0,
            "env": {
                "FLYTE_AWS_ENDPOINT": self._line.endpoint,
                "FLYTE_AWS_ACCESS_KEY_ID": MinioServer.ACCESS_KEY,
                "FLYTE_AWS_SECRET_ACCESS_KEY": secret,
            },
        }

    # The plan

    def _first_time(self) -> float:
        return min(time for time, _ in self._script())

    def _script(self) -> list[tuple[float, Callable[[], object]]]:
        plan = self._plan
        script: list[tuple[float, Callable[[], object]]] = [
            (plan.watcher_at, self._start_watcher),
            (0.0, self._start_main),
            (plan.dies_at, self._die),
            (plan.twin_at, self._start_twin),
            (plan.bucket_at, lambda: self._produce(lambda: self._world.server.make_bucket(self._bucket))),
            (plan.put_at, self._put),
            *((at, self._kill) for at in plan.kills),
        ]
        for fault in plan.faults:
            script.append((fault.start, lambda fault=fault: self._line.begin(fault)))  # type: ignore[misc]
            if fault.kind != STALE:
                script.append((fault.end, self._line.mend))
        if plan.volume:
            script += [(plan.volume_at, self._break_volume), (plan.volume_until, self._mend_volume)]
        return sorted((step for step in script if math.isfinite(step[0])), key=lambda step: step[0])

    def _until_main_ends(self) -> None:
        script = self._script()
        if self._plan.step:
            self.record.stepped = self._origin + self._plan.step_at
        while not self._has_ended():
            while script and time.monotonic() >= self._origin + script[0][0]:
                script.pop(0)[1]()
            self._tend()
            time.sleep(TICK)

    def _tend(self) -> None:
        self._twin.tend()
        if self._is_restarted:
            self._pod.tend()

    def _has_ended(self) -> bool:
        longest = self._plan.timeout + self._plan.request_timeout + PATIENCE + PATIENT
        return bool(self.record.end) or time.monotonic() > self._origin + longest

    def _start_watcher(self) -> None:
        if not self._pod.is_alive and self._is_restarted:
            self._pod.start()

    def _start_twin(self) -> None:
        self._twin.start()

    def _start_main(self) -> None:
        self._main.start()

    def _kill(self) -> None:
        self._pod.kill()

    def _die(self) -> None:
        self._is_restarted = False
        self._pod.kill()

    def _break_volume(self) -> None:
        if self._volume.is_mounted:
            self._volume.break_(self._plan.volume)

    def _mend_volume(self) -> None:
        if self._volume.is_mounted:
            self._volume.mend()

    def _put(self) -> None:
        self.record.put = window = Window("put", time.monotonic())
        self._produce(lambda: self._world.server.put(self._bucket, self._key), window)

    def _produce(self, work: Callable[[], None], window: Window | None = None) -> None:
        def insist() -> None:
            if self._world.server.insist(work, self._over) and window:
                window.end = time.monotonic()

        self._producers.append(threading.Thread(target=insist, daemon=True))
        self._producers[-1].start()

    # The end

    def _afterwards(self) -> None:
        """The answer must stay, whatever comes."""
        is_twin = self._plan.story == "twins"
        if self._plan.story == "late" or (is_twin and not self.record.put):
            self._put()  # a twin that finds it now must not answer, too
        if self._plan.kill_after and self._is_restarted:
            self._pod.kill()
        more = self._plan.kill_after + 2 * is_twin
        end = time.monotonic() + AFTERWARDS + more * self._plan.heartbeat_interval
        while time.monotonic() < end:
            self._tend()
            time.sleep(TICK)

    def _finish(self) -> None:
        self._over.set()
        for pod in (self._pod, self._twin):
            pod.terminate()
        eventually(lambda: not (self._pod.is_alive or self._twin.is_alive), "the watchers end", 60)
        self.record.lives += self._twin.lives
        for producer in self._producers:
            producer.join()
        self._line.close()
