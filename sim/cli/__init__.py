"""The command line of the simulator: one file a command, imported when the command is given."""

import gc
import sys


def main() -> None:
    """Entry point of `noded-sim`."""
    gc.set_threshold(500_000)  # What modules make stays: looking through it meanwhile takes 0.1 s.
    from sim.cli.root import run

    status = run(sys.argv[1:])
    gc.freeze()  # Python looks for cycles once more at its end: half a second in what a run of 200 nodes leaves.
    sys.exit(status)
