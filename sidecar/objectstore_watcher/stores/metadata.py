"""The metadata service of EC2, which gives the credentials of a machine's role: not there, there, or failing."""

from __future__ import annotations

import time
from datetime import timedelta
from typing import Any

import urllib3

from objectstore_watcher.stores.http import Http

_TIMEOUT = timedelta(seconds=2).total_seconds()
"""Seconds to reach the metadata service of EC2: it is on the same host, or there is none."""

_PAUSE = timedelta(seconds=1).total_seconds()
"""Seconds before the second try to reach it: one packet that is lost must not end a wait for good."""

_TOO_MANY_REQUESTS = 429
_SERVER_ERROR = 500


class ServiceFails(Exception):
    """A service that gives credentials is there, and does not give any now."""


class Metadata(Http):
    """HTTP to the metadata service of EC2, which few machines have: who is silent twice is not there.

    Args:
        within: seconds that a look may take.
    """

    def __init__(self, within: float) -> None:
        super().__init__(min(_TIMEOUT, within / 4), None)
        self._pause = min(_PAUSE, within / 4)
        self._is_there = False

    def urlopen(self, *args: Any, **kw: Any) -> urllib3.BaseHTTPResponse:  # noqa: ANN401  # as urllib3 has it
        """The answer.

        Raises:
            ServiceFails: it says that it cannot now, or says nothing after it answered before.
        """
        answer = self._first(*args, **kw) if not self._is_there else self._further(*args, **kw)
        self._is_there = True
        if answer.status == _TOO_MANY_REQUESTS or answer.status >= _SERVER_ERROR:
            raise ServiceFails
        return answer

    def _first(self, *args: Any, **kw: Any) -> urllib3.BaseHTTPResponse:  # noqa: ANN401  # as above
        aborts = self.aborts
        try:
            return super().urlopen(*args, **kw)
        except urllib3.exceptions.HTTPError:
            if self.aborts == aborts:
                time.sleep(self._pause)
            if self.aborts != aborts:  # the look has been given up
                raise
        return super().urlopen(*args, **kw)

    def _further(self, *args: Any, **kw: Any) -> urllib3.BaseHTTPResponse:  # noqa: ANN401  # as above
        try:
            return super().urlopen(*args, **kw)
        except urllib3.exceptions.HTTPError as error:
            raise ServiceFails from error
