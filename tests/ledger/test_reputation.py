"""L123–L130: the arithmetic of reputation and powers."""

import ast
from pathlib import Path
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

import noded.ledger
from noded.ledger.conduct import S
from noded.ledger.reputation import (
    MOVES_FRACTION,
    POWER_FLOOR,
    Facts,
    cap_powers,
    compute_debt,
    compute_reputation,
    compute_rho,
    compute_score,
    compute_share,
    compute_target,
    effective_reputation,
    limit_moves,
    newcomer_reputation,
    tolerated,
)
from noded.types.ids import InstitutionId

MILLIONTHS = st.integers(0, S)
POWERS = st.lists(st.integers(1000, 2000), min_size=4, max_size=40)
WILD_POWERS = st.lists(st.integers(1, 1_000_000), min_size=4, max_size=40)


def ids(count: int) -> list[InstitutionId]:
    return [InstitutionId(number.to_bytes(16)) for number in range(count)]


def named(powers: list[int]) -> dict[InstitutionId, int]:
    return dict(zip(ids(len(powers)), powers, strict=True))


def alone(powers: dict[InstitutionId, int]) -> dict[InstitutionId, str]:
    return dict.fromkeys(powers, "")


def make_facts(**changes: int) -> Facts:
    values = {
        "points": 0,
        "opportunities": 0,
        "proposed": 0,
        "failed": 0,
        "accepted": 0,
        "lost": 0,
        "debt": 0,
    }
    return Facts(**{**values, **changes})


class TestScore:
    """L123: a product of what was done, of what could be."""

    def test_nothing_known_is_the_best_score(self) -> None:
        assert compute_score(make_facts()).total == S

    def test_perfect_epoch_is_the_best_score(self) -> None:
        facts = make_facts(points=1200, opportunities=600, proposed=6, accepted=3)

        assert compute_score(facts).total == S

    def test_figures_worked_out_by_hand(self) -> None:
        score = compute_score(
            make_facts(points=40, opportunities=56, proposed=1, failed=3, accepted=2, lost=1)
        )

        assert score.participation == 48 * S // 120
        assert score.leading == 3 * S // 6
        assert score.attesting == 10 * S // 20
        assert score.total == 100_000

    def test_one_dead_dimension_kills_it(self) -> None:
        silent = make_facts(points=0, opportunities=600, proposed=10)

        assert compute_score(silent).total < S // 100

    @given(
        st.integers(0, 1000),
        st.integers(0, 100),
        st.integers(0, 100),
        st.integers(0, 100),
        st.integers(0, 100),
    )
    def test_score_is_a_share_of_one(
        self, opportunities: int, missed: int, proposed: int, failed: int, lost: int
    ) -> None:
        facts = make_facts(
            points=max(0, 2 * opportunities - missed),
            opportunities=opportunities,
            proposed=proposed,
            failed=failed,
            lost=lost,
        )
        score = compute_score(facts)

        assert 0 <= score.total <= min(score.participation, score.leading, score.attesting) <= S


class TestReputation:
    """L125: slow to rise, fast to fall, never out of [0, S]; debt fades over 64 epochs."""

    def test_rises_by_a_thirty_second_and_falls_by_a_quarter(self) -> None:
        assert compute_reputation(500_000, S) == 515_625
        assert compute_reputation(500_000, 0) == 375_000
        assert compute_reputation(500_001, 0) == 375_000

    @given(MILLIONTHS, MILLIONTHS)
    def test_moves_towards_the_score_and_stays_within(self, reputation: int, score: int) -> None:
        after = compute_reputation(reputation, score)

        assert min(reputation, score) <= after <= max(reputation, score)

    @given(st.lists(MILLIONTHS, min_size=3, max_size=3).map(sorted))
    def test_recovery_is_monotone(self, numbers: list[int]) -> None:
        """Of two members with the same score, the better one stays no worse."""
        low, high, score = numbers

        assert compute_reputation(low, score) <= compute_reputation(high, score)

    def test_dead_member_sinks_and_a_living_one_comes_back(self) -> None:
        reputation, course = S // 2, []
        for score in [0] * 20 + [S] * 200:
            reputation = compute_reputation(reputation, score)
            course.append(reputation)

        assert course[7] < S // 16
        assert course[19] < S // 200
        assert course[20:] == sorted(course[20:])
        assert course[-1] > 99 * S // 100

    @given(MILLIONTHS, st.integers(0, 100 * S))
    def test_debt_stays_within(self, debt: int, incurred: int) -> None:
        assert 0 <= compute_debt(debt, incurred) <= S

    def test_debt_fades_away(self) -> None:
        debt, epochs = S, 0
        while debt:
            debt = compute_debt(debt, 0)
            epochs += 1

        assert 64 < epochs < 64 * 12

    @given(MILLIONTHS, MILLIONTHS)
    def test_debt_bounds_what_reputation_does(self, reputation: int, debt: int) -> None:
        effective = effective_reputation(reputation, debt)

        assert 0 <= effective <= reputation
        assert effective <= S - debt


class TestTarget:
    """L126: powers lie in [1, ρ], and ρ is small enough for k byzantine members."""

    @pytest.mark.parametrize(
        ("members", "k_min", "rho"),
        [
            (4, 1, 1499),
            (3, 1, 1000),
            (100, 33, 1015),
            (100, 24, 1583),
            (100, 19, 2000),
            (100, 14, 2000),
            (7, 2, 1249),
        ],
    )
    def test_rho(self, members: int, k_min: int, rho: int) -> None:
        assert compute_rho(members, k_min) == rho

    @given(st.integers(4, 400).flatmap(lambda n: st.tuples(st.just(n), st.integers(1, (n - 1) // 3))))
    def test_any_k_members_hold_less_than_a_third(self, case: tuple[int, int]) -> None:
        members, k_min = case
        rho = compute_rho(members, k_min)
        worst = [rho] * k_min + [POWER_FLOOR] * (members - k_min)

        assert 3 * sum(worst[:k_min]) < sum(worst)
        assert tolerated(worst) >= k_min

    @given(MILLIONTHS, st.integers(1000, 2000))
    def test_target_is_between_the_floor_and_rho(self, effective: int, rho: int) -> None:
        assert POWER_FLOOR <= compute_target(effective, rho) <= rho


class TestLimits:
    """L127: no member moves far in an epoch, and all together move at most a twelfth."""

    @given(st.lists(st.tuples(st.integers(1000, 2000), st.integers(1000, 2000)), min_size=1, max_size=60))
    def test_moves_are_bounded(self, members: list[tuple[int, int]]) -> None:
        raw = named([power for power, _ in members])
        targets = named([target for _, target in members])
        moved = limit_moves(raw, targets)

        for member, before in raw.items():
            assert before - before // 8 <= moved[member] <= before + max(1, before // 32)
            assert min(before, targets[member]) <= moved[member] <= max(before, targets[member])
        assert MOVES_FRACTION * sum(abs(moved[each] - raw[each]) for each in raw) <= sum(raw.values())

    @given(
        st.lists(st.tuples(st.integers(1000, 2000), st.integers(1000, 2000)), min_size=1, max_size=20),
        st.randoms(use_true_random=False),
    )
    def test_order_does_not_matter(self, members: list[tuple[int, int]], order: Random) -> None:
        raw = named([power for power, _ in members])
        targets = named([target for _, target in members])
        shuffled = list(raw.items())
        order.shuffle(shuffled)

        assert limit_moves(raw, targets) == limit_moves(dict(shuffled), targets)

    def test_all_falling_at_once_fall_by_a_twelfth_together(self) -> None:
        raw = named([2000] * 12)
        moved = limit_moves(raw, named([1000] * 12))

        assert sum(raw.values()) - sum(moved.values()) == 12 * (2000 // 12)


class TestCap:
    """L128: nobody holds a third, whatever the powers are, and no owner of several members."""

    def test_four_members(self) -> None:
        raw = named([2000, 1000, 1000, 1000])

        assert list(cap_powers(raw, alone(raw), 1).powers.values()) == [1499, 1000, 1000, 1000]

    @given(WILD_POWERS)
    def test_nobody_holds_a_third(self, powers: list[int]) -> None:
        raw = named(powers)
        capped = cap_powers(raw, alone(raw), 1).powers

        assert 3 * max(capped.values()) < sum(capped.values())
        assert all(1 <= capped[each] <= raw[each] for each in raw)

    @given(WILD_POWERS)
    def test_cap_is_as_high_as_it_may_be(self, powers: list[int]) -> None:
        raw = named(powers)
        capped = cap_powers(raw, alone(raw), 1).powers
        higher = max(capped.values()) + 1

        if higher <= max(powers):
            assert 3 * higher >= sum(min(power, higher) for power in powers)

    @given(WILD_POWERS, st.integers(1, 40))
    def test_the_promised_number_of_members_holds_no_third(self, powers: list[int], k_min: int) -> None:
        """However far apart raw powers are, as after members left; with too few members, as many as can be."""
        raw = named(powers)
        capped = cap_powers(raw, alone(raw), k_min).powers

        assert tolerated(list(capped.values())) >= min(k_min, (len(raw) - 1) // 3)
        assert all(1 <= capped[each] <= raw[each] for each in raw)

    @given(
        st.integers(4, 40).flatmap(lambda n: st.tuples(st.just(n), st.integers(1, (n - 1) // 3))), st.data()
    )
    def test_powers_within_rho_need_no_cap(self, case: tuple[int, int], data: st.DataObject) -> None:
        members, k_min = case
        between = st.integers(POWER_FLOOR, compute_rho(members, k_min))
        raw = named(data.draw(st.lists(between, min_size=members, max_size=members)))

        assert cap_powers(raw, alone(raw), k_min).powers == raw

    def test_three_leave_of_ten(self) -> None:
        """Two of seven with twice the floor would hold 44 %; they are taken down at once, without waiting for L127."""
        raw = named([2000, 2000] + [1000] * 5)

        assert list(cap_powers(raw, alone(raw), 2).powers.values()) == [1249] * 2 + [1000] * 5

    @given(st.lists(st.integers(POWER_FLOOR, 1_000_000), min_size=4, max_size=40), st.data())
    def test_no_owner_holds_a_third(self, powers: list[int], data: st.DataObject) -> None:
        raw = named(powers)
        owners = {each: data.draw(st.sampled_from(("", "", "A", "B"))) for each in raw}
        result = cap_powers(raw, owners, 1)
        total = sum(result.powers.values())
        groups: dict[object, int] = {}
        for each, power in result.powers.items():
            group = owners[each] or each
            groups[group] = groups.get(group, 0) + power

        assert 3 * max(result.powers.values()) < total
        if not result.owners_ignored:
            assert 3 * max(groups.values()) < total
        else:
            assert len(groups) < 4

    def test_powers_that_cannot_be_divided_are_capped_singly_with_an_alarm(self) -> None:
        """An owner of two holds 2 of 5 even where everybody has the least power there is."""
        raw = named([1] * 5)
        result = cap_powers(raw, {each: "A" if number < 2 else "" for number, each in enumerate(raw)}, 1)

        assert result.owners_ignored
        assert result.powers == raw

    def test_what_an_owner_loses_makes_nobody_else_hold_a_third(self) -> None:
        """Two of ten with 1999 would hold 3998 of the 11994 that are left when an owner of four is capped."""
        raw = named([1999, 1999] + [1000] * 8)
        owners = {each: "A" if number < 4 else "" for number, each in enumerate(reversed(raw))}
        capped = cap_powers(raw, owners, 2)

        assert not capped.owners_ignored
        assert tolerated(list(capped.powers.values())) == 2
        assert list(capped.powers.values())[:6] == [1998, 1998, 1000, 1000, 1000, 1000]

    @given(st.lists(st.integers(1000, 4000), min_size=4, max_size=40), st.integers(1, 13), st.data())
    def test_the_promised_number_holds_no_third_whoever_owns_others(
        self, powers: list[int], k_min: int, data: st.DataObject
    ) -> None:
        """As many as members of equal powers with these owners could promise."""
        raw = named(powers)
        owners = {each: data.draw(st.sampled_from(("", "", "A", "B"))) for each in raw}
        capped = cap_powers(raw, owners, k_min)
        equals = cap_powers(dict.fromkeys(raw, POWER_FLOOR), owners, 1)

        if not capped.owners_ignored:
            bearable = min(k_min, tolerated(list(equals.powers.values())))
            assert tolerated(list(capped.powers.values())) >= bearable
        assert all(1 <= capped.powers[each] <= raw[each] for each in raw)

    @given(POWERS, st.randoms(use_true_random=False))
    def test_order_does_not_matter(self, powers: list[int], order: Random) -> None:
        raw = named(powers)
        owners = {each: "A" if number % 5 == 0 else "" for number, each in enumerate(raw)}
        shuffled = list(raw.items())
        order.shuffle(shuffled)

        assert cap_powers(raw, owners, 1) == cap_powers(dict(shuffled), owners, 1)

    @pytest.mark.parametrize("count", [1, 2, 3])
    def test_few_members_are_equal(self, count: int) -> None:
        raw = named([2000, 1000, 1500][:count])
        powers = cap_powers(raw, alone(raw), 1).powers
        total = sum(powers.values())

        assert list(powers.values()) == [POWER_FLOOR] * count
        assert total - (total - 1) // 3 > total - POWER_FLOOR or count == 1

    def test_few_owners_are_capped_singly_with_an_alarm(self) -> None:
        raw = named([1000] * 6)
        result = cap_powers(raw, {each: "ABC"[number % 3] for number, each in enumerate(raw)}, 1)

        assert result.owners_ignored
        assert list(result.powers.values()) == [1000] * 6


class TestShare:
    """L129: proposer shares follow E², with a floor of a 64th."""

    def test_range_is_one_to_sixty_four(self) -> None:
        assert compute_share(1000, S) == 64 * compute_share(1000, 0)

    def test_half_the_reputation_is_a_quarter_of_the_share(self) -> None:
        assert 4 * compute_share(1000, S // 2) == compute_share(1000, S)

    @given(st.integers(1, 1_000_000), st.lists(MILLIONTHS, min_size=2, max_size=2).map(sorted))
    def test_share_grows_with_reputation(self, power: int, reputations: list[int]) -> None:
        low, high = reputations

        assert power <= compute_share(power, low) <= compute_share(power, high) <= 64 * power


class TestNewcomers:
    """L130: a newcomer starts at half the median, at most a quarter."""

    @pytest.mark.parametrize(
        ("reputations", "expected"),
        [([], S // 4), ([S], S // 4), ([100_000, 200_000, 900_000], 100_000), ([100_000, 300_000], 50_000)],
    )
    def test_start(self, reputations: list[int], expected: int) -> None:
        assert newcomer_reputation(reputations) == expected


class TestIntegers:
    """No float anywhere in the ledger."""

    def test_no_division_and_no_float_literal(self) -> None:
        found = []
        for path in sorted(Path(noded.ledger.__file__).parent.rglob("*.py")):
            for node in ast.walk(ast.parse(path.read_text())):
                if isinstance(node, ast.BinOp | ast.AugAssign) and isinstance(node.op, ast.Div):
                    found.append(f"{path.name}:{node.lineno} divides")
                if isinstance(node, ast.Constant) and isinstance(node.value, float):
                    found.append(f"{path.name}:{node.lineno} has a float")
                if isinstance(node, ast.Name) and node.id == "float":
                    found.append(f"{path.name}:{node.lineno} names float")

        assert found == []
