"""What consensus must be told: the network's parameters, as far as they are its own."""

from noded.types.frozen import frozen
from noded.types.genesis import Routing

ROUTING_ALL_MAX = 32
"""Validators up to which `auto` broadcasts votes: 2·32² = 2048 messages a block are still cheap."""

TIMEOUT_GROWTH_MAX = 10
"""Longest view timeout, in shortest ones; an uncapped one stalls a chain for ever (R8)."""

STALL_MAX = 6
"""Stall from which the cap holds: 3^6 / 2^6 = 11.4."""


CLOCKS_APART = 3
"""Drifts by which a block's time may be ahead of a clock when it is made: its own, that of a clock that is fast, and that
of this one, which is slow (R21)."""


@frozen(kw_only=True)
class ConsensusParams:
    """Equal on all nodes: genesis fixes them. Times are in milliseconds."""

    routing: Routing
    delta_ms: int
    """Bound on the delay of a message that timeouts assume."""
    block_interval_ms: int
    """Least time between a block and the next."""
    idle_interval_ms: int
    """How long a proposer with nothing to order waits before an empty block."""
    drift_ms: int
    """How far a block's time may be ahead of a voter's clock."""
    epoch_length: int
    """Heights in an epoch (L)."""
    silent_views: int
    """Views of silence after which a proposer's view is nullified at once (k); 0 for never."""
    view_timeout_ms: int | None = None
    """T0; None for twice `delta_ms` and the block interval."""

    @property
    def base_timeout_ms(self) -> int:
        """T0: how long a proposer has when nothing went wrong lately."""
        if self.view_timeout_ms is not None:
            return self.view_timeout_ms
        return 2 * self.delta_ms + self.block_interval_ms

    def timeouts_ms(self) -> tuple[int, ...]:
        """T by stall: half as long again with each, up to the cap (R8)."""
        base = self.base_timeout_ms
        return tuple(
            min(TIMEOUT_GROWTH_MAX * base, base * 3**stall // 2**stall) for stall in range(STALL_MAX + 1)
        )

    def is_linear(self, validators_count: int) -> bool:
        """Whether votes go to collectors only, with this many validators."""
        if self.routing is Routing.AUTO:
            return validators_count > ROUTING_ALL_MAX
        return self.routing is Routing.LINEAR
