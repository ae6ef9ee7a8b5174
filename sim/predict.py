"""Predictions of the simulator beside figures of real daemons on the same machine."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from sim.costs_file import Machine
from sim.daemons import CLOSED, ROUNDS, SLOT_S, closed_load, open_load, run_load, run_real
from sim.models.cpu import load_costs

TOLERANCE: Final = 0.20

LIGHT: Final = "60"
"""None of the loads that the prices were measured at."""

HEAVY: Final = "50%"
"""Of what saturated nodes did in the same round. At 70 % real nodes differ from turn to turn by a factor of three."""

HEAVY_SHARE: Final = 0.5

SIMULATED_S: Final = 20.0
"""Of each load; simulated machines have one speed, so there are no turns to take."""


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
    Run real daemons, saturated, at half of that and with a light load in turn, and simulate the same.

    Each network's heavy load is half of what it sustained itself, so nothing of what real nodes did goes into a figure that is
    judged. At the rate that the real ones had, finality follows an error of throughput more than once; it is shown.

    Args:
        costs: Table of costs of this machine.
        machine: The machine.
        seconds: Of each load, each of its turns.
        parts: Folder that keeps figures of real daemons.
        progress: Told what is done.

    Raises:
        BenchFailed: The real daemons delivered no figures.
    """
    real = run_real((CLOSED, HEAVY, LIGHT), seconds=seconds, rounds=ROUNDS, parts=parts, progress=progress)
    progress("simulated nodes, saturated")
    closed = run_load(closed_load(costs, machine, SIMULATED_S))
    rows = [
        Comparison(
            quantity="throughput at saturation",
            real=real.loads[CLOSED]["tx_per_s"],
            simulated=closed.tx_per_s,
            unit="transactions / s",
            tolerance=TOLERANCE,
        ),
        Comparison(
            quantity="processor time, saturated (calibrated)",
            real=real.loads[CLOSED]["cpu_s_per_1000_tx"],
            simulated=closed.cpu_s_per_1000(load_costs(costs)),
            unit="s for 1000",
            tolerance=None,
        ),
        Comparison(
            quantity="finality p50 at saturation",
            real=real.loads[CLOSED]["finality_ms"]["p50"],
            simulated=closed.result.tx_finality_ms.p50 or 0.0,
            unit="ms",
            tolerance=None,
        ),
    ]
    for load, name, rate, tolerance in (
        (HEAVY, "at half of its saturation", HEAVY_SHARE * closed.tx_per_s, TOLERANCE),
        (HEAVY, "at half of the real one's", real.loads[HEAVY]["rate"], None),
        (LIGHT, f"at {LIGHT} a second", float(LIGHT), TOLERANCE),
    ):
        progress(f"simulated nodes {name}")
        result = run_load(open_load(costs, machine, rate, SIMULATED_S)).result
        rows += [
            Comparison(
                quantity=f"finality {quantile} {name}",
                real=real.loads[load]["finality_ms"][quantile],
                simulated=(getattr(result.tx_finality_ms, quantile) or 0.0) + 1000 * SLOT_S / 2,
                unit="ms",
                tolerance=tolerance if quantile == "p50" else None,
            )
            for quantile in ("p50", "p95")
        ]
    rows += [
        Comparison(
            quantity=f"a write of the log {name} (calibrated)",
            real=real.loads[load]["log_sync_ms"],
            simulated=machine.fsync_ns / 1e6,
            unit="ms",
            tolerance=None,
        )
        for load, name in ((HEAVY, "at half of its saturation"), (LIGHT, f"at {LIGHT} a second"))
    ]
    return rows
