"""The exclusive lock on a node's home (S5): two processes with one consensus key would contradict each other."""

import fcntl
import os
import time
from contextlib import suppress
from pathlib import Path
from typing import Final, Self

from noded.storage.errors import HomeLocked
from noded.storage.files import PRIVATE_MODE, os_errors

LOCK_NAME: Final = "lock"

PATIENCE_S: Final = 0.5
"""With a command that looks whether the home is in use, and holds the lock for microseconds of its processor."""

TRY_S: Final = 0.01
"""Between tries."""

_PID_DIGITS_MAX: Final = 20


class HomeLock:
    """
    Holds a home for this process until `release` or the process's end, however it ends.

    The lock is the operating system's; the file's content only names the holder.
    """

    def __init__(self, home: Path) -> None:
        """
        Take the lock.

        Raises:
            HomeLocked: Another process has it; the error names its pid.
            StorageError: The lock's file cannot be used.
        """
        path = home / LOCK_NAME
        deadline_s = time.monotonic() + PATIENCE_S
        with os_errors(path):
            self._descriptor = os.open(path, os.O_RDWR | os.O_CREAT, PRIVATE_MODE)
            while not _try_lock(self._descriptor, fcntl.LOCK_EX):
                if time.monotonic() > deadline_s:
                    pid = _read_pid(self._descriptor)
                    os.close(self._descriptor)
                    raise HomeLocked(home, pid)
                time.sleep(TRY_S)
            os.ftruncate(self._descriptor, 0)
        with suppress(OSError):  # On a full disk nobody is told the pid: what mends the home must run there.
            os.pwrite(self._descriptor, b"%d\n" % os.getpid(), 0)

    def release(self) -> None:
        """Let the home go; the file stays, as removing it would race with another process."""
        if self._descriptor >= 0:
            os.ftruncate(self._descriptor, 0)
            os.close(self._descriptor)
            self._descriptor = -1

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.release()


def is_in_use(home: Path) -> bool:
    """
    Whether a process holds the home now. Whoever looks is in nobody's way, and leaves no trace.

    Raises:
        StorageError: The lock's file cannot be used.
    """
    path = home / LOCK_NAME
    with os_errors(path):
        try:
            descriptor = os.open(path, os.O_RDONLY)
        except FileNotFoundError:
            return False
        try:
            return not _try_lock(descriptor, fcntl.LOCK_SH)
        finally:
            os.close(descriptor)


def _try_lock(descriptor: int, kind: int) -> bool:
    try:
        fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _read_pid(descriptor: int) -> int | None:
    text = os.pread(descriptor, _PID_DIGITS_MAX, 0).strip()
    return int(text) if text.isdigit() else None
