"""Records of other members, read under a permit: keys and ciphertext are fetched from their custodian."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from time import time
from typing import Final, TypeVar

import trio

from noded.api.backend import NotHere, NotPermitted, PeerFailed, StateAt
from noded.blobs.errors import BlobCorrupt, BlobMissing
from noded.blobs.fetching import BlobFetcher, Wanted
from noded.blobs.incoming import discard_incoming
from noded.blobs.manifest import Manifest
from noded.blobs.store import BlobStore
from noded.codec.errors import Malformed
from noded.codec.schema import decode_value, encode_value
from noded.daemon.custody import REQUEST_BLOB, REQUEST_KEYS, Custody, KeysQuestion, Look
from noded.errors import InvalidMessage
from noded.ledger.modules.access import Access, get_access
from noded.ledger.modules.queries import find_servable, find_usable
from noded.ledger.modules.records import Record, record_key, record_version_key
from noded.network.interface import Network, NetworkError
from noded.storage.store import Store
from noded.types.ids import InstitutionId, TimestampMs
from noded.types.medical import CiphertextHash, RecordId, RequestId, Version
from noded.types.sidecar import SIDECAR_BYTES_MAX, WrapSidecar

ANSWER_S: Final = 10.0
"""For one answer of a custodian: a mebibyte over a slow line."""

FETCHED_KEPT_S: Final = 7 * 86_400
"""How long other members' ciphertext is kept after it came."""

HOUSEKEEPING_S: Final = 3600.0

PRUNED_AT_ONCE: Final = 1000
"""Wraps forgotten in one transaction, so that the writer of blocks waits some milliseconds at most."""

T = TypeVar("T")


class Reading:
    """Reads other members' records; methods as in `noded.api.backend.Backend`."""

    def __init__(
        self,
        *,
        home: Path,
        reserve_bytes: int,
        me: InstitutionId,
        custody: Custody,
        store: Store,
        network: Network,
        look: Look,
        clock_ms: Callable[[], int],
        count_bytes: Callable[[int], None],
    ) -> None:
        """
        Open what was fetched.

        Args:
            home: Of the node.
            reserve_bytes: Space on the disk that records never take.
            me: This institution.
            custody: Its own records.
            store: Has the wraps.
            network: To other members.
            look: The ledger.
            clock_ms: For what expires.
            count_bytes: Told of ciphertext that comes.

        Raises:
            StorageError: The disk failed.
        """
        self._fetched = BlobStore(home / "fetched", reserve_bytes=reserve_bytes)
        self._fetcher = BlobFetcher(self._fetched)
        self._me = me
        self._custody = custody
        self._store = store
        self._network = network
        self._look = look
        self._clock_ms = clock_ms
        self._count_bytes = count_bytes

    async def run(self) -> None:
        """Forget what has expired, every hour, until cancelled."""
        while True:
            await trio.to_thread.run_sync(self._forget)
            await trio.sleep(HOUSEKEEPING_S)

    async def wrap(self, request: RequestId) -> WrapSidecar:
        """The wrap that answers a released request of this institution, or of its patient."""

        def find(at: StateAt) -> tuple[Access, bool]:
            access = get_access(at.state, request)
            return access, find_usable(at.state, request, self._me, self._now_ms(at)) is not None

        access, is_usable = self._look(find)
        if self._me not in (access.institution or access.custodian, access.custodian):
            raise NotPermitted(f"request {request.hex()} is another institution's")
        named = access.wrap_hash
        if named is None:
            raise NotPermitted(f"request {request.hex()} has no release; it is {access.status.name.lower()}")
        data: bytes | None = self._look(lambda at: at.reader.sidecar(named))
        is_new = data is None and access.custodian != self._me
        if is_new and not is_usable:
            raise NotPermitted(
                f"request {request.hex()} is {access.status.name.lower()}, and brings nothing any more: it was answered, its"
                " consent or opening has ended, or erasure was demanded"
            )
        if is_new:
            question = KeysQuestion(request=request, record=None, version=Version(1))
            data = await self._ask(access.custodian, question)
        if not data:
            raise NotHere(f"the wrap of request {request.hex()} is not kept any more")
        try:
            sidecar = decode_value(WrapSidecar, data, max_bytes=SIDECAR_BYTES_MAX)
        except Malformed as error:
            raise PeerFailed(f"member {access.custodian.hex()}: {error}") from error
        if sidecar.wrap_hash != named or not sidecar.is_consistent():
            raise PeerFailed(f"member {access.custodian.hex()} sent another wrap than its release names")
        if is_new:
            await trio.to_thread.run_sync(self._custody.keep_wrap, sidecar)
        return sidecar

    async def sealed_keys(self, request: RequestId, record: RecordId, version: Version) -> bytes:
        """A record's keys sealed under its compartment's, for a reader that holds the compartment's."""
        access, _ = self._permitted(request, record, version)
        if access.custodian == self._me:
            sealed = await self._custody.sealed_keys(self._me, request, record, version)
        else:
            question = KeysQuestion(request=request, record=record, version=version)
            sealed = await self._ask(access.custodian, question)
        if not sealed:
            raise NotHere(f"the custodian has no keys of version {version} of record {record.hex()}")
        return sealed

    async def fetch(self, request: RequestId, record: RecordId, version: Version) -> CiphertextHash:
        """Have a version's ciphertext here, fetched from its custodian under a released request."""
        access, ciphertext = self._permitted(request, record, version)
        if access.custodian == self._me:
            return ciphertext

        async def ask(payload: bytes) -> bytes:
            answer = await self._network.request(access.custodian, REQUEST_BLOB, payload, ANSWER_S)
            self._count_bytes(len(answer))
            return answer

        wanted = Wanted(request=request, record=record, version=version, ciphertext=ciphertext)
        try:
            await self._fetcher.fetch(wanted, ask)
        except InvalidMessage as error:
            raise PeerFailed(f"member {access.custodian.hex()}: {error}") from error
        return ciphertext

    async def erase(self, record: RecordId) -> int:
        """Destroy what is kept of a record, and what was fetched of it; how many versions were kept."""
        fetched: list[CiphertextHash] = self._look(partial(_ciphertexts, record))
        versions = await self._custody.erase(record)
        await trio.to_thread.run_sync(lambda: [self._fetched.delete(each) for each in fetched])
        return versions

    async def manifest(self, ciphertext: CiphertextHash) -> Manifest:
        """The manifest of ciphertext that is here, kept or fetched."""
        return await trio.to_thread.run_sync(self._read, ciphertext, lambda store: store.manifest(ciphertext))

    async def segments(self, ciphertext: CiphertextHash, first: int, count: int) -> bytes:
        """Some segments of ciphertext that is here."""
        return await trio.to_thread.run_sync(
            self._read, ciphertext, lambda store: store.read(ciphertext, first, count)
        )

    def _now_ms(self, at: StateAt) -> TimestampMs:
        return TimestampMs(max(self._clock_ms(), at.head.time_ms))

    def _permitted(
        self, request: RequestId, record: RecordId, version: Version
    ) -> tuple[Access, CiphertextHash]:
        """A released request of this institution and the ciphertext that it opens the way to."""

        def find(at: StateAt) -> tuple[Access, CiphertextHash | None]:
            access = get_access(at.state, request)
            return access, find_servable(at.state, request, self._me, record, version, self._now_ms(at))

        access, ciphertext = self._look(find)
        if ciphertext is None:
            status = access.status.name.lower()
            raise NotPermitted(
                f"request {request.hex()} does not let this institution have version {version} of record"
                f" {record.hex()} now; it is {status}"
            )
        return access, ciphertext

    async def _ask(self, custodian: InstitutionId, question: KeysQuestion) -> bytes:
        payload = encode_value(question)
        try:
            return await self._network.request(custodian, REQUEST_KEYS, payload, ANSWER_S)
        except NetworkError as error:
            raise PeerFailed(f"member {custodian.hex()}: {error}; try again later") from error

    def _read(self, ciphertext: CiphertextHash, read: Callable[[BlobStore], T]) -> T:
        """Read from the store that has it; what was fetched and is damaged since makes room for fetching it again."""
        if self._custody.kept.has(ciphertext):
            return read(self._custody.kept)
        if not self._fetched.has(ciphertext):
            raise BlobMissing(ciphertext=ciphertext)
        try:
            return read(self._fetched)
        except BlobCorrupt:
            self._fetched.delete(ciphertext)
            raise

    def _forget(self) -> None:
        now_ms = self._clock_ms()
        while self._store.prune_sidecars(now_ms, PRUNED_AT_ONCE) == PRUNED_AT_ONCE:
            pass
        older_than_s = time() - FETCHED_KEPT_S
        discard_incoming(self._fetched, older_than_s=older_than_s)
        self._fetched.discard(older_than_s=older_than_s)


def _ciphertexts(record: RecordId, at: StateAt) -> list[CiphertextHash]:
    """Of all versions that the ledger has."""
    current = at.state.read(record_key(record), Record)
    if current is None:
        return []
    earlier = (
        at.state.read(record_version_key(record, Version(number)), Record)
        for number in range(1, current.version)
    )
    return [each.content.ciphertext_hash for each in (*earlier, current) if each is not None]
