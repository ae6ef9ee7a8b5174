"""R15, R16, R20: the proof of an epoch's end, and what becomes of it in a crash."""

from dataclasses import replace
from typing import Any

import pytest

from noded.consensus.core import ConsensusCore
from noded.consensus.effects import Effect
from noded.consensus.inputs import ChainAdvanced, MessageReceived
from noded.types.block import BlockKind
from noded.types.ids import Epoch, View
from noded.types.messages import (
    BlockFound,
    EpochEntry,
    GetBlock,
    GetCertificates,
    Votes,
)
from noded.types.records import BlockRecord, EpochRecord
from tests.helpers.consensus_bench import (
    F,
    N,
    X,
    committed,
    penalties,
    records_of,
    sent,
)
from tests.helpers.consensus_epochs import SECOND_SET, bench_at, entry_of, in_second_epoch, terminal_of
from tests.helpers.consensus_values import (
    CHAIN_ID,
    START_MS,
    TestSigner,
    make_certificate,
    make_proposal,
    make_set,
    make_vote,
    validator_id,
)


class TestCrashAtTheFence:
    """R15, R20: the store has the terminal block, and the crash came before the log said that the epoch is over."""

    def restarted(self, *, is_told: bool) -> tuple[ConsensusCore, list[Effect]]:
        before, terminal = in_second_epoch()
        core = ConsensusCore(
            chain_id=CHAIN_ID,
            me=before.me,
            signer=TestSigner(before.me),
            params=before.params,
            validators=SECOND_SET,
            genesis_block=terminal,
        )
        effects = core.start(START_MS)
        if is_told:
            finalization = before.certificate(F, view=1, block=terminal)
            effects += core.step(ChainAdvanced(terminal, (), finalization), START_MS)
        return core, effects

    def ask(self, core: ConsensusCore) -> list[Effect]:
        question = GetCertificates(kind=F, epoch=Epoch(1), first=View(1), last=View(1))
        return core.step(MessageReceived(validator_id(2), question), START_MS)

    def test_what_the_store_proves_is_logged_and_told(self) -> None:
        core, effects = self.restarted(is_told=True)
        kinds = [type(record) for record in records_of(effects)]
        assert kinds.index(BlockRecord) < kinds.index(EpochRecord)

        (answer,) = sent(self.ask(core), EpochEntry)

        assert answer.peers == (validator_id(2),)
        assert isinstance(answer.message, EpochEntry)
        assert answer.message.table == SECOND_SET.table

    def test_it_is_logged_once(self) -> None:
        core, effects = self.restarted(is_told=True)
        advanced = next(record for record in records_of(effects) if isinstance(record, EpochRecord)).entry

        again = core.step(
            ChainAdvanced(core._state.tree.final.block, advanced.seals, advanced.finalization), START_MS
        )

        assert records_of(again) == []

    def test_without_it_nobody_could_be_told(self) -> None:
        core, _ = self.restarted(is_told=False)

        assert sent(self.ask(core), EpochEntry) == []


class TestEpochEntry:
    """R16: the proof of an epoch's end."""

    def test_it_brings_a_peer_on(self) -> None:
        bench = bench_at()
        terminal = terminal_of(bench)
        bench.hear(1, terminal)

        effects = bench.hear(3, entry_of(bench, terminal.block))

        assert committed(effects) == [terminal.block]
        assert bench.core.epoch == 2
        kinds = [type(record) for record in records_of(effects)]
        assert kinds.index(BlockRecord) < kinds.index(EpochRecord)

    def test_seals_need_not_be_known(self) -> None:
        bench = bench_at()
        terminal = terminal_of(bench)
        bench.hear(1, terminal)
        seal = bench.propose(2, terminal.block, kind=BlockKind.SEAL, height=1).block

        effects = bench.hear(3, entry_of(bench, terminal.block, seals=(seal,)))

        assert committed(effects) == [terminal.block]
        assert bench.core.epoch == 2

    def test_the_terminal_block_is_fetched_if_it_is_missing(self) -> None:
        bench = bench_at()
        terminal = terminal_of(bench).block

        effects = bench.hear(3, entry_of(bench, terminal))
        assert [send.message for send in sent(effects, GetBlock)] == [GetBlock(hash=terminal.hash)]
        bench.hear(2, BlockFound(block=terminal))

        assert bench.core.epoch == 2

    @pytest.mark.parametrize(
        ("change", "reason"),
        [
            ({"table": make_set((2,) * 4, epoch=2).table}, "BadEpochEntry"),
            ({"terminal": "genesis"}, None),
            ({"terminal": "normal"}, "BadEpochEntry"),
            ({"seals": "unrelated"}, "BadEpochEntry"),
            ({"finalization": "weak"}, "BadCertificate"),
            ({"finalization": "forged"}, "BadCertificate"),
            ({"finalization": "notarization"}, "BadCertificate"),
        ],
    )
    def test_what_proves_nothing_is_refused(self, change: dict[str, Any], reason: str | None) -> None:
        bench = bench_at()
        terminal = terminal_of(bench).block
        normal = bench.propose(1, bench.genesis).block
        values: dict[str, Any] = {
            "genesis": bench.genesis.header,
            "normal": normal.header,
            "unrelated": (normal.header,),
            "weak": make_certificate(bench.validators, F, view=1, block=terminal, voters=(0, 1)),
            "forged": make_certificate(bench.validators, F, view=1, block=terminal, forged=(0,)),
            "notarization": bench.certificate(N, view=1, block=terminal),
        }
        changed = {name: values[value] if isinstance(value, str) else value for name, value in change.items()}
        entry = replace(entry_of(bench, terminal), **changed)

        effects = bench.hear(3, entry)

        assert [why for _, why in penalties(effects)] == ([] if reason is None else [reason])
        assert bench.core.epoch == 1

    def test_messages_of_the_last_epoch_are_answered_with_it(self) -> None:
        """R20: not more often than every Δ/2."""
        bench, terminal = in_second_epoch()
        bench.now_ms += 1_000
        vote = Votes(votes=(make_vote(3, X, view=2),), certificates=())

        (send,) = sent(bench.hear(3, vote), EpochEntry)

        assert send.peers == (validator_id(3),)
        assert isinstance(send.message, EpochEntry)
        assert send.message.terminal == terminal.header
        assert bench.hear(3, vote) == []
        fresh = bench_at()
        fresh.hear(1, make_proposal(terminal))
        fresh.hear(0, send.message)
        assert fresh.core.epoch == 2

    def test_blocks_at_the_end_of_the_last_epoch_can_be_had(self) -> None:
        bench, terminal = in_second_epoch()

        effects = bench.hear(3, GetBlock(hash=terminal.hash))

        assert [send.message for send in sent(effects, BlockFound)] == [BlockFound(block=terminal)]
