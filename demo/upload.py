"""Uploads an object after a while, as its producer would; prints when the upload had ended, in Unix time."""

from __future__ import annotations

import argparse
import io
import os
import time
from urllib.parse import urlsplit

from minio import Minio


def main() -> None:
    """Sleep, upload, print the time."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("bucket")
    parser.add_argument("key")
    parser.add_argument("--after", type=float, default=0.0, help="seconds")
    parser.add_argument("--text", default="order,amount\n1,42\n")
    told = parser.parse_args()
    client = Minio(
        urlsplit(os.environ["FLYTE_AWS_ENDPOINT"]).netloc,
        os.environ["FLYTE_AWS_ACCESS_KEY_ID"],
        os.environ["FLYTE_AWS_SECRET_ACCESS_KEY"],
        secure=False,
        region="us-east-1",
    )
    data = told.text.encode()
    time.sleep(told.after)
    client.put_object(told.bucket, told.key, io.BytesIO(data), len(data))
    print(time.time(), flush=True)


if __name__ == "__main__":
    main()
