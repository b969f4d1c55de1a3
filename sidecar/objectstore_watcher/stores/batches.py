"""Many keys of one bucket, asked for one by one or by listings: by whatever costs less.

A listing tells up to 1,000 keys, and costs as much as 12.5 HEADs. How many of the keys that are wanted it will tell is
known only afterwards, so that is tried, and remembered.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Sequence

from objectstore_watcher.prices import HEAD_DOLLARS_PER_1000, LIST_DOLLARS_PER_1000
from objectstore_watcher.stores import Found

WORTH_A_LIST = int(LIST_DOLLARS_PER_1000 / HEAD_DOLLARS_PER_1000) + 1
"""Keys that a listing must tell of to cost less than a HEAD for each: 13."""

REMEMBERED_FOR = 60
"""Looks after which what was learned is tried again: the bucket fills meanwhile."""


Head = Callable[[str], Found | None]
"""Asks for one key."""

Listing = Callable[[str, str], tuple[Sequence[Found], bool]]
"""Asks for a page of the keys that begin with the first, from the one after the second; and whether there are more."""


class Refused(Exception):
    """A listing is not allowed, where a HEAD may be."""


class Batches:
    """Looks for many keys of one bucket, and remembers where a listing is not worth its price."""

    def __init__(self) -> None:
        self._single: set[str] = set()
        self._looks = 0

    def look(self, keys: Sequence[str], head: Head, listing: Listing) -> Sequence[Found]:
        """Those of ``keys`` that are there.

        The first listing that tells of too few keys is followed by 13 HEADs before the next, the one after by 26, and
        so on: where no listing is worth its price, the first look costs little more than a HEAD for each key, and the
        next ones nothing more.

        Args:
            keys: what to look for, each once.
            head: asks for one of them.
            listing: asks for a page of all that there are; raises `Refused` where that is not allowed.
        """
        self._looks += 1
        if self._looks % REMEMBERED_FOR == 0:
            self._single.clear()
        wanted = sorted(keys)
        found: list[Found] = []
        at, in_vain = 0, 0
        while at < len(wanted):
            if wanted[at] in self._single or len(wanted) - at < WORTH_A_LIST:
                found += filter(None, [head(wanted[at])])
                at += 1
                continue
            told, end = self._list(wanted, at, listing)
            found += told
            if end - at < WORTH_A_LIST:
                self._single.update(wanted[at : end + (WORTH_A_LIST << in_vain)])
                in_vain += 1
            else:
                in_vain = 0
            at = end
        return found

    def _list(self, wanted: Sequence[str], at: int, listing: Listing) -> tuple[Sequence[Found], int]:
        """One page from ``wanted[at]`` on: what it tells of those that are wanted, and up to where it does."""
        try:
            page, more = listing(_common(wanted[at], wanted[-1]), _before(wanted[at]))
        except Refused:
            self._single.update(wanted)
            return (), at
        end = bisect_right(wanted, page[-1].key) if more and page else len(wanted)
        told_of = set(wanted[at:end])
        return [each for each in page if each.key in told_of], max(end, at)


def _before(key: str) -> str:
    """What a listing begins after to tell of ``key`` soon: next to nothing is between the two."""
    last = key[-1]
    return key[:-1] + (chr(ord(last) - 1) + "~" if "!" < last <= "~" else "")


def _common(one: str, other: str) -> str:
    """What both begin with."""
    length = next((i for i, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), min(len(one), len(other)))
    return one[:length]
