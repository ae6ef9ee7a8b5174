"""
A deterministic network of consensus cores in memory: an event heap, links, faults, and an oracle.

Each host performs its core's effects as a daemon would: records become durable first, then messages go out. What a
host has persisted is all that survives its crash.
"""

import heapq
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from random import Random
from typing import Protocol

from noded.consensus.core import ConsensusCore
from noded.consensus.effects import (
    BuildPayload,
    CheckPayload,
    Commit,
    Effect,
    EnterEpoch,
    PenalizePeer,
    Persist,
    Report,
    SafetyBroken,
    Send,
    StartTimer,
    SyncNeeded,
    Verify,
    signatures_of,
)
from noded.consensus.inputs import (
    ChainAdvanced,
    EpochReady,
    Input,
    MessageReceived,
    PayloadBuilt,
    PayloadChecked,
    PeerUp,
    TimerFired,
    Verified,
    WorkChanged,
)
from noded.consensus.params import ConsensusParams
from noded.types.block import Block, BlockHeader, BlockKind
from noded.types.checks import SignatureCheck
from noded.types.evidence import Evidence
from noded.types.ids import BatchHash, BlockHash, Epoch, Height, TimestampMs, ValidatorId
from noded.types.messages import ConsensusMessage, Message
from noded.types.records import Record, VoteRecord
from noded.types.validator_set import ValidatorSet
from noded.types.vote import Certificate, Vote, VoteKind
from tests.helpers.consensus_values import (
    CHAIN_ID,
    START_MS,
    TestSigner,
    equal_set,
    is_good,
    make_genesis,
    make_params,
    state_root_after,
)

SYNC_MS = 100
"""How long block sync takes."""

Link = Callable[["Host", "Host", Message], int | None]
"""Delay of a message in ms; None loses it."""


@dataclass
class Host:
    """One simulated machine: a core, its log, and what it committed."""

    name: ValidatorId
    number: int
    core: ConsensusCore
    log: list[Record] = field(default_factory=list)
    chain: dict[int, Block] = field(default_factory=dict)
    is_up: bool = True
    is_correct: bool = True
    incarnation: int = 0
    penalties: list[tuple[ValidatorId, str]] = field(default_factory=list)
    reports: list[Evidence] = field(default_factory=list)
    syncs: int = 0
    behaviour: "Behaviour | None" = None
    """What it does instead of what its core wants sent; None for a host that follows the protocol."""
    effects_left: int | None = None
    """Effects that will be performed before this host crashes; None for no crash."""

    @property
    def height(self) -> int:
        return max(self.chain, default=0)


class Behaviour(Protocol):
    """A byzantine host: a real core runs inside, but what it sends goes through here."""

    def sends(
        self, net: "Net", host: Host, peers: tuple[ValidatorId, ...], message: Message
    ) -> list[tuple[tuple[ValidatorId, ...], Message]]:
        """What is sent instead of this message."""


class Net:
    """Many hosts under one clock."""

    def __init__(
        self,
        n: int = 4,
        *,
        seed: int = 1,
        params: ConsensusParams | None = None,
        tables: Callable[[int], ValidatorSet] | None = None,
        delay_ms: tuple[int, int] = (20, 80),
        payload: bool = True,
        twins: tuple[int, ...] = (),
        verify: Callable[[SignatureCheck], bool] | None = is_good,
        signer: Callable[[ValidatorId], TestSigner] = TestSigner,
    ) -> None:
        self.random = Random(seed)
        self.now_ms = START_MS
        self.params = params or make_params()
        self.tables = tables or (lambda epoch: equal_set(n, epoch))
        self.delay_ms = delay_ms
        self.link: Link = lambda sender, receiver, message: self.random.randint(*self.delay_ms)
        self.verify = verify
        self.payload = payload
        self.messages_count = 0
        self.committed: dict[int, Block] = {}
        self._proofs: dict[int, tuple[tuple[BlockHeader, ...], Certificate]] = {}
        """By height: what proves the block final."""
        self.commit_times: dict[tuple[int, int], int] = {}
        """By height and host: when."""
        self.proposed_ms: dict[BlockHash, int] = {}
        self.violations: list[str] = []
        self.votes: dict[tuple[ValidatorId, int, int, VoteKind], Vote] = {}
        self.all_votes: list[Vote] = []
        self._heap: list[tuple[int, int, Callable[[], None]]] = []
        self._sequence = 0
        self._signer = signer
        self._tables: dict[int, ValidatorSet] = {}
        first = self.table(1)
        self.genesis = make_genesis(first)
        names = first.ids()
        self.hosts: list[Host] = []
        for number in [*range(len(names)), *twins]:
            self.hosts.append(Host(names[number], len(self.hosts), self._core(names[number])))
        self.by_name: dict[ValidatorId, list[Host]] = {}
        for host in self.hosts:
            self.by_name.setdefault(host.name, []).append(host)
        for number in twins:
            for host in self.by_name[names[number]]:
                host.is_correct = False

    def table(self, epoch: int) -> ValidatorSet:
        if epoch not in self._tables:
            self._tables[epoch] = self.tables(epoch)
        return self._tables[epoch]

    def _core(self, name: ValidatorId, genesis: Block | None = None) -> ConsensusCore:
        genesis = genesis or self.genesis
        return ConsensusCore(
            chain_id=CHAIN_ID,
            me=name,
            signer=self._signer(name),
            params=self.params,
            validators=self.table(genesis.header.epoch + 1),
            genesis_block=genesis,
        )

    def _epoch_start(self, host: Host) -> Block:
        """The terminal block on which the epoch of the last committed block begins, or the next one does."""
        ends = [block for block in host.chain.values() if block.header.kind is BlockKind.TERMINAL]
        return max(ends, key=lambda block: block.header.height, default=self.genesis)

    # Running

    def start(self) -> None:
        for host in self.hosts:
            if host.is_up:
                self.perform(host, host.core.start(self.now_ms))
                if self.payload:
                    self.feed(host, WorkChanged(True))

    def run(self, for_ms: int) -> None:
        """Let time pass."""
        end = self.now_ms + for_ms
        heap = self._heap
        while heap and heap[0][0] <= end:
            at, _, call = heapq.heappop(heap)
            self.now_ms = TimestampMs(at)
            call()
        self.now_ms = TimestampMs(end)

    def run_until(self, condition: Callable[[], bool], *, limit_ms: int) -> bool:
        """Let time pass until a condition holds; False if it did not in time."""
        end = self.now_ms + limit_ms
        heap = self._heap
        while heap and heap[0][0] <= end:
            if condition():
                return True
            at, _, call = heapq.heappop(heap)
            self.now_ms = TimestampMs(at)
            call()
        return condition()

    def at(self, after_ms: int, call: Callable[[], None]) -> None:
        self._sequence += 1
        heapq.heappush(self._heap, (self.now_ms + after_ms, self._sequence, call))

    def feed(self, host: Host, event: Input) -> None:
        if host.is_up:
            self.perform(host, host.core.step(event, TimestampMs(self.now_ms)))

    # Effects

    def perform(self, host: Host, effects: list[Effect]) -> None:
        for effect in effects:
            if host.effects_left is not None:
                if host.effects_left == 0:
                    self.crash(host)
                    return
                host.effects_left -= 1
            self._perform(host, effect)

    def _perform(self, host: Host, effect: Effect) -> None:
        if isinstance(effect, Send):
            assert host.name not in effect.peers
            if host.behaviour is None:
                self.send(host, effect.peers, effect.message)
            else:
                for peers, message in host.behaviour.sends(self, host, effect.peers, effect.message):
                    self.send(host, peers, message)
        elif isinstance(effect, Persist):
            host.log.append(effect.record)
            if isinstance(effect.record, VoteRecord):
                self._note_vote(host, effect.record.vote)
        elif isinstance(effect, Verify):
            self._later(host, Verified(effect.token, self._verdicts(effect)))
        elif isinstance(effect, StartTimer):
            timer = TimerFired(effect.timer)
            incarnation = host.incarnation
            self.at(
                effect.after_ms,
                lambda: self.feed(host, timer) if host.incarnation == incarnation else None,
            )
        elif isinstance(effect, BuildPayload):
            self._later(host, self._built(effect))
        elif isinstance(effect, CheckPayload):
            self._later(host, PayloadChecked(effect.block.hash, self._fault(effect)))
        elif isinstance(effect, Commit):
            for block in effect.blocks:
                self._commit(host, block)
            if host.is_correct:
                proof = (effect.seals, effect.finalization)
                self._proofs[effect.blocks[-1].header.height] = proof
        elif isinstance(effect, EnterEpoch):
            self._later(host, EpochReady(self.table(effect.epoch), effect.terminal, self.params))
        elif isinstance(effect, PenalizePeer):
            host.penalties.append((effect.peer, effect.reason))
        elif isinstance(effect, Report):
            host.reports.append(effect.evidence)
        elif isinstance(effect, SyncNeeded):
            host.syncs += 1
            self.at(SYNC_MS, partial(self._sync, host))
        elif isinstance(effect, SafetyBroken):
            self.violations.append(f"host {host.number} sees two finalizations")

    def _later(self, host: Host, event: Input) -> None:
        incarnation = host.incarnation
        self.at(0, lambda: self.feed(host, event) if host.incarnation == incarnation else None)

    def send(self, host: Host, peers: tuple[ValidatorId, ...], message: Message) -> None:
        """Put a message on the wires."""
        assert isinstance(message, ConsensusMessage)
        event = MessageReceived(host.name, message)
        for peer in peers:
            for receiver in self.by_name.get(peer, ()):
                self.messages_count += 1
                delay = self.link(host, receiver, message)
                if delay is not None and receiver.name != host.name:
                    self.at(delay, partial(self.feed, receiver, event))

    def misbehave(self, number: int, behaviour: Behaviour) -> None:
        """Make a host byzantine."""
        self.hosts[number].behaviour = behaviour
        self.hosts[number].is_correct = False

    def _verdicts(self, effect: Verify) -> tuple[bool, ...]:
        verify = self.verify
        if verify is None:
            return (True,) * len(effect.checks)
        return tuple(all(verify(single) for single in signatures_of(check)) for check in effect.checks)

    def _built(self, wanted: BuildPayload) -> PayloadBuilt:
        parent = self._state_block(wanted.parent, wanted.ancestors)
        return PayloadBuilt(
            epoch=wanted.epoch,
            view=wanted.view,
            parent=wanted.parent,
            payload=(BatchHash(self.random.randbytes(32)),)
            if self.payload and wanted.kind is not BlockKind.SEAL
            else (),
            parent_state_root=state_root_after(parent),
            evidence=(),
            next_epoch_root=self.table(wanted.epoch + 1).root if wanted.kind is BlockKind.TERMINAL else None,
        )

    def _state_block(self, parent: BlockHash, ancestors: tuple[Block, ...]) -> BlockHash:
        for ancestor in ancestors:
            if ancestor.header.kind is not BlockKind.SEAL:
                return ancestor.hash
        return parent if not ancestors else ancestors[-1].header.parent_hash

    def _fault(self, wanted: CheckPayload) -> str | None:
        header = wanted.block.header
        self.proposed_ms.setdefault(wanted.block.hash, self.now_ms)
        holder = self._state_block(header.parent_hash, wanted.ancestors)
        if header.parent_state_root != state_root_after(holder):
            return "another state"
        if header.kind is BlockKind.TERMINAL and header.next_epoch_root != self.table(header.epoch + 1).root:
            return "another table"
        return None

    def _sync(self, host: Host) -> None:
        """Block sync: commit what correct hosts have, up to the last proven block of the host's epoch."""
        proven = [
            height
            for height in self._proofs
            if height > host.height and self.committed[height].header.epoch == host.core.epoch
        ]
        if not host.is_up or not proven:
            return
        last = max(proven)
        for height in range(host.height + 1, last + 1):
            self._commit(host, self.committed[height])
        self._advance(host)

    def _advance(self, host: Host) -> None:
        tail, finalization = self._proofs[host.height]
        self.feed(host, ChainAdvanced(host.chain[host.height], tail, finalization))

    # Faults

    def crash(self, host: Host) -> None:
        host.is_up = False
        host.incarnation += 1
        host.effects_left = None

    def restart(self, host: Host) -> None:
        """Come back with what was persisted."""
        assert not host.is_up
        host.is_up = True
        host.core = self._core(host.name, self._epoch_start(host))
        self.perform(host, host.core.restore(host.log, TimestampMs(self.now_ms)))
        self.perform(host, host.core.start(TimestampMs(self.now_ms)))
        if host.height in self._proofs:  # As a driver does: the store may be ahead of the log.
            self._advance(host)
        if self.payload:
            self.feed(host, WorkChanged(True))
        for other in self.hosts:
            if other is not host and other.is_up:
                self.at(0, partial(self.feed, other, PeerUp(host.name)))
                self.at(0, partial(self.feed, host, PeerUp(other.name)))

    # The oracle

    def _commit(self, host: Host, block: Block) -> None:
        height = block.header.height
        known = host.chain.get(height)
        if known is not None and known.hash != block.hash:
            self.violations.append(f"host {host.number} replaces its block {height}")
        if known is None and height > 1 and host.chain and height - 1 not in host.chain:
            self.violations.append(f"host {host.number} leaves out block {height - 1}")
        host.chain[height] = block
        self.commit_times.setdefault((height, host.number), self.now_ms)
        if host.is_correct:
            first = self.committed.setdefault(height, block)
            if first.hash != block.hash:
                self.violations.append(f"two blocks of height {height} are final")

    def _note_vote(self, host: Host, vote: Vote) -> None:
        self.all_votes.append(vote)
        if not host.is_correct:
            return
        key = (vote.voter, vote.epoch, vote.view, vote.kind)
        known = self.votes.setdefault(key, vote)
        if known.block_hash != vote.block_hash:
            self.violations.append(f"host {host.number} casts two {vote.kind.name} in view {vote.view}")
        rival = {VoteKind.NULLIFY: VoteKind.FINALIZE, VoteKind.FINALIZE: VoteKind.NULLIFY}.get(vote.kind)
        if rival is not None and (vote.voter, vote.epoch, vote.view, rival) in self.votes:
            self.violations.append(f"host {host.number} nullifies and finalizes view {vote.view}")

    # Questions

    def correct(self) -> list[Host]:
        return [host for host in self.hosts if host.is_correct]

    def min_height(self) -> Height:
        """The least height that a correct host that is up has committed."""
        return Height(min(host.height for host in self.correct() if host.is_up))

    def epochs(self) -> list[Epoch]:
        return [host.core.epoch for host in self.hosts]

    def check(self) -> None:
        """No violation, and every core's own conditions hold."""
        assert self.violations == []
        for host in self.hosts:
            if host.is_up:
                host.core.check()
