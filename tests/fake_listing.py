"""A small S3 whose bucket holds as many objects as a test wants: it lists them page by page, and keeps none."""

from __future__ import annotations

from urllib.parse import parse_qs, urlsplit

from tests.fake_s3 import Answer, FakeS3, Received

PAGE = 1000
"""Keys of a page: the most that S3 gives."""


class FakeListing(FakeS3):
    """Lists ``total`` objects, from `key` 0 on, whatever prefix it is asked for."""

    def __init__(self, total: int) -> None:
        super().__init__(Answer())
        self.total = total

    @staticmethod
    def key(number: int) -> str:
        """The key of an object."""
        return f"big/object-{number:07}"

    def scans(self, total: int) -> int:
        """How often all of ``total`` objects, a number of whole pages, were read."""
        return sum(_after(request) == self.key(total - 1) for request in list(self.requests))

    def next_answer(self, request: Received) -> Answer:
        """The page that follows the key that ``request`` names."""
        super().next_answer(request)
        after = _after(request)
        first = int(after.rpartition("-")[2]) + 1 if after else 0
        last = min(first + PAGE, self.total)
        entries = "".join(
            f"<Contents><Key>{self.key(number)}</Key><LastModified>2026-06-01T12:00:00.000Z</LastModified>"
            f"<ETag>&quot;e&quot;</ETag><Size>4</Size><StorageClass>STANDARD</StorageClass></Contents>"
            for number in range(first, last)
        )
        more = "true" if last < self.total else "false"
        body = (
            f"<ListBucketResult><Name>bucket</Name><IsTruncated>{more}</IsTruncated>"
            f"<NextContinuationToken>{self.key(last - 1)}</NextContinuationToken>{entries}</ListBucketResult>"
        )
        return Answer(200, {"Content-Type": "application/xml"}, body.encode())


def _after(request: Received) -> str:
    return parse_qs(urlsplit(request.target).query, keep_blank_values=True).get("start-after", [""])[0]
