"""R2, R16, R17, R19: what bytes decide about a block."""

from dataclasses import replace
from typing import Any

import pytest

from noded.consensus.offering import judge_bytes
from noded.consensus.rules import (
    EpochFacts,
    block_fault,
    enclosure_fault,
    history_fault,
    is_parent_bound,
    late_votes_known,
)
from noded.consensus.tree import LATE_VIEWS, BlockTree, Entry
from noded.types.block import (
    Block,
    BlockBody,
    BlockKind,
    JustifyLeaf,
    LateCredit,
    justify_leaf,
    justify_root,
)
from noded.types.ids import Bitmap, BlockHash, ChainId, Epoch, Height, Root, TimestampMs, View
from noded.types.vote import VoteKind
from tests.helpers.consensus_values import (
    CHAIN_ID,
    equal_set,
    make_block,
    make_certificate,
    make_genesis,
    make_proposal,
    make_set,
    make_vote,
    validator_id,
)

N, X, F = VoteKind.NOTARIZE, VoteKind.NULLIFY, VoteKind.FINALIZE
SET = equal_set(4)
GENESIS = make_genesis(SET)
FACTS = EpochFacts(CHAIN_ID, SET, GENESIS.header, GENESIS.hash, 100)
FIRST = make_block(SET, view=1, parent=GENESIS)
FIRST_NOTARIZED = make_certificate(SET, N, view=1, block=FIRST)
SECOND = make_block(SET, view=2, parent=FIRST, parent_certificate=FIRST_NOTARIZED)
SKIPPED_2 = make_certificate(SET, X, view=2)
THIRD = make_block(SET, view=3, parent=FIRST, parent_certificate=FIRST_NOTARIZED, nullifications=(SKIPPED_2,))


def altered(block: Block, **fields: Any) -> Block:
    """The block with another header."""
    return Block(header=replace(block.header, **fields), body=block.body)


def with_body(block: Block, **fields: Any) -> Block:
    """The block with another body that its header commits to."""
    body = replace(block.body, **fields)
    return Block(header=replace(block.header, justify_root=justify_root(body)), body=body)


class TestBlocks:
    """R2, R19: version, table, proposer, roots, place."""

    @pytest.mark.parametrize(
        ("block", "parent"), [(FIRST, None), (SECOND, FIRST), (THIRD, FIRST), (SECOND, None)]
    )
    def test_good_blocks_have_no_fault(self, block: Block, parent: Block | None) -> None:
        assert block_fault(block, FACTS, None if parent is None else parent.header) is None

    @pytest.mark.parametrize(
        ("fields", "why"),
        [
            ({"version": 2}, "of another protocol"),
            ({"chain_id": ChainId(bytes(32))}, "of another protocol"),
            ({"epoch": Epoch(2)}, "of another table"),
            ({"epoch_root": Root(bytes(32))}, "of another table"),
            ({"proposer": validator_id(0)}, "not its proposer's view"),
            ({"view": View(3)}, "not its proposer's view"),
            ({"parent_view": View(2)}, "not its proposer's view"),
            ({"next_epoch_root": Root(bytes(32))}, "next epoch's table at the wrong place"),
            ({"kind": BlockKind.TERMINAL}, "next epoch's table at the wrong place"),
            ({"parent_view": View(0)}, "not where the epoch begins"),
            ({"parent_hash": GENESIS.hash}, "not where the epoch begins"),
            ({"parent_hash": SECOND.hash}, "a parent without its certificate"),
            ({"height": Height(3)}, "not its parent's height and one"),
            ({"kind": BlockKind.SEAL}, "not its parent's height and one"),
        ],
    )
    def test_each_field_is_judged(self, fields: dict[str, object], why: str) -> None:
        assert block_fault(altered(SECOND, **fields), FACTS, FIRST.header) == why

    def test_the_parent_s_header_must_say_the_same_view(self) -> None:
        assert is_parent_bound(SECOND.header, FIRST.header)
        assert not is_parent_bound(SECOND.header, replace(FIRST.header, view=View(0)))
        assert not is_parent_bound(SECOND.header, replace(FIRST.header, epoch=Epoch(0)))
        stated_otherwise = altered(THIRD, parent_view=View(2))
        assert block_fault(stated_otherwise, FACTS, FIRST.header) == "its parent is of another view"

    def test_where_the_parent_is_not_at_hand_its_place_is_not_judged(self) -> None:
        assert block_fault(altered(SECOND, height=Height(77)), FACTS, None) is None


class TestFacts:
    """Verdicts are kept for one epoch of one chain, and for no other."""

    def test_facts_differ_in_table_genesis_and_length(self) -> None:
        assert FACTS.are_those_of(replace(FACTS))
        assert not FACTS.are_those_of(replace(FACTS, validators=make_set((1,) * 4)))
        assert not FACTS.are_those_of(replace(FACTS, genesis_hash=FIRST.hash))
        assert not FACTS.are_those_of(replace(FACTS, epoch_length=99))

    def test_a_verdict_of_one_is_not_taken_for_another(self) -> None:
        """The block at the last height of a shorter epoch must be a terminal one."""
        proposal = make_proposal(FIRST)
        shorter = replace(FACTS, epoch_length=1)

        assert judge_bytes(proposal, FACTS).fault is None
        assert judge_bytes(proposal, shorter).fault == "not the kind that the epoch demands"
        assert judge_bytes(proposal, FACTS).fault is None


class TestKinds:
    """R16: the kind follows from the parent's kind and the height."""

    @pytest.mark.parametrize(
        ("parent", "height", "allowed"),
        [
            (BlockKind.NORMAL, 99, [BlockKind.NORMAL, BlockKind.TERMINAL]),
            (BlockKind.NORMAL, 100, [BlockKind.TERMINAL]),
            (BlockKind.TERMINAL, 100, [BlockKind.SEAL]),
            (BlockKind.SEAL, 100, [BlockKind.SEAL]),
        ],
    )
    def test_what_may_follow(self, parent: BlockKind, height: int, allowed: list[BlockKind]) -> None:
        assert [kind for kind in BlockKind if FACTS.may_follow(parent, Height(height), kind)] == allowed

    def test_a_seal_is_empty_and_of_its_parent_s_height(self) -> None:
        terminal = altered(FIRST, kind=BlockKind.TERMINAL, next_epoch_root=SET.root)
        notarized = make_certificate(SET, N, view=1, block=terminal)
        seal = make_block(
            SET,
            view=2,
            parent=terminal,
            parent_certificate=notarized,
            kind=BlockKind.SEAL,
            height=terminal.header.height,
        )
        full = make_block(
            SET,
            view=2,
            parent=terminal,
            parent_certificate=notarized,
            kind=BlockKind.SEAL,
            height=terminal.header.height,
            payload=(bytes(32),),
        )

        assert block_fault(seal, FACTS, terminal.header) is None
        assert block_fault(full, FACTS, terminal.header) == "a SEAL carries something"

    def test_the_first_block_of_an_epoch_is_normal_though_its_parent_is_terminal(self) -> None:
        assert GENESIS.header.kind is BlockKind.TERMINAL
        assert block_fault(altered(FIRST, kind=BlockKind.SEAL), FACTS, None) is not None


class TestLeaves:
    """R2, R17: the body names a quorum for the parent and for each skipped view."""

    def leaf(self, **fields: Any) -> JustifyLeaf:
        return replace(justify_leaf(FIRST_NOTARIZED), **fields)

    @pytest.mark.parametrize(
        "fields",
        [
            {"kind": X},
            {"view": View(2)},
            {"block_hash": SECOND.hash},
            {"bitmap": Bitmap(b"\x03")},
            {"bitmap": Bitmap(b"\x17")},
            {"bitmap": Bitmap(b"\x07\x00")},
        ],
    )
    def test_the_parent_s_leaf_must_be_its_certificate_s(self, fields: dict[str, object]) -> None:
        block = with_body(SECOND, parent=self.leaf(**fields))

        assert block_fault(block, FACTS, FIRST.header) == "a parent without its certificate"

    def test_a_finalization_will_do(self) -> None:
        block = with_body(SECOND, parent=self.leaf(kind=F))

        assert block_fault(block, FACTS, FIRST.header) is None

    def test_the_first_block_has_none_and_the_others_have_one(self) -> None:
        assert block_fault(with_body(FIRST, parent=self.leaf()), FACTS, None) == "not where the epoch begins"
        assert block_fault(with_body(SECOND, parent=None), FACTS, None) == "not where the epoch begins"

    def test_the_view_before_its_own_must_be_the_parent_s_or_skipped(self) -> None:
        assert block_fault(with_body(THIRD, skipped=()), FACTS, None) == "not the views before its own"

    @pytest.mark.parametrize(
        ("kind", "view", "voters"), [(N, 2, (0, 1, 2)), (X, 1, (0, 1, 2)), (X, 2, (0, 1))]
    )
    def test_a_skipped_view_s_leaf_must_be_its_nullification_s(
        self, kind: VoteKind, view: int, voters: tuple[int, ...]
    ) -> None:
        other = make_certificate(SET, kind, view=view, voters=voters, block=FIRST if kind is N else None)
        block = with_body(THIRD, skipped=(justify_leaf(other),))

        assert block_fault(block, FACTS, None) == "a skipped view without its certificate"

    def test_a_skipped_view_is_left_out_only_where_no_room_is(self) -> None:
        """L120: else a proposer would spare itself or others the views that they failed."""
        skipped = tuple(make_certificate(SET, X, view=view) for view in range(2, 68))

        def gap(first: int) -> str | None:
            block = make_block(
                SET,
                view=68,
                parent=FIRST,
                parent_certificate=FIRST_NOTARIZED,
                nullifications=skipped[first:],
            )
            return block_fault(block, FACTS, FIRST.header)

        assert gap(2) is None, "the 64 that a proposal may enclose"
        assert gap(3) == "without a skipped view for which there was room"
        assert gap(65) == "without a skipped view for which there was room"

    def test_more_views_than_were_skipped_are_refused(self) -> None:
        leaves = tuple(justify_leaf(make_certificate(SET, X, view=view)) for view in (1, 2))

        assert block_fault(with_body(THIRD, skipped=leaves), FACTS, None) == "not the views before its own"


class TestEnclosure:
    """R2: a proposal carries exactly the certificates that its block names."""

    def test_a_good_one_has_no_fault(self) -> None:
        proposal = make_proposal(THIRD, parent=FIRST_NOTARIZED, nullifications=(SKIPPED_2,))

        assert enclosure_fault(proposal) is None

    def test_each_lack_is_a_fault(self) -> None:
        other = make_certificate(SET, N, view=1, block=FIRST, voters=(1, 2, 3))
        elsewhere = make_certificate(make_set((1,) * 4, epoch=2), X, view=2)
        faults = [
            enclosure_fault(make_proposal(THIRD, nullifications=(SKIPPED_2,))),
            enclosure_fault(make_proposal(THIRD, parent=other, nullifications=(SKIPPED_2,))),
            enclosure_fault(make_proposal(THIRD, parent=FIRST_NOTARIZED)),
            enclosure_fault(make_proposal(THIRD, parent=FIRST_NOTARIZED, nullifications=(elsewhere,))),
            enclosure_fault(
                make_proposal(
                    THIRD, parent=FIRST_NOTARIZED, nullifications=(SKIPPED_2,), finalization=SKIPPED_2
                )
            ),
            enclosure_fault(make_proposal(FIRST, parent=FIRST_NOTARIZED)),
        ]

        assert None not in faults


def credit(voter: int, view: int, block_hash: BlockHash, kind: VoteKind = N) -> LateCredit:
    vote = make_vote(voter, kind, view=view, block=block_hash)
    return LateCredit(
        kind=kind,
        view=vote.view,
        block_hash=block_hash,
        voter=vote.voter,
        signature=vote.signature,
    )


class TestCredits:
    """R17: late votes for ancestors within 16 views, each once, of whom the certificate lacks."""

    def chain(self, length: int) -> tuple[BlockTree, list[Entry]]:
        """Blocks of views 1 … length; each certificate is by validators 0, 1 and 2."""
        tree = BlockTree(GENESIS)
        entries = [tree.final]
        for view in range(1, length + 1):
            parent = entries[-1].block
            certificate = None if view == 1 else make_certificate(SET, N, view=view - 1, block=parent)
            block = make_block(SET, view=view, parent=parent, parent_certificate=certificate)
            entries.append(tree.insert(block))
        return tree, entries

    def next_block(self, entries: list[Entry], *credits: LateCredit) -> Block:
        parent = entries[-1].block
        block = make_block(
            SET,
            view=len(entries),
            parent=parent,
            parent_certificate=make_certificate(SET, N, view=len(entries) - 1, block=parent),
        )
        return with_body(block, credits=credits)

    def faults(self, *credits: LateCredit, length: int = 3) -> tuple[str | None, str | None]:
        tree, entries = self.chain(length)
        block = self.next_block(entries, *credits)
        fault = block_fault(block, FACTS, None)
        return fault, None if fault else history_fault(tree.insert(block), SET)

    def hash_at(self, view: int) -> BlockHash:
        return self.chain(view)[1][view].hash

    def test_a_vote_for_any_ancestor_in_the_window_may_be_credited(self) -> None:
        credits = [credit(3, view, self.hash_at(view), N if view % 2 else F) for view in (1, 2, 3)]

        assert self.faults(*credits) == (None, None)

    def test_the_window_is_sixteen_views(self) -> None:
        old, older = (credit(3, view, self.hash_at(view)) for view in (2, 1))

        assert self.faults(old, length=LATE_VIEWS + 1) == (None, None)
        assert self.faults(older, length=LATE_VIEWS + 1)[0] == "a credit for too old a view"

    @pytest.mark.parametrize(
        ("voter", "view", "kind", "why"),
        [
            (3, 4, N, "a credit for too old a view"),
            (3, 0, N, "a credit for too old a view"),
            (9, 1, N, "a credit for no vote"),
            (3, 1, X, "a credit for no vote"),
        ],
    )
    def test_structure(self, voter: int, view: int, kind: VoteKind, why: str) -> None:
        assert self.faults(credit(voter, view, self.hash_at(1), kind))[0] == why

    def test_they_are_in_order_and_each_once(self) -> None:
        one, two = credit(3, 1, self.hash_at(1)), credit(3, 2, self.hash_at(2))

        assert self.faults(two, one)[0] == "credits out of order"
        assert self.faults(one, one)[0] == "credits out of order"

    def test_who_is_in_the_certificate_gets_none(self) -> None:
        assert self.faults(credit(2, 1, self.hash_at(1)))[1] == "a credit given before"

    def test_a_block_that_is_no_ancestor_gets_none(self) -> None:
        assert self.faults(credit(3, 1, self.hash_at(2)))[1] == "a credit for no ancestor"

    def test_none_is_given_again_by_a_later_block(self) -> None:
        tree, entries = self.chain(3)
        given = credit(3, 1, self.hash_at(1))
        entries.append(tree.insert(self.next_block(entries, given)))

        again = tree.insert(self.next_block(entries, given))

        assert history_fault(again, SET) == "a credit given before"
        assert late_votes_known(entries[-1], None, View(1)) == ({}, {})


def test_a_block_must_be_later_than_its_parent() -> None:
    """R13."""
    tree = BlockTree(GENESIS)
    same = altered(FIRST, time_ms=TimestampMs(GENESIS.header.time_ms))

    assert history_fault(tree.insert(FIRST), SET) is None
    assert history_fault(tree.insert(same), SET) == "not after its parent"


def test_an_empty_body_has_no_leaves() -> None:
    body = BlockBody(payload=(), parent=None, skipped=(), credits=(), evidence=())

    assert FIRST.body == body
