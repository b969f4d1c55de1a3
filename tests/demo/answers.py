"""Which queries of the dashboards have an answer."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from demo import grafana
from demo.grafana import View

NAMES = ("objectstore-sensors", "objectstore-sensor")


def unanswered(view: View, pods: Iterable[str]) -> list[str]:
    """The queries of all dashboards without an answer, with the titles of their panels.

    Those about one sensor need an answer for one of ``pods`` only: what has no errors has no series of errors.
    """
    alone = [replace(view, chosen={**view.chosen, "pod": pod}) for pod in pods]
    return [
        f"{panel['title']}: {target['expr']}"
        for name in NAMES
        for panel in grafana.panels(grafana.load(name))
        for target in panel.get("targets", [])
        if not any(_answer(each, target) for each in ([view] if name == NAMES[0] else alone))
    ]


def _answer(view: View, target: dict[str, Any]) -> object:
    return view.now(target) if target.get("instant") else view.over_time(target)
