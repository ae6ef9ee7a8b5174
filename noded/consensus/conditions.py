"""What must hold between two steps; costly, so simulations and tests ask, and daemons do not."""

from noded.consensus.state import AHEAD_VIEWS, BEHIND_VIEWS, EpochState
from noded.consensus.tree import Status
from noded.types.vote import VoteKind


def check_state(state: EpochState) -> None:
    """Assert the invariants of an epoch's state."""
    _check_ballots(state)
    _check_tallies(state)
    _check_tree(state)
    assert state.is_ended or state.view == state.certificates.highest + 1 or state.view == 0
    assert not state.is_dirty or state.is_ended
    for view, certificate in state.certificates.notarized.items():
        assert certificate.view == view
        assert state.validators.bitmap_power(certificate.bitmap) >= state.validators.quorum
    assert all(view <= state.view + AHEAD_VIEWS for view in state.votes)
    assert all(view >= state.view - 2 * BEHIND_VIEWS for view in state.votes)


def _check_ballots(state: EpochState) -> None:
    """R1, R3, R4."""
    ballots = state.ballots
    for view, vote in ballots.finalized.items():
        assert view not in ballots.nullified
        assert vote.kind is VoteKind.FINALIZE
    for view in ballots.proposals:
        assert state.validators.proposer(view) == state.me


def _check_tallies(state: EpochState) -> None:
    """R14: a tally's power is that of its votes, and each voter has one vote of a kind."""
    powers = state.validators.powers
    for votes in state.votes.values():
        for kind in VoteKind:
            counted: dict[int, None] = {}
            for tally in votes.tallies[kind].values():
                assert tally.power == sum(powers[index] for index in tally.votes)
                for index in tally.votes:
                    assert index not in counted
                    counted[index] = None
            assert counted.keys() == votes.first[kind].keys()


def _check_tree(state: EpochState) -> None:
    tree = state.tree
    assert state.final_view == tree.final.view
    assert tree.final.status is Status.VALID
    assert tree.entries[tree.final.hash] is tree.final
    for entry in tree.entries.values():
        if entry.parent is not None:
            assert entry.parent.hash == entry.block.header.parent_hash
        if entry.status is Status.VALID and entry.view > tree.final.view:
            assert entry.parent is not None
            assert entry.parent.status is Status.VALID
