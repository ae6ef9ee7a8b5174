"""What is measured: percentiles of times, and what Linux says of processes and of the machine."""

import os
import platform
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

TICKS_PER_S: Final = os.sysconf("SC_CLK_TCK")


def percentile(values: Sequence[float], share: float) -> float | None:
    """The smallest value that at least this share of all values do not exceed; None of none."""
    if not values:
        return None
    ordered = sorted(values)
    rank = max(1, -(-len(ordered) * round(share * 1000) // 1000))
    return ordered[rank - 1]


def percentiles(values: Sequence[float]) -> dict[str, float | None]:
    """Of times in milliseconds, as reports have them."""
    named = {"p50": 0.5, "p95": 0.95, "p99": 0.99}
    found = {name: percentile(values, share) for name, share in named.items()}
    return {name: None if value is None else round(value, 1) for name, value in found.items()}


@dataclass(frozen=True, slots=True)
class Usage:
    """What a process has used since it began."""

    cpu_s: float
    rss_mb_max: float
    """The most memory it ever had, in MiB."""


def usage_of(pid: int) -> Usage:
    """Read /proc of a process that runs."""
    # The name of the program stands in parentheses and may hold anything; what follows is regular.
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    user, system = int(fields[11]), int(fields[12])
    status = Path(f"/proc/{pid}/status").read_text()
    peak_kib = next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM:"))
    return Usage(cpu_s=(user + system) / TICKS_PER_S, rss_mb_max=peak_kib / 1024)


def own_cpu_s() -> float:
    """Processor time that this process has used."""
    times = os.times()
    return times.user + times.system


def machine() -> dict[str, str | int | float]:
    """What figures depend on."""
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    models = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    memory = next(
        line.split()[1]
        for line in Path("/proc/meminfo").read_text().splitlines()
        if line.startswith("MemTotal:")
    )
    return {
        "cpu": models[0] if models else platform.machine(),
        "cores": len(os.sched_getaffinity(0)),
        "memory_gb": round(int(memory) / 1024 / 1024, 1),
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.release()}",
    }
