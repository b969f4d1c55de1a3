"""The process: obeys SIGTERM before anything else is imported, then runs the lean main.

Process 1 of a container loses a SIGTERM that it has no handler for.
"""

import signal
from types import FrameType
from typing import NoReturn


def _end(number: int, frame: FrameType | None) -> NoReturn:
    raise SystemExit(128 + number)


signal.signal(signal.SIGTERM, _end)
signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM})

from objectstore_watcher import slim  # noqa: E402  # after the signal, that is the point
from objectstore_watcher.lean.main import main  # noqa: E402

slim.spare_admin_client()

if __name__ == "__main__":
    main()
