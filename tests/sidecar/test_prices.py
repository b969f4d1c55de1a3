from __future__ import annotations

import pytest
from objectstore_watcher.prices import cost, dollars


def test_a_thousand_heads_and_a_thousand_listings_cost_what_aws_says() -> None:
    assert cost("s3://bucket/key", {"head": 1000}) == pytest.approx(0.0004)
    assert cost("s3://bucket/key", {"list": 1000}) == pytest.approx(0.005)
    assert cost("s3://bucket/key", {"get": 500, "tags": 500, "list": 1000}) == pytest.approx(0.0054)


@pytest.mark.parametrize("uri", ["gs://bucket/key", "https://host/key", "/tmp/file", "file:///tmp/file", ""])
def test_what_is_not_in_s3_has_no_price_of_s3(uri: str) -> None:
    assert cost(uri, {"head": 1000, "stat": 1000}) == 0


def test_an_operation_that_is_no_request_is_free() -> None:
    assert dollars("s3://bucket/key", "stat") == 0
