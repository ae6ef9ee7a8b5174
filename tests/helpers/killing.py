"""A process that is killed at any moment, and what it had told by then."""

import os
import signal
from collections.abc import Callable

Acknowledge = Callable[[int], object]
"""Tells the parent that a number is done."""


def kill_while(work: Callable[[Acknowledge], None], last: int, *, after: int) -> int:
    """Let a process work, kill it after some numbers are acknowledged; the last acknowledged, or `last`."""
    read_end, write_end = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.close(read_end)
            work(lambda number: os.write(write_end, b"%08d" % number))
        finally:
            os._exit(1)
    os.close(write_end)
    with os.fdopen(read_end, "rb") as acknowledgements:
        for _ in range(after):
            last = int(acknowledgements.read(8))
        os.kill(child, signal.SIGKILL)
        rest = acknowledgements.read()
    os.waitpid(child, 0)
    assert len(rest) % 8 == 0
    return int(rest[-8:]) if rest else last
