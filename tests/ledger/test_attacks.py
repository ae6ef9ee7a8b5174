"""Attacks on reputation and power, as far as the ledger alone answers them: what each gains and what it costs."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from noded.ledger.conduct import S, get_conduct
from noded.ledger.ledger import Ledger
from noded.ledger.reputation import (
    POWER_FLOOR,
    Facts,
    cap_powers,
    compute_reputation,
    compute_rho,
    compute_score,
    compute_share,
    compute_target,
    limit_moves,
)
from noded.types.ids import Epoch, InstitutionId
from noded.types.operations.membership import Admit, Remove
from noded.types.validator_set import ValidatorTable
from tests.helpers.ledger import (
    TestChain,
    make_genesis,
    make_institution,
    member_id,
)
from tests.helpers.tables import powers, ready, rows
from tests.helpers.voting import decide
from tests.ledger.test_participation import make_equivocation, make_invalid_proposal


def shares_of(chain: TestChain) -> dict[int, float]:
    """Each member's part of the proposer shares."""
    found = rows(chain)
    total = sum(row.share for row in found.values())
    return {number: row.share / total for number, row in found.items()}


def table_of(ledger: Ledger, epoch: int) -> ValidatorTable | None:
    """The table of a past epoch, if it is kept."""
    validators = ledger.validators_of(Epoch(epoch))
    return None if validators is None else validators.table


def epochs_until(start: int, goal: int) -> int:
    """How many perfect epochs lead from one reputation to another."""
    count = 0
    while start < goal:
        start = compute_reputation(start, S)
        count += 1
    return count


class TestOnOff:
    """L125, L129: who is silent by turns never gets the share of its good half, and loses it within few epochs."""

    def course(self, on: int, off: int) -> tuple[float, float]:
        """Mean share while correct, and the sum of shares while silent, of one settled period; 1 is a full share."""
        reputation = S
        for _ in range(20):
            good = bad = 0
            for epoch in range(on + off):
                share = compute_share(POWER_FLOOR, reputation)
                good, bad = (good + share, bad) if epoch < on else (good, bad + share)
                reputation = compute_reputation(reputation, S if epoch < on else 0)
        return good / on / (64 * POWER_FLOOR), bad / (64 * POWER_FLOOR)

    @pytest.mark.parametrize(
        ("epochs", "gain", "cost"),
        [
            (1, 0.0156, 0.0156),
            (4, 0.0165, 0.0739),
            (16, 0.0586, 0.5155),
            (32, 0.1663, 1.301),
            (128, 0.6347, 4.054),
        ],
    )
    def test_what_turns_of_equal_length_bring(self, epochs: int, gain: float, cost: float) -> None:
        """Half of the time correct: the mean share then, and the shares wasted in each silent half."""
        good, lost = self.course(epochs, epochs)

        assert good == pytest.approx(gain, rel=0.01)
        assert lost == pytest.approx(cost, rel=0.01)

    @given(st.integers(1, 40), st.integers(1, 40))
    def test_silence_costs_the_network_at_most_three_epochs_of_a_share(self, on: int, off: int) -> None:
        _, lost = self.course(on, off)

        assert lost <= 16 / 7 + off / 64 + 0.01


class TestWhitewashing:
    """L130: leaving washes nothing off, and a new name costs a vote and saves few epochs."""

    def test_who_leaves_and_is_admitted_again_has_what_it_left_with(self) -> None:
        chain = TestChain(make_genesis(7, epoch_length=20, k_min=2))
        for _ in range(8):
            chain.finish_epoch(voters=[0, 1, 2, 3, 4, 5])
        assert decide(chain, Remove(institution=member_id(7)), voters=(1, 2, 3, 4, 5, 6)) is None
        chain.finish_epoch(voters=[0, 1, 2, 3, 4, 5])
        left_with = get_conduct(chain.state, member_id(7)).reputation
        assert 7 not in powers(chain)
        assert left_with is not None
        assert left_with < S // 4

        assert decide(chain, Admit(institution=member_id(7)), voters=(1, 2, 3, 4, 5, 6)) is None
        assert ready(chain, 7) is None
        chain.finish_epoch()
        assert rows(chain)[7].reputation == left_with

    def test_a_new_name_saves_at_most_eight_epochs(self) -> None:
        assert epochs_until(S // 20, S // 2) - epochs_until(S // 4, S // 2) == 8


class TestSybil:
    """L128, L131: many members of one owner count as one, and enter a few at a time."""

    def test_owner_of_six_in_fourteen_stays_below_a_third(self) -> None:
        institutions = [
            make_institution(number, owner="ring" if number > 8 else "") for number in range(1, 15)
        ]
        chain = TestChain(make_genesis(institutions=institutions, validators=14, epoch_length=4))
        for _ in range(4):
            held, shares = powers(chain), shares_of(chain)
            ring = range(9, 15)
            assert 3 * sum(held[number] for number in ring) < sum(held.values())
            assert sum(shares[number] for number in ring) < 0.334
            chain.finish_epoch()

    def test_six_accomplices_of_ten_take_four_epochs_to_enter(self) -> None:
        institutions = [
            make_institution(number, owner="ring" if number > 10 else "") for number in range(1, 17)
        ]
        chain = TestChain(make_genesis(institutions=institutions, validators=10, epoch_length=12))
        entered = []
        for _ in range(6):
            present = powers(chain)
            for number in range(11, 17):
                if number not in present:
                    assert ready(chain, number) is None
            chain.finish_epoch()
            entered.append(sum(number > 10 for number in powers(chain)))

        assert entered == [1, 2, 4, 6, 6, 6]


class TestPraiseRing:
    """L123, L124: praise cannot lift a clean record, and repairs a stained one by less than a 16th a counterparty."""

    def attesting(self, accepted: int, lost: int) -> int:
        facts = Facts(points=0, opportunities=0, proposed=0, failed=0, accepted=accepted, lost=lost, debt=0)
        return compute_score(facts).attesting

    @given(st.integers(0, 10_000))
    def test_nothing_is_gained_by_who_has_lost_nothing(self, accepted: int) -> None:
        assert self.attesting(accepted, 0) == S

    @given(st.integers(0, 1_000), st.integers(0, 1_000))
    def test_one_counterparty_moves_less_than_a_sixteenth(self, accepted: int, lost: int) -> None:
        assert self.attesting(accepted + 1, lost) - self.attesting(accepted, lost) < S // 16


class TestKnockingOff:
    """L126, L127: whoever is knocked off line, and for how long, the tolerated members never reach a third."""

    @settings(max_examples=60)
    @given(
        st.integers(4, 40).flatmap(lambda n: st.tuples(st.just(n), st.integers(1, (n - 1) // 3))), st.data()
    )
    def test_attackers_stay_below_a_third(self, case: tuple[int, int], data: st.DataObject) -> None:
        members, k_min = case
        rho = compute_rho(members, k_min)
        names = [InstitutionId(number.to_bytes(16)) for number in range(members)]
        raw = dict.fromkeys(names, POWER_FLOOR)
        for _ in range(data.draw(st.integers(1, 12))):
            online = [data.draw(st.booleans()) for _ in names[k_min:]]
            best = [S] * k_min + [S * is_online for is_online in online]
            raw = limit_moves(
                raw, {each: compute_target(e, rho) for each, e in zip(names, best, strict=True)}
            )
            held = cap_powers(raw, dict.fromkeys(names, ""), k_min).powers
            assert 3 * sum(held[each] for each in names[:k_min]) < sum(held.values())

    def test_three_of_ten_off_line_lift_two_attackers_from_20_to_23_percent(self) -> None:
        chain = TestChain(make_genesis(10, epoch_length=20, k_min=2))
        for _ in range(60):
            chain.finish_epoch(voters=[0, 1, 2, 3, 4, 5, 6])
        held = powers(chain)
        part = (held[1] + held[2]) / sum(held.values())

        assert 0.22 < part < 0.235
        alarms = [
            placed.event.detail for placed in chain.committed[-1].events if placed.event.name == "epoch.alarm"
        ]
        assert (
            alarms == []
            if 4 * sum(held[each] for each in (8, 9, 10)) <= sum(held.values())
            else [b"silent-power"]
        )


class TestTrap:
    """L123, L129: who has lost everything comes back by voting alone, without a chance to propose."""

    def test_participation_lifts_reputation_without_leading(self) -> None:
        score = compute_score(
            Facts(points=112, opportunities=56, proposed=0, failed=0, accepted=0, lost=0, debt=0)
        )

        assert score.total == S
        assert epochs_until(0, S // 2) == 22
        assert epochs_until(0, 9 * S // 10) == 73

    def test_share_never_falls_below_a_sixty_fourth(self) -> None:
        assert compute_share(POWER_FLOOR, 0) * 64 == compute_share(POWER_FLOOR, S)


class TestEvidenceSpam:
    """L124: the same evidence counts once, whoever brings it how often, and charges nobody else."""

    def test_a_thousand_copies_are_one_penalty(self) -> None:
        chain = TestChain(make_genesis(5, epoch_length=60))
        for _ in range(20):
            chain.run(evidence=[make_equivocation(2), make_invalid_proposal(3)] * 25)
        conduct = {number: get_conduct(chain.state, member_id(number)) for number in range(1, 6)}

        assert {number: each.equivocations for number, each in conduct.items()} == {
            1: 0,
            2: 1,
            3: 0,
            4: 0,
            5: 0,
        }
        assert {number: each.invalid_proposals for number, each in conduct.items()} == {
            1: 0,
            2: 0,
            3: 1,
            4: 0,
            5: 0,
        }


class TestNondeterminism:
    """L141: a table is recomputed from the chain, or after a restart in mid-epoch, and is the same."""

    @settings(max_examples=10, deadline=None)
    @given(
        st.lists(st.lists(st.sampled_from(range(7)), min_size=5, unique=True), min_size=12, max_size=18),
        st.integers(1, 11),
    )
    def test_replay_and_restart_give_the_same_tables(self, voters: list[list[int]], restart: int) -> None:
        chain = TestChain(make_genesis(7, epoch_length=5, k_min=2))
        again = TestChain(make_genesis(7, epoch_length=5, k_min=2))
        for number, chosen in enumerate(voters):
            evidence = [make_equivocation(3)] if number == 7 else []
            committed = chain.run(
                voters=[each for each in chosen if each < len(chain.validators)], evidence=evidence
            )
            again.append(committed.block)
            if number == restart:
                again.base.settle()
                again.ledger = Ledger(again.genesis, again.base)

        assert again.ledger.state_root_after(again.tip) == chain.ledger.state_root_after(chain.tip)
        last = chain.ledger.epoch_after(chain.tip)
        for epoch in range(1, last + 1):
            assert table_of(again.ledger, epoch) == table_of(chain.ledger, epoch)
