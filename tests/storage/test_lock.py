"""S5: one process at a time uses a home."""

import fcntl
import os
import signal
import stat
from pathlib import Path

import pytest

from noded.storage.errors import DiskFailed, HomeLocked
from noded.storage.lock import LOCK_NAME, HomeLock, is_in_use
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


def test_on_a_full_disk_a_home_is_held_though_nobody_is_told_by_whom(tmp_path: Path) -> None:
    """What makes room, as pruning does, takes the lock too."""
    with file_size_limit(0), HomeLock(tmp_path), pytest.raises(HomeLocked, match="another process runs"):
        HomeLock(tmp_path)

    HomeLock(tmp_path).release()


class TestLooking:
    """Whether a home is in use is seen without being in anybody's way."""

    def test_it_is_while_a_process_holds_it(self, tmp_path: Path) -> None:
        with HomeLock(tmp_path):
            assert is_in_use(tmp_path)
        assert not is_in_use(tmp_path)

    def test_it_leaves_nothing_in_the_home(self, tmp_path: Path) -> None:
        assert not is_in_use(tmp_path)

        assert list(tmp_path.iterdir()) == []

    def test_who_takes_the_home_in_that_moment_waits_for_it(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        HomeLock(tmp_path).release()
        looker = os.open(tmp_path / LOCK_NAME, os.O_RDONLY)
        fcntl.flock(looker, fcntl.LOCK_SH)
        assert not is_in_use(tmp_path)
        monkeypatch.setattr("noded.storage.lock.time.sleep", lambda _: fcntl.flock(looker, fcntl.LOCK_UN))

        HomeLock(tmp_path).release()

        os.close(looker)


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
