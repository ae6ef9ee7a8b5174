"""What consensus asks of blocks: what an own one carries, and whether another's may carry what it does."""

from collections import deque

from noded.consensus.core import ConsensusCore
from noded.consensus.effects import BuildPayload, CheckPayload
from noded.consensus.inputs import Input, PayloadBuilt, PayloadChecked, TimerKind
from noded.ledger.ledger import Ledger
from noded.node.batches import BatchDesk
from noded.node.chain import Chain
from noded.node.evidence import EvidenceDesk
from noded.node.outbox import Outbox
from noded.node.payload import PayloadLimits, PayloadRules, holders_of
from noded.node.settings import CHECKS_WAITING_MAX
from noded.types.block import Block, BlockKind
from noded.types.ids import BlockHash, InstitutionId, PeerId, TimestampMs
from noded.types.validator_set import ValidatorSet, table_root


class ProposalDesk:
    """Answers BuildPayload and CheckPayload: at once where it can, later where a batch is missing."""

    def __init__(
        self,
        *,
        me: InstitutionId,
        core: ConsensusCore,
        ledger: Ledger,
        chain: Chain,
        batches: BatchDesk,
        rules: PayloadRules,
        evidence: EvidenceDesk,
        outbox: Outbox,
        told: deque[Input],
        validators: ValidatorSet,
    ) -> None:
        self._me = me
        self._core = core
        self._ledger = ledger
        self._chain = chain
        self._batches = batches
        self._rules = rules
        self._evidence = evidence
        self._outbox = outbox
        self._told = told
        self._validators = validators
        self._checks: dict[BlockHash, CheckPayload] = {}
        self._build: BuildPayload | None = None
        self._patient: BuildPayload | None = None
        self._is_stopped = False

    def enter_epoch(self, validators: ValidatorSet, limits: PayloadLimits) -> None:
        """Build and judge by another epoch's table and limits."""
        self._validators = validators
        self._rules.limit(limits)

    def stop(self) -> None:
        """Build nothing more."""
        self._is_stopped = True

    def build(self, wanted: BuildPayload, now_ms: TimestampMs) -> None:
        """Answer BuildPayload, now or later."""
        self._build = wanted
        self._try_build(now_ms, patient=True)

    def check(self, wanted: CheckPayload, now_ms: TimestampMs) -> None:
        """Answer CheckPayload, now or later."""
        self._checks[wanted.block.hash] = wanted
        while len(self._checks) > CHECKS_WAITING_MAX:
            del self._checks[next(iter(self._checks))]
        self._try_check(wanted, now_ms)

    def go_on(self, now_ms: TimestampMs) -> None:
        """New batches or blocks are at hand: try again whatever waits for one."""
        if self._checks:
            for check in list(self._checks.values()):
                self._try_check(check, now_ms)
        if self._build is not None:
            self._try_build(now_ms, patient=True)

    def on_acknowledged(self, now_ms: TimestampMs) -> None:
        """More is known of who holds what: perhaps batches have become available."""
        if self._build is not None:
            self._try_build(now_ms, patient=True)

    def on_timer(self, now_ms: TimestampMs) -> None:
        """A patient proposer has waited long enough."""
        self._try_build(now_ms, patient=False)

    def _try_build(self, now_ms: TimestampMs, *, patient: bool) -> None:
        """Answer BuildPayload; a patient proposer first waits for its batches to become available (M2)."""
        build = self._build
        if build is None or self._is_stopped:
            return
        if self._chain.is_waiting() or not self._executed(build.ancestors, (), now_ms):
            return
        holder = self._chain.state_holder(build.parent, build.ancestors)
        if not self._ledger.is_executed(holder):
            self._build = None
            return
        index = self._validators.index_by_id.get(self._me)
        payload = self._rules.build(build, self._validators, index, now_ms)
        sealing = build.kind is BlockKind.SEAL
        if patient and not payload and not sealing and self._batches.pool.has_unordered():
            if self._patient is not build:
                self._patient = build
                self._outbox.wake(TimerKind.BUILD, self._rules.patience_ms)
            return
        self._build = None
        terminal = not sealing and self._ledger.kind_after(holder) is BlockKind.TERMINAL
        self._told.append(
            PayloadBuilt(
                epoch=build.epoch,
                view=build.view,
                parent=build.parent,
                payload=payload,
                parent_state_root=self._ledger.state_root_after(holder),
                evidence=() if sealing else self._evidence.pending(),
                next_epoch_root=table_root(self._ledger.next_table(holder)) if terminal else None,
            )
        )

    def _try_check(self, check: CheckPayload, now_ms: TimestampMs) -> None:
        """Answer CheckPayload, unless a batch is missing (M1, M3, M7)."""
        block = check.block
        if block.header.height <= self._chain.height:
            del self._checks[block.hash]  # Block sync was faster: it is judged, by a quorum.
            return
        invalid = self._rules.known_invalid(block)
        if invalid is None:
            if self._chain.is_waiting() or not self._executed((*check.ancestors,), check.hints, now_ms):
                return
            missing = self._rules.missing(block)
            if missing:
                self._batches.fetch(missing, holders_of(block, check.hints, self._me), now_ms)
                return
            holder = self._chain.state_holder(block.header.parent_hash, check.ancestors)
            if not self._ledger.is_executed(holder):
                del self._checks[block.hash]
                return
            invalid = self._rules.why_invalid(check, self._validators) or self._why_state_differs(
                block, holder
            )
        del self._checks[block.hash]
        if invalid is not None or not block.body.evidence:
            self._told.append(PayloadChecked(block.hash, invalid))
            return

        def judged(why: str | None) -> None:
            self._told.append(PayloadChecked(block.hash, why))

        self._evidence.judge(block.body.evidence, self._ledger, self._core.facts, judged)

    def _why_state_differs(self, block: Block, holder: BlockHash) -> str | None:
        header = block.header
        if header.parent_state_root != self._ledger.state_root_after(holder):
            return "another parent state root"
        if header.kind is BlockKind.SEAL:
            return None
        due = self._ledger.kind_after(holder)
        if header.kind is not due:
            return f"a {header.kind.name} block where the epoch {due.name} is due"
        if header.kind is not BlockKind.TERMINAL:
            return None
        same = header.next_epoch_root == table_root(self._ledger.next_table(holder))
        return None if same else "another next epoch root"

    def _executed(self, ancestors: tuple[Block, ...], hints: tuple[PeerId, ...], now_ms: TimestampMs) -> bool:
        """Whether all unfinalised ancestors are executed; batches that this needs are fetched."""
        for ancestor in reversed(ancestors):
            if not self._chain.execute(ancestor):
                holders = holders_of(ancestor, hints or self._batches.connected, self._me)
                self._batches.fetch(self._rules.missing(ancestor), holders, now_ms)
                return False
        return True
