"""With more than a third byzantine finality may fork; the votes then name at least a third, and nobody correct."""

from itertools import combinations
from random import Random

import pytest

from noded.types.ids import ValidatorId
from noded.types.messages import Message
from noded.types.vote import Vote
from tests.helpers.byzantine.double_voter import DoubleVoter
from tests.helpers.byzantine.equivocator import Equivocator
from tests.helpers.byzantine.liar import Liar
from tests.helpers.chaos import Chaos
from tests.helpers.consensus_net import Behaviour, Host, Net
from tests.helpers.consensus_values import make_params, make_set

Votes = dict[tuple[ValidatorId, int, int], list[Vote]]


def culprits(votes: list[Vote]) -> set[ValidatorId]:
    """Whoever signed two votes that exclude each other; what an observer of all messages would find."""
    by_place: Votes = {}
    for vote in votes:
        known = by_place.setdefault((vote.voter, vote.epoch, vote.view), [])
        if vote not in known:
            known.append(vote)
    return {
        place[0]
        for place, signed in by_place.items()
        if any(first.conflicts_with(second) for first, second in combinations(signed, 2))
    }


class Observed(Net):
    """Keeps every vote that was sent or persisted by anybody."""

    def send(self, host: Host, peers: tuple[ValidatorId, ...], message: Message) -> None:
        for vote in getattr(message, "votes", ()):
            if vote.voter == host.name:
                self.all_votes.append(vote)
        super().send(host, peers, message)


def forked(seed: int) -> Observed | None:
    """
    A run in which finality forked, if this seed makes one.

    Twins hold half of the power; each of their copies lives on its own side of a partition.
    """
    random = Random(seed)
    n = random.choice([4, 6, 7])
    byzantine = tuple(range(n // 2))
    net = Observed(
        n,
        seed=seed,
        params=make_params(delta_ms=50),
        tables=lambda epoch: make_set((1,) * n, epoch=epoch),
        delay_ms=(2, 30),
        twins=byzantine,
    )
    sides = {host.number: host.number % 2 for host in net.hosts}
    for position, number in enumerate(byzantine):
        sides[number], sides[n + position] = 0, 1
    net.link = lambda sender, receiver, message: (
        random.randint(2, 30) if sides[sender.number] == sides[receiver.number] else None
    )
    net.start()
    net.run(3_000)
    return net if any("two blocks" in violation for violation in net.violations) else None


def test_a_fork_names_a_third_and_nobody_correct() -> None:
    forks = 0
    for seed in range(12):
        net = forked(seed)
        if net is None:
            continue
        forks += 1
        named = culprits(net.all_votes)
        table = net.table(1)
        assert 3 * sum(table.power(name) for name in named) >= table.total
        assert not named & {host.name for host in net.correct()}
    assert forks >= 6


@pytest.mark.parametrize("seed", range(20))
def test_nobody_correct_is_ever_named(seed: int) -> None:
    def draw(random: Random) -> Behaviour | None:
        return random.choice([Equivocator(), DoubleVoter(), Liar(states_view_before=False), None])

    chaos = Chaos(seed, draw=draw)
    net = chaos.run()

    correct = {host.name for host in net.correct()}
    assert not culprits(net.all_votes) & correct
    for host in net.correct():
        assert not {piece.culprit for piece in host.reports} & correct
        assert not {name for name, _ in host.penalties} & correct
