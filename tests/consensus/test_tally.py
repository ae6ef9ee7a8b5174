"""R14: counting."""

from hypothesis import given
from hypothesis import strategies as st

from noded.consensus.tally import Tally, ViewVotes, bitmap_mask
from noded.types.ids import BlockHash, Epoch, View, bitmap_indices
from noded.types.vote import VoteKind
from tests.helpers.consensus_values import make_vote

HASH = BlockHash(b"\1" * 32)


@given(st.lists(st.tuples(st.integers(0, 70), st.integers(1, 9)), unique_by=lambda pair: pair[0]))
def test_power_is_that_of_the_votes(voters: list[tuple[int, int]]) -> None:
    tally = Tally(VoteKind.NOTARIZE, View(1), HASH)
    for index, power in voters:
        tally.add(index, make_vote(0, block=HASH), power)
    for index, power in voters[::2]:
        tally.remove(index, power)

    assert tally.power == sum(power for _, power in voters[1::2])
    assert sorted(tally.votes) == sorted(index for index, _ in voters[1::2])


@given(st.sets(st.integers(0, 70), min_size=1))
def test_a_certificate_has_the_signatures_in_the_bitmap_s_order(voters: set[int]) -> None:
    tally = Tally(VoteKind.NOTARIZE, View(7), HASH)
    for voter in sorted(voters, reverse=True):
        tally.add(voter, make_vote(voter, view=7, block=HASH), 1)

    certificate = tally.certificate(Epoch(1), 71)

    assert bitmap_indices(certificate.bitmap) == sorted(voters)
    assert len(certificate.bitmap) == 9
    assert certificate.signatures == tuple(tally.votes[voter].signature for voter in sorted(voters))
    assert bitmap_mask(certificate.bitmap) == sum(1 << voter for voter in voters)
    assert (certificate.kind, certificate.view, certificate.block_hash) == (
        VoteKind.NOTARIZE,
        7,
        HASH,
    )


def test_unverified_ones_are_in_order() -> None:
    tally = Tally(VoteKind.NULLIFY, View(1), None)
    for voter in (5, 1, 3):
        tally.add(voter, make_vote(voter, VoteKind.NULLIFY), 1)
    tally.verified = 1 << 3

    assert tally.unverified() == [1, 5]


def test_a_view_s_tallies_are_made_as_needed() -> None:
    votes = ViewVotes()

    tally = votes.tally(VoteKind.FINALIZE, View(4), HASH)

    assert votes.tally(VoteKind.FINALIZE, View(4), HASH) is tally
    assert votes.tally(VoteKind.NOTARIZE, View(4), HASH) is not tally
