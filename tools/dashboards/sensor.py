"""The drill-down: one sensor, from what it waits for to what its watcher does."""

from __future__ import annotations

from grafana_foundation_sdk.builders import dashboard as builders
from grafana_foundation_sdk.builders import text
from grafana_foundation_sdk.cog.builder import Builder
from grafana_foundation_sdk.models import dashboard
from grafana_foundation_sdk.models.text import TextMode

from tools.dashboards.panels import begun, choice_of, filled, lines, matcher, number, rows
from tools.dashboards.queries import HEARTBEATS_MISSED, SENSOR, Sensors
from tools.dashboards.troubles import explanation, level, words

UID = "objectstore-sensor"
CHOICES = {"namespace": True, "workflow": False, "task": False, "pod": True}
"""The variables, and whether they have one value."""

MATCHERS = [matcher(label, one=one) for label, one in CHOICES.items()]
ONE = Sensors(",".join(MATCHERS))
EVERY = Sensors('namespace=~".*"')

PHASES = {"1": ("idle", "yellow"), "2": ("waiting", "blue"), "3": ("ready", "green"), "4": ("failed", "red")}
"""A number shows one value: each phase as its place."""

COMMANDS = """\
```
kubectl describe pod --namespace $namespace $pod
kubectl logs --namespace $namespace $pod --container objectstore-watcher
```
The log names the object, which no metric does, and each error with its cause and its cure.
"""


def build() -> builders.Dashboard:
    """The dashboard."""
    made = begun(
        "Object store sensor",
        UID,
        "One sensor: how its wait goes, what the store answers, what it costs.",
    ).link(
        builders.DashboardLink("All sensors")
        .type(dashboard.DashboardLinkType.LINK)
        .url("/d/objectstore-sensors")
        .keep_time(True)
    )
    for place, (label, one) in enumerate(CHOICES.items()):
        made.with_variable(choice_of(label, ",".join(MATCHERS[:place]), one=one))
    return filled(made, (*numbers(), commands(), *over_time(), neighbours()))


def numbers() -> list[Builder[dashboard.Panel]]:
    """How the wait goes."""
    phases = "\nor ".join(f"({ONE.phase(name)}) * {value}" for value, (name, _) in PHASES.items())
    return [
        number(
            "Trouble",
            f"What to do:\n\n{explanation()}",
            level(ONE),
            values=words("green"),
        ),
        number(
            "Phase",
            "*idle*: main has not said yet what to wait for. *ready* and *failed*: the wait has ended.",
            phases,
            values=PHASES,
        ),
        number("Waits for", "Since main asked for the object.", ONE.seconds_waiting, unit="s", none="-"),
        number(
            "Past expected by",
            "Beyond `expected_within`: ask who makes the object. Nothing, where the author did not say when it comes.",
            ONE.seconds_past_expected,
            unit="s",
            steps={0: "red"},
            none="not",
        ),
        number("Until deadline", "Then the sensor fails.", ONE.seconds_left, unit="s", none="-"),
        number(
            "Last good look",
            "Seconds between the store's last useful answer and the last scrape. More than a few poll intervals:"
            " the store fails, see the errors.",
            ONE.age("last_successful_poll_timestamp_seconds"),
            unit="s",
            none="never",
        ),
        number(
            "Heartbeats missed",
            "Signs of life that the watcher has withheld. More than three: it hangs, and main gives up on it.",
            f"floor({ONE.heartbeats_missed})",
            steps={HEARTBEATS_MISSED: "red"},
            none="-",
        ),
        number(
            "Poll interval",
            "As asked for. With events, polls are rarer; after errors, too.",
            ONE.each(ONE.metric("poll_interval_seconds")),
            unit="s",
        ),
        number(
            "Events",
            "On: the store tells of new objects, and polls are only the net. MinIO does; AWS does not.",
            ONE.each(ONE.metric("event_stream_connected")),
            values={"0": ("off", "text"), "1": ("on", "green")},
        ),
        number(
            "On the same object",
            "Sensors, this one among them, that wait for what it waits for; the table below names them.",
            f"count({SAME})",
        ),
        number("Requests", "To the object store, since the watcher began.", f"sum({ONE.metric('requests_total')})"),
        number(
            "Cost",
            "Of these requests at most, at AWS's list prices; 0 for other stores.",
            f"sum({ONE.metric('request_cost_dollars_total')})",
            unit="currencyUSD",
        ),
    ]


def commands() -> Builder[dashboard.Panel]:
    """Where the object's name and the errors' texts are."""
    return text.Panel().title("See more").mode(TextMode.MARKDOWN).content(COMMANDS).height(4).span(24)


def over_time() -> list[Builder[dashboard.Panel]]:
    """What the watcher did."""
    return [
        lines(
            "Phase",
            "When the wait began and ended.",
            {"{{phase}}": f"max by (phase) ({ONE.metric('phase')})"},
            colours=dict(PHASES.values()),
        ),
        lines(
            "Requests in 5 minutes",
            "By operation and outcome; *absent* is what waiting is.",
            {"{{operation}} {{outcome}}": ONE.recent(ONE.metric("requests_total"), "operation, outcome")},
            stacked=True,
        ),
        lines(
            "Errors in 5 minutes",
            "By kind; the README's table of errors has a cure for each.",
            {"{{kind}}": ONE.recent(ONE.metric("errors_total"), "kind")},
            stacked=True,
        ),
        lines(
            "Pause after errors",
            "How long the store is left alone; it grows with each error in a row.",
            {"pause": f"max(max_over_time({ONE.metric('backoff_seconds')}[1m]))"},
            unit="s",
        ),
        lines(
            "Looks and events in 5 minutes",
            "Events make looks at once; without them there is one look in each poll interval. *Retries* are looks"
            " repeated after an error.",
            {
                "looks": ONE.recent(ONE.metric("polls_total"), SENSOR),
                "events": ONE.recent(ONE.metric("events_total"), SENSOR),
                "retries": ONE.recent(ONE.metric("retries_total"), SENSOR),
            },
        ),
        lines(
            "Memory of the watcher",
            "Resident. Near the container's limit: fewer paths in one sensor.",
            {"resident": f"max(process_resident_memory_bytes{{{ONE.chosen}}})"},
            unit="bytes",
        ),
    ]


SAME = f"{EVERY.each(EVERY.metric('target_hash') + ' > 0')} == on () group_left () max({ONE.metric('target_hash')} > 0)"
"""The sensors, of any namespace, whose object is that of this one."""


def neighbours() -> Builder[dashboard.Panel]:
    """Who waits for the same."""
    return rows(
        "Sensors on the same object",
        "This one and others. Where one object keeps many waiting, one sensor before a fan-out would do.",
        {"Hash": SAME},
        columns={},
        order=["namespace", "workflow", "task", "pod"],
        hidden=["Hash"],
    )
