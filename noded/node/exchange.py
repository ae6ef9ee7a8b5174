"""Batches between nodes: pushed or announced once, pulled where missing, verified once, then held."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from noded.errors import InvalidMessage
from noded.ledger.admission import OpenBatch, signature_checks
from noded.mempool.errors import InvalidBatch, QuotaExceeded
from noded.mempool.pool import BatchPool, HeldBatch
from noded.node.settings import BATCHES_SERVED_MAX
from noded.types.batch import SealedBatch, decode_batch
from noded.types.checks import SignatureCheck
from noded.types.genesis import BLOCK_BYTES_MAX
from noded.types.ids import BatchHash, ChainId, Epoch, PeerId, TimestampMs, ValidatorId
from noded.types.messages import GetBatches
from noded.types.records import BatchRecord
from noded.types.validator_set import ValidatorSet

FETCH_RETRY_MS = 500
"""Until a missing batch is asked of the next peer."""

UNDER_VERIFICATION_MAX = 1024
"""Batches whose signatures are being verified; further ones wait to be pulled."""

ANNOUNCED_MAX = 8192
"""Batches fetched at a time because somebody announced them; divided among the validators."""

ANNOUNCED_TRIES = 3
"""Requests to each peer that announced a batch, before its word is doubted."""

NEEDED_MS = 10_000
"""How long a batch is looked for after a block last needed it: a faulty proposer may name what nobody has."""

NEEDED_BYTES_MAX = 4 * BLOCK_BYTES_MAX
"""Of one author's batches, beyond its part, that blocks need: full blocks that are not final here yet. Who has no room for
what is final fetches the block with its batches."""

INVALID_KEPT = 1024
"""Hashes of batches found invalid, so that blocks naming them are refused at once."""


@dataclass(slots=True)
class _Wanted:
    holders: list[PeerId]
    announcer: PeerId | None = None
    """In whose part it is; None if a block named it before anybody announced it (M5)."""
    needed_ms: TimestampMs | None = None
    """When a block last needed it; None if somebody merely announced it."""
    asked: int = 0
    due_ms: TimestampMs = field(default=TimestampMs(0))

    def is_hopeless(self, now_ms: TimestampMs) -> bool:
        """Whether no block needs it any more, or nobody who announced it gives it."""
        if self.needed_ms is not None:
            return now_ms - self.needed_ms > NEEDED_MS
        return self.asked >= ANNOUNCED_TRIES * len(self.holders)


class IncomingBatch(NamedTuple):
    """A batch that came, and what is to be done with it; the same for every node that it comes to."""

    held: HeldBatch
    """To be held if all is well."""
    record: BatchRecord
    checks: tuple[SignatureCheck, ...]
    """What makes it valid: its author's signature, then those of its transactions (M1)."""


def incoming_batch(
    chain_id: ChainId, validators: ValidatorSet, sealed: SealedBatch, opened: OpenBatch
) -> IncomingBatch:
    """What is to be done with a batch whose author is in this table."""
    signed_bytes = sealed.signing_bytes(chain_id, [signed.encoding for signed in opened.transactions])
    checks = [SignatureCheck(validators.public_key(sealed.author), signed_bytes, sealed.signature)]
    for signed in opened.transactions:
        checks += signature_checks(signed)
    return IncomingBatch(
        HeldBatch(sealed, opened.operations),
        BatchRecord(encoding=sealed.encoding),
        tuple(checks),
    )


class BatchExchange:
    """Batches on their way into the pool."""

    def __init__(
        self, chain_id: ChainId, pool: BatchPool, open_batch: Callable[[SealedBatch], OpenBatch]
    ) -> None:
        self._open_batch = open_batch
        self._chain_id = chain_id
        self._pool = pool
        self._verifying: dict[BatchHash, tuple[ValidatorId, int]] = {}
        """Batches whose signatures are being judged, by whom and how large."""
        self._wanted: dict[BatchHash, _Wanted] = {}
        self._announced: dict[PeerId, int] = {}
        """How many of these are in each peer's part."""
        self._announced_max = 0
        self._expiry_ms = self._drift_ms = 0
        self._invalid: dict[BatchHash, str] = {}

    def limit(self, *, validators: int, expiry_ms: int, drift_ms: int) -> None:
        """Take the limits of an epoch (M4), and give each validator a part of what is fetched because it was announced (M5)."""
        self._announced_max = ANNOUNCED_MAX // validators
        self._expiry_ms = expiry_ms
        self._drift_ms = drift_ms

    def why_invalid(self, batches: Sequence[BatchHash]) -> str | None:
        """Why one of these batches is invalid, if any is known to be."""
        if not self._invalid:
            return None
        return next((self._invalid[name] for name in batches if name in self._invalid), None)

    def receive(
        self,
        peer: PeerId,
        encoding: bytes,
        validators_by_epoch: dict[Epoch, ValidatorSet],
        now_ms: TimestampMs,
    ) -> IncomingBatch | None:
        """
        Take a batch in; None if nothing in it is new, or no block may name it now and none does.

        Raises:
            InvalidBatch: No correct validator sends this (M1).
            QuotaExceeded: Its author has too much under way (M5).
        """
        sealed = decode_batch(encoding)
        name = sealed.hash
        if self._pool.knows(name) or name in self._verifying:
            return None
        if name in self._invalid:
            raise InvalidBatch(batch=name, why=self._invalid[name])
        wanted = self._wanted.get(name)
        if peer != sealed.author and wanted is None:
            return None  # An answer that came after this node had given up asking; no fault of the peer's.
        validators = validators_by_epoch.get(sealed.epoch)
        if validators is None:
            return None
        if sealed.author not in validators.index_by_id:
            raise self._mark_invalid(name, f"its author is no validator of epoch {sealed.epoch}")
        is_needed = wanted is not None and wanted.needed_ms is not None
        ahead_ms = sealed.time_ms - now_ms
        if not is_needed and not -self._expiry_ms <= ahead_ms <= 2 * self._drift_ms:  # Two clocks may be off.
            self._forget(name)
            return None
        if len(encoding) > self._room(sealed.author) + (NEEDED_BYTES_MAX if is_needed else 0):
            self._forget(name)
            if peer != sealed.author:
                return None  # Who has room for it sends what was asked for.
            raise QuotaExceeded(f"batch {name.hex()[:16]} of {sealed.author.hex()}")
        if wanted is None and len(self._verifying) >= UNDER_VERIFICATION_MAX:
            return None
        try:
            opened = self._open_batch(sealed)
        except InvalidMessage as error:
            raise self._mark_invalid(name, str(error)) from error
        self._verifying[name] = sealed.author, len(encoding)
        return incoming_batch(self._chain_id, validators, sealed, opened)

    def verified(self, name: BatchHash, results: tuple[bool, ...]) -> None:
        """
        The verdict on what `receive` returned; on success the batch is ready to be held.

        Raises:
            InvalidBatch: A signature does not verify (M1).
        """
        del self._verifying[name]
        if not all(results):
            if not results[0]:
                raise InvalidBatch(batch=name, why="its author did not sign it")
            raise self._mark_invalid(name, "a transaction's signature does not verify")
        self._forget(name)

    def need(self, batches: Sequence[BatchHash], holders: Sequence[PeerId], now_ms: TimestampMs) -> None:
        """A block names these batches; the holders should have them, best first."""
        for name in batches:
            wanted = self._wanted.setdefault(name, _Wanted(holders=[], due_ms=now_ms))
            wanted.needed_ms = now_ms
            wanted.holders += [peer for peer in holders if peer not in wanted.holders]

    def announced(self, batches: Sequence[BatchHash], peer: PeerId, now_ms: TimestampMs) -> None:
        """A peer says that it holds these batches; beyond its part it is not heard (M5)."""
        for name in batches:
            wanted = self._wanted.get(name)
            if wanted is None:
                count = self._announced.get(peer, 0)
                if count >= self._announced_max:
                    continue
                self._announced[peer] = count + 1
                wanted = self._wanted[name] = _Wanted(holders=[], announcer=peer, due_ms=now_ms)
            if peer not in wanted.holders:
                wanted.holders.append(peer)

    def requests(self, now_ms: TimestampMs, connected: Sequence[PeerId]) -> list[tuple[PeerId, GetBatches]]:
        """
        What to ask of whom now: each missing batch of one holder after the other.

        Where a block names it, then of all that are connected: the holders known may be faulty or down (M2).
        """
        self._give_up(now_ms)
        by_peer: dict[PeerId, list[BatchHash]] = {}
        for name, wanted in self._wanted.items():
            if wanted.due_ms > now_ms or name in self._verifying:
                continue
            asked = wanted.holders
            if wanted.needed_ms is not None:
                asked = list(dict.fromkeys((*asked, *connected)))
            if not asked:
                continue
            peer = asked[wanted.asked % len(asked)]
            names = by_peer.setdefault(peer, [])
            if len(names) == BATCHES_SERVED_MAX:
                continue  # It is still due when these have come, or their time is over.
            names.append(name)
            wanted.asked += 1
            wanted.due_ms = TimestampMs(now_ms + FETCH_RETRY_MS)
        return [(peer, GetBatches(hashes=tuple(names))) for peer, names in by_peer.items()]

    def _room(self, author: ValidatorId) -> int:
        """Bytes that an author may still send: what is being verified will be held (M5)."""
        coming = sum([size for by, size in self._verifying.values() if by == author])
        return self._pool.room(author) - coming

    def has_wanted(self) -> bool:
        """Whether any batch is still missing."""
        return bool(self._wanted)

    def _give_up(self, now_ms: TimestampMs) -> None:
        hopeless = [
            name
            for name, wanted in self._wanted.items()
            if self._pool.is_ordered(name) or wanted.is_hopeless(now_ms)
        ]
        for name in hopeless:
            self._forget(name)

    def _forget(self, name: BatchHash) -> None:
        """No longer look for a batch; its place in its announcer's part is free again."""
        wanted = self._wanted.pop(name, None)
        if wanted is None or wanted.announcer is None:
            return
        self._announced[wanted.announcer] -= 1
        if not self._announced[wanted.announcer]:
            del self._announced[wanted.announcer]

    def _mark_invalid(self, name: BatchHash, why: str) -> InvalidBatch:
        self._invalid[name] = why
        self._forget(name)
        if len(self._invalid) > INVALID_KEPT:
            del self._invalid[next(iter(self._invalid))]
        return InvalidBatch(batch=name, why=why)
