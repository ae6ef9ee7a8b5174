"""P2, P5: a light client follows the epochs one by one or skips, and trusts no table that honest voters did not end."""

from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from noded.lightclient import (
    Clock,
    InvalidProof,
    TableForged,
    TooLittleOverlap,
    TrustExpired,
    decode_proof,
    encode_proof,
    follow,
    founding_trust,
    shorten,
    since,
    verify,
)
from noded.lightclient.trust import BEHIND_MAX_MS
from noded.types.block import BlockKind, header_hash
from noded.types.ids import ChainId, TimestampMs
from noded.types.validator_set import ValidatorTable, table_root
from tests.helpers.epoch_series import EPOCH_MS, START_MS, finalize, make_end, make_series, make_table
from tests.helpers.proofs import ProvingChain, unequal_genesis
from tests.lightclient.test_proof import KEY

FRESH = Clock(now_ms=START_MS + 10 * EPOCH_MS, trusting_ms=100 * EPOCH_MS)


def steady(epochs: int) -> list[ValidatorTable]:
    """Four members whose powers change with every epoch."""
    return [
        make_table(epoch, {number: 1000 + (number * 37 * epoch) % 90 for number in range(4)})
        for epoch in range(1, epochs + 1)
    ]


class TestSequential:
    """P2: each epoch's voters end it, and commit to the next."""

    def test_weights_that_change_every_epoch(self) -> None:
        tables = steady(9)
        trusted, ends = make_series(tables)

        reached = follow(trusted, ends)

        assert reached.table == tables[-1]
        assert reached.time_ms == ends[-1].terminal.time_ms
        assert len({table_root(table) for table in tables}) == 9

    def test_needs_no_clock(self) -> None:
        """Epoch by epoch, the trusting period does not matter."""
        trusted, ends = make_series(steady(3))

        assert follow(trusted, ends, clock=Clock(now_ms=1 << 50, trusting_ms=1)).table.epoch == 3

    def test_ends_before_the_trusted_epoch_are_passed_over(self) -> None:
        tables = steady(6)
        _, ends = make_series(tables)
        trusted, _ = make_series(tables[3:])

        assert follow(trusted, ends).table == tables[-1]

    def test_the_quorum_is_that_of_the_epochs_own_table(self) -> None:
        """Three of four equal members end epoch 1; in epoch 2 the same three are too few."""
        tables = [
            make_table(1, dict.fromkeys(range(4), 1000)),
            make_table(2, {0: 1000, 1: 1000, 2: 1000, 3: 1502}),
            make_table(3, dict.fromkeys(range(4), 1000)),
        ]
        trusted, _ = make_series(tables)
        first = make_end(tables[0], tables[1], voters=[0, 1, 2])
        second = make_end(tables[1], tables[2], voters=[0, 1, 2])

        assert follow(trusted, [first]).table == tables[1]
        with pytest.raises(InvalidProof, match="end of epoch 2: the votes make no quorum"):
            follow(trusted, [first, second])

    def test_a_forged_next_table_is_refused(self) -> None:
        tables = steady(3)
        trusted, ends = make_series(tables)
        forged = replace(ends[0], table=make_table(2, {9: 1000}))

        with pytest.raises(TableForged, match="not the one that it commits to"):
            follow(trusted, [forged, ends[1]])

    def test_a_next_table_of_another_epoch_is_refused(self) -> None:
        """Even where the block commits to it: nobody skips epochs by the word of one."""
        first, third = (
            make_table(1, dict.fromkeys(range(4), 1000)),
            make_table(3, dict.fromkeys(range(4), 1000)),
        )
        trusted, _ = make_series([first])

        with pytest.raises(TableForged, match="the next epoch's table"):
            follow(trusted, [make_end(first, third)])

    def test_only_seals_follow_the_end(self) -> None:
        tables = steady(2)
        trusted, (end,) = make_series(tables)
        after = replace(end.terminal, kind=BlockKind.SEAL, parent_hash=header_hash(end.terminal))
        sealed = replace(end, seals=(after,), finalization=finalize(after, tables[0]))
        assert follow(trusted, [sealed]).table == tables[1]

        other = replace(after, kind=BlockKind.TERMINAL)
        with pytest.raises(InvalidProof, match="only seals follow"):
            follow(trusted, [replace(end, seals=(other,), finalization=finalize(other, tables[0]))])

    def test_an_end_signed_by_an_invented_table_is_refused(self) -> None:
        """Whoever invents voters has them sign what they like, but the trusted table is another."""
        invented = make_table(1, dict.fromkeys(range(50, 54), 1000))
        trusted, _ = make_series(steady(2))

        with pytest.raises(TableForged):
            follow(trusted, [make_end(invented, make_table(2, {50: 1000}))])


class TestSkipping:
    """P5: over epochs without their ends."""

    def test_over_changed_weights(self) -> None:
        tables = steady(8)
        trusted, ends = make_series(tables)

        reached = follow(trusted, ends[-1:], tables[-2:-1], FRESH)

        assert reached.table == tables[-1]

    def test_then_one_by_one(self) -> None:
        tables = steady(8)
        trusted, ends = make_series(tables)

        assert follow(trusted, ends[4:], [tables[4]], FRESH).table == tables[-1]

    def test_without_a_clock_is_refused(self) -> None:
        tables = steady(5)
        trusted, ends = make_series(tables)

        with pytest.raises(
            InvalidProof, match="end of epoch 1: it is missing, the next end is that of epoch 4"
        ):
            follow(trusted, ends[-1:], tables[-2:-1])

    def test_an_expired_trust_is_refused(self) -> None:
        tables = steady(5)
        trusted, ends = make_series(tables)
        last = trusted.time_ms + FRESH.trusting_ms

        assert follow(trusted, ends[-1:], tables[-2:-1], replace(FRESH, now_ms=last - 1)).table == tables[-1]
        with pytest.raises(TrustExpired, match="skip from epoch 1 to 4: the trusted table is"):
            follow(trusted, ends[-1:], tables[-2:-1], replace(FRESH, now_ms=last))

    def test_a_clock_before_the_trusted_table_tells_no_age(self) -> None:
        """A clock that stopped would find everything fresh."""
        tables = steady(5)
        trusted, ends = make_series(tables)
        first = trusted.time_ms - BEHIND_MAX_MS

        assert follow(trusted, ends[-1:], tables[-2:-1], replace(FRESH, now_ms=first)).table == tables[-1]
        with pytest.raises(InvalidProof, match="clock is 3600001 ms before the trusted table"):
            follow(trusted, ends[-1:], tables[-2:-1], replace(FRESH, now_ms=first - 1))

    def test_a_skip_renews_the_trust(self) -> None:
        """The second skip starts from the younger table."""
        tables = steady(9)
        trusted, ends = make_series(tables)
        clock = Clock(now_ms=ends[-1].terminal.time_ms, trusting_ms=8 * EPOCH_MS)

        with pytest.raises(TrustExpired):
            follow(trusted, [ends[7]], [tables[7]], clock)
        earlier = replace(clock, now_ms=ends[3].terminal.time_ms)
        reached = follow(trusted, [ends[3]], [tables[3]], earlier)
        assert follow(reached, [ends[7]], [tables[7]], clock).table == tables[-1]

    @pytest.mark.parametrize(("common", "enough"), [(1334, False), (1335, True)])
    def test_more_than_a_third_must_be_common(self, common: int, enough: bool) -> None:
        """Of a trusted power of 4,002 a third is 1,334."""
        known = make_table(1, {0: common, 1: 1000, 2: 1000, 3: 2002 - common})
        later = make_table(5, {0: 1000, 11: 1000, 12: 1000, 13: 1000})
        final = make_table(6, {0: 1000})
        trusted, _ = make_series([known])
        end = make_end(later, final)

        if enough:
            assert follow(trusted, [end], [later], FRESH).table == final
        else:
            with pytest.raises(TooLittleOverlap, match="hold 1334 of the trusted power 4002"):
                follow(trusted, [end], [later], FRESH)

    def test_only_who_signed_counts(self) -> None:
        """A member of both tables that did not sign the end is no overlap."""
        known = make_table(1, dict.fromkeys(range(4), 1000))
        later = make_table(5, {0: 1000, 1: 1000, **dict.fromkeys(range(10, 16), 1000)})
        final = make_table(6, {0: 1000})
        trusted, _ = make_series([known])

        assert follow(trusted, [make_end(later, final)], [later], FRESH).table == final
        with pytest.raises(TooLittleOverlap):
            follow(trusted, [make_end(later, final, voters=[0, *range(10, 16)])], [later], FRESH)

    def test_rotated_keys_are_no_overlap(self) -> None:
        """Whoever invents a table may name members, but not sign with the keys that are trusted."""
        powers = dict.fromkeys(range(4), 1000)
        known, later, final = (
            make_table(1, powers),
            make_table(5, powers, rotated=range(4)),
            make_table(6, powers),
        )
        trusted, _ = make_series([known])

        with pytest.raises(TooLittleOverlap, match="hold 0 of"):
            follow(trusted, [make_end(later, final)], [later], FRESH)

    def test_overlap_is_no_quorum(self) -> None:
        """More than a third of the trusted power is not enough where it is no quorum of the later epoch."""
        powers = dict.fromkeys(range(4), 1000)
        known, later, final = make_table(1, powers), make_table(5, powers), make_table(6, powers)
        trusted, _ = make_series([known])

        with pytest.raises(InvalidProof, match="the votes make no quorum"):
            follow(trusted, [make_end(later, final, voters=[0, 1])], [later], FRESH)

    def test_a_table_that_the_block_does_not_commit_to(self) -> None:
        tables = steady(5)
        trusted, ends = make_series(tables)
        heavier = make_table(4, {0: 100_000, 1: 1, 2: 1, 3: 1})

        with pytest.raises(TableForged):
            follow(trusted, ends[-1:], [heavier], FRESH)

    def test_a_table_with_a_member_twice(self) -> None:
        """Else one signature would count as often as its member is listed."""
        row = make_table(4, {0: 1000}).validators[0]
        doubled = replace(make_table(4, {0: 1000}), validators=(row, row, row))
        trusted, _ = make_series([make_table(1, {0: 1000, 1: 1000})])

        with pytest.raises(TableForged, match="in order, each once"):
            follow(trusted, [make_end(doubled, make_table(5, {0: 1000}))], [doubled], FRESH)

    def test_a_table_of_which_nobody_proposes(self) -> None:
        """No ledger makes one, and nobody has verified a signature when it is looked at."""
        idle = make_table(4, {0: 1000, 1: 1000})
        idle = replace(idle, validators=tuple(replace(row, share=0) for row in idle.validators))
        trusted, _ = make_series([make_table(1, {0: 1000, 1: 1000})])

        with pytest.raises(TableForged, match="none of its voters may propose"):
            follow(trusted, [make_end(idle, make_table(5, {0: 1000}))], [idle], FRESH)

    @settings(max_examples=25, deadline=None)
    @given(
        st.lists(
            st.dictionaries(st.integers(0, 6), st.integers(1, 2000), min_size=1, max_size=7),
            min_size=3,
            max_size=6,
        ),
        st.data(),
    )
    def test_skipping_arrives_where_following_does_or_is_refused(
        self, powers: list[dict[int, int]], data: st.DataObject
    ) -> None:
        tables = [make_table(epoch, each) for epoch, each in enumerate(powers, 1)]
        trusted, ends = make_series(tables)
        target = data.draw(st.integers(1, len(ends) - 1))

        known = {row.id: int(row.power) for row in tables[0].validators}
        common = sum(known.get(row.id, 0) for row in tables[target].validators)
        permitted = 3 * common > sum(known.values())

        if permitted:
            assert follow(trusted, ends[target:], [tables[target]], FRESH) == follow(trusted, ends)
        else:
            with pytest.raises(TooLittleOverlap):
                follow(trusted, ends[target:], [tables[target]], FRESH)


class TestProofs:
    """Proofs of values over epochs, for those who verified before."""

    def chain(self) -> ProvingChain:
        chain = ProvingChain(unequal_genesis([1000, 1100, 1200, 1300, 1400]))
        while len(chain.entries) < 6:
            chain.run()
        return chain

    def clock(self, chain: ProvingChain) -> Clock:
        return Clock(now_ms=chain.genesis.time_ms + 1, trusting_ms=1 << 40)

    def test_powers_do_change(self) -> None:
        tables = [entry.table for entry in self.chain().entries]

        assert all(
            [row.power for row in first.validators] != [row.power for row in second.validators]
            for first, second in pairwise(tables)
        )

    def test_a_shortened_proof_shows_the_same(self) -> None:
        chain = self.chain()
        chain_id = chain.genesis.chain_id
        whole = chain.prove(KEY)
        start = founding_trust(chain.genesis, chain_id)

        short = decode_proof(encode_proof(shorten(whole, start)))

        assert len(whole.epochs) == 6
        assert (len(short.epochs), len(short.tables)) == (1, 1)
        assert verify(short, chain_id, clock=self.clock(chain)) == verify(whole, chain_id)

    def test_later_proofs_start_where_earlier_ones_ended(self) -> None:
        chain = self.chain()
        chain_id = chain.genesis.chain_id
        known = verify(chain.prove(KEY), chain_id).trusted
        while len(chain.entries) < 9:
            chain.run()
        whole = chain.prove(KEY)

        short = shorten(whole, known)

        assert [entry.terminal.epoch for entry in short.epochs] == [9]
        shown = verify(short, chain_id, trusted=known, clock=self.clock(chain))
        assert shown == verify(whole, chain_id)
        assert shown.trusted.table.epoch == 10

    def test_a_proof_that_begins_too_late_says_what_is_missing(self) -> None:
        chain = self.chain()
        chain_id = chain.genesis.chain_id
        whole = chain.prove(KEY)
        last = verify(whole, chain_id).trusted

        with pytest.raises(InvalidProof, match="end of epoch 1: it is missing, and the block is of epoch 7"):
            verify(since(whole, last), chain_id)

    def test_without_a_clock_a_short_proof_is_refused(self) -> None:
        chain = self.chain()
        chain_id = chain.genesis.chain_id

        with pytest.raises(InvalidProof, match="it is missing"):
            verify(shorten(chain.prove(KEY), founding_trust(chain.genesis, chain_id)), chain_id)

    def test_trust_in_another_chain_is_refused(self) -> None:
        chain = self.chain()
        chain_id = chain.genesis.chain_id
        known = verify(chain.prove(KEY), chain_id).trusted

        with pytest.raises(InvalidProof, match="trusted table"):
            verify(chain.prove(KEY), chain_id, trusted=replace(known, chain_id=ChainId(bytes(32))))

    def test_trust_in_a_wrong_table_shows_nothing(self) -> None:
        chain = self.chain()
        chain_id = chain.genesis.chain_id
        known = verify(chain.prove(KEY), chain_id).trusted
        wrong = replace(known, table=make_table(int(known.table.epoch), {1: 1000}), time_ms=TimestampMs(0))

        with pytest.raises(InvalidProof):
            verify(chain.prove(KEY), chain_id, trusted=wrong)

    def test_a_proof_with_a_gap_cannot_be_shortened(self) -> None:
        chain = self.chain()
        whole = chain.prove(KEY)
        holed = replace(whole, epochs=whole.epochs[1::3])

        with pytest.raises(InvalidProof, match="end of epoch 1: it is missing"):
            shorten(holed, founding_trust(chain.genesis, chain.genesis.chain_id))
