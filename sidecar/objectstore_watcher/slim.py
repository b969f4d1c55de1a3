"""Spares the processes of this package what they never use."""

from __future__ import annotations

import sys
from types import ModuleType


def spare_admin_client() -> None:
    """Let minio-py's client of MinIO's admin API go without its ciphers: 60 ms of CPU and 4 MiB at each start.

    ``import minio`` loads that client, too, and with it argon2, pycryptodome and a parser of C. Only for processes of
    this package's own, before that import: who uses the admin client there finds no ciphers.
    """
    ciphers = ModuleType("minio.crypto")
    vars(ciphers).update(encrypt=None, decrypt=None)
    sys.modules.setdefault(ciphers.__name__, ciphers)
