"""How the process's memory is taken from the system: what is large is given back as soon as nobody needs it."""

import ctypes
from typing import Final

LARGE_BYTES: Final = 128 * 1024
"""
From this size on a piece of memory has a mapping of its own.

That is glibc's own beginning, which it gives up: the first large piece that is freed raises it, up to 32 MiB. Then batches,
frames and tables of a block lie between small things that stay, and the holes they leave are resident for good: 12 MB of
180 after 150,000 operations. A mapping costs some 50 µs, and a block of 3,000 operations takes about fifty.
"""

_M_TRIM_THRESHOLD: Final = -1
_M_MMAP_THRESHOLD: Final = -3


def keep_heap_small() -> None:
    """Set the limit, and with it what may lie idle at the heap's end; nothing happens where the C library is not glibc."""
    set_option = getattr(ctypes.CDLL(None), "mallopt", None)
    if set_option is not None:
        set_option(_M_MMAP_THRESHOLD, LARGE_BYTES)
        set_option(_M_TRIM_THRESHOLD, LARGE_BYTES)
