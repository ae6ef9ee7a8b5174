"""Blocks above the last final one, and some below."""

from noded.consensus.tree import LATE_VIEWS, BlockTree, Status
from noded.types.block import Block
from noded.types.ids import View
from noded.types.vote import VoteKind
from tests.helpers.consensus_values import equal_set, make_block, make_certificate, make_genesis

SET = equal_set(4)
GENESIS = make_genesis(SET)


def chain(length: int) -> list[Block]:
    blocks = [GENESIS]
    for view in range(1, length + 1):
        parent = blocks[-1]
        certificate = (
            None if view == 1 else make_certificate(SET, VoteKind.NOTARIZE, view=view - 1, block=parent)
        )
        blocks.append(make_block(SET, view=view, parent=parent, parent_certificate=certificate))
    return blocks


def test_children_that_come_before_their_parents_find_them() -> None:
    tree = BlockTree(GENESIS)
    _, first, second, third = chain(3)

    upper = tree.insert(third)
    middle = tree.insert(second)
    assert upper.parent is middle
    assert middle.parent is None
    assert tree.unfinalized_ancestors(upper) is None
    lower = tree.insert(first)

    assert middle.parent is lower
    assert tree.unfinalized_ancestors(upper) == (second, first)
    assert (lower.known_from, middle.known_from, upper.known_from) == (0, 0, 0)
    assert tree.orphans == {}


def test_a_block_is_kept_once() -> None:
    tree = BlockTree(GENESIS)
    first = chain(1)[1]

    assert tree.insert(first) is tree.insert(first)


def test_finality_forgets_rivals_and_old_ancestors() -> None:
    tree = BlockTree(GENESIS)
    blocks = chain(30)
    rival = make_block(SET, view=20, parent=GENESIS)
    entries = [tree.insert(block) for block in blocks[1:]]
    tree.insert(rival)

    tree.finalize(entries[24])
    tree.forget()

    assert tree.get(rival.hash) is None
    views = sorted(entry.view for entry in tree.entries.values())
    assert views == list(range(25 - LATE_VIEWS, 31))
    oldest = tree.get(blocks[25 - LATE_VIEWS].hash)
    assert oldest is not None
    assert oldest.parent is None
    assert tree.unfinalized_ancestors(entries[27]) == (blocks[27], blocks[26])


def test_history_that_block_sync_skipped_is_known_to_lack() -> None:
    """R17: credits for what is not known cannot be judged."""
    tree = BlockTree(GENESIS)
    blocks = chain(12)

    tip = tree.reset(blocks[10])
    child = tree.insert(blocks[11])

    assert tip.status is Status.VALID
    assert child.lacks_history(View(9))
    assert not child.lacks_history(View(10))
    assert tree.unfinalized_ancestors(child) == ()

    tree.insert(blocks[9])
    assert not child.lacks_history(View(9))
    assert child.lacks_history(View(8))
    assert child.oldest_known().block is blocks[9]


def test_the_first_block_of_an_epoch_lacks_no_history() -> None:
    tree = BlockTree(GENESIS)
    other = make_block(SET, view=1, parent=make_genesis(equal_set(5)))

    assert not tree.reset(other).lacks_history(View(1))


def test_sync_finds_children_that_were_there_before() -> None:
    tree = BlockTree(GENESIS)
    blocks = chain(12)
    child = tree.insert(blocks[11])

    tree.reset(blocks[10])

    assert child.parent is tree.final
    assert tree.get(blocks[11].hash) is child


def test_a_parent_that_owes_a_block() -> None:
    """R12."""
    tree = BlockTree(GENESIS)
    empty = tree.insert(make_block(SET, view=1, parent=GENESIS))
    full = tree.insert(make_block(SET, view=1, parent=GENESIS, payload=(bytes(32),)))

    assert tree.final.is_urgent_parent()  # The genesis block is a terminal one.
    assert not empty.is_urgent_parent()
    assert full.is_urgent_parent()
