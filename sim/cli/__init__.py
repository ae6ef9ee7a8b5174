"""The command line of the simulator: one file a command, imported when the command is given."""

import sys


def main() -> None:
    """Entry point of `noded-sim`."""
    from sim.cli.root import run

    sys.exit(run(sys.argv[1:]))
