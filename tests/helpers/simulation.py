"""Small scenarios for tests of the simulator."""

from typing import Any

from sim.run import Options, Result, simulate
from sim.scenario.load import make_scenario
from sim.scenario.model import Scenario


def small(**overrides: Any) -> Scenario:
    """Four nodes for three seconds with little to do; overrides by dotted key, dots written as two underscores."""
    plain = {
        "name": "small",
        "seed": 7,
        "time": {"duration": "3s", "warmup": "500ms"},
        "nodes": {"count": 4},
        "network": {"latency": {"model": "uniform", "low": "10ms", "high": "40ms"}},
        "cpu": {"model": "none"},
        "protocol": {"idle_interval": "0s"},
        "workload": {"rate": 20, "gateways": 2},
    }
    return make_scenario(plain, {key.replace("__", "."): value for key, value in overrides.items()})


def run_small(options: Options | None = None, **overrides: Any) -> Result:
    """Run `small`."""
    return simulate(small(**overrides), options or Options())
