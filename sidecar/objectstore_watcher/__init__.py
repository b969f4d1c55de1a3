"""Waits for an object in S3, MinIO or on disk.

The public parts: `objectstore_watcher.contract` (what main and the watcher tell each other),
`objectstore_watcher.waiting` (main's side), `objectstore_watcher.watch` (the wait itself, in this process) and
`objectstore_watcher.errors`. Nothing is imported here: who only waits for a marker loads no S3 client.
"""
