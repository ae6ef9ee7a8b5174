"""A scenario: everything that a run depends on, but the code."""

from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from noded.types.genesis import BLOCK_BYTES_MAX
from sim.scenario.acts import Act
from sim.scenario.faults import Fault
from sim.scenario.network import MS, Network
from sim.scenario.values import Duration, Probability, Section, Selector, SignedDuration, at_most
from sim.units import format_duration

SECOND = 1_000 * MS

Agreed = Annotated[Duration, at_most(600 * SECOND)]
"""A duration that is a parameter of the chain."""


class Time(Section):
    """How long, and from when on figures count."""

    duration: Duration = 60 * SECOND
    """Virtual time of the run."""
    warmup: Duration = 5 * SECOND
    """What is left out of all figures at the beginning."""
    gst: Duration = 0
    """After this time delays are bounded by delta; until then liveness is not checked."""
    delta: Agreed = 1 * SECOND
    """Bound on the delay of a message after gst."""
    heal: Duration = 0
    """
    How long to go on after the end with everything healed and byzantine nodes silent: by then all must have
    finalised something new.
    """
    ties: Literal["order", "random"] = "order"
    """Simultaneous events run as scheduled, or in an order drawn from the seed."""

    @model_validator(mode="after")
    def _is_something_counted(self) -> Self:
        if self.warmup >= self.duration:
            raise ValueError(
                f"warmup {format_duration(self.warmup)} leaves nothing of duration {format_duration(self.duration)} to count"
            )
        return self


class Nodes(Section):
    """The machines."""

    count: Annotated[int, Field(ge=1, le=4096)]
    """Validators."""
    regions: dict[str, Annotated[int, Field(ge=0)]] = Field(default_factory=lambda: {"*": 0})
    """How many nodes are where; "*" spreads the rest evenly over the regions not named."""
    cores: Annotated[int, Field(ge=1, le=256)] = 4
    """Cores of a machine: one runs the node, the others verify signatures."""
    per_machine: Annotated[int, Field(ge=1, le=256)] = 1
    """Nodes on each machine; more than one share all its cores for everything."""
    speed: Annotated[float, Field(gt=0)] = 1.0
    """How much faster a core is than the one that the costs are of."""
    slow: dict[str, Annotated[float, Field(gt=0)]] = Field(default_factory=dict)
    """Other speeds, by selector."""
    owners: dict[str, Selector] = Field(default_factory=dict)
    """Who owns several institutions, by name: they share one cap on voting power."""


class Cpu(Section):
    """What computing costs."""

    model: Literal["none", "costs"] = "costs"
    """"none": nothing takes any time (latency only)."""
    costs: str = "default"
    """The built-in table, or a file of the same form."""


class Disk(Section):
    """What durability costs."""

    fsync: Duration = 1 * MS
    """An fsync of a small record."""
    write: Annotated[int, Field(ge=0)] = 500_000_000
    """Bytes a second that an fsync writes; 0 is unlimited."""


class Clock(Section):
    """How wrong clocks are: each node's error is drawn between plus and minus these."""

    offset: SignedDuration = 0
    drift_ppm: Annotated[float, Field(ge=0, le=10_000)] = 0.0
    """Microseconds a second."""


class Protocol(Section):
    """Parameters of the chain and of its nodes."""

    routing: Literal["auto", "all", "linear"] = "auto"
    """Who hears a vote first; "auto" goes by the number of nodes."""
    block_bytes: Annotated[int, Field(ge=512 * 1024, le=BLOCK_BYTES_MAX)] = BLOCK_BYTES_MAX
    """Most transactions of a block, in bytes."""
    block_interval: Agreed = 0
    """Least time between two blocks."""
    idle_interval: Annotated[Duration, at_most(3_600 * SECOND)] = 5 * SECOND
    """How long a proposer with nothing to order waits before an empty block; 0: it never waits."""
    epoch_length: Annotated[int, Field(ge=4, le=100_000)] = 120
    """Heights."""
    view_timeout: Agreed = 600 * MS
    """First timeout of a view; 0: twice delta and the block interval."""
    reputation: bool = True
    """False: proposers take turns, powers stay those of genesis."""
    tolerated: Annotated[int, Field(ge=1)] | None = None
    """Byzantine nodes that must be borne whatever the reputations are (k_min); None: those of the scenario."""
    silent_views: Annotated[int, Field(ge=0, le=64)] = 3
    """Nullify the view of a proposer silent for this many of its views at once; 0: never."""
    drift: Agreed = 2 * SECOND
    """How far a block's time may lie ahead of a voter's clock."""


Kind = Literal["record", "consent", "access"]

WEIGHT_LEAST = 1e-6


def _usual_mix() -> dict[Kind, float]:
    return {"record": 0.8, "consent": 0.1, "access": 0.1}


def _weighs(mix: dict[Kind, float]) -> dict[Kind, float]:
    if not any(weight >= WEIGHT_LEAST for weight in mix.values()):
        raise ValueError("no kind has any weight")
    return mix


class Workload(Section):
    """Transactions of clients."""

    model: Literal["none", "poisson", "constant", "burst", "ramp", "closed", "trace"] = "poisson"
    rate: Annotated[float, Field(ge=0, le=1_000_000)] = 50.0
    """Transactions a second over all gateways; in a burst, on average; of a ramp, at its end."""
    gateways: Annotated[int, Field(ge=1)] = 4
    """Nodes that have clients; drawn from the correct founders."""
    mix: Annotated[dict[Kind, Annotated[float, Field(ge=0, le=1_000_000)]], AfterValidator(_weighs)] = Field(
        default_factory=_usual_mix
    )
    """Kinds of transactions by weight, to a millionth."""
    burst_period: Duration = 5 * SECOND
    burst_length: Duration = 1 * SECOND
    """All transactions of a period come within this time."""
    post: Annotated[int, Field(ge=1, le=512)] = 1
    """Transactions that a client hands in together."""
    beside: bool = False
    """Whether clients compute on the machine of their gateway."""
    clients: Annotated[int, Field(ge=1, le=1_000_000)] = 100
    """Of a closed loop: each hands in its next transactions once the last are final."""
    think: Duration = 0
    """Of a closed loop: pause between two transactions of a client."""
    trace: str | None = None
    """File with one submit time in seconds per line."""
    start: Duration = 500 * MS
    """When the first clients come."""


Behaviour = Literal[
    "silent",
    "equivocate",
    "double-vote",
    "nullify-only",
    "withhold",
    "delay",
    "censor",
    "stale",
    "impersonate",
    "garbage",
    "twins",
    "oscillate",
    "exclude",
    "rewind",
    "frame",
    "alter",
    "spam",
    "invalid",
]

Altered = Literal["counters", "table", "conduct"]


class Byzantine(Section):
    """Nodes that do not follow the protocol; a static set with its own keys only."""

    behaviour: Behaviour
    nodes: Selector
    at: Duration = 0
    """When they turn."""
    victims: Selector | None = None
    """Whom they single out, where the behaviour does; None: drawn from the seed."""
    by: Duration = 500 * MS
    """Of `delay`: how much later victims hear them."""
    period: Annotated[Duration, Field(gt=0)] = 20 * SECOND
    """Of `oscillate`: half of the time correct, half silent."""
    altered: Altered = "counters"
    """Of `alter`, in the node's store: the epoch's counters, its table, or the conduct of the node's own institution."""


class Check(Section):
    """Bounds of the checkers."""

    live_views: Annotated[int, Field(ge=1)] = 30
    """After gst the chain must grow within this many timeouts of a view."""
    starved_blocks: Annotated[int, Field(ge=1)] = 200
    """A valid transaction of a correct gateway must be in one of the next blocks."""
    queue_max: Annotated[int, Field(ge=1)] = 100_000
    """Inputs waiting at a node."""


class Sweep(Section):
    """Many runs: every combination of the grid's values, with several seeds each."""

    grid: dict[str, Annotated[list[Any], Field(min_length=1)]] = Field(default_factory=dict)
    """Keys of the scenario, dotted, and their values."""
    seeds: Annotated[int, Field(ge=1, le=10_000)] = 5
    """Runs of each combination, with the seeds from `seed` on."""


class Scenario(Section):
    """What a simulation simulates; a run is a function of this and the code."""

    name: Annotated[str, Field(pattern=r"^[^/\x00]+$")]
    """Also of the folder of a sweep's results."""
    about: str = ""
    """What the scenario is for."""
    seed: Annotated[int, Field(ge=0, lt=1 << 63)] = 1
    """All randomness comes from it."""
    time: Time = Time()
    nodes: Nodes
    network: Network = Network()
    cpu: Cpu = Cpu()
    disk: Disk = Disk()
    clock: Clock = Clock()
    protocol: Protocol = Protocol()
    workload: Workload = Workload()
    fault: list[Fault] = Field(default_factory=list)
    byzantine: list[Byzantine] = Field(default_factory=list)
    act: list[Act] = Field(default_factory=list)
    check: Check = Check()
    sweep: Sweep | None = None


__all__ = ["Byzantine", "Probability", "Scenario"]
