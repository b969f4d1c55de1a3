"""What requests cost: AWS's list prices for S3 Standard in us-east-1, without tax or discount.

From https://aws.amazon.com/s3/pricing, "Requests & data retrievals". The only place that knows prices.
"""

from __future__ import annotations

from collections.abc import Mapping

HEAD_DOLLARS_PER_1000 = 0.0004
"""Dollars for 1,000 of "GET, SELECT, and all other requests"."""

LIST_DOLLARS_PER_1000 = 0.005
"""Dollars for 1,000 of "PUT, COPY, POST, LIST requests"."""

_DOLLARS_PER_1000 = {
    **dict.fromkeys(("head", "get", "tags"), HEAD_DOLLARS_PER_1000),
    "list": LIST_DOLLARS_PER_1000,
}
"""By the watcher's names of operations."""

_PRICED = "s3://"
"""Begins the paths whose requests cost so much; on a MinIO of one's own it is what AWS would take."""


def dollars(uri: str, operation: str) -> float:
    """What one request costs, in dollars; 0 where the path is not in S3, or the operation is no request of S3."""
    return _DOLLARS_PER_1000.get(operation, 0.0) / 1000 if uri.startswith(_PRICED) else 0.0


def cost(uri: str, operations: Mapping[str, int]) -> float:
    """What the requests of a wait cost, in dollars.

    Args:
        uri: the path that is waited for, or the first of several: all are in one kind of store.
        operations: how many requests of each operation.
    """
    return sum(number * dollars(uri, operation) for operation, number in operations.items())
