"""Batches in a network of whole nodes: what is taken in, and how it reaches all who must have it."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from noded.node.effects import StartTimer, Verify
from noded.node.inputs import MessageReceived, PeerDown, PeerUp, TimerKind, TransactionsSubmitted, Verified
from noded.types.batch import Batch, batch_signing_bytes, seal_batch
from noded.types.genesis import DEFAULT_PARAMETERS
from noded.types.ids import PeerId, Signature, TimestampMs
from noded.types.messages import BatchPushed, BlockRange, GetBatches, Message, TransactionsForwarded
from noded.types.operations.audit import AuditAnchor
from noded.types.transaction import SignedTransaction
from tests.helpers.node_net import GENESIS_MS, NodeNet


def pushed_to(net: NodeNet, number: int) -> Callable[[PeerId, PeerId, Message], bool]:
    """A rule for `may_pass`: nobody's pushed batches reach this node."""
    return lambda source, target, message: (
        not (target == net.homes[number].id and isinstance(message, BatchPushed))
    )


def cut_off_at_a_final_block() -> NodeNet:
    """Node 3, cut off and without a peer, while the others make a block with a batch final."""
    net = NodeNet()
    net.run(1)
    transaction = net.anchor(0, 1)
    net.may_pass = lambda source, target, message: target != net.homes[3].id
    for number in range(3):
        net._push(0, 3, PeerDown(net.homes[number].id))
    net.submit(0, transaction)
    assert net.run(8, until=lambda: final_at(net, 0, transaction))
    return net


def final_at(net: NodeNet, number: int, transaction: SignedTransaction) -> bool:
    """Whether a node stored a transaction."""
    return any(entry.hash == transaction.hash for each in net.homes[number].stored for entry in each.entries)


def proposer_of_the_batch(net: NodeNet) -> int:
    """Of the last block with a batch that node 0 stored."""
    block = next(each.block for each in reversed(net.homes[0].stored) if each.block.body.payload)
    return net.number_of[block.header.proposer]


class TestAdmission:
    """M6: what a node takes from a client."""

    def test_garbage_is_refused_by_name(self) -> None:
        net = NodeNet()
        net.run(0.5)
        good = net.anchor(0, 1)
        bad = replace(good.transaction, signature=Signature(bytes(64)))

        from noded.codec.schema import encode_value
        from noded.node.inputs import TransactionsSubmitted

        net._push(0, 0, TransactionsSubmitted(99, (b"\x00", encode_value(bad), good.encoding, good.encoding)))
        net.run(1)

        assert [answer.refused for answer in net.answers[99]] == [
            "Malformed",
            "BadSignature",
            None,
            "AlreadyKnown",
        ]

    def test_other_chain_is_refused(self) -> None:
        net = NodeNet()
        other = NodeNet(parameters=replace(DEFAULT_PARAMETERS, epoch_length=77))
        net.run(0.5)

        token = net.submit(0, other.anchor(0, 1))
        net.run(0.5)

        assert net.answers[token][0].refused == "WrongChain"

    def test_no_batch_has_more_operations_than_a_block_may(self) -> None:
        """M7: else no block ever names it, and all that came with it waits until it expires, and again then."""
        net = NodeNet(parameters=replace(DEFAULT_PARAMETERS, block_operations_max=256))
        net.run(0.5)
        steps = [
            AuditAnchor(sequence=number, entries=0, root=None, until_ms=TimestampMs(GENESIS_MS + number))
            for number in range(1, 301)
        ]
        large = [net.transaction(0, 1, *steps[:150]), net.transaction(0, 2, *steps[150:])]

        net.submit(0, *large)

        assert net.run(8, until=lambda: all(map(net.is_final, large)))

    def test_what_would_wait_too_long_is_refused_until_the_rest_is_ordered(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        net = NodeNet()
        net.run(0.5)
        first, second = net.anchor(0, 1), net.anchor(0, 2)
        monkeypatch.setattr("noded.node.batches.OWN_WAITING_BYTES_MAX", len(first.encoding) + 9)

        tokens = [net.submit(0, each) for each in (first, second)]
        assert net.run(8, until=lambda: net.is_final(first))
        again = net.submit(0, second)

        assert net.run(8, until=lambda: net.is_final(second))
        assert [net.answers[token][0].refused for token in (*tokens, again)] == [None, "PoolFull", None]

    def test_what_others_hand_on_leaves_room_for_own_clients(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """A member could have a validator refuse its own clients' transactions."""
        net = NodeNet()
        net.run(0.5)
        own, others = ([net.anchor(member, number) for number in range(1, 9)] for member in (0, 1))
        monkeypatch.setattr("noded.node.batches.OWN_WAITING_BYTES_MAX", 8 * (len(own[0].encoding) + 9))
        forwarded = TransactionsForwarded(transactions=tuple(each.encoding for each in others[:7]))

        net._push(0, 0, MessageReceived(net.homes[3].id, forwarded))
        token = net.submit(0, *own[:5])

        assert net.run(8, until=lambda: all(map(net.is_final, (others[0], *own[:5]))))
        assert [answer.refused for answer in net.answers[token]] == [None] * 5


class TestTime:
    """M4: what no block names for long must not be held for long."""

    def test_a_batch_of_next_week_keeps_nobody_awake(self) -> None:
        net = NodeNet()
        net.run(1)
        author = net.homes[3]
        unsigned = Batch(
            author=author.id,
            epoch=net.nodes[0].validators.epoch,
            number=1,
            time_ms=TimestampMs(net.now_ms + 7 * 86_400_000),
            transactions=(net.anchor(3, 1).encoding,),
            signature=Signature(bytes(64)),
        )
        signature = net.nodes[3].batches._signer.sign_batch(batch_signing_bytes(net.chain_id, unsigned))
        sealed = seal_batch(replace(unsigned, signature=signature))

        net._push(0, 0, MessageReceived(author.id, BatchPushed(batch=sealed.encoding)))
        net.run(1)

        assert not net.nodes[0].batches.pool.has_unordered()


class TestBatches:
    """M1, M2: a batch reaches all who must have it."""

    def test_missing_batch_is_pulled(self) -> None:
        net = NodeNet()
        net.may_pass = pushed_to(net, 3)
        net.run(1)
        transaction = net.anchor(0, 1)
        asked: list[Message] = []

        def watch(source: PeerId, target: PeerId, message: Message) -> bool:
            if isinstance(message, GetBatches) and source == net.homes[3].id:
                asked.append(message)
                net.may_pass = lambda source, target, message: True
            return pushed_to(net, 3)(source, target, message)

        net.may_pass = watch
        net.submit(0, transaction)

        assert net.run(8, until=lambda: net.is_final(transaction))
        assert asked

    def test_missing_batch_is_asked_of_all_who_come_up(self) -> None:
        """M2: node 3 knew of a final block's proposer only, which is down; without its vote nothing goes on."""
        net = cut_off_at_a_final_block()
        net.may_pass = lambda source, target, message: not isinstance(message, BlockRange)
        net.crash(proposer_of_the_batch(net))
        assert net.run(10, until=net.nodes[3].chain.is_waiting)
        net.run(5)
        assert net.nodes[3].chain.is_waiting()

        for number in net.nodes:
            if number != 3:
                net._push(0, 3, PeerUp(net.homes[number].id))

        assert net.run(10, until=lambda: final_at(net, 3, net.anchor(0, 1)))
        transaction = net.anchor(3, 1)
        net.submit(3, transaction)
        assert net.run(10, until=lambda: net.is_final(transaction))
        net.assert_agreement()

    def test_what_nobody_has_any_more_comes_by_block_sync(self) -> None:
        """S2: and the node votes again; here its vote is needed."""
        net = cut_off_at_a_final_block()
        net.may_pass = lambda source, target, message: not isinstance(message, GetBatches)
        for number in range(3):
            net._push(0, 3, PeerUp(net.homes[number].id))
        net.crash(0)
        transaction = net.anchor(1, 1)

        net.submit(1, transaction)

        assert net.run(30, until=lambda: net.is_final(transaction))
        net.assert_agreement()

    def test_expired_batch_is_packed_anew(self) -> None:
        """M4: two of four cannot order; what they took is not lost when the others come back late."""
        parameters = replace(DEFAULT_PARAMETERS, batch_expiry_ms=4_000, idle_interval_ms=2_000)
        net = NodeNet(parameters=parameters)
        net.run(1)
        net.crash(2)
        net.crash(3)
        transaction = net.anchor(0, 1)
        net.submit(0, transaction)
        net.run(12)

        net.start(2)
        net.start(3)

        assert net.run(30, until=lambda: net.is_final(transaction))
        net.assert_agreement()


class TestSealing:
    """M8: how old an open batch becomes."""

    @pytest.mark.parametrize(("size", "age_ms"), [(32, 50), (33, 200)])
    def test_batches_are_fewer_among_many(self, size: int, age_ms: int) -> None:
        net = NodeNet(size)
        asked = net.nodes[0].step(
            TransactionsSubmitted(1, (net.anchor(0, 1).encoding,)), TimestampMs(net.now_ms)
        )
        (verify,) = [effect for effect in asked if isinstance(effect, Verify)]
        effects = net.nodes[0].step(Verified(verify.token, (True,)), TimestampMs(net.now_ms))

        timers = [effect for effect in effects if isinstance(effect, StartTimer)]
        assert [timer.after_ms for timer in timers if timer.timer.kind is TimerKind.BATCH] == [age_ms]
