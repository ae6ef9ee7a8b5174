"""
Sweeps: a scenario for every combination of its grid's values, with several seeds each.

Every run has a folder named by what it is a function of, so an interrupted sweep goes on where it was, shards on
several machines never do the same twice, and a changed value runs only what it changes.
"""

import json
import os
import traceback
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import product
from pathlib import Path
from typing import Any

from noded.errors import ConfigError
from sim.pool import run_all
from sim.results import MANIFEST, run_id, save
from sim.run import Options, simulate
from sim.scenario.load import make_scenario
from sim.scenario.model import Scenario

SWEEP = "sweep.json"
FAILED = "failed.txt"


@dataclass(frozen=True, slots=True)
class SweepJob:
    """One run of a sweep."""

    plain: dict[str, Any]
    """The scenario as plain values, to be sent to another process."""
    folder: Path


def expand(scenario: Scenario) -> list[Scenario]:
    """
    All runs of a sweep, seed by seed, so that a part of it already has every point.

    Raises:
        ConfigError: The scenario has no grid, or a combination is no scenario, or two are the same.
    """
    if scenario.sweep is None:
        raise ConfigError(
            'the scenario has no [sweep]; give it a grid, as in grid = { "nodes.count" = [4, 10] }'
        )
    plain = scenario.plain()
    del plain["sweep"]
    points = [
        dict(zip(scenario.sweep.grid, values, strict=True))
        for values in product(*scenario.sweep.grid.values())
    ]
    found: dict[str, Scenario] = {}
    for number in range(scenario.sweep.seeds):
        for point in points:
            each = make_scenario(plain, {**point, "seed": scenario.seed + number})
            text = json.dumps({**each.plain(), "sweep": None})
            if text in found:
                raise ConfigError(
                    f"sweep.grid: {json.dumps(point)} is the same run as another combination; leave one out "
                    "(sweep.seeds says how many seeds there are)"
                )
            found[text] = each
    return list(found.values())


def begin(scenario: Scenario, folder: Path) -> None:
    """
    Write down what a folder's sweep is, for `resume`. It may grow, but none takes the place of another.

    Raises:
        ConfigError: The folder has a sweep with runs that this one does not have.
    """
    path = folder / SWEEP
    plain = scenario.plain()
    if path.exists():
        before = reopen(folder)
        mine = {run_id(each) for each in expand(scenario)}
        if not mine.issuperset(map(run_id, expand(before))):
            differ = ", ".join(key for key in plain if plain[key] != before.plain().get(key))
            raise ConfigError(
                f"{folder} has another sweep (they differ in: {differ or 'what this one has not'}); give --runs another "
                f"folder, or remove {path} to let this one take its place"
            )
    folder.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f"{SWEEP}.{os.getpid()}")
    temporary.write_text(json.dumps(plain, indent=2) + "\n")
    temporary.replace(path)


def reopen(folder: Path) -> Scenario:
    """
    The scenario of the sweep in a folder.

    Raises:
        ConfigError: The folder has none, or what it has is none.
    """
    path = folder / SWEEP
    try:
        return make_scenario(json.loads(path.read_text()))
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror}; a sweep's folder has a {SWEEP}") from error
    except (ValueError, ConfigError) as error:
        raise ConfigError(f"{path}: {error}") from error


def parse_shard(text: str) -> tuple[int, int]:
    """
    Read "2/4": the second of four shards.

    Raises:
        ConfigError: It is no shard.
    """
    number, slash, count = text.partition("/")
    if not (slash and number.isdigit() and count.isdigit() and 1 <= int(number) <= int(count)):
        raise ConfigError(f"--shard {text}: wanted i/N with 1 <= i <= N, as in 1/4")
    return int(number), int(count)


def jobs_of(scenario: Scenario, folder: Path, shard: tuple[int, int] = (1, 1)) -> tuple[list[SweepJob], int]:
    """The runs of a sweep's shard that are not done yet, and how many it has."""
    number, count = shard
    mine = expand(scenario)[number - 1 :: count]
    todo = []
    for each in mine:
        place = folder / run_id(each)
        if not (place / MANIFEST).exists():
            todo.append(SweepJob(each.plain(), place))
    return todo, len(mine)


def work(job: SweepJob) -> str:
    """Do one run; returns its verdict, or "failed" with the reason in its folder."""
    try:
        result = simulate(make_scenario(job.plain), Options())
        save(result, job.folder)
        (job.folder / FAILED).unlink(missing_ok=True)
    except Exception:
        job.folder.mkdir(parents=True, exist_ok=True)
        (job.folder / FAILED).write_text(traceback.format_exc())
        return "failed"
    return result.verdict


def run_here(jobs: Sequence[SweepJob], processes: int) -> Iterator[tuple[SweepJob, str]]:
    """Do the runs on this machine's cores; the longest, with most nodes, come first within a seed."""
    ordered = sorted(jobs, key=lambda job: (job.plain["seed"], -job.plain["nodes"]["count"]))
    return run_all(work, ordered, processes=processes)


def run_on_dask(jobs: Sequence[SweepJob], address: str) -> Iterator[tuple[SweepJob, str]]:
    """
    Do the runs on a Dask cluster, whose workers see the same folder.

    Raises:
        ConfigError: Dask is not installed, or the scheduler cannot be reached.
    """
    try:
        from dask.distributed import Client, as_completed
    except ImportError as error:
        raise ConfigError("--dask needs the extra: pip install 'noded[sim,dask]'") from error
    try:
        client = Client(address, timeout=10)
    except (OSError, ValueError) as error:
        raise ConfigError(f"--dask {address}: {error}") from error
    with client:
        placed = [replace(job, folder=job.folder.absolute()) for job in jobs]
        futures = {client.submit(work, job, pure=False): job for job in placed}
        for future in as_completed(list(futures)):
            yield futures[future], future.result()
