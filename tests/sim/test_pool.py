"""Runs on several cores: what becomes of a process that is killed."""

import os
import signal

import pytest

from sim.pool import WorkerEnded, run_all


def end_process(number: int) -> int:
    if number == 1:
        os.kill(os.getpid(), signal.SIGKILL)
    return number


def test_a_killed_worker_is_said_to_be_one() -> None:
    with pytest.raises(WorkerEnded, match="ended from outside"):
        list(run_all(end_process, [0, 1, 2, 3], processes=2))
