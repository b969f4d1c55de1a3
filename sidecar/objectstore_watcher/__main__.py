"""The process: blocks the signals before anything else is imported, then runs the command.

Process 1 of a container loses a SIGTERM that it has neither blocked nor a handler for, and the imports take 0.2 s, or
seconds where the CPU is throttled.
"""

import signal

signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM, signal.SIGINT, signal.SIGUSR1})

from objectstore_watcher import slim  # noqa: E402  # after the signals, that is the point
from objectstore_watcher.cli import main  # noqa: E402

slim.spare_admin_client()

if __name__ == "__main__":
    main()
