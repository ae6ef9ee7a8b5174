"""Batches: this node's own are sealed and sent, others' verified and held, and a quorum's holding made known."""

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import Protocol

from noded.consensus.inputs import TimerKind
from noded.consensus.signer import takes_part
from noded.errors import InvalidMessage
from noded.ledger.admission import OpenBatch
from noded.mempool.errors import NoValidatorReachable
from noded.mempool.pool import BatchPool, HeldBatch
from noded.node.effects import Answer, Persist, Submission
from noded.node.exchange import FETCH_RETRY_MS, BatchExchange, IncomingBatch
from noded.node.gateway import Gateway, refusal
from noded.node.outbox import Outbox
from noded.node.settings import (
    ANNOUNCE_AGAIN_MS,
    BATCH_AGE_MANY_MS,
    BATCH_AGE_MS,
    BATCHES_SERVED_MAX,
    DIRECT_ACKNOWLEDGE_MAX,
    FORWARDED_BYTES_MAX,
    FORWARDED_SHARE,
    FORWARDED_WAITING_MAX,
    OWN_WAITING_BYTES_MAX,
    PUSH_BYTES_MAX,
    PUSH_VALIDATORS_MAX,
    Signer,
)
from noded.types.batch import Batch, SealedBatch, batch_signing_bytes, seal_batch
from noded.types.genesis import NetworkParameters
from noded.types.ids import BatchHash, ChainId, Epoch, PeerId, Signature, TimestampMs
from noded.types.messages import (
    HELD_MAX,
    BatchesAcknowledged,
    BatchesAnnounced,
    BatchPushed,
    GetBatches,
    TransactionsForwarded,
)
from noded.types.records import BatchRecord
from noded.types.transaction import SignedTransaction, decode_transaction
from noded.types.validator_set import ValidatorSet


class OpenBatches(Protocol):
    """`Ledger.open_batch`."""

    def __call__(
        self, batch: SealedBatch, transactions: tuple[SignedTransaction, ...] | None = None
    ) -> OpenBatch:
        """Read a batch, unless its transactions are known."""
        ...


class BatchDesk:
    """Everything about batches but whether a block may name them."""

    def __init__(
        self,
        *,
        me: PeerId,
        chain_id: ChainId,
        signer: Signer,
        pool: BatchPool,
        open_batch: OpenBatches,
        outbox: Outbox,
    ) -> None:
        self.pool = pool
        self.exchange = BatchExchange(chain_id, pool, open_batch)
        self._open_batch = open_batch
        self.newly_held: list[BatchHash] = []
        """Since the node last looked; it empties the list."""
        self._gateway = Gateway(chain_id)
        self._me = me
        self._chain_id = chain_id
        self._signer = signer
        self._outbox = outbox
        self._number = 0
        self._forwarded = 0
        self._is_fetch_timed = False
        self._sets: dict[Epoch, ValidatorSet] = {}
        self._validators: ValidatorSet
        self._is_author = False
        self._age_ms = BATCH_AGE_MS
        self._are_few = True
        """Whether a held batch is acknowledged to the next proposers at once."""
        self._next_proposers: tuple[PeerId, ...] = ()
        self._connected: dict[PeerId, None] = {}

    def enter_epoch(self, validators: ValidatorSet, parameters: NetworkParameters) -> None:
        """Judge authors by this table from now on, and by the one before for batches on their way; by these limits."""
        previous = self._sets.get(Epoch(validators.epoch - 1))
        self._sets = {validators.epoch: validators}
        if previous is not None:
            self._sets[previous.epoch] = previous
        self._validators = validators
        self._are_few = len(validators) <= DIRECT_ACKNOWLEDGE_MAX
        self._age_ms = BATCH_AGE_MS if self._are_few else BATCH_AGE_MANY_MS
        self.pool.limit(
            expiry_ms=parameters.batch_expiry_ms,
            author_bytes_max=parameters.author_bytes_max,
            authors=len(validators),
        )
        self.exchange.limit(
            validators=len(validators),
            expiry_ms=parameters.batch_expiry_ms,
            drift_ms=parameters.drift_ms,
        )
        self._gateway.builder.operations_max = parameters.block_operations_max
        self._is_author = takes_part(validators, self._me, self._signer)

    def follow_view(self, proposers: tuple[PeerId, ...]) -> None:
        """Who proposes in this view and the next: to them a held batch is acknowledged."""
        self._next_proposers = proposers

    def peer_up(self, peer: PeerId) -> None:
        """A peer can be sent to; it gets the names of what waits to be ordered."""
        self._connected[peer] = None
        waiting = self.pool.unordered()[-HELD_MAX:]
        if waiting and peer in self._validators:
            self._outbox.send((peer,), BatchesAnnounced(hashes=tuple(waiting)))

    def peer_down(self, peer: PeerId) -> None:
        """A peer cannot be sent to any more."""
        self._connected.pop(peer, None)

    @property
    def connected(self) -> tuple[PeerId, ...]:
        """The peers that can be sent to."""
        return tuple(self._connected)

    @property
    def waiting_bytes(self) -> int:
        """Bytes of this node's clients' transactions that no finalised block names yet."""
        return self._gateway.size_bytes + self.pool.unordered_bytes(self._me)

    # Transactions of clients

    def submit(self, token: int, encodings: tuple[bytes, ...], now_ms: TimestampMs) -> None:
        """Take transactions from this node's clients and answer what became of each (M6)."""
        admission = self._gateway.admit(encodings, self._room())

        def judged(results: tuple[bool, ...]) -> None:
            accepted, answers = self._gateway.verified(admission, results)
            if self._is_author:
                self._pack(accepted, now_ms)
            elif accepted and not self._hand_on(accepted):
                answers = tuple(self._unreachable(answer) for answer in answers)
            self._outbox.put(Answer(token, answers))

        self._outbox.verify(admission.checks, judged)

    def on_forwarded(self, message: TransactionsForwarded, now_ms: TimestampMs) -> None:
        """Take transactions that a node hands on which is no validator; what is refused is dropped."""
        if not self._is_author or self._forwarded >= FORWARDED_WAITING_MAX:
            return
        self._forwarded += 1
        admission = self._gateway.admit(message.transactions, self._room(FORWARDED_SHARE))

        def judged(results: tuple[bool, ...]) -> None:
            self._forwarded -= 1
            accepted, _ = self._gateway.verified(admission, results)
            self._pack(accepted, now_ms)

        self._outbox.verify(admission.checks, judged)

    def _room(self, share: int = 1) -> int:
        """Bytes of clients' transactions that may wait besides those that do, in such a share of all (M6)."""
        waiting_max = min(OWN_WAITING_BYTES_MAX, self.pool.part_bytes // 2) // share
        return waiting_max - self.pool.unordered_bytes(self._me)

    def _pack(self, accepted: Sequence[SignedTransaction], now_ms: TimestampMs) -> None:
        builder = self._gateway.builder
        for signed in accepted:
            if not builder.fits(signed):
                self._seal(now_ms)
            if not len(builder):
                self._outbox.wake(TimerKind.BATCH, self._age_ms)
            builder.add(signed, now_ms)

    def _hand_on(self, accepted: Sequence[SignedTransaction]) -> bool:
        able = [peer for peer in self._connected if peer in self._validators]
        if not able:
            for signed in accepted:
                self._gateway.builder.forget(signed.hash)
            return False
        chosen = able[accepted[0].hash[0] % len(able)]
        transactions: list[bytes] = []
        size = 0
        for signed in accepted:
            if size + len(signed.encoding) > FORWARDED_BYTES_MAX:
                self._outbox.send((chosen,), TransactionsForwarded(transactions=tuple(transactions)))
                transactions, size = [], 0
            transactions.append(signed.encoding)
            size += len(signed.encoding)
        self._outbox.send((chosen,), TransactionsForwarded(transactions=tuple(transactions)))
        return True

    def _unreachable(self, answer: Submission) -> Submission:
        if answer.refused is not None:
            return answer
        return refusal(answer.hash, NoValidatorReachable("no validator is connected to this node"))

    # Batches of this node

    def seal_due(self, now_ms: TimestampMs) -> None:
        """Seal the open batch if it is old enough."""
        builder = self._gateway.builder
        if builder.is_due(now_ms, self._age_ms):
            self._seal(now_ms)
        elif len(builder):
            self._outbox.wake(TimerKind.BATCH, self._age_ms)

    def _seal(self, now_ms: TimestampMs) -> None:
        taken = self._gateway.builder.take()
        if not self._is_author:
            self._hand_on(taken)
            return
        self._number = max(self._number + 1, now_ms)
        unsigned = Batch(
            author=self._me,
            epoch=self._validators.epoch,
            number=self._number,
            time_ms=now_ms,
            transactions=tuple(signed.encoding for signed in taken),
            signature=Signature(bytes(64)),
        )
        signature = self._signer.sign_batch(batch_signing_bytes(self._chain_id, unsigned))
        sealed = seal_batch(replace(unsigned, signature=signature))
        operations = self._open_batch(sealed, taken).operations
        self._hold(HeldBatch(sealed, operations), BatchRecord(encoding=sealed.encoding))
        others = [peer for peer in self._validators.ids() if peer != self._me]
        if len(self._validators) <= PUSH_VALIDATORS_MAX or len(sealed.encoding) <= PUSH_BYTES_MAX:
            self._outbox.send(others, BatchPushed(batch=sealed.encoding))
        else:
            self._outbox.send(others, BatchesAnnounced(hashes=(sealed.hash,)))

    def restore(self, sealed: SealedBatch) -> None:
        """A batch read from the log: it was verified, and is held already."""
        self.pool.hold(HeldBatch(sealed, self._open_batch(sealed).operations))
        self.newly_held.append(sealed.hash)

    def _hold(self, held: HeldBatch, record: BatchRecord) -> None:
        was_idle = not self.pool.has_unordered()
        self._outbox.put(Persist(record))
        self.pool.hold(held)
        name = held.sealed.hash
        self.newly_held.append(name)
        if was_idle or self._are_few:
            proposers = [peer for peer in self._next_proposers if peer != self._me]
            if self._me in self._validators:
                self._outbox.send(proposers, BatchesAcknowledged(hashes=(name,)))

    # Batches of others

    def on_pushed(self, peer: PeerId, message: BatchPushed, now_ms: TimestampMs) -> None:
        """Verify a batch, then hold it; raises `InvalidMessage`."""
        incoming = self.exchange.receive(peer, message.batch, self._sets, now_ms)
        if incoming is not None:
            self._outbox.verify(incoming.checks, partial(self._on_verified, peer, incoming))

    def _on_verified(self, peer: PeerId, incoming: IncomingBatch, results: tuple[bool, ...]) -> None:
        held, record, _ = incoming
        try:
            self.exchange.verified(held.sealed.hash, results)
        except InvalidMessage as error:
            self._outbox.penalize(peer, error)
            return
        self._hold(held, record)

    def on_announced(self, peer: PeerId, message: BatchesAnnounced, now_ms: TimestampMs) -> None:
        """Ask for what is not at hand; of this epoch's or the last one's validators, as the number of others has no limit."""
        if not any(peer in validators for validators in self._sets.values()):
            return
        unknown = [name for name in message.hashes if not self.pool.knows(name)]
        if unknown:
            self.exchange.announced(unknown, peer, now_ms)
            self.fetch_due(now_ms)

    def on_acknowledged(self, peer: PeerId, prefixes: Sequence[bytes]) -> None:
        """Count a validator among those who hold these batches."""
        index = self._validators.index_by_id.get(peer)
        if index is not None:
            self.pool.acknowledge(prefixes, index)

    def on_asked(self, peer: PeerId, message: GetBatches) -> None:
        """Send what is at hand of what a peer lacks."""
        for name in message.hashes[:BATCHES_SERVED_MAX]:
            encoding = self.pool.encoding_of(name)
            if encoding is not None:
                self._outbox.send((peer,), BatchPushed(batch=encoding))

    def fetch(self, batches: Sequence[BatchHash], holders: Sequence[PeerId], now_ms: TimestampMs) -> None:
        """Get batches that a block names: from the holders, best first, then from whoever is connected."""
        if not batches:
            return
        self.exchange.need(batches, holders, now_ms)
        self.fetch_due(now_ms)

    def fetch_due(self, now_ms: TimestampMs) -> None:
        """Ask (again) for what is still missing."""
        validators = [peer for peer in self._connected if peer in self._validators]
        for peer, request in self.exchange.requests(now_ms, validators):
            self._outbox.send((peer,), request)
        if self.exchange.has_wanted() and not self._is_fetch_timed:
            self._is_fetch_timed = True
            self._outbox.wake(TimerKind.FETCH, FETCH_RETRY_MS)

    def on_fetch_timer(self, now_ms: TimestampMs) -> None:
        """The time to ask again has come."""
        self._is_fetch_timed = False
        self.fetch_due(now_ms)

    def expire(self, now_ms: TimestampMs, final_ms: TimestampMs) -> None:
        """Drop what no block may name any more; this node's own transactions go into a new batch (M4)."""
        for sealed in self.pool.expire(now_ms, final_ms, self._validators.epoch):
            if sealed.author == self._me:
                self._pack([decode_transaction(each) for each in sealed.read().transactions], now_ms)

    def announce_again(self, now_ms: TimestampMs) -> None:
        """Name this node's batches that wait for long: a push may have been dropped on a full queue or a bad line."""
        if not self._is_author:
            return
        waiting = []
        for name in self.pool.unordered():
            held = self.pool.get(name)
            assert held is not None
            sealed = held.sealed
            if sealed.author == self._me and sealed.time_ms <= now_ms - ANNOUNCE_AGAIN_MS:
                waiting.append(name)
        if waiting:
            others = [peer for peer in self._validators.ids() if peer != self._me]
            self._outbox.send(others, BatchesAnnounced(hashes=tuple(waiting[:HELD_MAX])))

    def held_prefixes(self) -> tuple[bytes, ...]:
        """Names of what this node holds and no finalised block names, to ride on its votes."""
        return self.pool.unordered_prefixes(HELD_MAX)
