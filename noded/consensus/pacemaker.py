"""R8, R9: how long a view may last here, and whose views are not worth waiting for."""

from noded.consensus.params import STALL_MAX, ConsensusParams


class Pacemaker:
    """Timeouts by stall, and the silence of proposers; of one epoch."""

    __slots__ = ("_silent_views", "_timeouts_ms", "silence", "silent_mask", "stall")

    def __init__(self, params: ConsensusParams) -> None:
        self._timeouts_ms = params.timeouts_ms()
        self._silent_views = params.silent_views
        self.stall = 0
        """Own X votes since the last finalization."""
        self.silence: dict[int, int] = {}
        """By validator's index: its last views in a row in which, and since which, nothing was heard of it."""
        self.silent_mask = 0
        """Bit i: validator i is in `silence`."""

    @property
    def timeout_ms(self) -> int:
        """T: how long the current view may last (R8)."""
        return self._timeouts_ms[min(self.stall, STALL_MAX)]

    @property
    def relay_ms(self) -> int:
        """How long a collector waits for the next proposal to carry its certificate (R7)."""
        return max(1, 15 * self.timeout_ms // 100)

    def is_silent(self, index: int) -> bool:
        """Whether nothing was heard of a validator since its k-th last view (R9)."""
        return 0 < self._silent_views <= self.silence.get(index, 0)

    def missed(self, index: int) -> None:
        """A view of this proposer ended and nothing came of it."""
        self.silence[index] = self.silence.get(index, 0) + 1
        self.silent_mask |= 1 << index

    def heard(self, mask: int) -> None:
        """Something verified came of these validators (bits by index)."""
        back = self.silent_mask & mask
        if back:
            self.silent_mask &= ~mask
            for index in [index for index in self.silence if back >> index & 1]:
                del self.silence[index]
