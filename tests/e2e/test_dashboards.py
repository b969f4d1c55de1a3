"""An operator finds the stuck sensor among twenty by the dashboards alone; all their queries have answers."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from typing import Any

import pytest

from demo import grafana, picture
from demo.grafana import Row, View
from demo.values import words
from tests.browser import opened, screenshot
from tests.demo.answers import has_answer, unanswered
from tests.e2e import fleet as fleets
from tests.e2e.cluster import Cluster
from tests.e2e.fleet import STUCK, Fleet
from tests.k8s.test_rules import queries as runbook_queries
from tests.servers import eventually

pytestmark = pytest.mark.timeout(1800)

PROMETHEUS = "http://127.0.0.1:30990"


@pytest.fixture(scope="module")
def fleet(cluster: Cluster) -> Iterator[Fleet]:
    """The twenty, as soon as Prometheus has seen that the stuck one is overdue."""
    namespace = f"dashboards-{uuid.uuid4().hex[:5]}"
    cluster.add_namespace(namespace)
    try:
        made = fleets.start(cluster, namespace)
        overdue = f'objectstore_watcher_expected_timestamp_seconds{{namespace="{namespace}",pod="{STUCK}"}}'
        eventually(lambda: bool(cluster.query(f"time() > {overdue} > 0")), "the stuck one is overdue", timeout=300)
        seen = f'count(objectstore_watcher_phase{{namespace="{namespace}"}} == 1)'
        eventually(lambda: cluster.query(seen)[0]["value"][1] == str(len(made.pods)), "all are scraped", timeout=300)
        yield made
    finally:
        cluster.api.delete_namespace(namespace)


@pytest.fixture
def view(fleet: Fleet) -> View:
    return View(url=PROMETHEUS, seconds=900, chosen={"namespace": fleet.sensors.namespace})


def panel(name: str, title: str) -> dict[str, Any]:
    (found,) = (each for each in grafana.panels(grafana.load(name)) if each["title"] == title)
    return found


def troubles(view: View) -> list[Row]:
    return grafana.rows(panel("objectstore-sensors", "Sensors, those in trouble first"), view)


def test_the_stuck_sensor_is_on_top_of_the_table_and_alone_in_its_trouble(fleet: Fleet, view: View) -> None:
    found = troubles(view)
    assert {row["pod"] for row in found} == set(fleet.pods)
    names = {row["pod"]: name_of_trouble(row) for row in found}
    assert found[0]["pod"] == STUCK
    assert [pod for pod, name in names.items() if name == "past expected time"] == [STUCK]
    assert names["refused"] == "errors"
    assert names["throttled"] == "throttled"
    assert names["near"] == "deadline near"
    others = set(fleet.pods) - {STUCK, "refused", "throttled", "near"}
    assert {names[pod] for pod in others} == {"none"}
    # What the operator needs next is in the same row.
    assert found[0]["namespace"] == fleet.sensors.namespace
    assert found[0]["task"].endswith("workflows-overdue")
    assert found[0]["Past expected by"] > 0


def name_of_trouble(row: Row) -> str:
    options = grafana.options(panel("objectstore-sensors", "Sensors, those in trouble first"), "Trouble")
    return words(row["Trouble"], options)[0]


def test_the_numbers_count_the_sensors(fleet: Fleet, view: View) -> None:
    def number(title: str) -> float:
        ((_, value),) = view.now(panel("objectstore-sensors", title)["targets"][0])
        return value

    assert number("Waiting") == len(fleet.waiting)
    assert number("Past expected time") == 1
    assert number("Deadline near") == 1
    assert number("Heartbeats lost") == 0
    assert number("Longest pause") > 0
    assert number("With errors") == 2
    assert number("On one object") == 3  # the stuck one, and two more


def test_every_query_has_an_answer(fleet: Fleet, view: View) -> None:
    """An alert among them: that the stuck one is late fires after a minute."""

    def missing() -> list[str]:
        return unanswered(view, fleet.pods)

    with suppress(AssertionError):  # which would not say what is missing
        eventually(lambda: not missing(), "every query has an answer", timeout=150)
    assert missing() == []


def test_the_alert_of_the_stuck_sensor_is_in_its_table(fleet: Fleet, view: View) -> None:
    firing = panel("objectstore-sensors", "Alerts, by sensor")

    def found() -> set[tuple[str, str]]:
        return {(row["alertname"], row["pod"]) for row in grafana.rows(firing, view)}

    wanted = {("ObjectStoreSensorStuck", STUCK), ("ObjectStoreSensorDeadlineNear", "near")}
    eventually(lambda: found() >= wanted, "they fire", timeout=150)
    assert {name for name, _ in found()} <= {
        "ObjectStoreSensorStuck",
        "ObjectStoreSensorDeadlineNear",
        "ObjectStoreSensorErrors",
        "ObjectStoreSensorThrottled",
    }


@pytest.mark.parametrize("query", runbook_queries())
def test_the_runbooks_queries_have_an_answer(fleet: Fleet, view: View, query: str) -> None:
    """Some about one sensor have one for some sensors only, such as one that has met errors."""
    ours = f'namespace="{fleet.sensors.namespace}"'
    ((_, target),) = view.now({"expr": f'objectstore_watcher_target_hash{{{ours},pod="{STUCK}"}}'})
    asked = query.replace("NAMESPACE", fleet.sensors.namespace).replace("TARGET", f"{target:.0f}")

    def is_answered() -> bool:
        queries = {asked.replace("POD", pod) for pod in fleet.pods}
        return any(has_answer(view, {"expr": each, "instant": True}) for each in queries)

    eventually(is_answered, query, timeout=60)


def test_the_picture_for_the_readme_is_drawn(fleet: Fleet, view: View) -> None:
    """Kept for a person to look at, and to copy to docs/ when the dashboard changed."""
    with opened(picture.page(grafana.load("objectstore-sensors"), replace(view, seconds=300)), width=1400) as tab:
        assert tab.locator(".pill").first.inner_text() == "past expected time"
        assert tab.get_by_text(fleet.sensors.namespace).count() >= len(fleet.pods)
        screenshot(tab, "dashboard")


def test_the_variables_list_what_there_is(fleet: Fleet, view: View) -> None:
    for each in grafana.load("objectstore-sensor")["templating"]["list"][1:]:
        selector, label = view.filled(each["query"]["query"])[len("label_values(") : -1].rsplit(", ", 1)
        values = view.ask(f"label/{label}/values", **{"match[]": selector.replace("{}", "")})
        assert values, label
        if label == "pod":
            assert set(values) == set(fleet.pods)
