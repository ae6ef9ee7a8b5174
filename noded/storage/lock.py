"""The exclusive lock on a node's home (S5): two processes with one consensus key would contradict each other."""

import fcntl
import os
from pathlib import Path
from typing import Final, Self

from noded.storage.errors import HomeLocked, file_failure
from noded.storage.files import PRIVATE_MODE, os_errors

LOCK_NAME: Final = "lock"

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
        with os_errors(path):
            self._descriptor = os.open(path, os.O_RDWR | os.O_CREAT, PRIVATE_MODE)
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            os.ftruncate(self._descriptor, 0)
            os.pwrite(self._descriptor, b"%d\n" % os.getpid(), 0)
        except OSError as error:
            pid = _read_pid(self._descriptor)
            os.close(self._descriptor)
            if isinstance(error, BlockingIOError):
                raise HomeLocked(home, pid) from error
            raise file_failure(path, error) from error

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


def _read_pid(descriptor: int) -> int | None:
    text = os.pread(descriptor, _PID_DIGITS_MAX, 0).strip()
    return int(text) if text.isdigit() else None
