"""Failures of the machine's storage; each message names the file and the way out (S7)."""

import errno
from pathlib import Path

from noded.errors import StorageError


class FileFailure(StorageError):
    """Something is wrong with one file or folder."""

    def __init__(self, path: Path | str, what: str, way_out: str) -> None:
        super().__init__(f"{path}: {what}; {way_out}")
        self.path = Path(path)
        self.what = what
        self.way_out = way_out


def file_failure(path: Path | str, error: OSError) -> FileFailure:
    """What an error of the operating system means to the operator."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
        return DiskFull(path)
    if error.errno in (errno.EROFS, errno.EACCES, errno.EPERM):
        return FileReadOnly(path)
    return DiskFailed(path, error.strerror or str(error))


class DiskFull(FileFailure):
    """No space is left, or a quota is used up; nothing of the failed write counts."""

    def __init__(self, path: Path | str) -> None:
        super().__init__(path, "no space left for this write", "free space or prune, then start again")


class DiskFailed(FileFailure):
    """The operating system could not read or write."""

    def __init__(self, path: Path | str, reason: str) -> None:
        super().__init__(path, f"reading or writing failed ({reason})", "check the disk, then start again")


class FileReadOnly(FileFailure):
    """The file or its folder may not be written."""

    def __init__(self, path: Path | str) -> None:
        super().__init__(path, "is read-only for this user", "check owner, mode and mount options")


class StoreCorrupt(FileFailure):
    """The store is damaged or is no store."""

    def __init__(self, path: Path | str, reason: str) -> None:
        super().__init__(
            path,
            f"is damaged or is no store ({reason})",
            "put a snapshot or backup in its place, or remove it and sync from the network",
        )


class StoreLocked(FileFailure):
    """Another process holds the store."""

    def __init__(self, path: Path | str) -> None:
        super().__init__(path, "is locked by another process", "stop the program that has it open")


class StoreMissing(FileFailure):
    """There is no store where one is needed."""

    def __init__(self, path: Path | str) -> None:
        super().__init__(path, "does not exist", "check the home folder, or start the node once to make it")


class StoreExists(FileFailure):
    """A store is in the way."""

    def __init__(self, path: Path | str) -> None:
        super().__init__(path, "is there already", "move it away first")


class StoreFailed(FileFailure):
    """An earlier write failed, so nothing more is accepted until the store is opened again."""

    def __init__(self, path: Path | str) -> None:
        super().__init__(path, "an earlier write to this store failed", "repair the cause, then start again")


class SchemaTooNew(FileFailure):
    """A newer program wrote the store."""

    def __init__(self, path: Path | str, found: int, known: int) -> None:
        super().__init__(
            path,
            f"has schema {found}, this program knows up to {known}",
            "run the newer program, or restore the snapshot made before its migration",
        )
        self.found = found
        self.known = known


class SchemaTooOld(FileFailure):
    """The store needs a migration first, or is of a chain that this program cannot continue."""

    def __init__(self, path: Path | str, found: int, known: int, *, can_be_led: bool = True) -> None:
        hint = (
            "run `noded db migrate`"
            if can_be_led
            else "nothing leads from one to the other: leave it to the program that wrote it, and begin with a new home"
        )
        super().__init__(path, f"has schema {found}, this program needs {known}", hint)
        self.found = found
        self.known = known
        self.can_be_led = can_be_led


class SnapshotInvalid(FileFailure):
    """A snapshot is not what its manifest says."""

    def __init__(self, path: Path | str, reason: str) -> None:
        super().__init__(path, f"is no valid snapshot ({reason})", "take another snapshot")


class WalCorrupt(FileFailure):
    """The write-ahead log is damaged at a place that was durable once."""

    def __init__(self, path: Path | str, offset: int, reason: str) -> None:
        super().__init__(
            path,
            f"is damaged at byte {offset} ({reason})",
            "move the log's folder away: the node then follows without voting until an epoch whose start it "
            "witnesses",
        )
        self.offset = offset


class WalForeign(FileFailure):
    """The write-ahead log was written for another chain."""

    def __init__(self, path: Path | str) -> None:
        super().__init__(
            path, "belongs to another chain", "use the home that goes with this genesis, or a new one"
        )


class WalFailed(FileFailure):
    """An earlier write failed, so nothing more is accepted until the log is opened again."""

    def __init__(self, path: Path | str) -> None:
        super().__init__(path, "an earlier write to this log failed", "repair the cause, then start again")


class HomeLocked(FileFailure):
    """Another process runs on this home; two with one key would contradict each other."""

    def __init__(self, path: Path | str, pid: int | None) -> None:
        holder = "another process" if pid is None else f"process {pid}"
        super().__init__(path, f"{holder} runs on this home", "stop it first, or use another home")
        self.pid = pid
