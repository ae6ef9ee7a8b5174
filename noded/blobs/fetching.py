"""The reader's side: fetch permitted ciphertext part by part, check each, survive losses, go on later (B5)."""

import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TypeAlias

import trio

from noded.blobs.errors import BlobForged, BlobRefused, BlobUnreachable
from noded.blobs.incoming import IncomingBlob
from noded.blobs.manifest import decode_manifest
from noded.blobs.messages import (
    ANSWER_SEGMENTS_MAX,
    BlobQuestion,
    decode_answer,
    encode_question,
)
from noded.blobs.store import BlobStore
from noded.codec.errors import Malformed
from noded.network.interface import NetworkError
from noded.types.medical import CiphertextHash, RecordId, RequestId, Version

Ask: TypeAlias = Callable[[bytes], Awaitable[bytes]]
"""Sends a question to the custodian and waits for the answer; raises `NetworkError` when none comes in time."""

ATTEMPTS_MAX = 8
"""Questions in a row without an answer; the pauses between them are 16 s to 32 s."""

PAUSE_S_MIN = 0.25
PAUSE_S_MAX = 16.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """A version's ciphertext, and the request under which the ledger permits it."""

    request: RequestId
    record: RecordId
    version: Version
    ciphertext: CiphertextHash
    """As the ledger has it for this version."""


class BlobFetcher:
    """Fetches blobs into a store."""

    def __init__(self, store: BlobStore) -> None:
        """
        Fetch into a store.

        Args:
            store: Not the one of this institution's own records: what is fetched may be deleted at any time.
        """
        self._store = store
        self._under_way: dict[CiphertextHash, trio.Event] = {}

    async def fetch(self, wanted: Wanted, ask: Ask) -> None:
        """
        Have the whole blob in the store, checked; at once if it is there already.

        Raises:
            BlobRefused: The custodian has no such blob or sees no permit.
            BlobUnreachable: It did not answer; calling again goes on where this ended.
            BlobForged, Malformed: It sent something else; the segments before that are kept.
            NoSpaceForBlob: This disk has no place for it.
            StorageError: This disk failed.
        """
        while not self._store.has(wanted.ciphertext):
            if (other := self._under_way.get(wanted.ciphertext)) is not None:
                await other.wait()
                continue
            done = self._under_way[wanted.ciphertext] = trio.Event()
            try:
                await self._fetch(wanted, ask)
            finally:
                del self._under_way[wanted.ciphertext]
                done.set()

    async def _fetch(self, wanted: Wanted, ask: Ask) -> None:
        incoming = await trio.to_thread.run_sync(IncomingBlob, self._store, wanted.ciphertext)
        try:
            if incoming.manifest is None:
                data = await self._ask(wanted, ask, incoming, segments=0)
                try:
                    manifest = decode_manifest(data)
                except Malformed:
                    raise BlobForged(ciphertext=wanted.ciphertext, segment=None) from None
                await trio.to_thread.run_sync(incoming.begin, manifest)
            while not incoming.is_complete:
                data = await self._ask(wanted, ask, incoming, segments=ANSWER_SEGMENTS_MAX)
                await trio.to_thread.run_sync(incoming.append, data)
            await trio.to_thread.run_sync(incoming.finish)
        finally:
            incoming.close()

    async def _ask(self, wanted: Wanted, ask: Ask, incoming: IncomingBlob, *, segments: int) -> bytes:
        """One part, asking again as often as it is worth."""
        question = BlobQuestion(
            request=wanted.request,
            record=wanted.record,
            version=wanted.version,
            first=incoming.segments,
            segments=segments,
        )
        for attempt in range(ATTEMPTS_MAX):
            if attempt:
                await trio.sleep(compute_pause_s(attempt, random.random()))
            try:
                answer = decode_answer(await ask(encode_question(question)))
            except NetworkError:
                continue
            if answer.data is None:
                raise BlobRefused(record=wanted.record, version=wanted.version)
            return answer.data
        raise BlobUnreachable(ciphertext=wanted.ciphertext, segments=incoming.segments, attempts=ATTEMPTS_MAX)


def compute_pause_s(attempt: int, lot: float) -> float:
    """The pause before a further attempt (from 1): doubling up to PAUSE_S_MAX, times 0.5 … 1 by lot."""
    return float(min(PAUSE_S_MAX, PAUSE_S_MIN * 2 ** (attempt - 1)) * (0.5 + lot / 2))
