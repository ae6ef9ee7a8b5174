"""R7, R8, R10, R11, R12, R20: nothing stays stuck."""

import pytest

from noded.consensus.inputs import MessageReceived, WorkChanged
from noded.types.genesis import Routing
from noded.types.ids import BlockHash, View
from noded.types.messages import Certificates, EpochEntry, Message, Proposal, Votes
from noded.types.vote import VoteKind
from tests.helpers.byzantine.silent import Silent
from tests.helpers.consensus_net import Host, Net
from tests.helpers.consensus_values import make_certificate, make_params, make_set

BOTH = pytest.mark.parametrize("routing", [Routing.ALL, Routing.LINEAR])


def finality_ms(net: Net) -> float:
    """Median over blocks and hosts, from a block's time on."""
    spans = sorted(
        at - net.hosts[number].chain[height].header.time_ms
        for (height, number), at in net.commit_times.items()
    )
    return spans[len(spans) // 2]


class TestGoodCase:
    """R7: what a block costs with nobody faulty."""

    @pytest.mark.parametrize("n", [4, 7, 10])
    def test_all_is_final_after_three_delays(self, n: int) -> None:
        net = Net(n, params=make_params(routing=Routing.ALL, delta_ms=200), delay_ms=(50, 50))
        net.start()
        net.run(3_000)
        net.check()

        assert finality_ms(net) == 150
        assert net.min_height() == 29  # A block every two delays; the last is under way.
        assert net.messages_count / net.min_height() < 2.3 * n * n

    @pytest.mark.parametrize("n", [7, 10, 13])
    def test_linear_is_final_after_five_delays(self, n: int) -> None:
        net = Net(n, params=make_params(routing=Routing.LINEAR, delta_ms=200), delay_ms=(50, 50))
        net.start()
        net.run(3_000)
        net.check()

        assert finality_ms(net) == 250
        assert net.min_height() >= 28
        assert net.messages_count / net.min_height() < 3.3 * n

    def test_a_hundred_under_linear(self) -> None:
        net = Net(100, params=make_params(routing=Routing.AUTO, delta_ms=200), verify=None)
        net.start()
        net.run(1_500)
        net.check()

        assert net.min_height() >= 8
        assert net.messages_count / net.min_height() < 4.5 * 100
        assert finality_ms(net) < 320

    @BOTH
    def test_votes_and_certificates_are_all_there_is(self, routing: Routing) -> None:
        net = Net(7, params=make_params(routing=routing, delta_ms=400))
        kinds: dict[type, int] = {}

        def link(sender: Host, receiver: Host, message: Message) -> int:
            kinds[type(message)] = kinds.get(type(message), 0) + 1
            return net.random.randint(20, 80)

        net.link = link
        net.start()
        net.run(3_000)

        assert kinds.keys() == {Proposal, Votes}


class TestPartition:
    """After it heals, blocks go on."""

    @BOTH
    @pytest.mark.parametrize("n", [4, 7, 10])
    def test_halves_meet_again(self, routing: Routing, n: int) -> None:
        net = Net(n, params=make_params(routing=routing, delta_ms=100))
        whole = net.link
        net.start()
        net.run(1_000)
        net.link = lambda sender, receiver, message: (
            whole(sender, receiver, message) if (sender.number - receiver.number) % 2 == 0 else None
        )
        net.run(20_000)
        before = max(host.height for host in net.hosts)
        net.link = whole

        assert net.run_until(lambda: net.min_height() > before + 5, limit_ms=10_000)
        net.check()

    @BOTH
    def test_everybody_alone_for_long(self, routing: Routing) -> None:
        net = Net(7, params=make_params(routing=routing, delta_ms=100, silent_views=2))
        whole = net.link
        net.start()
        net.run(1_000)
        net.link = lambda sender, receiver, message: None
        net.run(60_000)
        before = max(host.height for host in net.hosts)
        net.link = whole

        assert net.run_until(lambda: net.min_height() > before + 5, limit_ms=10_000)
        net.check()

    def test_one_that_was_away_catches_up(self) -> None:
        net = Net(4, params=make_params(delta_ms=100, epoch_length=10))
        whole = net.link
        away = net.hosts[3]
        net.start()
        net.run(500)
        net.link = lambda sender, receiver, message: (
            None if away in (sender, receiver) else whole(sender, receiver, message)
        )
        net.run(20_000)
        before = net.hosts[0].height
        net.link = whole

        assert before - away.height > 50
        assert net.run_until(lambda: away.height > before + 5, limit_ms=20_000)
        net.check()

    @BOTH
    def test_a_third_of_all_messages_lost(self, routing: Routing) -> None:
        net = Net(7, params=make_params(routing=routing, delta_ms=100))
        net.link = lambda sender, receiver, message: (
            None if net.random.random() < 0.33 else net.random.randint(20, 80)
        )
        net.start()
        net.run(30_000)
        net.check()

        assert net.min_height() >= 10


class TestSplitCertificate:
    """R11: some hold a notarization of a view, the others its nullification. Each layer repairs it."""

    @pytest.mark.parametrize("lost", [None, Certificates])
    def test_proposals_and_nullifications_repair_it(self, lost: type[Message] | None) -> None:
        """Two are silent; a coalition made both certificates of one view, without a block anybody has."""
        net = Net(7, params=make_params(routing=Routing.LINEAR, delta_ms=100))
        whole = net.link
        net.link = lambda sender, receiver, message: (
            None if lost is not None and isinstance(message, lost) else whole(sender, receiver, message)
        )
        for number in (5, 6):
            net.misbehave(number, Silent())
        net.start()
        net.run(700)
        view = max(host.core.view for host in net.correct())
        for host in net.correct():
            notarizes = host.number < 3
            certificate = make_certificate(
                net.table(1),
                VoteKind.NOTARIZE if notarizes else VoteKind.NULLIFY,
                view=view,
                block=BlockHash(bytes(32)) if notarizes else None,
            )
            message = Votes(votes=(), certificates=(certificate,))
            net.feed(host, MessageReceived(net.hosts[5].name, message))
        net.run(0)
        assert all(host.core.view > view for host in net.correct())
        before = max(host.height for host in net.correct())

        assert net.run_until(lambda: net.min_height() > before + 3, limit_ms=20_000)
        net.check()

    def test_requests_repair_what_proposals_do_not_carry(self) -> None:
        net = Net(4, params=make_params(routing=Routing.ALL, delta_ms=100))
        whole = net.link
        deaf = net.hosts[3]

        def link(sender: Host, receiver: Host, message: Message) -> int | None:
            if receiver is deaf and isinstance(message, Votes | Proposal) and net.now_ms < hear_from:
                return None
            return whole(sender, receiver, message)

        hear_from = net.now_ms + 3_000
        net.link = link
        net.start()
        net.run(3_000)
        before = net.hosts[0].height

        assert net.run_until(lambda: deaf.height > before, limit_ms=5_000)
        net.check()


class TestLongGap:
    """R11: thousands of skipped views are no obstacle."""

    @BOTH
    @pytest.mark.parametrize("views", [500, pytest.param(4_000, marks=pytest.mark.slow)])
    def test_thousands_of_views_without_a_block(self, routing: Routing, views: int) -> None:
        net = Net(4, params=make_params(routing=routing, delta_ms=20, view_timeout_ms=60), verify=None)
        whole = net.link
        net.link = lambda sender, receiver, message: (
            None if isinstance(message, Proposal) else net.random.randint(2, 5)
        )
        net.start()
        assert net.run_until(lambda: net.hosts[0].core.view > views, limit_ms=3_000_000)
        assert net.min_height() == 0
        newcomer = net.hosts[3]
        net.crash(newcomer)
        newcomer.log = []
        net.link = whole
        net.restart(newcomer)

        assert net.run_until(lambda: net.min_height() > 5, limit_ms=60_000)
        net.check()
        assert net.committed[1].header.view > views
        assert len(net.committed[1].body.skipped) == 64


class TestIdle:
    """R12: with nothing to order, blocks come at the idle interval, and all are final soon."""

    @BOTH
    def test_idle_blocks(self, routing: Routing) -> None:
        net = Net(
            7,
            params=make_params(routing=routing, delta_ms=200, idle_interval_ms=2_000),
            payload=False,
        )
        net.start()
        net.run(21_000)
        net.check()

        assert 9 <= net.min_height() <= 12
        assert all(host.core.stall == 0 for host in net.hosts)
        assert finality_ms(net) < 600

    @BOTH
    def test_work_is_ordered_and_certified_at_once(self, routing: Routing) -> None:
        net = Net(
            7,
            params=make_params(routing=routing, delta_ms=200, idle_interval_ms=10_000),
            payload=False,
        )
        net.start()
        net.run(5_000)
        before = net.min_height()
        net.payload = True
        for host in net.hosts:
            net.feed(host, WorkChanged(True))
        net.run(100)
        net.payload = False
        for host in net.hosts:
            net.feed(host, WorkChanged(False))
        net.run(3_000)

        carrying = [block for block in net.committed.values() if block.body.payload]
        assert carrying
        assert net.min_height() > max(block.header.height for block in carrying) > before


class TestEpochs:
    """R16: weights change, nobody is lost."""

    @BOTH
    def test_weights_change_every_few_heights(self, routing: Routing) -> None:
        tables = {
            epoch: make_set(tuple(1 + (epoch + number) % 3 for number in range(7)), epoch=epoch)
            for epoch in range(1, 200)
        }
        net = Net(
            7,
            params=make_params(routing=routing, delta_ms=200, epoch_length=5),
            tables=lambda epoch: tables[epoch],
        )
        net.start()
        net.run(10_000)
        net.check()

        assert min(net.epochs()) >= 10
        assert max(net.epochs()) - min(net.epochs()) <= 1
        kinds = [block.header.kind.name for _, block in sorted(net.committed.items())]
        assert [index + 1 for index, kind in enumerate(kinds) if kind == "TERMINAL"] == list(
            range(5, len(kinds) + 1, 5)
        )

    def test_a_member_that_leaves_follows_without_voting(self) -> None:
        tables = {1: make_set((1,) * 5), **{e: make_set((1,) * 4, epoch=e) for e in range(2, 200)}}
        net = Net(5, params=make_params(delta_ms=200, epoch_length=5), tables=lambda epoch: tables[epoch])
        net.start()
        net.run(3_000)

        left = net.hosts[4]
        assert left.core.epoch == 2
        assert not left.core.is_voter
        assert all(vote.epoch == 1 for vote in net.all_votes if vote.voter == left.name)

    def test_the_proof_brings_on_who_missed_the_end(self) -> None:
        net = Net(4, params=make_params(delta_ms=100, epoch_length=5))
        whole = net.link
        late = net.hosts[3]
        net.start()
        net.run_until(lambda: late.height >= 3, limit_ms=5_000)
        net.link = lambda sender, receiver, message: (
            None if receiver is late and sender is not late else whole(sender, receiver, message)
        )
        net.run_until(lambda: net.hosts[0].core.epoch == 2, limit_ms=5_000)
        seen: list[type] = []

        def noting(sender: Host, receiver: Host, message: Message) -> int | None:
            if receiver is late:
                seen.append(type(message))
            return whole(sender, receiver, message)

        net.link = noting

        assert net.run_until(lambda: late.core.epoch >= 2, limit_ms=5_000)
        assert EpochEntry in seen
        net.check()


def test_views_of_all_are_the_same_in_the_end() -> None:
    """R5: certificates carry everybody along, whatever was lost."""
    net = Net(10, params=make_params(routing=Routing.LINEAR, delta_ms=100))
    net.start()
    net.run(5_000)

    views = [host.core.view for host in net.hosts]
    assert max(views) - min(views) <= 1
    assert all(isinstance(view, int) and View(view) > 30 for view in views)
