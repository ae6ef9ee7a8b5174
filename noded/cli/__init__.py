"""The command line: one file a group of commands, imported when the command is given."""

import sys


def main() -> None:
    """Entry point of `noded`."""
    from noded.cli.root import run

    sys.exit(run(sys.argv[1:]))
