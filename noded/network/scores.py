"""Penalty points of members: they add up, halve with time, and ban (N9)."""

from dataclasses import dataclass

from noded.network.faults import PENALTY_BAN

HALF_LIFE_S = 60.0
"""Time in which half of the points are forgotten."""

BAN_S_MIN = 60.0
"""First ban; each further one lasts twice as long, up to BAN_S_MAX."""

BAN_S_MAX = 3600.0
"""Longest ban, and time after a ban in which the next one counts as a further one."""


@dataclass(slots=True)
class Score:
    """The standing of one member."""

    points: float = 0.0
    """As of `updated_s`."""
    updated_s: float = 0.0
    banned_until_s: float = 0.0
    ban_s: float = 0.0
    """Length of the last ban; 0 before the first."""

    def value(self, now_s: float) -> float:
        """The points left now."""
        return self.points * float(0.5 ** ((now_s - self.updated_s) / HALF_LIFE_S))

    def banned_s(self, now_s: float) -> float:
        """How much longer the member stays banned; 0 when it is not."""
        return max(0.0, self.banned_until_s - now_s)

    def add(self, points: float, now_s: float) -> bool:
        """
        Add points.

        Returns:
            Whether this bans the member; its points then start again from 0.
        """
        self.points = self.value(now_s) + points
        self.updated_s = now_s
        if self.points < PENALTY_BAN:
            return False
        again = self.ban_s > 0 and now_s < self.banned_until_s + BAN_S_MAX
        self.ban_s = min(self.ban_s * 2, BAN_S_MAX) if again else BAN_S_MIN
        self.banned_until_s = now_s + self.ban_s
        self.points = 0.0
        return True
