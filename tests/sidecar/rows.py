"""Rows of the table of errors, shown by the whole watcher: request in, wait, marker, metrics, and what main gets.

``@shows(kind, server)`` says which row a test shows and on which server; the fixture ``row`` then asserts all that the
row promises. Rows that a server cannot show are in `CANNOT`, each with its reason.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator

import pytest
from objectstore_watcher.contract import Ready
from objectstore_watcher.errors import KINDS, Action, DeadlineExceeded, WaitError, rebuild
from objectstore_watcher.watch import Pausing, Polled

from tests.sidecar.whole import POLL_INTERVAL, Account

FAKE, MINIO, MOTO, MACHINE = "fake", "MinIO", "moto", "machine"

SERVERS = (FAKE, MINIO, MOTO, MACHINE)
"""``machine``: files and processes, for rows that need no server."""

_SERVERLESS = {"not_a_file", "unreadable", "deadline_exceeded", "watcher_died", "marker_unwritable", "internal"}

_FOR_ALL_SERVERS = {"too_many_objects": "what is judged is not the answer, but its size on this machine"}

CANNOT = {
    MINIO: {
        **dict.fromkeys(_SERVERLESS, "no server takes part"),
        **_FOR_ALL_SERVERS,
        "redirect": "it names its region in every answer",
    },
    MOTO: {
        **dict.fromkeys(_SERVERLESS, "no server takes part"),
        **_FOR_ALL_SERVERS,
        "redirect": "it serves all regions",
        "tls_changed": "it loads a certificate only when it starts, and starts without what it held",
        "other_region": "it serves all regions",
        "credentials_expired": "its session tokens never expire",
        "clock_skew": "it does not look at the date of a request",
        "throttled": "it takes all requests",
        "server_error": "nothing that it lacks makes it fail",
        "invalid_argument": "it stores any key",
    },
}
"""What real servers cannot show, and why."""

registered: set[tuple[str, str]] = set()
"""All that tests say they show."""


def shows(kind: str, server: str) -> pytest.MarkDecorator:
    """The test shows that row on that server."""
    assert server in SERVERS
    registered.add((kind, server))
    return pytest.mark.shows(kind, server)


class Row:
    """One row, as a test shows it."""

    def __init__(self, kind: str, shown: Callable[[], None]) -> None:
        self.kind = KINDS[kind]
        self.is_shown = False
        self._shown = shown

    def is_shown_by(self, account: Account, *seen: str, cause: str = "", cure: str = "") -> None:
        """Assert that the watcher did what the row says.

        Args:
            account: what happened.
            seen: what the message must contain besides object, cause and cure.
            cause: the cause in the message, where it is more exact than the row's.
            cure: the cure likewise.
        """
        prove = {
            Action.WAIT: self._waits,
            Action.FOLLOW: self._follows,
            Action.BACK_OFF: self._backs_off,
            Action.SLOW_DOWN: self._backs_off,
            Action.FAIL: self._fails,
        }[self.kind.action]
        prove(account, (*seen, cause or self.kind.cause, cure or self.kind.cure))
        self.done()

    def is_waited_out_by(self, account: Account, *seen: str) -> None:
        """Assert that the watcher waited on, at the poll interval, because the row's policy is ``wait``."""
        assert self.kind.policy
        errors = self._errors(account)
        assert len(errors) >= 2
        # What is done already is no advice.
        cure = "; ".join(part for part in self.kind.cure.split("; ") if "=wait" not in part)
        for error in errors:
            self._message(account, error, (*seen, self.kind.cause, cure))
        assert account.pauses == [pytest.approx(POLL_INTERVAL, abs=60)] * len(errors)
        assert account.backoffs == [0] * len(errors)
        assert isinstance(account.main, Ready), account.main
        self.done()

    def done(self) -> None:
        """Take the row as shown."""
        self.is_shown = True
        self._shown()

    def _waits(self, account: Account, seen: tuple[str, ...]) -> None:
        """Absence is no error, so there is no message before the deadline."""
        looks = len(account.pauses)
        assert looks >= 2
        assert account.pauses == [pytest.approx(POLL_INTERVAL, abs=60)] * looks
        assert account.backoffs == [0] * looks
        assert account.metric("requests_total", operation="head", outcome="absent") == looks
        assert self._errors(account) == []
        assert isinstance(account.main, Ready), account.main
        assert account.main.polls == looks + 1

    def _follows(self, account: Account, seen: tuple[str, ...]) -> None:
        assert account.pauses == []
        assert account.metric("requests_total", operation="head", outcome=self.kind.label) == 1
        assert self._errors(account) == []
        assert isinstance(account.main, Ready), account.main
        assert (account.main.polls, account.main.requests) == (1, 2)

    def _backs_off(self, account: Account, seen: tuple[str, ...]) -> None:
        errors = self._errors(account)
        assert len(errors) >= 2, account.main
        for error in errors:
            self._message(account, error, seen)
        limits = [min(30.0, 2.0**number) for number in range(len(errors))]
        if self.kind.action is Action.SLOW_DOWN:
            limits = [POLL_INTERVAL + limit for limit in limits]
            if account.events.of(Polled)[0] != Polled():  # the first pause spreads sensors that were started together
                limits[0] = POLL_INTERVAL + 30
        waited = [pause.seconds for pause in account.events.of(Pausing) if isinstance(pause, Pausing) and pause.error]
        assert waited == account.backoffs[-len(waited) :]
        if isinstance(account.main, Ready):
            assert waited == limits
        else:  # the last pause ends at the deadline, and the look after it is the last
            assert isinstance(account.main, DeadlineExceeded), account.main
            assert waited[:-1] == limits[: len(waited) - 1]
            assert self.kind.cause in str(account.main)
            assert str(account.main).endswith(self.kind.cure)
        assert account.metric("backoff_seconds") == 0

    def _fails(self, account: Account, seen: tuple[str, ...]) -> None:
        failed = account.failed
        assert failed, account.main
        assert account.pauses == []
        assert (failed.kind, failed.retryable, failed.uri) == (self.kind.label, self.kind.retryable, account.uri)
        self._message(account, account.main, seen)
        assert failed.message == str(account.main)
        assert type(account.main) is type(rebuild(self.kind.label, "", "", ""))
        assert account.metric("errors_total", kind=self.kind.label) == 1
        assert account.metric("phase", phase="failed") == 1
        assert account.metric("wait_duration_seconds_count", outcome="failed") == 1

    def _errors(self, account: Account) -> list[WaitError]:
        """The errors of all looks, which must be of this kind and be counted under its label."""
        errors = [polled.error for polled in account.events.of(Polled) if isinstance(polled, Polled) and polled.error]
        assert {error.kind.label for error in errors} <= {self.kind.label}, errors
        assert account.metric("errors_total", kind=self.kind.label) == len(errors)
        return errors

    def _message(self, account: Account, error: object, seen: tuple[str, ...]) -> None:
        assert isinstance(error, WaitError)
        assert error.kind is self.kind, error
        assert error.retryable is self.kind.retryable
        message = str(error)
        assert account.subject in message
        assert [part for part in seen if part not in message] == [], message
        assert message.isprintable()


@pytest.fixture
def row(request: pytest.FixtureRequest, record_property: Callable[[str, object], None]) -> Iterator[Row]:
    """The row that the test says it shows; a test that passes without that fails."""
    mark = request.node.get_closest_marker("shows")
    failed = request.session.testsfailed
    row = Row(mark.args[0], lambda: record_property("shown", " ".join(mark.args)))
    yield row
    assert row.is_shown or request.session.testsfailed > failed, f"the test does not show {mark.args[0]!r}"


def table(shown: Iterable[str]) -> Iterator[str]:
    """Which rows were shown by which server, as lines."""
    by_kind: defaultdict[str, set[str]] = defaultdict(set)
    for kind, server in map(str.split, shown):
        by_kind[kind].add(server)
    if not by_kind:
        return
    everywhere = sum(len(servers) for servers in by_kind.values())
    yield f"faults shown: {len(by_kind)} of the {len(KINDS)} in the table, by {everywhere} pairs of fault and server"
    for kind in KINDS:
        yield f"  {kind:24}" + "".join(f"{server if server in by_kind[kind] else '-':9}" for server in SERVERS).rstrip()
