"""Each byzantine behaviour alone: no harm to safety, blocks go on, and nobody correct is blamed."""

from collections.abc import Callable

import pytest

from noded.types.evidence import ConflictingProposals, ConflictingVotes, InvalidProposal
from noded.types.genesis import Routing
from noded.types.ids import BlockHash, View
from noded.types.vote import VoteKind
from tests.helpers.byzantine.double_voter import DoubleVoter
from tests.helpers.byzantine.equivocator import Equivocator
from tests.helpers.byzantine.garbage import Garbage
from tests.helpers.byzantine.impersonator import Impersonator
from tests.helpers.byzantine.liar import Liar
from tests.helpers.byzantine.nullify_only import NullifyOnly
from tests.helpers.byzantine.silent import Silent
from tests.helpers.byzantine.stale import Stale
from tests.helpers.byzantine.withholder import Withholder
from tests.helpers.consensus_net import Behaviour, Net
from tests.helpers.consensus_values import make_params

BEHAVIOURS: dict[str, Callable[[], Behaviour]] = {
    "silent": Silent,
    "equivocator": Equivocator,
    "double voter": DoubleVoter,
    "nullify only": NullifyOnly,
    "withholder": Withholder,
    "impersonator": Impersonator,
    "stale": Stale,
    "garbage": Garbage,
    "liar": lambda: Liar(states_view_before=False),
    "other liar": lambda: Liar(states_view_before=True),
}

SPAN_MS = 8_000
BLOCKS_MIN = 20
"""Eight seconds are some ninety views; a third of them belong to the byzantine and may cost a timeout each."""


def run(name: str, routing: Routing, *, n: int, byzantine: tuple[int, ...]) -> Net:
    net = Net(n, seed=7, params=make_params(routing=routing, delta_ms=100, epoch_length=12, silent_views=2))
    for number in byzantine:
        net.misbehave(number, BEHAVIOURS[name]())
    net.start()
    net.run(SPAN_MS)
    return net


@pytest.mark.parametrize("routing", [Routing.ALL, Routing.LINEAR])
@pytest.mark.parametrize("name", list(BEHAVIOURS))
@pytest.mark.parametrize(("n", "byzantine"), [(4, (2,)), (7, (2, 5))])
def test_blocks_go_on_and_the_correct_are_not_blamed(
    name: str, routing: Routing, n: int, byzantine: tuple[int, ...]
) -> None:
    net = run(name, routing, n=n, byzantine=byzantine)

    net.check()
    assert net.min_height() >= BLOCKS_MIN
    culprits = {net.hosts[number].name for number in byzantine}
    for host in net.correct():
        assert {peer for peer, _ in host.penalties} <= culprits
        assert {evidence.culprit for evidence in host.reports} <= culprits


@pytest.mark.parametrize(
    ("name", "kinds"),
    [
        ("equivocator", {ConflictingVotes}),
        ("double voter", {ConflictingVotes}),
        ("other liar", {InvalidProposal}),
    ],
)
def test_what_can_be_proven_is_reported_by_all(name: str, kinds: set[type]) -> None:
    """R18, R19."""
    net = run(name, Routing.ALL, n=4, byzantine=(2,))

    for host in net.correct():
        assert kinds <= {type(evidence) for evidence in host.reports}
        keys = [(type(piece), piece.epoch, piece.view) for piece in host.reports]
        assert len(keys) == len(set(keys))


@pytest.mark.parametrize(
    ("name", "reasons"),
    [
        ("impersonator", {"NotTheSigner", "BadSignature", "BadCertificate", "NotTheProposer"}),
        ("garbage", {"BadCertificate", "NotTheSigner", "BlockNotAsked", "BadEvidence"}),
    ],
)
def test_nonsense_is_penalised(name: str, reasons: set[str]) -> None:
    """R14."""
    net = run(name, Routing.ALL, n=4, byzantine=(2,))

    assert reasons <= {reason for host in net.correct() for _, reason in host.penalties}


def test_a_silent_proposer_costs_less_and_less() -> None:
    """R9: with k = 2, only the first views of a silent proposer cost a timeout."""
    quick = run("silent", Routing.ALL, n=7, byzantine=(2, 5))
    slow = Net(7, seed=7, params=make_params(delta_ms=100, epoch_length=12, silent_views=0))
    for number in (2, 5):
        slow.misbehave(number, Silent())
    slow.start()
    slow.run(SPAN_MS)

    assert quick.min_height() > slow.min_height()


@pytest.mark.parametrize("routing", [Routing.ALL, Routing.LINEAR])
@pytest.mark.parametrize("rival_to", [None, 1])
def test_who_shows_nobody_both_blocks_is_caught_every_time(routing: Routing, rival_to: int | None) -> None:
    """R18: each correct node has one of the two signatures, until they tell each other."""
    net = Net(7, seed=7, params=make_params(routing=routing, delta_ms=100, silent_views=0))
    net.misbehave(2, Equivocator(votes_for_both=False, rival_to=rival_to))
    culprit = net.hosts[2].name
    net.start()
    net.run(3_000)
    chosen: dict[View, set[BlockHash | None]] = {}
    for vote in net.all_votes:
        if vote.kind is VoteKind.NOTARIZE and vote.voter != culprit:
            chosen.setdefault(vote.view, set()).add(vote.block_hash)
    split = {view for view, blocks in chosen.items() if len(blocks) > 1}
    net.run(500)

    net.check()
    assert len(split) >= 3
    for host in net.correct():
        assert {type(piece) for piece in host.reports} == {ConflictingProposals}
        assert {piece.culprit for piece in host.reports} == {culprit}
        assert split <= {piece.view for piece in host.reports}
        assert host.penalties == []
