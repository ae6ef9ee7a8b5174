"""Many runs on several cores: a process for each run at a time, so that nothing of one is left for the next."""

import multiprocessing
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from itertools import islice
from typing import TypeVar

from noded.errors import NodedError

Job = TypeVar("Job")
Done = TypeVar("Done")

RUNS_PER_PROCESS = 20
"""A process is replaced after this many runs: memory that fragments is given back."""


class WorkerEnded(NodedError):
    """A process that did runs was ended from outside."""

    def __init__(self) -> None:
        super().__init__(
            "a process that did runs was ended from outside, as for want of memory; what is saved counts, "
            "and fewer --jobs need less memory"
        )


def cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0))


def run_all(
    work: Callable[[Job], Done], jobs: Sequence[Job], *, processes: int
) -> Iterator[tuple[Job, Done]]:
    """
    Each job with its result, in order of completion; an exception of a job is raised here.

    Args:
        work: A function of a module, so that another process can find it.
        jobs: What it is called with.
        processes: How many at a time; with 1 everything runs in this process.

    Raises:
        WorkerEnded: A process was killed.
    """
    if processes == 1 or len(jobs) <= 1:
        for job in jobs:
            yield job, work(job)
        return
    try:
        yield from _run_apart(work, jobs, processes)
    except BrokenProcessPool as error:
        raise WorkerEnded from error


def _run_apart(
    work: Callable[[Job], Done], jobs: Sequence[Job], processes: int
) -> Iterator[tuple[Job, Done]]:
    context = multiprocessing.get_context("spawn")
    waiting = iter(jobs)
    with ProcessPoolExecutor(
        min(processes, len(jobs)), mp_context=context, max_tasks_per_child=RUNS_PER_PROCESS
    ) as executor:
        running: dict[Future[Done], Job] = {}
        for job in islice(waiting, 2 * processes):
            running[executor.submit(work, job)] = job
        while running:
            finished, _ = wait(running, return_when=FIRST_COMPLETED)
            for future in sorted(finished, key=lambda future: list(running).index(future)):
                job = running.pop(future)
                for further in islice(waiting, 1):
                    running[executor.submit(work, further)] = further
                yield job, future.result()
