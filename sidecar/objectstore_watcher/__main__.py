"""``python -m objectstore_watcher``: the same as the command ``objectstore-watcher``."""

from objectstore_watcher.cli import main

if __name__ == "__main__":
    main()
