"""Clocks of nodes: what they show when virtual time is `now`."""

EPOCH_MS = 1_767_225_600_000
"""2026-01-01T00:00:00Z: what a correct clock shows at the start of a run."""

NS_PER_MS = 1_000_000


class Clock:
    """A clock with an offset and a drift; it never runs backwards but where it is set."""

    __slots__ = ("_drift_ppb", "_offset_ns", "_since")

    def __init__(self, *, offset_ns: int = 0, drift_ppm: float = 0.0) -> None:
        self._offset_ns = offset_ns
        self._drift_ppb = round(drift_ppm * 1_000)
        self._since = 0

    def now_ms(self, now: int) -> int:
        """What the clock shows, in Unix milliseconds."""
        shown = now + self._offset_ns
        if self._drift_ppb:
            shown += (now - self._since) * self._drift_ppb // 1_000_000_000
        return EPOCH_MS + shown // NS_PER_MS

    def skew(self, now: int, *, offset_ns: int, drift_ppm: float) -> None:
        """Set the clock off by `offset_ns`, and let it drift from now on."""
        self._offset_ns, self._drift_ppb, self._since = offset_ns, round(drift_ppm * 1_000), now

    def until(self, now: int, duration_ns: int) -> int:
        """How much virtual time passes while the clock counts `duration_ns`."""
        if not self._drift_ppb:
            return duration_ns
        return max(0, duration_ns - duration_ns * self._drift_ppb // 1_000_000_000)
