"""
The records that a node keeps for its institution: encrypting, handing out, erasing.

For every answer to another member's node the ledger is asked, as it is then; and "no" is one answer, whatever the
reason.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final, TypeVar

import structlog
import trio

from noded.api.backend import Kept, NotPermitted, StateAt, VersionToKeep
from noded.blobs.custody import Custodian, NewVersion
from noded.blobs.errors import BlobError
from noded.blobs.keys import RecordKeys
from noded.blobs.sealed_file import SealedFile
from noded.blobs.serving import BlobServer
from noded.blobs.store import BlobStore
from noded.client.compartments import Place, compartment_key, seal_keys
from noded.client.wraps import WrapContext, wrap_keys
from noded.codec.schema import decode_value
from noded.crypto.errors import UnusableKey
from noded.crypto.kdf import hkdf
from noded.errors import NodedError
from noded.ledger.modules.access import Access, AccessStatus, get_access
from noded.ledger.modules.identity import get_patient
from noded.ledger.modules.queries import find_servable, find_usable
from noded.ledger.modules.records import Record, record_key, record_version_key
from noded.network.interface import RequestRefused
from noded.storage.store import CommitBatch, Sidecar, Store
from noded.types.ids import ChainId, InstitutionId, PeerId, TimestampMs
from noded.types.medical import CiphertextHash, KeyEpoch, RecordId, RequestId, Version, WrapHash
from noded.types.operations.consent import OneRecord, WholeCompartment
from noded.types.sidecar import WrapSidecar

REQUEST_BLOB: Final = 1
"""Kind of a request for ciphertext; see `noded.blobs.messages`."""

REQUEST_KEYS: Final = 2
"""Kind of a request for wrapped or sealed keys, a `KeysQuestion`; the answer is empty where there is none."""

QUESTION_BYTES_MAX: Final = 64
"""Encoding of a KeysQuestion: two ids, a number and a head are 40."""

WRAP_KEPT_MS: Final = 30 * 86_400_000
"""How long wraps are kept: a reader that has not come for a month asks again."""

THREADS: Final = 4
"""Calls that read or write records at a time; each holds up to CONTENT_BYTES_MAX."""

Q = TypeVar("Q")
Look = Callable[[Callable[[StateAt], Any]], Any]
"""Runs a short query on the ledger as it is now."""

log = structlog.get_logger("noded.records")


@dataclass(frozen=True, slots=True, kw_only=True)
class KeysQuestion:
    """Ask for the wrap that a release names, or for a record's keys sealed under its compartment's."""

    request: RequestId
    record: RecordId | None
    """None for the release's own wrap."""
    version: Version


class Custody:
    """Keeps an institution's records; methods as in `noded.api.backend.Backend`."""

    def __init__(
        self,
        *,
        home: Path,
        reserve_bytes: int,
        data_key: bytes,
        chain_id: ChainId,
        me: InstitutionId,
        store: Store,
        look: Look,
        clock_ms: Callable[[], int],
    ) -> None:
        """
        Open what is kept in a home.

        Args:
            home: Of the node.
            reserve_bytes: Space on the disk that records never take.
            data_key: The institution's; seals the keys of its records.
            chain_id: In every wrap.
            me: This institution.
            store: Keeps wraps until they expire.
            look: The ledger.
            clock_ms: For what expires.

        Raises:
            WrongDataKey: The records were sealed under another key.
            StorageError: The disk failed.
        """
        self._file = SealedFile(home / "record-keys.sqlite", data_key)
        self.kept = BlobStore(home / "records", reserve_bytes=reserve_bytes)
        self._custodian = Custodian(self.kept, RecordKeys(self._file))
        self._server = BlobServer(self.kept, permit=self._servable, report=_report)
        self._secret = hkdf(data_key, info=b"noded/compartments/1")
        self._chain_id = chain_id
        self._me = me
        self._store = store
        self._look = look
        self._clock_ms = clock_ms
        self._threads = trio.CapacityLimiter(THREADS)

    def close(self) -> None:
        """Release the files."""
        self._file.close()

    async def keep(self, versions: Sequence[VersionToKeep]) -> list[Kept]:
        """Encrypt and keep versions, all or none."""
        return await self._in_thread(partial(self._keep, versions))

    async def record_bytes(self, record: RecordId, version: Version) -> int:
        """How many bytes a record has that this institution keeps."""
        held = await self._in_thread(partial(self._custodian.keys.get, record, version))
        return held.size

    async def read_record(
        self, record: RecordId, version: Version, *, start: int = 0, end: int | None = None
    ) -> bytes:
        """Bytes of a record that this institution keeps."""
        return await self._in_thread(partial(self._custodian.read, record, version, start=start, end=end))

    async def erase(self, record: RecordId) -> int:
        """Destroy ciphertext and keys of all versions of a record."""
        return await self._in_thread(partial(self._custodian.erase, record))

    async def release(self, request: RequestId) -> WrapHash:
        """Wrap the key that a permitted request asks for, and keep the wrap for its reader."""
        access, epoch = self._look(partial(_asked, request))
        if access.custodian != self._me or access.status is not AccessStatus.PERMITTED:
            status = access.status.name.lower()
            raise NotPermitted(f"request {request.hex()} does not wait for this institution; it is {status}")
        return await self._in_thread(partial(self._release, request, access, epoch))

    async def answer(self, peer: PeerId, kind: int, payload: bytes) -> bytes:
        """
        Answer another member's request.

        Raises:
            RequestRefused: There is no such kind of request.
            Malformed: The payload is no question of its kind.
        """
        if kind == REQUEST_BLOB:
            return await self._server.answer(peer, payload)
        if kind == REQUEST_KEYS:
            question = decode_value(KeysQuestion, payload, max_bytes=QUESTION_BYTES_MAX)
            if question.record is None:
                return self._wrap_for(peer, question.request)
            return await self.sealed_keys(peer, question.request, question.record, question.version)
        raise RequestRefused(f"requests of kind {kind} are not served")

    async def sealed_keys(
        self, reader: InstitutionId, request: RequestId, record: RecordId, version: Version
    ) -> bytes:
        """A record's keys sealed under its compartment's; empty if the ledger does not let the reader have them."""
        if self._servable(request, reader, record, version) is None:
            return b""
        content = self._look(partial(_version, record, version))
        if content.patient is None:
            return b""
        place = Place(
            patient=content.patient,
            compartment=content.compartment,
            epoch=content.content.key_epoch,
            record=record,
            version=version,
        )
        try:
            held = await self._in_thread(partial(self._custodian.keys.get, record, version))
            sealed, _ = seal_keys(self._key_of(place), held.secrets.pack(), place)
        except (BlobError, UnusableKey) as error:
            _report(reader, error)
            return b""
        return sealed

    def _keep(self, versions: Sequence[VersionToKeep]) -> list[Kept]:
        places = [_place_of(each) for each in versions]
        # First: without one nothing is kept.
        keys = [None if place is None else self._key_of(place) for place in places]
        kept = self._custodian.keep(
            [NewVersion(record=each.record, version=each.version, content=each.content) for each in versions]
        )
        answers = []
        for place, key, one in zip(places, keys, kept, strict=True):
            wrap_hash = None
            if place is not None and key is not None:
                held = self._custodian.keys.get(place.record, place.version)
                _, wrap_hash = seal_keys(key, held.secrets.pack(), place)
            answers.append(Kept(version=one, wrap_hash=wrap_hash))
        return answers

    def _release(self, request: RequestId, access: Access, epoch: KeyEpoch | None) -> WrapHash:
        match access.target:
            case OneRecord(record=record, version=version):
                keys = self._custodian.keys.get(record, version).secrets.pack()
            case WholeCompartment(patient=patient, compartment=compartment):
                assert epoch is not None
                keys = compartment_key(self._secret, patient, compartment, epoch)
            case _:
                raise AssertionError(f"a target without a rule: {access.target}")
        context = WrapContext(
            chain_id=self._chain_id,
            request=request,
            target=access.target,
            basis=access.basis,
            reader_key=access.reader_key,
            epoch=epoch,
        )
        expires_ms = TimestampMs(self._clock_ms() + WRAP_KEPT_MS)
        recipient = access.institution or self._me
        try:
            sidecar = wrap_keys(keys, context, recipient=recipient, expires_ms=expires_ms)
        except UnusableKey as error:
            raise NotPermitted(f"request {request.hex()}: {error}") from error
        self.keep_wrap(sidecar)
        return sidecar.wrap_hash

    def keep_wrap(self, sidecar: WrapSidecar) -> None:
        """Keep a wrap until it expires, durably."""
        row = Sidecar(sidecar.wrap_hash, sidecar.expires_ms, sidecar.encode())
        self._store.commit(CommitBatch(sidecars=[row]))

    def _wrap_for(self, reader: InstitutionId, request: RequestId) -> bytes:
        """The wrap of a release to this reader, while it is kept and may be used; empty otherwise."""

        def find(at: StateAt) -> bytes | None:
            access = find_usable(at.state, request, reader, self._now_ms(at))
            if access is None:
                return None
            assert access.wrap_hash is not None, "it was released"
            return at.reader.sidecar(access.wrap_hash)

        found: bytes | None = self._look(find)
        return found or b""

    def _servable(
        self, request: RequestId, peer: PeerId, record: RecordId, version: Version
    ) -> CiphertextHash | None:
        def find(at: StateAt) -> CiphertextHash | None:
            return find_servable(at.state, request, peer, record, version, self._now_ms(at))

        found: CiphertextHash | None = self._look(find)
        return found

    def _now_ms(self, at: StateAt) -> TimestampMs:
        return TimestampMs(max(self._clock_ms(), at.head.time_ms))

    def _key_of(self, place: Place) -> bytes:
        return compartment_key(self._secret, place.patient, place.compartment, place.epoch)

    async def _in_thread(self, call: Callable[[], Q]) -> Q:
        return await trio.to_thread.run_sync(call, limiter=self._threads)


def _place_of(version: VersionToKeep) -> Place | None:
    """Where a version's keys belong; None for a record of the institution's own."""
    if version.patient is None:
        return None
    return Place(
        patient=version.patient,
        compartment=version.compartment,
        epoch=version.key_epoch,
        record=version.record,
        version=version.version,
    )


def _asked(request: RequestId, at: StateAt) -> tuple[Access, KeyEpoch | None]:
    """A request, and the present epoch of the compartment that it asks for; None for a record."""
    access = get_access(at.state, request)
    if not isinstance(access.target, WholeCompartment):
        return access, None
    return access, get_patient(at.state, access.target.patient).epoch_of(access.target.compartment)


def _version(record: RecordId, version: Version, at: StateAt) -> Record:
    """A version of a record that the ledger has."""
    current = at.state.read(record_key(record), Record)
    if current is not None and current.version == version:
        return current
    earlier = at.state.read(record_version_key(record, version), Record)
    assert earlier is not None, "the caller has found it servable"
    return earlier


def _report(peer: PeerId, error: NodedError) -> None:
    log.error("a record is permitted but cannot be read here", peer=peer.hex(), error=str(error))
