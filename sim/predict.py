"""Predictions of the simulator beside figures of real daemons on the same machine."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from sim.costs_file import Machine
from sim.daemons import SLOT_S, bench, closed_load, cpu_s_per_1000, open_load
from sim.models.cpu import load_costs
from sim.run import simulate

TOLERANCE: Final = 0.20

LIGHT_RATE: Final = 60.0
"""None of the loads that the prices were measured at."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """One figure of real daemons and of simulated ones."""

    quantity: str
    real: float
    simulated: float
    unit: str
    tolerance: float | None
    """Within which they ought to agree; None where it is shown only."""

    @property
    def error(self) -> float:
        """How far off the prediction is, as a share of what is real."""
        return self.simulated / self.real - 1

    @property
    def is_within(self) -> bool | None:
        """Whether it is near enough; None where it need not be."""
        return None if self.tolerance is None else abs(self.error) <= self.tolerance


def compare_daemons(
    costs: str, machine: Machine, seconds: float, parts: Path | None, progress: Callable[[str], None]
) -> list[Comparison]:
    """
    Run real daemons, saturated and with a light load, and simulate the same.

    Args:
        costs: Table of costs of this machine.
        machine: The machine.
        seconds: Of each load.
        parts: Folder that keeps figures of real daemons.
        progress: Told what is done.

    Raises:
        BenchFailed: The real daemons delivered no figures.
    """
    progress("real nodes, saturated")
    saturated = bench("--saturate", "--seconds", str(seconds), parts=parts)
    progress(f"real nodes at {LIGHT_RATE:.0f} transactions a second")
    light = bench("--rate", str(LIGHT_RATE), "--seconds", str(seconds), parts=parts)
    progress("simulated nodes, saturated")
    closed = simulate(closed_load(costs, machine, seconds))
    rows = [
        Comparison(
            quantity="throughput at saturation",
            real=saturated["tx_per_s"],
            simulated=closed.tx_per_s,
            unit="transactions / s",
            tolerance=TOLERANCE,
        ),
        Comparison(
            quantity="processor time, saturated (calibrated)",
            real=saturated["cpu_s_per_1000_tx"],
            simulated=cpu_s_per_1000(closed, load_costs(costs)),
            unit="s for 1000",
            tolerance=None,
        ),
    ]
    for name, real in (("at 70 % of saturation", saturated), (f"at {LIGHT_RATE:.0f} a second", light)):
        progress(f"simulated nodes {name}")
        result = simulate(open_load(costs, machine, real["finality_at_tx_per_s"], seconds))
        rows += [
            Comparison(
                quantity=f"finality {quantile} {name}",
                real=real["finality_ms"][quantile],
                simulated=(getattr(result.tx_finality_ms, quantile) or 0.0) + 1000 * SLOT_S / 2,
                unit="ms",
                tolerance=TOLERANCE if quantile == "p50" else None,
            )
            for quantile in ("p50", "p95")
        ]
    return rows
