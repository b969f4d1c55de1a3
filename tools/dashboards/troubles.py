"""What can be wrong with a sensor, the worst first, and what to do: the words of the dashboards' tables."""

from __future__ import annotations

from dataclasses import dataclass

from tools.dashboards.queries import Sensors


@dataclass(frozen=True)
class Trouble:
    """One thing that can be wrong.

    Attributes:
        name: as the table shows it.
        colour: Grafana's name of it; empty: it depends on the panel.
        cure: what to do.
    """

    name: str
    colour: str
    cure: str


LOST = Trouble(
    "heartbeat lost",
    "red",
    "The watcher hangs or died: `kubectl describe pod`, and the log of its container `objectstore-watcher`.",
)
OVERDUE = Trouble(
    "past expected time",
    "red",
    "The object should be there by now: ask who makes it. The sensor waits on until its deadline.",
)
NEAR_DEADLINE = Trouble(
    "deadline near",
    "orange",
    "Less than a tenth of its time is left: ask who makes the object, or start again with a longer timeout.",
)
THROTTLED = Trouble(
    "throttled",
    "orange",
    "The store asks for fewer requests: fewer sensors on it, or a longer `poll_interval`.",
)
ERRORS = Trouble(
    "errors",
    "orange",
    "Looks fail and are repeated. The kind is in the sensor's own dashboard, the cure in its log.",
)
NO_REQUEST = Trouble(
    "no request",
    "yellow",
    "Main has not said what to wait for: `kubectl describe pod`; its image may be missing, or its start slow.",
)
FAILED = Trouble("failed", "purple", "It has ended; Flyte shows the error, and what to do about it.")
NONE = Trouble("none", "", "Nothing to do.")

TROUBLES = (LOST, OVERDUE, NEAR_DEADLINE, THROTTLED, ERRORS, NO_REQUEST, FAILED, NONE)
"""The worst first."""

LEVELS = {trouble: len(TROUBLES) - 1 - place for place, trouble in enumerate(TROUBLES)}
"""The worst has the highest number, so that a table sorts by it; no trouble is 0."""


THROTTLING = 'kind="throttled"'
"""The errors by which a store asks for fewer requests."""


def words(none: str) -> dict[str, tuple[str, str]]:
    """Name and colour of each number; ``none`` is the colour of no trouble."""
    return {
        str(level): (trouble.name, none if trouble is NONE else trouble.colour) for trouble, level in LEVELS.items()
    }


def level(sensors: Sensors) -> str:
    """The worst trouble of each sensor, as its number: of two vectors with the same labels, ``or`` keeps the first."""
    found = {
        LOST: sensors.lost,
        OVERDUE: sensors.seconds_past_expected,
        NEAR_DEADLINE: sensors.near_deadline,
        THROTTLED: f"({sensors.errors(THROTTLING)} and {sensors.waiting})",
        ERRORS: f"({sensors.errors()} and {sensors.waiting})",
        NO_REQUEST: sensors.without_request,
        FAILED: sensors.phase("failed"),
        NONE: sensors.scraped,
    }
    return "\nor ".join(f"(({found[trouble]}) * 0 + {LEVELS[trouble]})" for trouble in TROUBLES)


def explanation() -> str:
    """The list of troubles for a panel's description, in Markdown."""
    return "\n".join(f"- **{trouble.name}**: {trouble.cure}" for trouble in TROUBLES if trouble is not NONE)
