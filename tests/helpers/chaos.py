"""
Twins-style fuzzing: copies of a key, liars, partitions, losses, crashes, and weights that change with each epoch.

Everything is drawn from the seed. Faults last for a while, then all heals and the correct hosts must go on.
"""

from collections.abc import Callable
from random import Random

from noded.types.genesis import Routing
from noded.types.messages import Message
from noded.types.validator_set import ValidatorSet
from tests.helpers.byzantine.double_voter import DoubleVoter
from tests.helpers.byzantine.equivocator import Equivocator
from tests.helpers.byzantine.garbage import Garbage
from tests.helpers.byzantine.impersonator import Impersonator
from tests.helpers.byzantine.liar import Liar
from tests.helpers.byzantine.nullify_only import NullifyOnly
from tests.helpers.byzantine.silent import Silent
from tests.helpers.byzantine.stale import Stale
from tests.helpers.byzantine.withholder import Withholder
from tests.helpers.consensus_net import Behaviour, Host, Net
from tests.helpers.consensus_values import make_params, make_set

DELTA_MS = 50
SLICE_MS = 150
"""How long a partition lasts: about a view's timeout, so that some of its votes get through and some do not."""


LENGTHS = (4, 7, 1000)
"""Of epochs, in blocks."""

WEIGHTS = 8
"""Epochs after which the weights are the first ones again."""


def _draw_weights(random: Random, n: int) -> list[list[int]]:
    """The weights of each epoch: never the same in two that follow each other."""
    drawn: list[list[int]] = []
    while len(drawn) < WEIGHTS or drawn[0] == drawn[-1]:
        weights = [random.choice([1, 1, 2, 3]) for _ in range(n)]
        if len(drawn) == WEIGHTS:
            drawn.pop()
        if not drawn or weights != drawn[-1]:
            drawn.append(weights)
    return drawn


def draw_behaviour(random: Random) -> Behaviour | None:
    """What a byzantine validator does; None for two correct-looking copies with one key."""
    return random.choice(
        [
            None,
            None,
            None,
            Equivocator(),
            DoubleVoter(),
            Liar(states_view_before=True),
            Liar(states_view_before=False),
            Liar(states_view_before=False),
            NullifyOnly(),
            Withholder(),
            Impersonator(),
            Stale(),
            Garbage(),
            Silent(),
        ]
    )


class Chaos:
    """One run: a network whose faults are drawn from a seed; a plain one has four equals who take turns."""

    def __init__(
        self,
        seed: int,
        *,
        slices: int = 25,
        is_plain: bool = False,
        draw: Callable[[Random], Behaviour | None] = draw_behaviour,
        epoch_lengths: tuple[int, ...] = LENGTHS,
    ) -> None:
        random = self.random = Random(seed)
        self.slices = slices
        n = 4 if is_plain else random.choice([4, 4, 5, 7])
        weights = [[1] * n] * WEIGHTS if is_plain else _draw_weights(random, n)
        tables: dict[int, ValidatorSet] = {}

        def table(epoch: int) -> ValidatorSet:
            if epoch not in tables:
                tables[epoch] = make_set(
                    tuple(weights[epoch % WEIGHTS]),
                    epoch=epoch,
                    round_robin=is_plain or random.random() < 0.5,
                    seed=epoch.to_bytes(32, "big"),
                )
            return tables[epoch]

        faulty = self._draw_faulty([table(epoch) for epoch in range(1, 1 + WEIGHTS)])
        behaviours = {number: draw(random) for number in faulty}
        self.net = Net(
            n,
            seed=seed,
            params=make_params(
                routing=random.choice([Routing.ALL, Routing.LINEAR]),
                delta_ms=DELTA_MS,
                epoch_length=random.choice(epoch_lengths),
                silent_views=random.choice([0, 2]),
            ),
            tables=table,
            delay_ms=(2, random.choice([20, 60])),
            twins=tuple(number for number in faulty if behaviours[number] is None),
        )
        for number, behaviour in behaviours.items():
            if behaviour is not None:
                self.net.misbehave(number, behaviour)
        self.loss = random.choice([0.0, 0.0, 0.1, 0.3])
        self.groups = {host.number: 0 for host in self.net.hosts}
        self.mute: int | None = None
        """A host that hears and is not heard."""
        liars = [number for number, behaviour in behaviours.items() if isinstance(behaviour, Liar)]
        self.victim = (liars[0] - 1) % n if liars else None
        """The host to which a liar sends its F votes: best if nobody hears of what it finalizes."""
        self.is_calm = self.victim is not None and (is_plain or random.random() < 0.5)
        """Whether the liar's victim is mute all the time, and nothing else goes wrong."""
        self.net.link = self._link

    def _draw_faulty(self, tables: list[ValidatorSet]) -> list[int]:
        """Validators whose power is at most f in every epoch."""
        n = len(tables[0])
        numbers = list(range(n))
        self.random.shuffle(numbers)
        faulty: list[int] = []
        for number in numbers:
            candidate = [*faulty, number]
            if all(
                sum(table.powers[index] for index in candidate) <= (table.total - 1) // 3 for table in tables
            ):
                faulty = candidate
        return faulty

    def _link(self, sender: Host, receiver: Host, message: Message) -> int | None:
        if self.groups[sender.number] != self.groups[receiver.number] or sender.number == self.mute:
            return None
        if self.loss and self.random.random() < self.loss:
            return None
        return self.random.randint(*self.net.delay_ms)

    def run(self) -> Net:
        """Faults, slice by slice; stops at the first violation."""
        net, random = self.net, self.random
        net.start()
        for _ in range(self.slices):
            kinds = 1 if self.is_calm else random.choice([1, 1, 2, 2, 3])
            self.groups = {host.number: random.randrange(kinds) for host in net.hosts}
            self.mute = self.victim
            if not self.is_calm:
                self.mute = random.choice([None, self.victim, random.randrange(len(net.hosts))])
            if random.random() < 0.15 and not self.is_calm:
                correct = random.choice(net.correct())
                if correct.is_up:
                    correct.effects_left = random.randrange(20)
            net.run(random.choice([SLICE_MS // 2, SLICE_MS, 2 * SLICE_MS]))
            for host in net.hosts:
                if not host.is_up and random.random() < 0.6:
                    net.restart(host)
            if net.violations:
                break
        return net

    def heal(self) -> None:
        """No more faults but the byzantine hosts themselves."""
        self.loss = 0.0
        self.mute = None
        self.groups = {host.number: 0 for host in self.net.hosts}
        for host in self.net.hosts:
            host.effects_left = None
            if not host.is_up:
                self.net.restart(host)
