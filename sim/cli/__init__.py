"""The command line of the simulator: one file a command, imported when the command is given."""

import gc
import sys


def main() -> None:
    """Entry point of `noded-sim`."""
    from sim.cli.root import run

    status = run(sys.argv[1:])
    gc.freeze()  # Python looks for cycles once more at its end: half a second in what a run of 200 nodes leaves.
    sys.exit(status)
