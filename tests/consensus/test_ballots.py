"""R1, R3, R4: what may still be signed."""

from noded.consensus.ballots import STICKY_VIEWS, Ballots
from noded.types.ids import BlockHash, View
from noded.types.vote import VoteKind
from tests.helpers.consensus_values import make_vote

N, X, F = VoteKind.NOTARIZE, VoteKind.NULLIFY, VoteKind.FINALIZE
HASH = BlockHash(b"\1" * 32)


def after(*kinds: VoteKind) -> tuple[bool, bool, bool]:
    """Whether N, X and F may be signed in a view in which these were."""
    ballots = Ballots()
    for kind in kinds:
        ballots.add(make_vote(0, kind, view=5, block=None if kind is X else HASH))
    return ballots.may_notarize(View(5)), ballots.may_nullify(View(5)), ballots.may_finalize(View(5))


def test_what_each_vote_rules_out() -> None:
    assert after() == (True, True, True)
    assert after(N) == (False, True, True)
    assert after(X) == (False, False, False)
    assert after(F) == (True, False, False)
    assert after(N, F) == (False, False, False)
    assert after(N, X) == (False, False, False)


def test_pending_votes_are_the_latest_above_the_final_view() -> None:
    """R20."""
    ballots = Ballots()
    for view in range(1, 20):
        ballots.add(make_vote(0, F, view=view, block=HASH))

    assert [vote.view for vote in ballots.pending(View(16))] == [17, 18, 19]
    assert [vote.view for vote in ballots.pending(View(0))] == list(range(20 - STICKY_VIEWS, 20))
    assert ballots.pending(View(19)) == []


def test_votes_ride_for_eight_views() -> None:
    """R7."""
    ballots = Ballots()
    for view in (1, 2, 9, 10):
        ballots.add(make_vote(0, F, view=view, block=HASH))

    assert [vote.view for vote in ballots.riding(View(10), View(0))] == [2, 9]
    assert [vote.view for vote in ballots.riding(View(10), View(2))] == [9]


def test_late_votes_expire() -> None:
    """R17."""
    ballots = Ballots()
    for view in (3, 4, 20):
        ballots.credited_later[View(view)] = make_vote(0, N, view=view, block=HASH)

    assert [vote.view for vote in ballots.late(View(19), 16)] == [4, 20]
    assert 3 not in ballots.credited_later


def test_old_views_are_forgotten() -> None:
    ballots = Ballots()
    for view in (3, 9):
        for kind in (N, X):
            ballots.add(make_vote(0, kind, view=view, block=None if kind is X else HASH))

    ballots.prune(View(9))

    assert [vote.view for vote in ballots.latest(View(9))] == [9, 9]
    assert ballots.latest(View(3)) == []
