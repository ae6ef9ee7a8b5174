"""A few whole nodes over a heap of events: real ledgers in memory, real signatures, a network that tests can break."""

import heapq
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from hashlib import sha256
from itertools import count

from noded.consensus.effects import signatures_of
from noded.crypto.signing import public_key_of, sign, verify_many
from noded.keys.signer import WatermarkSigner
from noded.ledger.base import MemoryBase
from noded.ledger.commit import CommittedBlock
from noded.ledger.genesis import found
from noded.ledger.ledger import Ledger
from noded.node.effects import (
    Answer,
    CommitBlocks,
    Effect,
    Halt,
    PenalizePeer,
    Persist,
    Send,
    SendBlocks,
    StartTimer,
    Submission,
    Verify,
)
from noded.node.inputs import (
    Committed,
    Input,
    MessageReceived,
    PeerDown,
    PeerUp,
    TimerFired,
    TransactionsSubmitted,
    Verified,
)
from noded.node.node import Node
from noded.node.starting import Durable, start_node
from noded.types.block import FinalityProof
from noded.types.genesis import (
    DEFAULT_PARAMETERS,
    EncryptionKey,
    FoundingValidator,
    Genesis,
    Institution,
    NetworkParameters,
)
from noded.types.ids import (
    Height,
    InstitutionId,
    PeerId,
    PublicKey,
    Signature,
    TimestampMs,
    VotingPower,
)
from noded.types.messages import MESSAGES, BlockRange, Message, SyncedBlock
from noded.types.operations.audit import AuditAnchor
from noded.types.operations.membership import Action, GovPropose, GovVote
from noded.types.operations.registry import Operation
from noded.types.records import ProposalRecord, Record, VoteRecord
from noded.types.roles import Role
from noded.types.transaction import (
    Cosignature,
    SignedTransaction,
    TransactionBody,
    make_transaction,
    transaction_signing_bytes,
)

GENESIS_MS = 1_700_000_000_000
LINK_MS = 5


def seed_of(*what: object) -> bytes:
    """A seed that is another for each name."""
    return sha256(repr(what).encode()).digest()


def make_institution(number: int, role: Role = Role.HOSPITAL) -> Institution:
    return Institution(
        id=InstitutionId(seed_of("id", number)[:16]),
        legal_name=f"Institution {number}",
        role=role,
        owner="",
        jurisdiction="DE",
        consensus_key=PublicKey(public_key_of(seed_of("consensus", number))),
        network_key=PublicKey(public_key_of(seed_of("network", number))),
        account_key=PublicKey(public_key_of(seed_of("account", number))),
        encryption_key=EncryptionKey(seed_of("encryption", number)),
        endpoints=(),
    )


def make_genesis(size: int, parameters: NetworkParameters, observers: int = 0) -> Genesis:
    """`size` validators with equal powers, then members that do not vote."""
    members = [make_institution(number) for number in range(size + observers)]
    voters = sorted(member.id for member in members[:size])
    return Genesis(
        name="test",
        time_ms=TimestampMs(GENESIS_MS),
        parameters=parameters,
        institutions=tuple(sorted(members, key=lambda member: member.id)),
        validators=tuple(FoundingValidator(id=name, power=VotingPower(1000)) for name in voters),
    )


@dataclass(eq=False)
class Home:
    """What survives a crash of one node."""

    number: int
    id: InstitutionId
    stored: list[CommittedBlock]
    key: bytes
    """Seed of the consensus key with which it starts."""
    next_keys: list[bytes] = field(default_factory=list)
    """Seeds that a rotation may name."""
    records: list[Record] = field(default_factory=list)


def _find(home: Home, key: PublicKey) -> bytes | None:
    return next((seed for seed in home.next_keys if public_key_of(seed) == key), None)


@dataclass(eq=False)
class NodeNet:
    """Nodes by number; time only passes in `run`."""

    size: int = 4
    observers: int = 0
    parameters: NetworkParameters = field(
        default_factory=lambda: replace(DEFAULT_PARAMETERS, idle_interval_ms=2_000, epoch_length=1_000)
    )
    may_pass: Callable[[PeerId, PeerId, Message], bool] = lambda source, target, message: True

    working_ahead: Collection[int] = ()
    """Nodes whose driver has time to execute what will be built on."""

    def __post_init__(self) -> None:
        self.genesis = make_genesis(self.size, self.parameters, self.observers)
        self.chain_id = self.genesis.chain_id
        self.now_ms = GENESIS_MS
        self.nodes: dict[int, Node] = {}
        self.answers: dict[int, tuple[Submission, ...]] = {}
        self.penalties: list[tuple[int, PeerId, str]] = []
        self.halts: list[tuple[int, str]] = []
        self._bases: dict[int, MemoryBase] = {}
        self._folded: dict[int, int] = {}
        self._heap: list[tuple[int, int, int, int, Input]] = []
        self._ticks = count()
        self._lives: dict[int, int] = {}
        self._tokens = count(1)
        founding = found(self.genesis)
        numbers = range(self.size + self.observers)
        self.homes: list[Home] = []
        self.number_of: dict[PeerId, int] = {}
        for _ in numbers:
            self._add_home(founding)
        for number in numbers:
            self.start(number)

    def join(self) -> int:
        """Start a node that is not of the founding; its number."""
        number = self.add_home()
        self.start(number)
        return number

    def add_home(self) -> int:
        """A home in which no node runs yet; its number."""
        return self._add_home(self.homes[0].stored[0])

    def _add_home(self, founding: CommittedBlock) -> int:
        number = len(self.homes)
        name = InstitutionId(seed_of("id", number)[:16])
        self.homes.append(Home(number, name, [founding], seed_of("consensus", number)))
        self.number_of[name] = number
        return number

    def start(self, number: int) -> None:
        """Start a node on what its home says, and connect it to those that run."""
        home = self.homes[number]
        base = MemoryBase(home.stored[0])
        for committed in home.stored[1:]:
            base.fold(committed)
        base.settle()
        signer = WatermarkSigner(home.key, self.chain_id, find_seed=partial(_find, home))
        for record in home.records:
            if isinstance(record, VoteRecord):
                signer.restore_vote(record.vote)
            elif isinstance(record, ProposalRecord):
                header = record.proposal.block.header
                signer.restore_proposal(
                    header.epoch, header.view, record.proposal.block.hash, record.proposal.signature
                )
        tip = home.stored[-1]
        start = next(
            committed.block
            for committed in reversed(home.stored)
            if committed is home.stored[0] or committed.block.header.kind.name == "TERMINAL"
        )
        proof = (
            None if tip.finalization is None else FinalityProof(tail=tip.tail, finalization=tip.finalization)
        )
        self._bases[number] = base
        self._folded[number] = tip.block.header.height
        self._lives[number] = self._lives.get(number, 0) + 1
        node, effects = start_node(
            me=home.id,
            signer=signer,
            ledger=Ledger(self.genesis, base),
            durable=Durable(tip=tip.block, proof=proof, epoch_genesis=start, records=tuple(home.records)),
            now_ms=TimestampMs(self.now_ms),
        )
        others = list(self.nodes)
        self.nodes[number] = node
        self._perform(number, effects)
        for other in others:
            self._push(0, number, PeerUp(self.homes[other].id))
            self._push(0, other, PeerUp(home.id))

    def crash(self, number: int) -> None:
        """End a node; what it had persisted stays in its home."""
        del self.nodes[number]
        for other in self.nodes:
            self._push(0, other, PeerDown(self.homes[number].id))

    def submit(self, number: int, *transactions: SignedTransaction) -> int:
        """Hand transactions in at a node; the answer comes under the token returned."""
        token = next(self._tokens)
        encodings = tuple(each.encoding for each in transactions)
        self._push(0, number, TransactionsSubmitted(token, encodings))
        return token

    def run(self, seconds: float, until: Callable[[], bool] | None = None) -> bool:
        """Let time pass; whether `until` came true."""
        end_ms = self.now_ms + int(seconds * 1000)
        while self._heap and self._heap[0][0] <= end_ms:
            time_ms, _, number, life, event = heapq.heappop(self._heap)
            self.now_ms = time_ms
            if number in self.nodes and self._lives[number] == life:
                if isinstance(event, Committed):
                    self._fold(number, event.height)
                self._perform(number, self.nodes[number].step(event, TimestampMs(time_ms)))
                if number in self.working_ahead:
                    self.nodes[number].work_ahead()
                if until is not None and until():
                    return True
        self.now_ms = end_ms
        return until is not None and until()

    def heights(self) -> list[int]:
        """Of the running nodes."""
        return [node.chain.height for node in self.nodes.values()]

    def assert_agreement(self) -> None:
        """All homes hold one chain."""
        chains = [[committed.block.hash for committed in home.stored] for home in self.homes]
        longest = max(chains, key=len)
        assert all(chain == longest[: len(chain)] for chain in chains)
        for node in self.nodes.values():
            node.check()

    def anchor(self, number: int, sequence: int, *, valid_until: int = 500) -> SignedTransaction:
        """A transaction of an institution: heartbeat `sequence` of its audit log."""
        operation = AuditAnchor(
            sequence=sequence, entries=0, root=None, until_ms=TimestampMs(GENESIS_MS + sequence)
        )
        return self.transaction(number, sequence, operation, valid_until=valid_until)

    def transaction(
        self,
        number: int,
        sequence: int,
        *operations: Operation,
        valid_until: int = 500,
        cosigners: Sequence[bytes] = (),
    ) -> SignedTransaction:
        """A transaction of an institution; `cosigners` are seeds of keys."""
        body = TransactionBody(
            version=1,
            chain_id=self.chain_id,
            sender=PublicKey(public_key_of(seed_of("account", number))),
            sequence=sequence,
            valid_until=Height(valid_until),
            operations=operations,
        )
        signed = transaction_signing_bytes(body)
        signature = sign(seed_of("account", number), signed)
        cosignatures = [
            Cosignature(signer=PublicKey(public_key_of(seed)), signature=Signature(sign(seed, signed)))
            for seed in cosigners
        ]
        return make_transaction(body, Signature(signature), tuple(cosignatures))

    def decide(self, action: Action) -> None:
        """Have node 0 propose an action, and three members approve it; returns when the last vote is final."""
        proposal = bytes(16)
        steps = [self.transaction(0, 900, GovPropose(proposal=proposal, action=action))]
        steps += [
            self.transaction(number, 901, GovVote(proposal=proposal, approve=True)) for number in range(3)
        ]
        for step in steps:
            self.submit(0, step)
            assert self.run(10, until=partial(self.is_final, step))

    def is_final(self, transaction: SignedTransaction) -> bool:
        """Whether every running node stored the transaction as applied."""
        return all(
            any(
                entry.hash == transaction.hash and entry.applied
                for each in home.stored
                for entry in each.entries
            )
            for home in self.homes
            if home.number in self.nodes
        )

    def _push(self, delay_ms: int, number: int, event: Input) -> None:
        entry = (self.now_ms + delay_ms, next(self._ticks), number, self._lives[number], event)
        heapq.heappush(self._heap, entry)

    def _fold(self, number: int, height: int) -> None:
        base, home = self._bases[number], self.homes[number]
        for committed in home.stored[self._folded[number] + 1 : height + 1]:
            base.fold(committed)
        self._folded[number] = height

    def _perform(self, number: int, effects: list[Effect]) -> None:
        home = self.homes[number]
        for effect in effects:
            match effect:
                case Persist(record):
                    home.records.append(record)
                case Send(peers, message):
                    data = MESSAGES.encode(message)
                    for peer in peers:
                        self._deliver(home.id, peer, message, data)
                case StartTimer(timer, after_ms):
                    self._push(after_ms, number, TimerFired(timer))
                case Verify(token, checks):
                    verdicts = tuple(all(verify_many(signatures_of(check))) for check in checks)
                    self._push(0, number, Verified(token, verdicts))
                case CommitBlocks(blocks):
                    home.stored += blocks
                    self._push(1, number, Committed(blocks[-1].block.header.height))
                case Answer(token, submissions):
                    self.answers[token] = submissions
                case SendBlocks(peer, first, last):
                    message = self.range_of(number, first, last)
                    self._deliver(home.id, peer, message, MESSAGES.encode(message))
                case PenalizePeer(peer, reason):
                    self.penalties.append((number, peer, reason))
                case Halt(reason):
                    self.halts.append((number, reason))
                case _:
                    pass

    def _deliver(self, source: PeerId, target: PeerId, message: Message, data: bytes) -> None:
        number = self.number_of[target]
        if number in self.nodes and self.may_pass(source, target, message):
            decoded = MESSAGES.decode(data, max_bytes=2 * 1024 * 1024)
            self._push(LINK_MS, number, MessageReceived(source, decoded))

    def range_of(self, number: int, first: int, last: int) -> BlockRange:
        """What a node answers when it is asked for these blocks."""
        chosen: list[CommittedBlock] = []
        for committed in self.homes[number].stored[first : last + 1]:
            if chosen and committed.block.header.epoch != chosen[0].block.header.epoch:
                break
            chosen.append(committed)
        while chosen and chosen[-1].finalization is None:
            chosen.pop()
        return BlockRange(
            first=Height(first),
            blocks=tuple(
                SyncedBlock(block=each.block, batches=tuple(batch.encoding for batch in each.batches))
                for each in chosen
            ),
            tail=chosen[-1].tail if chosen else (),
            finalization=chosen[-1].finalization if chosen else None,
        )


__all__ = ["NodeNet", "make_genesis", "make_institution", "seed_of"]
