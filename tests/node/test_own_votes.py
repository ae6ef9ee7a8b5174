"""A3: a node whose key votes elsewhere does not vote; one that only forgot nothing goes on."""

from dataclasses import replace

import pytest

from noded.node.own_votes import OwnVotes
from noded.types.block import Block, JustifyLeaf
from noded.types.genesis import DEFAULT_PARAMETERS
from noded.types.ids import BlockHash, View, make_bitmap
from noded.types.records import VoteRecord
from noded.types.vote import VoteKind
from tests.helpers.consensus_values import equal_set, make_block, make_genesis, make_vote
from tests.helpers.node_net import NodeNet

ME, SIZE = 2, 4
VALIDATORS = equal_set(SIZE)
GENESIS = make_genesis(VALIDATORS)
PARAMETERS = replace(DEFAULT_PARAMETERS, idle_interval_ms=200, epoch_length=1_000)


def leaf(view: int, *voters: int, kind: VoteKind = VoteKind.NOTARIZE) -> JustifyLeaf:
    return JustifyLeaf(
        kind=kind,
        view=View(view),
        block_hash=None if kind is VoteKind.NULLIFY else BlockHash(bytes([view]) * 32),
        bitmap=make_bitmap(list(voters), SIZE),
        signatures_hash=bytes(32),
    )


def block(view: int, parent: JustifyLeaf | None, *skipped: JustifyLeaf) -> Block:
    made = make_block(VALIDATORS, view=view, parent=GENESIS)
    return Block(header=made.header, body=replace(made.body, parent=parent, skipped=skipped))


def signed(votes: OwnVotes, view: int, kind: VoteKind = VoteKind.NOTARIZE) -> None:
    block_hash = None if kind is VoteKind.NULLIFY else BlockHash(bytes([view]) * 32)
    votes.sign(replace(make_vote(ME, kind, view=view), block_hash=block_hash))


class TestForeignVotes:
    """A3: what final blocks show under this node's key is compared with what this process signed."""

    def test_own_votes_and_those_of_others_are_none(self) -> None:
        votes = OwnVotes()
        signed(votes, 3)
        signed(votes, 4, VoteKind.NULLIFY)

        found = votes.foreign_in(
            block(6, leaf(3, 0, 1, ME), leaf(4, ME, kind=VoteKind.NULLIFY), leaf(5, 0)), ME
        )

        assert found is None

    def test_a_vote_that_was_not_made_here_is_found(self) -> None:
        strange = leaf(3, 0, 1, ME)

        assert OwnVotes().foreign_in(block(4, strange), ME) == strange

    def test_a_vote_of_another_kind_or_for_another_block_is_found(self) -> None:
        votes = OwnVotes()
        signed(votes, 3)
        strange = leaf(3, ME, kind=VoteKind.NULLIFY)
        assert votes.foreign_in(block(4, None, strange), ME) == strange

        votes = OwnVotes()
        signed(votes, 3)
        rival = replace(leaf(3, ME), block_hash=BlockHash(b"r" * 32))
        assert votes.foreign_in(block(4, rival), ME) == rival

    def test_what_the_log_may_have_forgotten_is_not_judged(self) -> None:
        votes = OwnVotes()
        votes.restore([VoteRecord(vote=make_vote(ME, view=view)) for view in (7, 3)])

        assert votes.foreign_in(block(8, leaf(7, ME), leaf(6, ME, kind=VoteKind.NULLIFY)), ME) is None
        assert votes.foreign_in(block(9, leaf(8, ME)), ME) == leaf(8, ME)

    def test_what_final_blocks_have_passed_is_forgotten(self) -> None:
        votes = OwnVotes()
        for view in range(1, 100):
            signed(votes, view)
            assert votes.foreign_in(block(view + 1, leaf(view, ME)), ME) is None

        assert len(votes._votes) <= 2


class TestCopiedHome:
    """A3: somebody starts an old copy of a home whose node went on in the meantime."""

    @pytest.mark.parametrize("epoch_length", [1_000, 7])
    def test_it_does_not_vote_and_says_why_and_follows(self, epoch_length: int) -> None:
        net = NodeNet(parameters=replace(PARAMETERS, epoch_length=epoch_length))
        net.run(3)
        home = net.homes[3]
        copied = list(home.stored), list(home.records)
        net.run(5)
        net.crash(3)

        home.stored, home.records = copied
        net.start(3)
        net.run(2)

        assert net.nodes[3].halted is not None
        assert "another process uses the key" in net.nodes[3].halted
        assert [number for number, _ in net.halts] == [3]
        transaction = net.anchor(0, 1)
        net.submit(0, transaction)
        assert net.run(10, until=lambda: net.is_final(transaction))
        net.assert_agreement()

    def test_a_node_that_was_merely_away_goes_on(self) -> None:
        net = NodeNet(parameters=PARAMETERS)
        for number in (3, 0, 3):
            net.run(2)
            net.crash(number)
            net.run(2)
            net.start(number)
        net.run(2)

        assert net.halts == []
        net.assert_agreement()
