"""What follows from the facts, in a fixed order, until nothing follows any more."""

from noded.consensus.checking import check_blocks
from noded.consensus.finalizing import finalize
from noded.consensus.proposing import propose
from noded.consensus.state import EpochState
from noded.consensus.views import enter_views
from noded.consensus.voting import vote


def settle(state: EpochState) -> None:
    """
    Do what the facts demand: commit, enter views, judge blocks, vote, propose.

    Each of these may add facts (a sole validator's own vote is a quorum), so it goes on until none did.
    """
    while state.is_dirty:
        state.is_dirty = False
        finalize(state)
        if state.is_ended:
            return
        enter_views(state)
        check_blocks(state)
        if state.is_voter:
            vote(state)
            propose(state)
