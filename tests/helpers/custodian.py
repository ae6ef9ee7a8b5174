"""A custodian that serves one blob, and a ledger's word that tests can change."""

from pathlib import Path
from typing import Any

from noded.blobs.errors import BlobError
from noded.blobs.fetching import Wanted
from noded.blobs.messages import BlobQuestion, decode_question, encode_question
from noded.blobs.serving import BlobServer
from noded.crypto.segments import SEALED_SEGMENT_BYTES
from noded.types.ids import InstitutionId, PeerId
from noded.types.medical import CiphertextHash, RecordId, RequestId, Version
from tests.helpers.blobs import make_blob, make_bytes, make_store

READER, STRANGER = InstitutionId(b"reader".ljust(16)), InstitutionId(b"stranger".ljust(16))
REQUEST, RECORD, VERSION = RequestId(b"q" * 16), RecordId(b"r" * 16), Version(2)
DATA = make_bytes(20 * SEALED_SEGMENT_BYTES + 7)


class ServingCustodian:
    """A server over a store with one blob, and a ledger's word that tests can change."""

    def __init__(self, folder: Path) -> None:
        self.store = make_store(folder)
        self.name = self.store.put_all([make_blob(DATA)])[0]
        self.permits: dict[tuple[RequestId, PeerId, RecordId, Version], CiphertextHash] = {
            (REQUEST, READER, RECORD, VERSION): self.name
        }
        self.reports: list[tuple[PeerId, BlobError]] = []
        self.questions: list[BlobQuestion] = []
        self._server = BlobServer(
            self.store,
            permit=lambda *asked: self.permits.get(asked),
            report=lambda peer, error: self.reports.append((peer, error)),
        )

    async def ask(self, payload: bytes, peer: PeerId = READER) -> bytes:
        self.questions.append(decode_question(payload))
        return await self._server.answer(peer, payload)

    async def ask_for(self, *, peer: PeerId = READER, **changes: Any) -> bytes:
        asked: dict[str, Any] = {
            "request": REQUEST,
            "record": RECORD,
            "version": VERSION,
            "first": 0,
            "segments": 1,
        } | changes
        return await self.ask(encode_question(BlobQuestion(**asked)), peer)

    @property
    def wanted(self) -> Wanted:
        return Wanted(request=REQUEST, record=RECORD, version=VERSION, ciphertext=self.name)
