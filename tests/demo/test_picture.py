"""The dashboards, drawn from real watchers by a real Prometheus, without a cluster."""

from __future__ import annotations

import io
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

import pytest
import yaml
from objectstore_watcher import contract
from objectstore_watcher.contract import Request, WatchSpec

from demo import grafana, picture, values
from demo.grafana import View
from tests.browser import opened, screenshot
from tests.demo.answers import NAMES, has_answer, unanswered
from tests.fake_s3 import FakeS3, error
from tests.servers import ROOT, MinioServer, ServerProcess, Watcher, eventually, free_port

HOSTILE = "<script>alert('seen')</script><b>\"&"


@cache
def prometheus_binary() -> str:
    script = ROOT / "tools" / "prometheus.sh"
    return subprocess.run([script], check=True, stdout=subprocess.PIPE, text=True).stdout.strip()


class Prometheus(ServerProcess):
    """A Prometheus server that scrapes what it is told, by port and labels."""

    HEALTH = "/-/ready"

    def __init__(self, folder: Path, targets: dict[int, dict[str, str]]) -> None:
        super().__init__()
        self.folder = folder
        found = [{"targets": [f"127.0.0.1:{port}"], "labels": labels} for port, labels in targets.items()]
        config = {
            "global": {"scrape_interval": "1s"},
            "scrape_configs": [{"job_name": "watchers", "static_configs": found}],
        }
        (folder / "prometheus.yml").write_text(yaml.safe_dump(config))

    def command(self) -> list[str]:
        """The server."""
        return [
            prometheus_binary(),
            f"--config.file={self.folder}/prometheus.yml",
            f"--storage.tsdb.path={self.folder}/data",
            f"--web.listen-address=127.0.0.1:{self.port}",
        ]


@dataclass
class Scene:
    view: View
    pods: list[str]


DAY = 86400.0


def asked(endpoint: str, ago: float) -> Request:
    """A request of a wait of a day that was made so many seconds ago."""
    spec = WatchSpec(uri="s3://picture/near", endpoint=endpoint, timeout=DAY)
    return Request(spec=spec, requested_monotonic=time.monotonic() - ago)


@pytest.fixture(scope="module")
def scene(minio: MinioServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    """Watchers: one waits, one for too long, one almost; one has no store, one is throttled, one finds its object."""
    minio.client().make_bucket("picture")
    with ExitStack() as stack:
        throttling = stack.enter_context(FakeS3(error(503, "SlowDown")))
        flags = {
            "wait": [f"--endpoint={minio.endpoint}", "s3://picture/never"],
            HOSTILE: [f"--endpoint={minio.endpoint}", "--expected-within=1s", "s3://picture/never"],
            "refused": ["--endpoint=http://127.0.0.1:9", "s3://picture/refused"],
            "throttled": [f"--endpoint={throttling.endpoint}", "s3://picture/throttled"],
            "ready": [f"--endpoint={minio.endpoint}", "s3://picture/comes"],
            "near": [],
        }
        targets = {}
        for name, own in flags.items():
            port, folder = free_port(), tmp_path_factory.mktemp("markers")
            targets[port] = {"namespace": "team", "workflow": "nightly", "task": "wait", "pod": name}
            args = [
                f"--dir={folder}",
                f"--metrics-address=127.0.0.1:{port}",
                *(["--poll-interval=1s"] if own else []),
                *own,
            ]
            if not own:  # as if main had asked a while ago
                contract.write(folder, asked(minio.endpoint, 0.95 * DAY))
            stack.enter_context(Watcher(args, minio.flyte_env()))
        server = stack.enter_context(Prometheus(tmp_path_factory.mktemp("prometheus"), targets))
        view = View(url=server.endpoint, seconds=300, chosen={"namespace": "team"})
        for what, expression in {
            "one is overdue": "time() > (objectstore_watcher_expected_timestamp_seconds > 0)",
            "one has seen that its object is not there": 'objectstore_watcher_polls_total{pod="ready"} > 1',
            "two have met an error": "count(objectstore_watcher_errors_total) > 1",
            "all are scraped": f"count(objectstore_watcher_build_info) == {len(flags)}",
        }.items():
            eventually(lambda asked=expression: bool(view.now({"expr": asked})), what, timeout=60)  # type: ignore[misc]
        minio.client().put_object("picture", "comes", io.BytesIO(b"data"), len(b"data"))
        yield Scene(view, list(flags))


def test_every_query_has_an_answer(scene: Scene) -> None:
    def missing() -> list[str]:
        return unanswered(scene.view, scene.pods, without={"Alerts, by sensor", "Alerts firing"})

    with suppress(AssertionError):  # which would not say what is missing
        eventually(lambda: not missing(), "every query has an answer", timeout=40)
    assert missing() == [], "there are no rules here, hence no alerts; all else has data"


def test_what_finds_nothing_is_no_answer(scene: Scene) -> None:
    for query in ("count(nothing) or vector(0)", "vector(0)", "vector(NaN)"):
        assert not has_answer(scene.view, {"expr": query, "instant": True}), query
        assert not has_answer(scene.view, {"expr": query}), query
    assert has_answer(scene.view, {"expr": "count(objectstore_watcher_build_info) or vector(0)"})


@pytest.mark.parametrize("name", NAMES)
def test_a_dashboard_is_drawn_with_hostile_labels_as_text(scene: Scene, name: str) -> None:
    view = replace(scene.view, chosen={**scene.view.chosen, "pod": HOSTILE})
    with opened(picture.page(grafana.load(name), view), width=1400) as tab:
        assert tab.locator("h2").count() == len(grafana.load(name)["panels"])
        assert tab.get_by_text(HOSTILE, exact=True).count() >= 1
        assert screenshot(tab, name).stat().st_size > 0


def table(view: View) -> list[tuple[str, str]]:
    (panel, *_) = grafana.panels(grafana.load("objectstore-sensors"), "table")
    options = grafana.options(panel, "Trouble")
    return [(row["pod"], values.words(row["Trouble"], options)[0]) for row in grafana.rows(panel, view)]


def test_the_table_has_the_worst_on_top(scene: Scene) -> None:
    found = table(scene.view)
    assert [name for _, name in found[:4]] == ["past expected time", "deadline near", "throttled", "errors"]
    assert [pod for pod, _ in found[:4]] == [HOSTILE, "near", "throttled", "refused"]
    assert [name for _, name in found[4:]] == ["none", "none"]
