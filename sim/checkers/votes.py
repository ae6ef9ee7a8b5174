"""No correct double vote: R1 and R3 hold for what correct nodes send, across restarts."""

from collections.abc import Callable
from typing import TypeVar

from noded.types.messages import Proposal, Votes
from noded.types.vote import Vote
from sim.checkers.base import Checker, Context, Violation
from sim.host import Host
from sim.network import Indices, Parcel

T = TypeVar("T")

EPOCHS_KEPT = 2
"""Epochs before the latest whose statements are remembered; nobody votes in older ones."""


class SingleVotes(Checker):
    """No two signed statements of a correct node conflict."""

    claim = (
        "No correct node ever sends two votes or two proposals that conflict, even if it crashed in between."
    )

    def __init__(self, context: Context, report: Callable[[Violation], None]) -> None:
        super().__init__(context, report)
        self._votes: dict[int, dict[tuple[bytes, int], list[Vote]]] = {}
        """By epoch; then by voter and view."""
        self._proposals: dict[int, dict[tuple[bytes, int], bytes]] = {}

    def sent(self, host: Host, targets: Indices, parcel: Parcel) -> None:
        """Look at every statement that a correct node signs and sends."""
        if not host.is_correct:
            return
        message = parcel.message
        if isinstance(message, Votes):
            for vote in message.votes:
                if vote.voter == host.name:
                    self._add_vote(host, vote)
        elif isinstance(message, Proposal) and message.block.header.proposer == host.name:
            header = message.block.header
            known = _of_epoch(self._proposals, header.epoch)
            if known.setdefault((host.name, header.view), message.block.hash) != message.block.hash:
                self.fail(f"two proposals in view {header.view} of epoch {header.epoch}", (host.index,))

    def _add_vote(self, host: Host, vote: Vote) -> None:
        votes = _of_epoch(self._votes, vote.epoch).setdefault((vote.voter, vote.view), [])
        for other in votes:
            if other is vote or other == vote:
                return
            if other.conflicts_with(vote):
                kinds = f"{other.kind.name} and {vote.kind.name}"
                self.fail(f"{kinds} conflict in view {vote.view} of epoch {vote.epoch}", (host.index,))
        votes.append(vote)


def _of_epoch(by_epoch: dict[int, dict[tuple[bytes, int], T]], epoch: int) -> dict[tuple[bytes, int], T]:
    """The table of an epoch; those of epochs long over are dropped."""
    table = by_epoch.get(epoch)
    if table is None:
        table = by_epoch[epoch] = {}
        for old in [each for each in by_epoch if each < epoch - EPOCHS_KEPT]:
            del by_epoch[old]
    return table
