"""
Swarm: from each seed another scenario, as nasty as the protocol must bear.

All faults together stay within the model: at most f nodes are byzantine or lose their logs, and in the end everything
heals, so that safety must hold throughout and the chain must go on.
"""

from collections import Counter
from collections.abc import Iterable
from typing import Any, get_args

from sim.scenario.load import make_scenario
from sim.scenario.model import Altered, Behaviour, Scenario
from sim.streams import Stream
from sim.units import NS_PER_UNIT, parse_duration

DURATION_MS = 15_000
HEAL_MS = 60_000
"""Ten views at their longest timeout (10 · 600 ms): with f silent nodes and every correct one needed, some must fail."""

LIVE_VIEWS = 100
"""Shortest timeouts within which the chain must grow: ten longest ones."""

NS_PER_MS = NS_PER_UNIT["ms"]

FAULTS_MAX = 6

SHORT_EPOCH = 10
"""Heights: voting powers change several times in a run."""

BLUNDERS: tuple[str, ...] = ("alter", "spam", "invalid")
"""Behaviours whose blocks are refused, which is evidence; drawn apart, so that the other seeds keep their scenarios."""

BEHAVIOURS: tuple[str, ...] = tuple(each for each in get_args(Behaviour) if each not in BLUNDERS)
"""All others."""

SIZES = (4, 4, 4, 5, 6, 7, 7, 10, 13)

KINDS = (
    *("crash", "crash", "crash", "pause", "partition", "partition", "loss", "duplicate", "reorder"),
    *("slow-disk", "slow-link", "skew", "churn"),
)
"""Kinds of faults; those that find most come oftener."""


def draw_scenario(seed: int) -> Scenario:
    """The scenario of a seed."""
    stream = Stream(seed, "swarm")
    count = stream.choice(SIZES)
    spare = (count - 1) // 3
    byzantine: list[dict[str, Any]] = []
    for _ in range(spare):
        if stream.chance(2, 5):
            byzantine.append(_draw_byzantine(stream, count, [row["nodes"][0] for row in byzantine]))
            spare -= 1
    _draw_blunders(Stream(seed, "swarm", 2), byzantine)
    bad = [row["nodes"][0] for row in byzantine]
    faults = [_draw_fault(stream, count, bad, may_lose=spare) for _ in range(stream.below(FAULTS_MAX + 1))]
    help_ = _draw_help(Stream(seed, "swarm", 1), count, byzantine)
    faults += help_
    losers = dict.fromkeys(fault["nodes"][0] for fault in faults if fault.get("disk") == "lost")
    lost = list(losers)[:spare]
    for fault in faults:
        if fault.get("disk") == "lost" and fault["nodes"][0] not in lost:
            fault["disk"] = "torn"
    timeout = stream.between(200, 600)
    return make_scenario(
        {
            "name": f"swarm-{seed}",
            "seed": seed,
            "time": {
                "duration": f"{DURATION_MS}ms",
                "warmup": "0s",
                "heal": f"{HEAL_MS}ms",
                "delta": f"{timeout}ms",
                "ties": "random",
            },
            "nodes": {
                "count": count,
                "cores": stream.between(1, 4),
                "slow": {str(stream.below(count)): 0.2} if stream.chance(1, 4) else {},
            },
            "network": {
                "latency": _draw_latency(stream),
                **_draw_rates(stream),
                "loss": stream.choice((0.0, 0.0, 0.0, 0.01)),
                **({"notice_down": "20s"} if help_ else {}),
            },
            "cpu": {"model": stream.choice(("none", "costs"))},
            "disk": {"fsync": stream.choice(("0s", "1ms", "8ms"))},
            "clock": {"offset": f"{stream.below(300)}ms", "drift_ppm": stream.choice((0, 50, 500))},
            "protocol": {
                "routing": stream.choice(("auto", "all", "linear", "linear")),
                "epoch_length": stream.choice((4, 6, 10, 25, 120)),
                "view_timeout": f"{timeout}ms",
                "idle_interval": stream.choice(("0s", "1s", "3s")),
                "block_interval": stream.choice(("0s", "0s", "100ms")),
                "reputation": stream.chance(3, 4),
                "tolerated": max(1, len(bad) + len(lost)),
                "silent_views": stream.choice((0, 3)),
            },
            "workload": {
                "model": stream.choice(("none", "poisson", "constant", "burst", "closed")),
                "rate": stream.choice((2, 10, 40)),
                "clients": stream.between(1, 10),
                "gateways": stream.between(1, 3),
            },
            "check": {"live_views": LIVE_VIEWS},
            "fault": faults,
            "byzantine": byzantine,
        }
    )


def tally(scenarios: Iterable[Scenario]) -> dict[str, int]:
    """In how many of these scenarios each kind of thing occurs."""
    found: Counter[str] = Counter()
    for scenario in scenarios:
        found.update(sorted(_kinds_in(scenario)))
    return dict(sorted(found.items()))


def _kinds_in(scenario: Scenario) -> set[str]:
    protocol = scenario.protocol
    kinds = {f"{scenario.nodes.count:02} nodes", f"routing {protocol.routing}"}
    kinds |= {f"latency {scenario.network.latency.model}", f"workload {scenario.workload.model}"}
    kinds |= {f"byzantine {row.behaviour}" for row in scenario.byzantine}
    for fault in scenario.fault:
        disk = getattr(fault, "disk", None)
        kinds.add(f"fault {fault.kind}" if disk is None else f"fault {fault.kind}, disk {disk}")
    if protocol.reputation:
        kinds.add("reputation")
        if protocol.epoch_length <= SHORT_EPOCH:
            kinds.add("reputation, short epochs")
    return kinds


def _draw_latency(stream: Stream) -> dict[str, Any]:
    return stream.choice(
        [
            {"model": "constant", "delay": f"{stream.between(1, 40)}ms"},
            {"model": "uniform", "low": "5ms", "high": f"{stream.between(20, 120)}ms"},
            {"model": "lognormal", "median": f"{stream.between(10, 50)}ms", "sigma": 0.5},
            {"model": "pareto", "least": f"{stream.between(5, 20)}ms", "alpha": 2.5},
            {"model": "regions", "table": "aws"},
        ]
    )


def _draw_rates(stream: Stream) -> dict[str, str]:
    rate = stream.choice(("unlimited", "1Gbit", "20Mbit"))
    return {"up": rate, "down": rate}


def _draw_byzantine(stream: Stream, count: int, taken: list[int]) -> dict[str, Any]:
    node = stream.choice([node for node in range(count) if node not in taken])
    return {
        "behaviour": stream.choice(BEHAVIOURS),
        "nodes": [node],
        "at": f"{stream.choice((0, 0, stream.below(5_000)))}ms",
        "period": f"{stream.between(1, 8)}s",
        "by": f"{stream.between(50, 2_000)}ms",
    }


def _draw_blunders(stream: Stream, byzantine: list[dict[str, Any]]) -> None:
    for row in byzantine:
        if stream.chance(1, 4):
            row["behaviour"] = stream.choice(BLUNDERS)
            row["altered"] = stream.choice(get_args(Altered))


def _draw_help(stream: Stream, count: int, byzantine: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Faults in which a behaviour does its worst: whom Rewind tells what is final hears all and is not heard."""
    help_: list[dict[str, Any]] = []
    bad = [row["nodes"][0] for row in byzantine]
    for row in byzantine:
        if row["behaviour"] == "rewind" and stream.chance(2, 3):
            victim = stream.choice([node for node in range(count) if node not in bad])
            rest = [node for node in range(count) if node != victim]
            row["victims"] = [victim]
            at = parse_duration(row["at"]) // NS_PER_MS + stream.below(3_000)
            help_.append(
                {
                    "kind": "partition",
                    "at": f"{at}ms",
                    "for": f"{stream.between(2_000, DURATION_MS // 2)}ms",
                    "groups": [[victim], rest],
                    "symmetric": False,
                }
            )
    return help_


def _draw_fault(stream: Stream, count: int, bad: list[int], *, may_lose: int) -> dict[str, Any]:
    at = stream.below(DURATION_MS - 2_000)
    span = {"at": f"{at}ms", "for": f"{stream.between(100, 6_000)}ms"}
    some = sorted(stream.sample(list(range(count)), stream.between(1, max(1, count // 2))))
    one = [stream.below(count)]
    rate = stream.choice((0.01, 0.05, 0.2, 0.5))
    kind = stream.choice(KINDS)
    match kind:
        case "crash":
            is_lossy = may_lose > 0 and one[0] not in bad and stream.chance(1, 4)
            crash: dict[str, Any] = {
                "at": f"{at}ms",
                "nodes": one if is_lossy else some,
                "disk": "lost" if is_lossy else stream.choice(("kept", "torn")),
            }
            if stream.chance(3, 4):
                crash["restart_after"] = f"{stream.between(1, 5_000)}ms"
            return {"kind": kind, **crash}
        case "partition":
            rest = [node for node in range(count) if node not in some]
            if not rest:
                rest = [some.pop()]
            return {"kind": kind, **span, "groups": [some, rest], "symmetric": stream.chance(3, 4)}
        case "loss":
            return {"kind": kind, **span, "rate": rate, "nodes": some}
        case "duplicate" | "reorder":
            return {"kind": kind, **span, "rate": rate, "nodes": some, "by": f"{stream.between(1, 400)}ms"}
        case "slow-disk":
            return {"kind": kind, **span, "nodes": some, "fsync": f"{stream.between(5, 300)}ms"}
        case "slow-link":
            return {"kind": kind, **span, "nodes": some, "delay": f"{stream.between(50, 1_500)}ms"}
        case "skew":
            offset = stream.between(-400, 400)
            drift = stream.choice((0, 0, -2_000, 2_000))
            return {
                "kind": kind, "at": f"{at}ms", "nodes": one, "offset": f"{offset}ms", "drift_ppm": drift
            }  # fmt: skip
        case "churn":
            every, down = stream.between(500, 3_000), stream.between(100, 2_000)
            disk = stream.choice(("kept", "torn"))
            return {
                "kind": kind, **span, "nodes": some, "every": f"{every}ms", "down": f"{down}ms", "disk": disk
            }  # fmt: skip
        case _:
            return {"kind": kind, **span, "nodes": some}
