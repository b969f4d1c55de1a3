"""``exists`` of s3fs in a loop, as scripts have it: ``s3fs_exists.py SECONDS``."""

from __future__ import annotations

import sys
import time

import s3fs

files = s3fs.S3FileSystem()
for line in sys.stdin:
    while not files.exists(line.strip()):
        time.sleep(float(sys.argv[1]))
    print("noticed", flush=True)
