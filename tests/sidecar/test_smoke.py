from tests.servers import MinioServer, Watcher


def test_the_command_ends_with_0_once_the_object_is_there(minio: MinioServer, bucket: str) -> None:
    with Watcher([f"s3://{bucket}/key", "--poll-interval=0.1"], minio.flyte_env()) as watcher:
        minio.put(bucket, "key")
        code, errors = watcher.end()
    assert code == 0, errors
