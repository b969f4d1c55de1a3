"""Many keys of one bucket: which are found, and what asking for them costs."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st
from objectstore_watcher.prices import HEAD_DOLLARS_PER_1000, LIST_DOLLARS_PER_1000
from objectstore_watcher.stores import Found
from objectstore_watcher.stores.batches import REMEMBERED_FOR, WORTH_A_LIST, Batches, Refused

from tests.sidecar import hostile

PAGE = 1000

LIST_IN_HEADS = LIST_DOLLARS_PER_1000 / HEAD_DOLLARS_PER_1000


class Bucket:
    """Keys that are there, and what has been asked."""

    def __init__(self, keys: Sequence[str], page: int = PAGE, *, may_list: bool = True) -> None:
        self.fill(keys)
        self._page = page
        self._may_list = may_list
        self.heads = self.lists = 0
        self.prefixes: set[str] = set()

    def fill(self, keys: Sequence[str]) -> None:
        self.keys = sorted(keys)
        self._there = set(keys)

    def head(self, key: str) -> Found | None:
        self.heads += 1
        return Found(bucket="b", key=key, size=1) if key in self._there else None

    def listing(self, prefix: str, after: str) -> tuple[Sequence[Found], bool]:
        self.lists += 1
        self.prefixes.add(prefix)
        if not self._may_list:
            raise Refused
        begin = bisect_right(self.keys, after)
        end = bisect_right(self.keys, prefix + chr(0x10FFFF))
        rest = self.keys[begin : min(end, begin + self._page + 1)]
        rest = [key for key in rest if key.startswith(prefix)]
        return [Found(bucket="b", key=key, size=1) for key in rest[: self._page]], len(rest) > self._page

    def look(self, batches: Batches, wanted: Sequence[str]) -> tuple[set[str], float]:
        """What is found of ``wanted``, and what that costs, in HEADs."""
        self.heads = self.lists = 0
        found = [each.key for each in batches.look(wanted, self.head, self.listing)]
        assert len(found) == len(set(found))
        return set(found), self.heads + self.lists * LIST_IN_HEADS

    def listings_for(self, wanted: Sequence[str]) -> float:
        """What listings alone would cost, in HEADs."""
        pages, at, ordered = 0, 0, sorted(wanted)
        while at < len(ordered):
            pages += 1
            begin = bisect_right(self.keys, ordered[at][:-1])
            end = min(begin + self._page, len(self.keys))
            at = max(at + 1, bisect_right(ordered, self.keys[end - 1])) if end < len(self.keys) else len(ordered)
        return pages * LIST_IN_HEADS


def names(number: int, form: str = "in/part-{:06}.csv") -> list[str]:
    return [form.format(i) for i in range(number)]


def test_a_few_keys_are_asked_for_one_by_one() -> None:
    bucket = Bucket(names(5))
    assert bucket.look(Batches(), names(WORTH_A_LIST - 1)) == (set(names(5)), WORTH_A_LIST - 1)
    assert bucket.lists == 0


@pytest.mark.parametrize("there", [0, 1, 5_000, 9_999, 10_000])
def test_ten_thousand_keys_beside_each_other_are_ten_listings_at_most(there: int) -> None:
    bucket = Bucket(names(there))
    found, _ = bucket.look(Batches(), names(10_000))
    assert found == set(names(there))
    assert (bucket.heads, bucket.lists) == (0, max(1, -(-there // PAGE)))
    assert all(prefix.startswith("in/part-00") for prefix in bucket.prefixes), "other folders are nobody's business"


def test_keys_of_which_each_has_a_thousand_neighbours_are_asked_for_one_by_one() -> None:
    wanted = names(2_000, "day-{:05}/orders.csv")
    others = [f"day-{day:05}/noise-{i:02}" for day in range(2_000) for i in range(50)]
    bucket, batches = Bucket([*wanted[:500], *others], page=40), Batches()
    found, first = bucket.look(batches, wanted)
    assert found == set(wanted[:500])
    assert first <= 1.1 * len(wanted)
    assert bucket.look(batches, wanted) == (set(wanted[:500]), len(wanted))
    assert bucket.lists == 0, "that listings are not worth it is remembered"


def test_what_was_learned_is_tried_again_since_the_bucket_changes() -> None:
    wanted = names(100)
    bucket, batches = Bucket([f"{key}/{i}" for key in wanted for i in range(20)], page=20), Batches()
    for _ in range(3):
        bucket.look(batches, wanted)
    assert bucket.lists == 0
    bucket.fill(wanted)
    costs = [bucket.look(batches, wanted)[1] for _ in range(REMEMBERED_FOR)]
    assert min(costs) == LIST_IN_HEADS * 5


def test_some_beside_each_other_and_some_far_apart_are_asked_for_each_in_its_way() -> None:
    dense, sparse = names(3_000, "dense/{:05}"), names(200, "sparse/{:05}/key")
    noise = [f"sparse/{i:05}/k{j}" for i in range(200) for j in range(1_100)]
    bucket, batches = Bucket([*dense, *noise]), Batches()
    bucket.look(batches, [*dense, *sparse])
    found, cost = bucket.look(batches, [*dense, *sparse])
    assert found == set(dense)
    assert cost <= 4 * LIST_IN_HEADS + len(sparse)


def test_a_listing_that_was_worth_it_makes_up_for_those_in_vain_before() -> None:
    before, after = names(200, "a/{:05}/key"), names(WORTH_A_LIST, "c/{:05}/key")
    dense = [*names(3_000, "b/{:05}"), *names(1_000, "d/{:05}")]
    noise = [f"{key[:-3]}k{i}" for key in [*before, *after] for i in range(1_100)]
    bucket, heads = Bucket([*dense, *noise]), list[str]()

    def head(key: str) -> Found | None:
        heads.append(key)
        return bucket.head(key)

    Batches().look([*before, *after, *dense], head, bucket.listing)
    assert sum(key.startswith("d/") for key in heads) <= WORTH_A_LIST


def test_who_may_not_list_asks_for_each() -> None:
    bucket, batches = Bucket(names(50), may_list=False), Batches()
    assert bucket.look(batches, names(60))[0] == set(names(50))
    assert (bucket.heads, bucket.lists) == (60, 1)
    bucket.look(batches, names(60))
    assert (bucket.heads, bucket.lists) == (60, 0)


KEYS = st.lists(hostile.keys() | st.from_regex(r"\A[a-c]/[0-9]{1,3}\Z"), max_size=80, unique=True)


@given(there=KEYS, wanted=KEYS, both=KEYS, page=st.integers(1, 40), looks=st.integers(1, 3))
def test_what_is_there_is_found_and_nothing_else_whatever_the_way(
    there: list[str], wanted: list[str], both: list[str], page: int, looks: int
) -> None:
    bucket, batches = Bucket([*{*there, *both}], page), Batches()
    asked = [*{*wanted, *both}]
    for _ in range(looks):
        assert bucket.look(batches, asked)[0] == set(asked) & set(bucket.keys)


@given(
    numbers=st.sets(st.integers(0, 3_000), max_size=400),
    there=st.sets(st.integers(0, 3_000), max_size=1_000),
    page=st.integers(1, 100),
)
def test_a_round_costs_no_more_than_a_head_for_each_key_and_little_more_than_listings_alone(
    numbers: set[int], there: set[int], page: int
) -> None:
    wanted = [f"k/{number:04}" for number in numbers]
    bucket, batches = Bucket([f"k/{number:04}" for number in there], page), Batches()
    bucket.look(batches, wanted)
    _, cost = bucket.look(batches, wanted)
    assert cost <= len(wanted)
    assert cost <= 2 * bucket.listings_for(wanted) + 2 * WORTH_A_LIST
