"""S5: one process at a time uses a home."""

import os
import signal
import stat
from pathlib import Path

import pytest

from noded.storage.errors import DiskFailed, DiskFull, HomeLocked
from noded.storage.lock import LOCK_NAME, HomeLock
from tests.helpers.limits import file_size_limit


def hold_in_child(home: Path) -> int:
    """A process that holds the home until it is killed; its pid."""
    read_end, write_end = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            lock = HomeLock(home)
            os.write(write_end, b"!")
            signal.pause()
            lock.release()
        finally:
            os._exit(1)
    os.close(write_end)
    assert os.read(read_end, 1) == b"!"
    os.close(read_end)
    return child


def test_a_second_process_is_told_the_pid_of_the_first(tmp_path: Path) -> None:
    child = hold_in_child(tmp_path)
    try:
        with pytest.raises(HomeLocked, match=f"process {child} runs on this home; stop it first") as refused:
            HomeLock(tmp_path)
    finally:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)

    assert refused.value.pid == child
    assert refused.value.path == tmp_path


def test_a_killed_process_leaves_the_home_free(tmp_path: Path) -> None:
    child = hold_in_child(tmp_path)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)

    with HomeLock(tmp_path):
        assert (tmp_path / LOCK_NAME).read_text() == f"{os.getpid()}\n"


def test_a_full_disk_is_named_and_the_home_stays_free(tmp_path: Path) -> None:
    with file_size_limit(0), pytest.raises(DiskFull, match="free space"):
        HomeLock(tmp_path)

    HomeLock(tmp_path).release()


def test_one_process_cannot_take_it_twice(tmp_path: Path) -> None:
    with HomeLock(tmp_path), pytest.raises(HomeLocked) as refused:
        HomeLock(tmp_path)

    assert refused.value.pid == os.getpid()


def test_releasing_frees_it(tmp_path: Path) -> None:
    lock = HomeLock(tmp_path)
    lock.release()
    lock.release()

    HomeLock(tmp_path).release()


def test_a_refused_attempt_leaves_the_holders_pid(tmp_path: Path) -> None:
    with HomeLock(tmp_path):
        for _ in range(2):
            with pytest.raises(HomeLocked):
                HomeLock(tmp_path)

        assert (tmp_path / LOCK_NAME).read_text() == f"{os.getpid()}\n"


def test_a_lock_file_without_a_pid_still_locks(tmp_path: Path) -> None:
    with HomeLock(tmp_path):
        (tmp_path / LOCK_NAME).write_text("garbage")
        with pytest.raises(HomeLocked, match="another process runs") as refused:
            HomeLock(tmp_path)

    assert refused.value.pid is None


def test_the_file_is_for_its_owner_only(tmp_path: Path) -> None:
    with HomeLock(tmp_path):
        assert stat.S_IMODE((tmp_path / LOCK_NAME).stat().st_mode) == 0o600


def test_a_missing_home_is_named(tmp_path: Path) -> None:
    with pytest.raises(DiskFailed, match="absent"):
        HomeLock(tmp_path / "absent")
