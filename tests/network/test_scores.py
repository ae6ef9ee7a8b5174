"""N9: penalty points."""

from noded.network.faults import PENALTY_BAN
from noded.network.scores import BAN_S_MAX, BAN_S_MIN, HALF_LIFE_S, Score


class TestScore:
    def test_points_halve_with_time(self) -> None:
        score = Score()
        score.add(80, 0)

        assert score.value(HALF_LIFE_S) == 40
        assert not score.add(50, HALF_LIFE_S)

    def test_enough_points_ban_for_a_while(self) -> None:
        score = Score()

        assert [score.add(PENALTY_BAN / 2, 0), score.add(PENALTY_BAN / 2, 0)] == [False, True]
        assert score.banned_s(1) == BAN_S_MIN - 1
        assert score.banned_s(BAN_S_MIN) == 0
        assert score.value(1) == 0

    def test_bans_double_up_to_a_limit(self) -> None:
        score, now_s, lengths = Score(), 0.0, []
        for _ in range(10):
            score.add(PENALTY_BAN, now_s)
            lengths.append(score.banned_s(now_s))
            now_s += lengths[-1]

        assert lengths[:3] == [BAN_S_MIN, 2 * BAN_S_MIN, 4 * BAN_S_MIN]
        assert lengths[-1] == BAN_S_MAX

    def test_a_ban_long_ago_is_forgotten(self) -> None:
        score = Score()
        score.add(PENALTY_BAN, 0)
        later_s = BAN_S_MIN + BAN_S_MAX
        score.add(PENALTY_BAN, later_s)

        assert score.banned_s(later_s) == BAN_S_MIN
