"""Whole nodes: consensus, batches, block sync and ledger together."""

from collections.abc import Collection
from dataclasses import replace

import pytest

from noded.consensus.effects import EnterEpoch
from noded.crypto.sparse_merkle import bucket_of, path_of
from noded.ledger.head import block_key
from noded.node.committing import CommitDesk
from noded.types.block import BlockKind
from noded.types.evidence import InvalidProposal
from noded.types.genesis import DEFAULT_PARAMETERS
from noded.types.ids import Epoch, Height, Signature, View
from noded.types.messages import Votes
from noded.types.operations.membership import CloseEpoch, SetParameters
from noded.types.records import BlockRecord
from tests.helpers.node_net import NodeNet


class TestTransactions:
    """From a client's call to every store."""

    def test_transaction_becomes_final_everywhere(self) -> None:
        net = NodeNet()
        net.run(1)
        transaction = net.anchor(0, 1)

        token = net.submit(0, transaction)

        assert net.run(5, until=lambda: net.is_final(transaction))
        assert net.answers[token][0].refused is None
        net.assert_agreement()

    def test_many_of_all_gateways_are_each_applied_once(self) -> None:
        net = NodeNet()
        net.run(1)
        sent = [net.anchor(number, sequence) for sequence in range(1, 11) for number in range(4)]
        for index, transaction in enumerate(sent):
            net.submit(index % 4, transaction)
            net.run(0.02)

        assert net.run(10, until=lambda: all(map(net.is_final, sent)))

        entries = [entry for block in net.homes[0].stored for entry in block.entries]
        assert sorted(entry.hash for entry in entries) == sorted(each.hash for each in sent)

    def test_same_transaction_at_two_gateways_has_one_effect(self) -> None:
        net = NodeNet()
        net.run(1)
        transaction = net.anchor(0, 1)
        net.submit(0, transaction)
        net.submit(1, transaction)

        assert net.run(5, until=lambda: net.is_final(transaction))
        net.run(3)

        entries = [entry for block in net.homes[0].stored for entry in block.entries]
        assert sorted(entry.applied for entry in entries) == [False, True]

    def test_observer_hands_transactions_on(self) -> None:
        net = NodeNet(observers=1)
        net.run(1)
        transaction = net.anchor(4, 1)

        token = net.submit(4, transaction)

        assert net.run(8, until=lambda: net.is_final(transaction))
        assert net.answers[token][0].refused is None


class TestEpochs:
    """S3: powers change at terminal blocks, and everybody passes the fence."""

    def test_epochs_pass_under_load(self) -> None:
        net = NodeNet(parameters=replace(DEFAULT_PARAMETERS, epoch_length=5, idle_interval_ms=500))
        sent = [net.anchor(0, sequence) for sequence in range(1, 31)]
        for transaction in sent:
            net.submit(0, transaction)
            net.run(0.3)

        assert net.run(20, until=lambda: all(map(net.is_final, sent)))
        assert net.nodes[0].validators.epoch >= 5
        net.assert_agreement()

    def test_evidence_that_came_too_late_for_its_epoch_holds_nobody_up(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """D9: nobody may enclose it any more, so nobody does; all were told of it in the epoch's last views."""
        net = NodeNet(parameters=replace(DEFAULT_PARAMETERS, epoch_length=5, idle_interval_ms=500))
        late = InvalidProposal(
            culprit=net.homes[0].id,
            epoch=Epoch(1),
            view=View(7),
            block=b"x",
            signature=Signature(bytes(64)),
            parent_header=b"",
        )
        enter = CommitDesk.enter

        def enter_late(desk: CommitDesk, wanted: EnterEpoch) -> None:
            if wanted.epoch == 2:
                desk._evidence.add(late)
            enter(desk, wanted)

        monkeypatch.setattr(CommitDesk, "enter", enter_late)

        assert net.run(20, until=lambda: min(net.heights()) >= 8)
        assert net.penalties == []


class TestBlockSync:
    """S1, S2: a node that was away catches up."""

    @pytest.mark.parametrize("epoch_length", [1_000, 7])
    def test_late_node_reaches_the_tip(self, epoch_length: int) -> None:
        net = NodeNet(parameters=replace(DEFAULT_PARAMETERS, epoch_length=epoch_length, idle_interval_ms=500))
        net.run(1)
        net.crash(3)
        for sequence in range(1, 41):
            net.submit(0, net.anchor(0, sequence))
            net.run(0.5)
        behind = net.homes[3].stored[-1].block.header.height

        net.start(3)

        goal = min(net.heights()[:3])
        assert goal > behind + 20
        assert net.run(15, until=lambda: net.nodes[3].chain.height >= goal)
        assert net.run(15, until=lambda: net.nodes[3].chain.height >= goal + 5)
        net.assert_agreement()
        assert net.penalties == []

    def test_observer_follows(self) -> None:
        net = NodeNet(observers=1, parameters=replace(DEFAULT_PARAMETERS, idle_interval_ms=500))
        net.run(10)

        assert net.nodes[4].chain.height >= net.nodes[0].chain.height - 8
        assert net.nodes[4].chain.height > 5


class TestRestart:
    """R15: a node goes on where its log left off."""

    @pytest.mark.parametrize("steps", range(0, 40, 4))
    def test_all_crash_and_go_on(self, steps: int) -> None:
        net = NodeNet(parameters=replace(DEFAULT_PARAMETERS, epoch_length=6, idle_interval_ms=400))
        net.submit(0, net.anchor(0, 1))
        net.run(4 + steps * 0.037)
        before = max(len(home.stored) for home in net.homes)
        for number in range(4):
            net.crash(number)
        for number in range(4):
            net.start(number)

        assert net.run(20, until=lambda: min(net.heights()) >= before + 8)
        net.assert_agreement()
        assert net.penalties == []

    def test_a_store_of_an_earlier_epoch_is_led_on_by_the_whole_log(self) -> None:
        """As after a rollback: the log's blocks lead from the store's tip over an epoch's end."""
        net = NodeNet(parameters=replace(DEFAULT_PARAMETERS, epoch_length=6, idle_interval_ms=400))
        assert net.run(30, until=lambda: min(net.heights()) >= 9)
        net.crash(3)
        home = net.homes[3]
        assert home.stored[-1].block.header.epoch == 2
        del home.stored[3:]
        goal = max(net.heights()[:3])

        net.start(3)

        assert net.nodes[3].validators.epoch == 2
        assert net.run(20, until=lambda: net.nodes[3].chain.height >= goal + 3)
        net.assert_agreement()
        assert net.penalties == []

    def test_live_records_suffice(self) -> None:
        """A log rewritten to the live records is as good as the whole."""
        net = NodeNet(parameters=replace(DEFAULT_PARAMETERS, idle_interval_ms=400))
        for round_ in range(6):
            net.submit(0, net.anchor(0, round_ + 1))
            net.run(1.3)
            for number in range(4):
                node = net.nodes[number]
                assert not node.chain.is_waiting()
                net.homes[number].records = node.live_records()
                net.crash(number)
                net.start(number)
        before = min(net.heights())

        assert net.run(20, until=lambda: min(net.heights()) >= before + 3)
        net.assert_agreement()
        assert net.halts == []


class TestState:
    """A1: a node with another state does not vote any more."""

    def test_differing_state_halts_the_node_only(self) -> None:
        net = NodeNet(parameters=replace(DEFAULT_PARAMETERS, idle_interval_ms=400))
        net.run(2)
        later = Height(net.nodes[3].chain.height + 5)
        bucket = bucket_of(path_of(block_key(later)))  # That block will write there.
        stray = bucket.to_bytes(2) + bytes(30) + bytes([7]) * 32
        net._bases[3]._buckets[bucket] = stray + net._bases[3].bucket(bucket)

        net.run(10)

        assert [number for number, _ in net.halts] == [3]
        heights = [net.nodes[number].chain.height for number in range(3)]
        assert net.run(10, until=lambda: net.nodes[0].chain.height > heights[0] + 3)


class TestVotes:
    """L110: what the members voted for holds for consensus too."""

    def test_epoch_length_changes_with_the_next_epoch(self) -> None:
        net = NodeNet(parameters=replace(DEFAULT_PARAMETERS, epoch_length=12, idle_interval_ms=300))
        longer = replace(net.parameters, epoch_length=5)
        net.decide(SetParameters(parameters=longer))

        assert net.run(30, until=lambda: min(net.heights()) >= 24)

        net.assert_agreement()
        assert net.nodes[0].ledger.parameters_after(net.nodes[0].chain.tip.hash) == longer
        assert terminal_heights(net)[:4] == [0, 12, 17, 22]
        assert net.penalties == []

    def test_an_authors_part_changes_with_the_next_epoch(self) -> None:
        """Else who restarted since sends more than the others take, and is scored for it."""
        net = NodeNet(parameters=replace(DEFAULT_PARAMETERS, epoch_length=8, idle_interval_ms=300))
        part = net.parameters.author_bytes_max // 2
        net.decide(
            SetParameters(parameters=replace(net.parameters, author_bytes_max=part, batch_expiry_ms=1_000))
        )

        assert net.run(30, until=lambda: min(net.heights()) >= 24)

        pools = [node.batches.pool for node in net.nodes.values()]
        assert {pool.part_bytes for pool in pools} == {part}
        transaction = net.anchor(0, 1)
        net.may_pass = lambda source, target, message: False
        net.submit(0, transaction)
        net.run(0.5)
        assert pools[0].unordered_count == 1
        first = pools[0].unordered()
        net.run(5)
        assert pools[0].unordered() != first

    def test_epoch_closes_early(self) -> None:
        net = NodeNet(parameters=replace(DEFAULT_PARAMETERS, epoch_length=500, idle_interval_ms=300))
        net.decide(CloseEpoch(epoch=Epoch(1)))
        decided = max(net.heights())

        assert net.run(10, until=lambda: min(net.heights()) >= decided + 5)

        net.assert_agreement()
        assert len(terminal_heights(net)) == 2
        assert {node.core.epoch for node in net.nodes.values()} == {2}


def terminal_heights(net: NodeNet) -> list[int]:
    headers = [committed.block.header for committed in net.homes[0].stored]
    return [header.height for header in headers if header.kind is BlockKind.TERMINAL]


class TestWorkAhead:
    """A driver without inputs may have the newest block executed: sooner, and nothing else."""

    def run(self, working_ahead: Collection[int]) -> NodeNet:
        net = NodeNet(
            parameters=replace(DEFAULT_PARAMETERS, idle_interval_ms=500, epoch_length=6),
            working_ahead=working_ahead,
        )
        net.run(1)
        for sequence in range(1, 9):
            net.submit(sequence % 4, net.anchor(sequence % 4, sequence))
            net.run(0.3)
        net.run(2)
        net.assert_agreement()
        return net

    def test_nobody_sees_it(self) -> None:
        with_it, without = self.run(range(4)), self.run(())

        assert with_it.homes[0].stored[-1].block.header.epoch > 1
        for ahead, plain in zip(with_it.homes, without.homes, strict=True):
            assert [each.block for each in ahead.stored] == [each.block for each in plain.stored]
            assert [each.state_root for each in ahead.stored] == [each.state_root for each in plain.stored]
            assert ahead.records == plain.records

    def test_block_is_executed_before_a_child_of_it_comes(self) -> None:
        net = NodeNet(working_ahead=(0,))
        net.run(1)
        transaction = net.anchor(1, 1)
        net.may_pass = lambda source, target, message: not isinstance(message, Votes)
        net.submit(1, transaction)

        def executed(number: int) -> bool:
            ledger = net.nodes[number].ledger
            known = [record.block for record in net.homes[number].records if isinstance(record, BlockRecord)]
            return any(block.body.payload and ledger.is_executed(block.hash) for block in known)

        net.run(1)
        assert executed(0)
        assert not any(map(executed, (1, 2, 3)))
