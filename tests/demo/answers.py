"""Which queries of the dashboards have an answer."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable
from dataclasses import replace
from typing import Any

from demo import grafana
from demo.grafana import View

NAMES = ("objectstore-sensors", "objectstore-sensor")

OR_NOTHING = " or vector(0)"
"""How queries end whose panels show 0 where nothing is found: they have a value always."""


OF_DEATH = {"Heartbeats lost", "Heartbeats missed"}
"""Panels that show something where a watcher hangs or has died: not here, but by promtool."""


def unanswered(view: View, pods: Iterable[str], *, without: Collection[str] = ()) -> list[str]:
    """The queries of all dashboards without an answer, with the titles of their panels.

    Those about one sensor need an answer for one of ``pods`` only: what has no errors has no series of errors.

    Args:
        view: where and what is asked.
        pods: the sensors.
        without: titles of panels that have nothing to show here.
    """
    alone = [replace(view, chosen={**view.chosen, "pod": pod}) for pod in pods]
    return [
        f"{panel['title']}: {target['expr']}"
        for name in NAMES
        for panel in grafana.panels(grafana.load(name))
        for target in panel.get("targets", [])
        if panel["title"] not in {*OF_DEATH, *without}
        and not any(has_answer(each, target) for each in ([view] if name == NAMES[0] else alone))
    ]


def has_answer(view: View, target: dict[str, Any]) -> bool:
    """Whether the query finds something, some of which is neither nothing nor no number."""
    asked = {**target, "expr": target["expr"].removesuffix(OR_NOTHING)}
    if target.get("instant"):
        values = [value for _, value in view.now(asked)]
    else:
        values = [value for _, points in view.over_time(asked) for _, value in points]
    return any(value and not math.isnan(value) for value in values)
