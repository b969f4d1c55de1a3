"""The overview: all sensors, those in trouble first."""

from __future__ import annotations

from grafana_foundation_sdk.builders import dashboard as builders
from grafana_foundation_sdk.cog.builder import Builder
from grafana_foundation_sdk.models import dashboard

from tools.dashboards import sensor
from tools.dashboards.panels import begun, choice_of, filled, lines, mapping, matcher, number, rows
from tools.dashboards.queries import SENSOR, Sensors, count
from tools.dashboards.troubles import THROTTLING, explanation, level, words

UID = "objectstore-sensors"
CHOICES = ("namespace", "workflow", "task")
MATCHERS = [matcher(label) for label in CHOICES]
ALL = Sensors(",".join(MATCHERS))

RED = {1: "red"}
ORANGE = {1: "orange"}


def build() -> builders.Dashboard:
    """The dashboard."""
    made = begun(
        "Object store sensors",
        UID,
        "All sensors that wait for objects. Start with the table: the worst is on top.",
    )
    for place, label in enumerate(CHOICES):
        made.with_variable(choice_of(label, ",".join(MATCHERS[:place])))
    return filled(made, (*numbers(), troubles(), *over_time(), alerts(), objects()))


def numbers() -> list[Builder[dashboard.Panel]]:
    """What a glance should tell."""
    return [
        number("Waiting", "Sensors whose object has not come yet.", count(ALL.waiting)),
        number(
            "Past expected time",
            "Sensors whose object should be there by now (`expected_within`). The table below names them.",
            count(ALL.seconds_past_expected),
            steps=RED,
        ),
        number(
            "Heartbeats lost",
            "Watchers that hang, or answer no scrape. `kubectl describe pod` says why.",
            count(ALL.lost),
            steps=RED,
        ),
        number(
            "Deadline near",
            "Sensors that have used nine tenths of their time. They fail at the deadline.",
            count(ALL.near_deadline),
            steps=ORANGE,
        ),
        number(
            "With errors",
            "Sensors whose looks failed in the last five minutes. See *Errors by kind*.",
            count(ALL.errors()),
            steps=ORANGE,
        ),
        number(
            "Alerts firing",
            "Of this project's rules; the table at the end names them. 0 also where the rules are not installed.",
            count(FIRING),
            steps=RED,
        ),
        number(
            "Longest wait",
            "Of the sensors that wait now. Long is bad only where the object was expected earlier.",
            f"max({ALL.seconds_waiting})",
            unit="s",
        ),
        number(
            "Next deadline",
            "Until the first of the waiting sensors gives up.",
            f"min({ALL.seconds_left})",
            unit="s",
        ),
        number(
            "Longest pause",
            "After an error, in the last five minutes. The store is left alone so long: it fails or throttles.",
            f"max({ALL.pauses}) or vector(0)",
            unit="s",
            steps={30: "orange"},
        ),
        number(
            "On one object",
            "The most sensors that wait for the same object. Many: one sensor before a fan-out would do.",
            f"max({TARGETS}) or vector(0)",
            steps={10: "orange"},
        ),
        number(
            "Requests, last hour",
            "To the object store, by all sensors, ended ones too.",
            f"sum({ALL.recent(ALL.metric('requests_total'), SENSOR, '1h')})",
        ),
        number(
            "Cost, last hour",
            "Of these requests at most, at AWS's list prices; 0 for other stores. Too much: longer `poll_interval`,"
            " an exact path instead of a pattern.",
            f"sum({ALL.recent(ALL.metric('request_cost_dollars_total'), SENSOR, '1h')})",
            unit="currencyUSD",
        ),
    ]


def troubles() -> Builder[dashboard.Panel]:
    """The table that names the sensors, the worst first."""
    queries = {
        "Trouble": level(ALL),
        "Phase": ALL.phases,
        "Waits for": ALL.seconds_waiting,
        "Past expected by": ALL.seconds_past_expected,
        "Until deadline": ALL.seconds_left,
        "Last good look": ALL.age("last_successful_poll_timestamp_seconds"),
        "Errors, 5 min": ALL.errors(),
        "Longest pause, 5 min": ALL.pauses,
    }
    seconds = {"unit": "s", "decimals": 0}
    drill_down = {
        "title": "This sensor",
        "url": f"/d/{sensor.UID}?var-datasource=${{datasource}}&var-namespace=${{__data.fields.namespace}}"
        "&var-pod=${__data.fields.pod}&${__url_time_range}",
    }
    return rows(
        "Sensors, those in trouble first",
        f"Click a pod for its own dashboard. What *Trouble* means, and what to do:\n\n{explanation()}",
        queries,
        columns={
            "Trouble": {
                "mappings": [mapping(words("transparent"))],
                "custom.cellOptions": {"type": "color-background", "mode": "basic"},
            },
            "pod": {"links": [drill_down]},
            **{name: seconds for name in queries if name not in {"Trouble", "Phase", "Errors, 5 min"}},
            "Errors, 5 min": {"decimals": 0},
        },
        order=["Trouble", "namespace", "workflow", "task", "pod", "phase", *list(queries)[2:]],
        sort=["Trouble", "Past expected by", "Waits for"],
        hidden=["Phase"],
        height=14,
    )


def over_time() -> list[Builder[dashboard.Panel]]:
    """How it came to this."""
    return [
        lines(
            "Sensors by phase",
            "A growing band of *waiting* means that objects come later than sensors start.",
            {"{{phase}}": f"count by (phase) ({ALL.phases})"},
            stacked=True,
            colours=dict(sensor.PHASES.values()),
        ),
        lines(
            "Errors by kind, in 5 minutes",
            "Looks that failed, and waits that ended without an object. The README's table of errors has a cure"
            " for each kind.",
            {"{{kind}}": ALL.recent(ALL.metric("errors_total"), "kind")},
            stacked=True,
        ),
        lines(
            "Sensors that pause after errors",
            "*throttled*: the store asked for fewer requests. Spread the sensors, or poll less often.",
            {
                "pausing": count(ALL.pauses),
                "throttled": count(ALL.errors(THROTTLING)),
            },
        ),
        lines(
            "Detection lag, last hour",
            "From an object's last modification to its detection. By *poll* it is up to the poll interval;"
            " by *event* it should be under a second: else look at the store's events.",
            {
                "p50 by {{detected_by}}": ALL.quantile(0.5, "detection_lag_seconds", "detected_by"),
                "p99 by {{detected_by}}": ALL.quantile(0.99, "detection_lag_seconds", "detected_by"),
            },
            unit="s",
        ),
        lines(
            "Requests per hour, by operation",
            "*list* costs more than ten times what *head* does: exact paths need none.",
            {"{{operation}}": ALL.recent(ALL.metric("requests_total"), "operation", "1h")},
            stacked=True,
        ),
        lines(
            "Cost per hour, by namespace",
            "At most, at AWS's list prices; 0 for other stores.",
            {"{{namespace}}": ALL.recent(ALL.metric("request_cost_dollars_total"), "namespace", "1h")},
            unit="currencyUSD",
        ),
    ]


FIRING = 'ALERTS{{alertname=~"ObjectStoreSensor.+",alertstate="firing",{chosen}}}'.format(
    chosen=",".join(f'{label}=~"${label}|"' for label in CHOICES)
)
"""Those of what is chosen, and those that are of no one namespace or task."""

TARGETS = f'count_values("target", ({ALL.each(ALL.metric("target_hash") + " > 0")}) and {ALL.waiting})'
"""How many sensors wait for what; the label is a hash of it, as the metric's value is."""


def alerts() -> Builder[dashboard.Panel]:
    """Which alerts fire."""
    labels = ("alertname", "severity", "namespace", "pod")
    return rows(
        "Alerts, by sensor",
        "Each alert's annotation `runbook_url` says what to do.",
        {"Value": f"max by ({', '.join(labels)}) ({FIRING})"},
        columns={},
        order=labels,
        hidden=["Value"],
        span=12,
    )


def objects() -> Builder[dashboard.Panel]:
    """Which objects many sensors wait for."""
    return rows(
        "Objects that several sensors wait for",
        "Objects are told by a hash only. A sensor's own dashboard lists those that wait for the same."
        " Where one object is missing, one answer helps them all.",
        {"Sensors": f"{TARGETS} > 1"},
        columns={},
        order=["target", "Sensors"],
        sort=["Sensors"],
        span=12,
    )
