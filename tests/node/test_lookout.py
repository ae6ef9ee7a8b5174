"""A4: a node that starts looks how far the chain is before it signs anything."""

from dataclasses import replace

import pytest

from noded.node.inputs import MessageReceived
from noded.node.lookout import Lookout
from noded.types.genesis import DEFAULT_PARAMETERS
from noded.types.ids import BlockHash, Epoch, Height, View
from noded.types.messages import ChainStatus, Message, Votes
from noded.types.records import ProposalRecord, VoteRecord
from noded.types.validator_set import ValidatorSet
from tests.helpers.consensus_values import equal_set, validator_id
from tests.helpers.node_net import NodeNet

PARAMETERS = replace(DEFAULT_PARAMETERS, idle_interval_ms=200, epoch_length=1_000)


def told(validators: ValidatorSet, heights: dict[int, int], me: int = 0) -> Height | None:
    lookout = Lookout()
    for number, height in heights.items():
        lookout.on_status(validator_id(number), Height(height), validators)
    return lookout.height(validator_id(me), validators)


def signed(net: NodeNet, number: int) -> int:
    """Votes and proposals that a node made durable."""
    return sum(isinstance(each, VoteRecord | ProposalRecord) for each in net.homes[number].records)


class TestHeight:
    """A4: which height is the one to have."""

    @pytest.mark.parametrize(
        ("heights", "expected"),
        [
            ({}, None),
            ({1: 5}, None),
            ({1: 5, 2: 5}, 5),
            ({1: 900, 2: 5}, 5),
            ({1: 900, 2: 7, 3: 5}, 7),
            ({1: 0, 2: 0, 3: 0}, 0),
        ],
    )
    def test_it_is_what_more_than_a_third_has_reached(
        self, heights: dict[int, int], expected: int | None
    ) -> None:
        assert told(equal_set(4), heights) == expected

    def test_who_is_alone_looks_for_nobody(self) -> None:
        assert told(equal_set(1), {}) == 0

    def test_what_others_than_validators_say_does_not_count(self) -> None:
        assert told(equal_set(4), {7: 5, 8: 5, 9: 5}) is None

    def test_the_last_word_of_a_peer_counts(self) -> None:
        validators, lookout = equal_set(4), Lookout()
        for height in (50, 3):
            for number in (1, 2):
                lookout.on_status(validator_id(number), Height(height), validators)

        assert lookout.height(validator_id(0), validators) == 3


class TestStarting:
    """A4, with whole nodes."""

    def test_nothing_is_signed_while_no_quorum_spoke(self) -> None:
        net = NodeNet(parameters=PARAMETERS)
        net.run(3)
        net.crash(3)
        before = signed(net, 3)
        silenced = {net.homes[0].id, net.homes[1].id}

        def may_pass(source: object, target: object, message: Message) -> bool:
            return not (target == net.homes[3].id and source in silenced and isinstance(message, ChainStatus))

        net.may_pass = may_pass
        net.start(3)
        net.run(5)

        assert signed(net, 3) == before

        net.may_pass = lambda source, target, message: True
        assert net.run(5, until=lambda: signed(net, 3) > before)
        net.assert_agreement()

    def test_an_old_copy_of_a_home_signs_nothing_at_all(self) -> None:
        for seconds in (1, 4):
            net = NodeNet(parameters=PARAMETERS)
            net.run(3)
            home = net.homes[3]
            copied = list(home.stored), list(home.records)
            net.run(seconds)
            net.crash(3)
            home.stored, home.records = copied
            before = signed(net, 3)

            net.start(3)
            net.run(3)

            assert "another process uses the key" in (net.nodes[3].halted or "")
            assert signed(net, 3) == before
            net.assert_agreement()

    def test_all_start_again_at_once_and_one_is_behind(self) -> None:
        net = NodeNet(parameters=PARAMETERS)
        net.may_pass = lambda source, target, message: (
            not (target == net.homes[0].id and not isinstance(message, Votes))
        )
        net.run(3)
        for number in range(4):
            net.crash(number)
        net.may_pass = lambda source, target, message: True
        for number in range(4):
            net.start(number)
        transaction = net.anchor(0, 1)
        net.submit(0, transaction)

        assert net.run(10, until=lambda: net.is_final(transaction))
        assert net.halts == []
        net.assert_agreement()

    def test_a_liar_far_ahead_keeps_nobody_from_signing(self) -> None:
        net = NodeNet(parameters=PARAMETERS)
        net.run(2)
        net.crash(3)
        net.start(3)
        lie = ChainStatus(epoch=Epoch(1), view=View(9_000), height=Height(9_000), hash=BlockHash(bytes(32)))
        for _ in range(3):
            net._push(0, 3, MessageReceived(net.homes[0].id, lie))
        before = signed(net, 3)

        assert net.run(5, until=lambda: signed(net, 3) > before)

    def test_a_status_is_answered_at_most_once_a_second(self) -> None:
        net = NodeNet(parameters=PARAMETERS)
        net.run(2)
        answers = []

        def may_pass(source: object, target: object, message: Message) -> bool:
            if isinstance(message, ChainStatus):
                answers.append(source)
            return True

        net.may_pass = may_pass
        status = ChainStatus(epoch=Epoch(1), view=View(1), height=Height(0), hash=BlockHash(bytes(32)))
        for _ in range(50):
            net._push(0, 3, MessageReceived(net.homes[0].id, status))
        net.run(0.9)

        assert answers.count(net.homes[3].id) == 1
        assert len(answers) <= 2


class TestSyncing:
    """S2: a node is behind when more than f of the power says so."""

    @pytest.mark.parametrize(("liars", "is_syncing"), [([3], False), ([2, 3], True)])
    def test_nobody_alone_makes_a_node_seem_behind(self, liars: list[int], is_syncing: bool) -> None:
        net = NodeNet(parameters=PARAMETERS)
        assert net.run(5, until=lambda: min(net.heights()) >= 3)
        far = ChainStatus(epoch=Epoch(1), view=View(1), height=Height(1 << 40), hash=BlockHash(bytes(32)))

        for liar in liars:
            net._push(0, 0, MessageReceived(net.homes[liar].id, far))
        net.run(0.001)

        assert net.nodes[0].is_syncing == is_syncing
