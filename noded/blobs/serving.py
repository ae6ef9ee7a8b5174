"""The custodian's side of handing out ciphertext: a part at a time, each against the ledger as it is now (B7)."""

from collections.abc import Callable
from typing import TypeAlias

import trio

from noded.blobs.errors import BlobError
from noded.blobs.messages import BlobAnswer, BlobQuestion, decode_question, encode_answer
from noded.blobs.store import BlobStore
from noded.types.ids import PeerId
from noded.types.medical import CiphertextHash, RecordId, RequestId, Version

PermitLookup: TypeAlias = Callable[[RequestId, PeerId, RecordId, Version], CiphertextHash | None]
"""
Which ciphertext a committed permit lets a peer have.

Asked for every part, so that what ends a permit also ends a transfer. None if the request is unknown, denied,
revoked or expired, is another's, or is for another record: the reader is not told which.
"""

READS_AT_ONCE = 4
"""Disk reads under way for all peers together; 4 MiB, and threads left for the ledger."""

REFUSAL = encode_answer(BlobAnswer(data=None))
"""The one answer to all that is not served."""


class BlobServer:
    """Answers peers' questions for blobs."""

    def __init__(
        self, store: BlobStore, *, permit: PermitLookup, report: Callable[[PeerId, BlobError], None]
    ) -> None:
        """
        Serve from a store.

        Args:
            store: Where the ciphertext is.
            permit: The ledger's word.
            report: Told of what is permitted but missing or damaged here; the peer is not.
        """
        self._store = store
        self._permit = permit
        self._report = report
        self._limiter = trio.CapacityLimiter(READS_AT_ONCE)

    async def answer(self, peer: PeerId, payload: bytes) -> bytes:
        """
        The answer to one question of an authenticated peer.

        Raises:
            Malformed: The payload is no question; the peer broke the protocol.
            StorageError: The disk failed.
        """
        question = decode_question(payload)
        ciphertext = self._permit(question.request, peer, question.record, question.version)
        if ciphertext is None:
            return REFUSAL
        try:
            data = await trio.to_thread.run_sync(self._read, ciphertext, question, limiter=self._limiter)
        except BlobError as error:
            self._report(peer, error)
            return REFUSAL
        return REFUSAL if data is None else encode_answer(BlobAnswer(data=data))

    def _read(self, ciphertext: CiphertextHash, question: BlobQuestion) -> bytes | None:
        manifest = self._store.manifest(ciphertext)
        if question.segments == 0:
            return manifest.encode()
        segments = min(question.segments, manifest.segments - question.first)
        return self._store.read(ciphertext, question.first, segments) if segments > 0 else None
