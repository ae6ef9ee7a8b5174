"""
What the simulator says of networks that others have measured, beside their figures.

Each target is one scenario, run twice: "latency only", where computing and disks take no time, and "calibrated", with
the prices of this machine. Nothing is set for a single target: delays are those of the built-in table, or of the
target's own description.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Final, Literal

from sim.pool import run_all
from sim.run import Result, simulate
from sim.scenario.load import make_scenario
from sim.statistics import mean, median

MS: Final = 1e6

ALTO_REGIONS: Final = (
    "us-west-2", "us-east-1", "eu-west-1", "eu-north-1", "eu-central-1", "sa-east-1", "ap-south-1", "ap-northeast-1",
    "ap-northeast-2", "ap-southeast-2",
)  # fmt: skip

SMART_REGIONS: Final = ("us-west-2", "eu-west-1", "sa-east-1", "ap-southeast-2")
"""Oregon, Ireland, São Paulo, Sydney; node 0, in Oregon, is the one that leads."""

HOTSTUFF_DELAYS: Final = 8
"""Request, proposal, and three times vote and proposal, of which the last stands for the reply."""

LINEAR_DELAYS: Final = 5
"""Proposal, votes to collectors, certificate, votes to collectors, certificate."""

CHAIN_NODES: Final = (4, 8, 16, 32)


Way = Literal["latency only", "calibrated"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A published figure and what the simulator says."""

    target: str
    quantity: str
    published_ms: tuple[float, float]
    """Least and greatest; equal where one figure was published."""
    latency_only_ms: float
    calibrated_ms: float
    tolerance: float | None
    """Within which the figures ought to agree; None where they do not mean the same."""
    judged: Way
    """Which of the two must agree."""
    note: str

    @property
    def latency_only_error(self) -> float:
        """How far off, as a share of the nearest published figure; 0 between the two ends."""
        return _error(self.latency_only_ms, self.published_ms)

    @property
    def calibrated_error(self) -> float:
        """The same with the costs of computing."""
        return _error(self.calibrated_ms, self.published_ms)

    @property
    def is_within(self) -> bool | None:
        """Whether the figure that is judged agrees; None where it need not."""
        if self.tolerance is None:
            return None
        error = self.calibrated_error if self.judged == "calibrated" else self.latency_only_error
        return abs(error) <= self.tolerance


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """One published measurement: a scenario, and figures that are read off its run."""

    name: str
    scenario: dict[str, Any]
    figures: Sequence["Figure"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """One of its figures."""

    quantity: str
    published_ms: tuple[float, float]
    tolerance: float | None
    note: str
    judged: Way = "calibrated"
    read: Callable[[Result], float]


def targets() -> list[Target]:
    """All measurements that the simulator is held against."""
    return [_alto(), *map(_chain, CHAIN_NODES), _smart()]


def validate(costs: str, processes: int) -> list[Row]:
    """
    Run all targets both ways.

    Args:
        costs: Table of costs, as a scenario's `cpu.costs`.
        processes: How many runs at a time.
    """
    all_targets = targets()
    jobs = [
        (number, is_calibrated, costs)
        for number in range(len(all_targets))
        for is_calibrated in (False, True)
    ]
    done = dict(run_all(work, jobs, processes=processes))
    return [
        Row(
            target=target.name,
            quantity=figure.quantity,
            published_ms=figure.published_ms,
            latency_only_ms=done[number, False, costs][index],
            calibrated_ms=done[number, True, costs][index],
            tolerance=figure.tolerance,
            judged=figure.judged,
            note=figure.note,
        )
        for number, target in enumerate(all_targets)
        for index, figure in enumerate(target.figures)
    ]


def work(job: tuple[int, bool, str]) -> list[float]:
    """Run one target one way; its figures in milliseconds."""
    number, is_calibrated, costs = job
    target = targets()[number]
    ways = {"cpu.costs": costs} if is_calibrated else {"cpu.model": "none", "disk.fsync": "0s"}
    result = simulate(make_scenario({**COMMON, **target.scenario}, ways))
    assert result.verdict == "pass", f"{target.name}: {result.violations}"
    return [figure.read(result) for figure in target.figures]


COMMON: Final[dict[str, Any]] = {
    "name": "validation",
    "seed": 1,
    "protocol": {"idle_interval": "0s", "epoch_length": 1000, "routing": "all"},
    "workload": {"model": "none"},
}
"""Blocks follow each other at once and are empty, as where these figures come from, and no epoch ends meanwhile."""


def _alto() -> Target:
    note = "the same protocol family and votes to all: comparable; us-west-2 stands for us-west-1"
    return Target(
        name="Simplex test network, 50 validators, 10 regions x 5",
        scenario={
            "time": {"duration": "10s", "warmup": "2s"},
            "nodes": {"count": 50, "regions": dict.fromkeys(ALTO_REGIONS, 5)},
            "network": {"latency": "aws", "up": "1Gbit", "down": "1Gbit"},
        },
        figures=[
            Figure(
                quantity="time between blocks",
                published_ms=(200, 200),
                tolerance=0.15,
                note=note,
                read=lambda result: 1000 / result.blocks_per_s,
            ),
            Figure(
                quantity="finality, median over nodes",
                published_ms=(300, 300),
                tolerance=0.15,
                note=note,
                read=lambda result: mean([wait / MS for wait in _finality(result)]),
            ),
        ],
    )


def _chain(nodes: int) -> Target:
    return Target(
        name=f"HotStuff chain, links of 10 ms, n = {nodes}",
        scenario={
            "time": {"duration": "3s", "warmup": "1s"},
            "nodes": {"count": nodes},
            "network": {"latency": "10ms", "up": "10Gbit", "down": "10Gbit"},
            "protocol": {**COMMON["protocol"], "routing": "linear"},
        },
        figures=[
            Figure(
                quantity=f"{HOTSTUFF_DELAYS} message delays",
                published_ms=(84, 88),
                tolerance=0.10,
                judged="latency only",
                note=f"another protocol, in native code: HotStuff takes {HOTSTUFF_DELAYS} delays from request to reply, "
                f"linear routing {LINEAR_DELAYS} from proposal to the last node's finality; the length of a delay is "
                "compared, not what computing adds to it, which is more here and grows with n",
                read=lambda result: _last_finality(result) * HOTSTUFF_DELAYS / LINEAR_DELAYS,
            ),
            Figure(
                quantity="finality at the last node",
                published_ms=(84, 88),
                tolerance=None,
                note="not comparable as a whole: fewer delays, so less time",
                read=_last_finality,
            ),
        ],
    )


def _smart() -> Target:
    note = (
        "three delays to all, as here; the blocks of the node in Oregon, when they are final in Oregon; the published "
        "leader is fixed, here it changes"
    )
    clients = (("Oregon", 354), ("Ireland", 416), ("São Paulo", 415), ("Sydney", 438))
    return Target(
        name="BFT-SMaRt, n = 4: Oregon leads, Ireland, São Paulo, Sydney",
        scenario={
            "time": {"duration": "30s", "warmup": "5s"},
            "nodes": {"count": 4, "regions": dict.fromkeys(SMART_REGIONS, 1)},
            "network": {"latency": "aws", "up": "1Gbit", "down": "1Gbit"},
            "workload": {"model": "poisson", "rate": 20, "gateways": 4},
        },
        figures=[
            Figure(
                quantity="consensus at the leader",
                published_ms=(237, 237),
                tolerance=0.15,
                note=note,
                read=lambda result: median(_at_leader(result)) or 0.0,
            ),
            *(
                Figure(
                    quantity=f"client in {place}",
                    published_ms=(published, published),
                    tolerance=None,
                    note="not comparable: their leader is always in Oregon and takes requests one by one; here a "
                    "gateway seals a batch every 50 ms, which waits for a block of whoever leads",
                    read=partial(_client_wait, gateway=gateway),
                )
                for gateway, (place, published) in enumerate(clients)
            ),
        ],
    )


def _rows(result: Result) -> Iterator[Any]:
    warmup = result.scenario.time.warmup
    return (row for row in result.recorder.blocks.values() if row.proposed_ns >= warmup)


def _finality(result: Result) -> list[float]:
    return [result.recorder.finality_ns(row) for row in _rows(result)]


def _last_finality(result: Result) -> float:
    """From proposal to finality at the last node, over blocks that all nodes have finalised; the median."""
    count = len(result.cluster.hosts)
    waits = [max(row.final_ns) - row.proposed_ns for row in _rows(result) if len(row.final_ns) == count]
    return (median(waits) or 0.0) / MS


def _at_leader(result: Result) -> list[float]:
    return [
        (row.final_ns[list(row.nodes).index(0)] - row.proposed_ns) / MS
        for row in _rows(result)
        if row.proposer == 0 and 0 in row.nodes
    ]


def _client_wait(result: Result, *, gateway: int) -> float:
    """How long the clients of a gateway wait; the median."""
    outcomes = result.driver.outcomes
    waits = [
        (final - intended) / MS
        for at, intended, final in zip(outcomes.gateway, outcomes.intended_ns, outcomes.final_ns, strict=True)
        if at == gateway and intended >= result.scenario.time.warmup
    ]
    return median(waits) or 0.0


def _error(value: float, published: tuple[float, float]) -> float:
    low, high = published
    if value < low:
        return value / low - 1
    return max(0.0, value / high - 1)
