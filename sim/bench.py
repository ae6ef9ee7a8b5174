"""
What this machine can do: how fast the engine delivers, how fast large networks run, how long a start takes.

All figures are of processor time, so that other programs beside disturb them little. A scenario runs in a process of
its own, whose peak of memory is the run's.
"""

import cProfile
import os
import platform
import resource
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from time import process_time

import numpy as np

from noded.errors import ConfigError
from noded.types.ids import BlockHash, Epoch, Height, View
from noded.types.messages import ChainStatus
from sim.engine import Engine
from sim.models.bandwidth import Bandwidth
from sim.models.latency import make_latency
from sim.network import Network, Parcel
from sim.run import Options, simulate
from sim.scenario.load import load_scenario
from sim.scenario.network import Uniform

ROUND_NS = 50_000_000
"""Between two broadcasts of a node: arrivals of several rounds are under way at once, as in a real run."""

DELAYS = {"model": "uniform", "low": "20ms", "high": "80ms"}

MESSAGE = ChainStatus(epoch=Epoch(1), view=View(1), height=Height(1), hash=BlockHash(bytes(32)))

ROOT = Path(__file__).parent.parent

FUNCTIONS_SHOWN = 15

PLACES_DEEP = 2
"""Parts of a module's name that say where time goes, as in noded.consensus."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivered:
    """How fast the engine was."""

    nodes: int
    messages: int
    seconds: float
    event_hash: str

    @property
    def messages_per_s(self) -> float:
        """Deliveries a second."""
        return self.messages / self.seconds


def measure_engine(nodes: int, rounds: int, clock: Callable[[], float] = process_time) -> Delivered:
    """
    Let every node broadcast to all others `rounds` times, over the real network model.

    Args:
        nodes: How many.
        rounds: How often.
        clock: Seconds.
    """

    def deliver(node: int, parcel: Parcel) -> None:
        engine.note(node, parcel.digest)

    engine = Engine([partial(deliver, node) for node in range(nodes)])
    latency = make_latency(Uniform.model_validate(DELAYS), nodes, [0] * nodes)
    bandwidth = Bandwidth(nodes, up_bits=1_000_000_000, down_bits=1_000_000_000)
    network = Network(engine, latency, bandwidth, count=nodes, seed=1, fifo=True)
    others = [np.array([peer for peer in range(nodes) if peer != node]) for node in range(nodes)]

    def broadcast(node: int) -> None:
        network.send(others[node], Parcel(node, MESSAGE, 200, node))

    for number in range(rounds):
        for node in range(nodes):
            engine.at(number * ROUND_NS, partial(broadcast, node))
    began = clock()
    engine.run()
    seconds = clock() - began
    return Delivered(
        nodes=nodes, messages=engine.stats().deliveries, seconds=seconds, event_hash=engine.hexdigest()
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """Where the processor time of a run went, in percent of it."""

    places: dict[str, float]
    """By part of the code, as noded.consensus; the most first."""
    functions: list[tuple[str, float, int]]
    """Those in which most of it was spent: name, percent in itself, calls."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Simulated:
    """How fast a scenario ran."""

    scenario: str
    simulated_s: float
    cpu_s: float
    """Starting the nodes included."""
    peak_mb: float
    messages: int
    tx_per_s: float
    event_hash: str
    profile: Profile | None = field(default=None)

    @property
    def speed(self) -> float:
        """Simulated seconds in a second of processor time."""
        return self.simulated_s / self.cpu_s


def measure_scenario(name: str, seconds: float, *, is_profiled: bool) -> Simulated:
    """
    Run the beginning of a scenario of `configs/sim`; to be called in a process of its own.

    Args:
        name: Of the file.
        seconds: Of virtual time; figures of the second half count.
        is_profiled: Whether to see where time goes, which makes the run two or three times slower.

    Raises:
        ConfigError: There is no such file.
    """
    path = ROOT / "configs" / "sim" / f"{name}.toml"
    if not path.exists():
        raise ConfigError(f"{path}: no such file; the scenarios are in a clone of the repository")
    window = {"time.duration": f"{round(1000 * seconds)}ms", "time.warmup": f"{round(500 * seconds)}ms"}
    scenario = load_scenario(path, window)
    profiler = cProfile.Profile(process_time) if is_profiled else None
    began = process_time()
    if profiler is not None:
        profiler.enable()
    result = simulate(scenario, Options())
    if profiler is not None:
        profiler.disable()
    return Simulated(
        scenario=name,
        simulated_s=result.simulated_s,
        cpu_s=process_time() - began,
        peak_mb=resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
        messages=result.messages,
        tx_per_s=result.tx_per_s,
        event_hash=result.event_hash,
        profile=None if profiler is None else _read(profiler),
    )


def measure_start() -> float:
    """Seconds of processor time from nothing to the command's help."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    command = [sys.executable, "-c", "from sim.cli import main; main()", "--help"]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, cwd=ROOT)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def machine() -> dict[str, str | int]:
    """What the figures were measured on."""
    model = platform.processor() or platform.machine()
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        model = next(
            (line.partition(":")[2].strip() for line in lines if line.startswith("model name")), model
        )
    except OSError:
        pass  # Not Linux: the less precise name serves.
    return {
        "processor": model,
        "cores": len(os.sched_getaffinity(0)),
        "system": f"{platform.system()} {platform.release()}",
        "python": f"{platform.python_implementation()} {platform.python_version()}",
    }


def _read(profiler: cProfile.Profile) -> Profile:
    """A profile's own times by part of the code, and the functions that took most."""
    profiler.create_stats()
    rows = profiler.stats
    total = sum(own for _, _, own, _, _ in rows.values()) or 1.0
    places: dict[str, float] = {}
    functions: list[tuple[str, float, int]] = []
    for (file, _, function), (_, calls, own, _, _) in rows.items():
        module = _module_of(file)
        place = ".".join(module.split(".")[:PLACES_DEEP])
        places[place] = places.get(place, 0.0) + 100 * own / total
        functions.append((f"{module} {function}", 100 * own / total, calls))
    functions.sort(key=lambda row: -row[1])
    ordered = dict(sorted(places.items(), key=lambda item: -item[1]))
    return Profile(places=ordered, functions=functions[:FUNCTIONS_SHOWN])


def _module_of(file: str) -> str:
    """The name of a module of this project; of what is not, what it is."""
    path = Path(file)
    if path.is_relative_to(ROOT / "noded") or path.is_relative_to(ROOT / "sim"):
        return ".".join(path.relative_to(ROOT).with_suffix("").parts)
    if file.startswith("<"):
        return "generated code"
    return "builtins" if file == "~" else "libraries"
