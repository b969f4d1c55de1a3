"""What the dashboards ask Prometheus.

A sensor is a pod with a watcher, which makes one wait and ends. So its counters and histograms begin with the first
scrape, often at their final value, and ``rate`` and ``increase``, which need two samples, would miss most of them:
`Sensors.recent` takes what came since, from nothing where the series is younger.
"""

from __future__ import annotations

from dataclasses import dataclass

SENSOR = "namespace, workflow, task, pod"
"""The labels that tell one sensor from another; scraping adds them."""

SCRAPES = "5m"
"""Long enough for several scrapes, whatever their interval: what happened now."""

SILENCE = "3m"
"""Of a watcher that answers no scrape: several of them, at an interval of a minute, too. As in the alert."""

HEARTBEATS_MISSED = 3
"""Main gives up on the watcher after so many. As in the alert."""

NO_REQUEST = 300
"""Seconds that main may take to start, its image pulled, before a watcher without a request is odd."""

DEADLINE_NEAR = 0.1
"""Of the whole wait. As in the alert."""


@dataclass(frozen=True)
class Sensors:
    """The sensors that a dashboard's variables choose.

    Attributes:
        chosen: label matchers, such as ``namespace=~"$namespace"``.
    """

    chosen: str

    def metric(self, name: str, *matchers: str) -> str:
        """Series of a metric of the watcher."""
        return f"objectstore_watcher_{name}{{{','.join((self.chosen, *matchers))}}}"

    def each(self, expression: str) -> str:
        """One value for each sensor: a pod that was started again may have two series for a while."""
        return f"max by ({SENSOR}) ({expression})"

    def phase(self, pattern: str) -> str:
        """The sensors whose phase matches, each with the value 1."""
        return self.each(self.metric("phase", f'phase=~"{pattern}"') + " == 1")

    @property
    def phases(self) -> str:
        """The sensors, by their phase."""
        return f"max by ({SENSOR}, phase) ({self.metric('phase')} == 1)"

    @property
    def scraped(self) -> str:
        """All sensors."""
        return self.phase(".+")

    @property
    def waiting(self) -> str:
        """The sensors that wait."""
        return self.phase("waiting")

    def since(self, timestamp: str) -> str:
        """Seconds since a point in time that a metric tells, of sensors that wait."""
        return f"((time() - {self.each(self.metric(timestamp) + ' > 0')}) and {self.waiting})"

    def age(self, timestamp: str) -> str:
        """Seconds from a point in time that a metric tells to the scrape that saw it: no scrape interval is in it."""
        series = self.metric(timestamp)
        age = f"clamp_min(timestamp({series}) - ({series} > 0), 0)"
        return f"({self.each(age)} and {self.phase('idle|waiting')})"

    @property
    def seconds_waiting(self) -> str:
        """How long each waits."""
        return self.since("waiting_since_timestamp_seconds")

    @property
    def seconds_past_expected(self) -> str:
        """How long each is past the time that its author expects the object at."""
        return f"{self.since('expected_timestamp_seconds')} > 0"

    @property
    def seconds_left(self) -> str:
        """Until each gives up."""
        return f"(({self.each(self.metric('deadline_timestamp_seconds') + ' > 0')} - time()) and {self.waiting})"

    @property
    def near_deadline(self) -> str:
        """Seconds left of those that have used most of their time."""
        ends, began = self.metric("deadline_timestamp_seconds"), self.metric("waiting_since_timestamp_seconds")
        return f"{self.seconds_left} < {DEADLINE_NEAR} * {self.each(f'{ends} - {began}')}"

    @property
    def heartbeats_missed(self) -> str:
        """How many signs of life each has withheld."""
        interval = self.each(self.metric("heartbeat_interval_seconds"))
        return f"({self.age('heartbeat_timestamp_seconds')} / {interval})"

    @property
    def lost(self) -> str:
        """Those whose watcher stopped giving signs of life, or answers no scrape, before its wait ended."""
        silent = f"{self.heartbeats_missed} > {HEARTBEATS_MISSED}"
        unfinished = self.metric("phase", 'phase=~"idle|waiting"')
        up = f"up{{{self.chosen}}}"
        # For a while, and still: a pod that ends may miss one scrape before its target is gone.
        unanswered = self.each(f"{up} == 0 and max_over_time({up}[{SILENCE}]) == 0")
        return f"({silent} or ({unanswered} and {self.each(f'last_over_time({unfinished}[15m]) == 1')}))"

    @property
    def without_request(self) -> str:
        """Those whose main has not said what to wait for, long after the watcher began."""
        began = self.each(f"process_start_time_seconds{{{self.chosen}}}")
        return f"(time() - {began} > {NO_REQUEST} and {self.phase('idle')})"

    @property
    def pauses(self) -> str:
        """Seconds of the longest pause after an error, lately."""
        longest = self.each(f"max_over_time({self.metric('backoff_seconds')}[{SCRAPES}])")
        return f"({longest} > 0 and {self.scraped})"

    def recent(self, metric: str, labels: str, window: str = SCRAPES) -> str:
        """What a counter gained in ``window``, summed by ``labels``; what came before the first scrape included.

        Series by series: of one that is younger, or began anew as its watcher was restarted, all that it has.
        """
        now, before = f"last_over_time({metric}[{window}])", f"last_over_time({metric}[{window}] offset {window})"
        return f"sum by ({labels}) ({now} - {before} >= 0 or {now})"

    def errors(self, *matchers: str) -> str:
        """The errors of each sensor, lately."""
        return f"({self.recent(self.metric('errors_total', *matchers), SENSOR)} > 0 and {self.scraped})"

    def quantile(self, share: float, histogram: str, label: str) -> str:
        """A quantile of the waits that ended in the last hour, or still do: each counts once in a histogram."""
        buckets = f"max_over_time({self.metric(histogram + '_bucket')}[1h])"
        return f"histogram_quantile({share:g}, sum by (le, {label}) ({buckets}))"


def count(vector: str) -> str:
    """How many; 0 where there are none."""
    return f"count({vector}) or vector(0)"
