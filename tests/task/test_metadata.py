"""``metadata(timeout="1H", retries=10)``, and the deadline that follows from it."""

from __future__ import annotations

from copy import deepcopy
from datetime import timedelta
from typing import Any

import pytest
from flytekit import TaskMetadata
from hypothesis import given
from hypothesis import strategies as st
from objectstore_sensor import InvalidArgument, WaitForObjectStoreFile, metadata
from objectstore_sensor._metadata import sensor_timeout
from objectstore_watcher.contract import DEFAULT_TIMEOUT


class TestMetadata:
    def test_it_is_flytekits_own_class(self) -> None:
        assert metadata(timeout="1H", retries=10) == TaskMetadata(timeout=timedelta(hours=1), retries=10)

    @pytest.mark.parametrize(
        ("timeout", "expected"),
        [
            ("1H", timedelta(hours=1)),
            ("1h30m", timedelta(minutes=90)),
            ("90s", timedelta(seconds=90)),
            ("500ms", timedelta(milliseconds=500)),
            ("2.5", timedelta(seconds=2.5)),
            (60, timedelta(minutes=1)),
            (0.5, timedelta(milliseconds=500)),
            (timedelta(milliseconds=500), timedelta(milliseconds=500)),
            (timedelta(days=1), timedelta(days=1)),
            (None, None),
        ],
    )
    def test_all_forms_of_a_timeout_are_read(self, timeout: Any, expected: timedelta | None) -> None:  # noqa: ANN401
        assert metadata(timeout=timeout).timeout == expected

    def test_other_options_are_flytekits(self) -> None:
        assert metadata(cache=True, cache_version="2", interruptible=True) == TaskMetadata(
            cache=True, cache_version="2", interruptible=True
        )

    @pytest.mark.parametrize("timeout", ["abc", "", "1 hour", "-5s", "1H30", True, [], float("nan"), float("inf")])
    def test_a_timeout_that_is_no_duration_is_refused(self, timeout: Any) -> None:  # noqa: ANN401
        told = r'^timeout: .* is not a duration; use seconds or text such as "90s", "5m", "1h30m"$'
        with pytest.raises(InvalidArgument, match=told):
            metadata(timeout=timeout)

    @pytest.mark.parametrize("timeout", [0, "0s", -1, timedelta(0), timedelta(days=-1), timedelta(days=36500)])
    def test_a_timeout_that_is_not_above_zero_or_too_long_is_refused(self, timeout: Any) -> None:  # noqa: ANN401
        with pytest.raises(InvalidArgument, match=r"^timeout: .* is out of range; use a duration above zero, at most"):
            metadata(timeout=timeout)

    @pytest.mark.parametrize("retries", [-1, 1.5, "10", True, None])
    def test_retries_that_are_no_number_from_zero_up_are_refused(self, retries: Any) -> None:  # noqa: ANN401
        with pytest.raises(InvalidArgument, match=r"^retries: .* is no number of retries; use 0 or more$"):
            metadata(retries=retries)


class TestTheCallersObject:
    def test_it_is_not_changed(self) -> None:
        """Flytekit writes the pod template's name, labels and annotations into what it gets."""
        own = TaskMetadata(retries=3, pod_template_name="own", labels={"team": "orders"})
        before = deepcopy(own)
        sensor = WaitForObjectStoreFile(
            metadata=own, pod_template_name="other", labels={"a": "b"}, annotations={"c": "d"}
        )
        assert own == before
        assert sensor.metadata.labels == {"a": "b"}

    def test_none_is_the_same_as_leaving_it_out(self) -> None:
        assert WaitForObjectStoreFile(metadata=None).metadata == WaitForObjectStoreFile().metadata == TaskMetadata()

    @pytest.mark.parametrize("wrong", [{"timeout": "1H"}, "1H", 3600, timedelta(hours=1), TaskMetadata])
    def test_another_type_is_refused(self, wrong: Any) -> None:  # noqa: ANN401
        told = rf'^metadata: is a {type(wrong).__name__}; write metadata\(timeout="1H", retries=10\)$'
        with pytest.raises(InvalidArgument, match=told):
            WaitForObjectStoreFile(metadata=wrong)


class TestTheSensorsOwnDeadline:
    @pytest.mark.parametrize(
        ("engine", "expected"),
        [("1H", 3600 - 120), ("1d", 86400 - 120), ("20m", 1200 - 120), ("4m", 120), ("1m", 30), ("500ms", 0.25)],
    )
    def test_it_is_a_little_before_flytes_so_that_the_error_says_what_was_waited_for(
        self, engine: str, expected: float
    ) -> None:
        assert sensor_timeout(None, metadata(timeout=engine)) == pytest.approx(expected)

    @given(st.timedeltas(min_value=timedelta(milliseconds=1), max_value=timedelta(days=3650)))
    def test_it_is_never_more_than_half_before_flytes_and_never_after(self, engine: timedelta) -> None:
        """Of all lengths: the tutorial's ``.seconds`` is 0 for 500 ms and for a day."""
        total = engine.total_seconds()
        assert total * 0.499 < sensor_timeout(None, metadata(timeout=engine)) < total

    def test_without_flytes_it_is_a_day(self) -> None:
        assert sensor_timeout(None, metadata()) == DEFAULT_TIMEOUT == timedelta(days=1).total_seconds()

    @pytest.mark.parametrize("own", ["30m", 1800, timedelta(minutes=30)])
    def test_ones_own_timeout_is_taken_as_it_is(self, own: Any) -> None:  # noqa: ANN401
        assert sensor_timeout(own, metadata(timeout="1H")) == 1800

    @pytest.mark.parametrize("own", ["58m1s", "59m59s", "1H", "2H"])
    def test_a_timeout_that_flyte_would_cut_off_is_warned_of_at_the_users_line(self, own: str) -> None:
        with pytest.warns(UserWarning, match=r"Flyte ends the attempt after metadata\.timeout, 3600 s, the") as warned:
            WaitForObjectStoreFile(timeout=own, metadata=metadata(timeout="1H"))
        assert [w.filename for w in warned] == [__file__]

    @pytest.mark.parametrize(
        ("own", "engine"), [(None, "1H"), ("58m", "1H"), ("30s", "1m"), (None, "1m"), ("2H", None)]
    )
    def test_a_timeout_that_leaves_flyte_enough_is_not_warned_of(self, own: str | None, engine: str | None) -> None:
        """Warnings are errors in these tests."""
        WaitForObjectStoreFile(timeout=own, metadata=metadata(timeout=engine))
