"""Reading another institution's record: request, decision, release, wrap, ciphertext, bytes."""

import os
from dataclasses import dataclass
from typing import Any

from noded.blobs.keys import unpack_secrets
from noded.blobs.sealing import open_content
from noded.blobs.store import BlobStore
from noded.client.wraps import ReadTicket, ask
from noded.codec.json_form import from_json
from noded.demo.actors import FINAL_S, Institution
from noded.demo.importing import FIRST, Imported
from noded.ledger.modules.access import AccessStatus
from noded.types.ids import ChainId
from noded.types.medical import CiphertextHash, RequestId, WrapHash
from noded.types.operations.consent import AccessReceipt, AccessRelease, Basis, OneRecord, ReceiptResult
from noded.types.roles import Purpose
from noded.types.sidecar import WrapSidecar


@dataclass(frozen=True, slots=True)
class Asked:
    """A request on the ledger, and what was decided."""

    ticket: ReadTicket
    row: dict[str, Any]

    @property
    def id(self) -> RequestId:
        """Of the request."""
        return self.ticket.request.request

    @property
    def is_permitted(self) -> bool:
        """Whether the custodian now owes a release."""
        return AccessStatus[self.row["status"].upper()] is not AccessStatus.DENIED

    @property
    def path(self) -> str:
        """The condition that decided."""
        return str(self.row["path"])


def ask_for(reader: Institution, record: Imported, basis: Basis, purpose: Purpose) -> Asked:
    """Put a request on the ledger, where every validator decides."""
    ticket = ask(
        os.urandom,
        target=OneRecord(record=record.id, version=FIRST),
        basis=basis,
        purpose=purpose,
        actor=reader.actor,
    )
    reader.do(ticket.request)
    return Asked(ticket, reader.look(f"/v1/requests/{ticket.request.request.hex()}")["value"])


def release(custodian: Institution, request: RequestId) -> WrapHash:
    """The custodian wraps the key for the reader, and says so on the ledger."""
    custodian.look_until(f"/v1/requests/{request.hex()}")
    answer = custodian.client.post(f"/v1/custody/requests/{request.hex()}/release")
    wrap_hash = WrapHash(bytes.fromhex(answer["wrap_hash"]))
    custodian.do(AccessRelease(request=request, wrap_hash=wrap_hash))
    return wrap_hash


def read(reader: Institution, chain_id: ChainId, asked: Asked, named: WrapHash, record: Imported) -> bytes:
    """Fetch what was released, open it, and leave a receipt; the record's bytes."""
    row = reader.look_until(f"/v1/reads/{asked.id.hex()}/wrap", FINAL_S)
    sidecar = from_json(WrapSidecar, row)
    secrets = unpack_secrets(asked.ticket.open(chain_id, sidecar, named, epoch=None))
    fetched = reader.client.post(f"/v1/reads/{asked.id.hex()}/fetch/{record.id.hex()}/{FIRST}")
    ciphertext = CiphertextHash(bytes.fromhex(fetched["ciphertext"]))
    content = open_content(
        BlobStore(reader.process.home / "fetched", reserve_bytes=0),
        ciphertext,
        secrets,
        record=record.id,
        version=FIRST,
        commitment=record.registration.content.commitment,
    )
    reader.do(AccessReceipt(request=asked.id, result=ReceiptResult.READ))
    return content
