"""
What computing costs: prices, and the cores that the work is given to.

That a node takes one input at a time is its host's business.
"""

import tomllib
from dataclasses import dataclass, fields
from heapq import heapreplace
from importlib.resources import files
from pathlib import Path

from noded.errors import ConfigError

CHUNK_SIGNATURES = 100
"""Signatures that a worker verifies at a time, as in the daemon: a thread hop costs more than one check."""


@dataclass(frozen=True, slots=True)
class Price:
    """Nanoseconds of an operation: `fixed` and for each byte or item."""

    fixed: float
    each: float

    def of(self, size: int) -> int:
        """Nanoseconds for this many bytes or items."""
        return int(self.fixed + self.each * size)


FREE = Price(0.0, 0.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Costs:
    """Prices on one core of the machine that they were measured on; speeds scale them."""

    step: Price = FREE
    """Any input that is no message."""
    votes: Price = FREE
    """Taking in a vote message, by bytes."""
    proposal: Price = FREE
    """Taking in a proposal, by bytes."""
    batch: Price = FREE
    """Taking in a batch, by bytes."""
    message: Price = FREE
    """Taking in any other message, by bytes."""
    submit: Price = FREE
    """Taking in clients' transactions, by bytes."""
    send: Price = FREE
    """Encoding a message once, by bytes."""
    copy: Price = FREE
    """Handing a message to one peer's stream, by bytes."""
    sign: Price = FREE
    """Signing, by number of signatures."""
    hop: Price = FREE
    """Handing a chunk of signatures to a worker and taking the verdict."""
    verify: Price = FREE
    """Verifying, by number of signatures."""
    execute: Price = FREE
    """Executing a block, by number of transactions."""
    commit: Price = FREE
    """Storing blocks in one go, by number of transactions."""
    client: Price = FREE
    """What clients compute for a call, by number of transactions; counts where they share the nodes' machine."""


def load_costs(source: str) -> Costs:
    """
    Read a table of costs: "none", "default" (the built-in one), or a file of the same form.

    Raises:
        ConfigError: The file cannot be read, or names no costs.
    """
    if source == "none":
        return Costs()
    try:
        default = files("sim.models").joinpath("costs.toml")
        text = default.read_text() if source == "default" else Path(source).read_text()
        table = tomllib.loads(text)["cost"]
        known = [field.name for field in fields(Costs)]
        unknown = [name for name in table if name not in known]
        if unknown:
            raise ConfigError(f"cpu.costs {source}: unknown cost {unknown[0]!r}; known: {', '.join(known)}")
        return Costs(**{name: Price(float(fixed), float(each)) for name, (fixed, each) in table.items()})
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError, KeyError, TypeError, ValueError) as error:
        raise ConfigError(f"cpu.costs {source}: {error}") from error


class Machine:
    """
    The cores of a machine, given to whoever comes first.

    A node that has a machine for itself runs on one core, and the others verify signatures. Nodes that share one
    share all of its cores, for everything.
    """

    __slots__ = ("_free", "_is_shared", "worked_ns")

    def __init__(self, cores: int, *, is_shared: bool = False) -> None:
        self.worked_ns = 0
        """Of all cores together."""
        self._free = [0] * (cores if is_shared else max(1, cores - 1))
        self._is_shared = is_shared

    def done_ns(self, now: int) -> int:
        """Nanoseconds of work that shared cores have done by now, of all that was given to them."""
        return self.worked_ns - sum(max(0, free - now) for free in self._free)

    def run(self, work: int, now: int) -> int:
        """When work that is given to a core now is done."""
        if self._is_shared:
            return self._take(work, now)
        self.worked_ns += work
        return now + work

    def verify(self, count: int, costs: Costs, speed: float, now: int) -> int:
        """When this many signatures, handed over now in chunks, are all verified."""
        done = now
        while count > 0:
            chunk = min(count, CHUNK_SIGNATURES)
            count -= chunk
            done = max(done, self._take(int((costs.hop.of(1) + costs.verify.of(chunk)) / speed), now))
        return done

    def _take(self, work: int, now: int) -> int:
        self.worked_ns += work
        end = max(self._free[0], now) + work
        heapreplace(self._free, end)
        return end
