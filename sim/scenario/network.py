"""The network between nodes: delays, bandwidth and what is always lost."""

from typing import Annotated, Literal

from pydantic import BeforeValidator, Field

from sim.scenario.values import Duration, Probability, Rate, Section
from sim.units import NS_PER_UNIT

MS = NS_PER_UNIT["ms"]


class Constant(Section):
    """The same delay on every link."""

    model: Literal["constant"]
    delay: Duration


class Uniform(Section):
    """Any delay between two bounds."""

    model: Literal["uniform"]
    low: Duration
    high: Duration


class Normal(Section):
    """Normally distributed delays, cut at `least`."""

    model: Literal["normal"]
    mean: Duration
    deviation: Duration
    least: Duration = 0


class LogNormal(Section):
    """Log-normal delays: symmetric in ratio about their median."""

    model: Literal["lognormal"]
    median: Duration
    sigma: Annotated[float, Field(gt=0, le=3)]
    """Standard deviation of the logarithm; 0.1 is a good data centre, 0.5 a home."""


class Pareto(Section):
    """A heavy tail above a least delay."""

    model: Literal["pareto"]
    least: Duration
    alpha: Annotated[float, Field(gt=1, le=100)]
    """Smaller is heavier; the mean is least · alpha / (alpha − 1)."""


class Empirical(Section):
    """Delays drawn from measured ones."""

    model: Literal["empirical"]
    samples: Annotated[list[Duration], Field(min_length=1)]


class Regions(Section):
    """Delays between regions from a table of medians and 90th percentiles."""

    model: Literal["regions"]
    table: str = "aws"
    """The built-in table, or a CSV file with the columns src, dst, p50_oneway_ms, p90_oneway_ms."""


class Edges(Section):
    """Delays along the shortest path over given links between nodes."""

    model: Literal["edges"]
    edges: Annotated[list[tuple[int, int, Duration]], Field(min_length=1)]
    """(node, node, delay), in both directions."""


def _latency(value: object) -> object:
    if not isinstance(value, str):
        return value
    if value[:1].isdigit():
        return {"model": "constant", "delay": value}
    return {"model": "regions", "table": value}


Latency = Annotated[
    Constant | Uniform | Normal | LogNormal | Pareto | Empirical | Regions | Edges,
    Field(discriminator="model"),
]
"""A table, or text for short: "10ms" is a constant delay, "aws" or a file's name a table of regions."""


class Network(Section):
    """The network between nodes."""

    latency: Annotated[Latency, BeforeValidator(_latency)] = Regions(model="regions")
    """One-way delay of a message."""
    up: Rate = 0
    """What a node's uplink carries."""
    down: Rate = 0
    """What a node's downlink carries."""
    fifo: bool = True
    """Whether the messages of one link and lane arrive in the order in which they were sent, as over TCP."""
    loss: Probability = 0.0
    """Share of messages that vanish all the time; a stream over TCP has none."""
    notice_down: Duration = 3_000 * MS
    """Silence after which a node holds a peer to be gone: three missed heartbeats."""
    reconnect: Duration = 1_000 * MS
    """Time from the end of a cut to a working connection."""
