"""``python -m merian``, for where the command itself is not on the path."""

import sys

__all__ = ["run"]


def run() -> int:
    """Run a command; whoever stops it while it is being loaded sees no traceback either."""
    try:
        from merian.cli import main  # noqa: PLC0415 - it takes a moment

        return main()
    except KeyboardInterrupt:
        sys.stderr.write("merian: stopped; nothing was half written\n")
        return 130  # 128 + SIGINT, what a shell expects


if __name__ == "__main__":
    sys.exit(run())
