"""Makes the buckets, and a user that may do just what the watcher needs. Runs in a Job; again without harm."""

import os

from minio import Minio
from minio.credentials import StaticProvider
from minio.minioadmin import MinioAdmin

HOST = os.environ["MINIO_HOST"]
ROOT = (os.environ["MINIO_ROOT_USER"], os.environ["MINIO_ROOT_PASSWORD"])
BUCKETS = ("data", "flyte")  # what is waited for; Flyte's own inputs and outputs
POLICY = "objectstore-watcher"
WATCHER_POLICY = {
    "Version": "2012-10-17",
    "Statement": [
        {"Effect": "Allow", "Action": ["s3:GetObject"], "Resource": ["arn:aws:s3:::data/*"]},
        # For waits with tags; without it, they are refused.
        {"Effect": "Allow", "Action": ["s3:GetObjectTagging"], "Resource": ["arn:aws:s3:::data/*"]},
        # Without it, S3 answers 403 for an object that is absent.
        {"Effect": "Allow", "Action": ["s3:ListBucket"], "Resource": ["arn:aws:s3:::data"]},
        # Without it, the watcher polls, and hears of no events.
        {"Effect": "Allow", "Action": ["s3:ListenBucketNotification"], "Resource": ["arn:aws:s3:::data"]},
    ],
}

client = Minio(HOST, *ROOT, secure=False, region="us-east-1")
for bucket in BUCKETS:
    if not client.bucket_exists(bucket):
        client.make_bucket(bucket)

admin = MinioAdmin(endpoint=HOST, credentials=StaticProvider(*ROOT), secure=False)
admin.user_add(os.environ["ACCESS_KEY_ID"], os.environ["SECRET_ACCESS_KEY"])
admin.policy_add(POLICY, policy=WATCHER_POLICY)
admin.policy_set(POLICY, user=os.environ["ACCESS_KEY_ID"])
print(f"buckets {', '.join(BUCKETS)}; user {os.environ['ACCESS_KEY_ID']} with the policy {POLICY}")
