"""A3, A4, R21: when a core begins to vote, and when it must stop."""

from noded.consensus.inputs import VotingBegins, VotingStopped
from noded.consensus.signer import Silence
from tests.helpers.consensus_bench import (
    Bench,
    F,
    N,
    votes_persisted,
)
from tests.helpers.consensus_epochs import bench_at, terminal_of


def test_voting_stops_for_good() -> None:
    """R21: a node whose state is not what a quorum finalised signs nothing more, in no epoch."""
    bench = bench_at()
    terminal = terminal_of(bench)
    bench.feed(VotingStopped())

    effects = bench.hear(1, terminal) + bench.vote([1, 2, 3], F, block=terminal.block)

    assert bench.core.epoch == 2
    assert votes_persisted(effects) == []
    assert not bench.core.is_voter
    assert bench.core.silence is Silence.STOPPED


def test_nothing_is_signed_before_voting_begins() -> None:
    """A4: a node that does not know yet how far the chain is follows, and takes part once it does."""
    bench = Bench(is_waiting=True)
    before = bench.hear(1, bench.propose(1, bench.genesis))

    assert votes_persisted([*bench.started, *before]) == []
    assert not bench.core.is_voter
    assert bench.core.is_entitled
    assert bench.core.silence is Silence.WAITING

    assert [vote.kind for vote in votes_persisted(bench.feed(VotingBegins()))] == [N]


def test_voting_that_was_stopped_does_not_begin() -> None:
    """A3: what was found out while this node looked around stands."""
    bench = Bench(is_waiting=True)
    bench.feed(VotingStopped())
    bench.feed(VotingBegins())

    assert not bench.core.is_voter
    assert not bench.core.is_entitled
    assert bench.core.silence is Silence.STOPPED
