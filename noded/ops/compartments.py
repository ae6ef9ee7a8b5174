"""
Reading a whole compartment, under a standing consent or as the patient's own: its key comes once, and opens every record
in it from then on.

The key is kept sealed in the home. It opens what came under its own epoch or an earlier one; for what came later it
must be asked for again (L46).
"""

from typing import Any

from noded.blobs.keys import KEY_BYTES, unpack_secrets
from noded.client.compartments import Place, earlier_key, open_keys
from noded.client.transactions import KeyPair
from noded.client.wraps import ReadTicket
from noded.codec.json_form import from_json
from noded.crypto.errors import Undecryptable
from noded.errors import NodedError
from noded.ops.desk import Desk
from noded.ops.reading import NotReadable, fetch_sealed, open_sealed, version_row
from noded.ops.tickets import HeldKey, drop_ticket, keep_key, read_key, read_ticket
from noded.types.medical import (
    Compartment,
    KeyEpoch,
    PatientId,
    RecordId,
    RequestId,
    Version,
    WrapHash,
)
from noded.types.operations.consent import AccessReceipt, ReceiptResult, WholeCompartment
from noded.types.sidecar import WrapSidecar, wrap_hash


class KeyUnusable(NodedError):
    """What a custodian released for a compartment is no key of it; a receipt on the ledger says so."""

    def __init__(self, *, request: RequestId) -> None:
        super().__init__(
            f"request {request.hex()}: the compartment's key does not open; the receipt says so, ask again with"
            " `noded access request`"
        )
        self.request = request


def read_in_compartment(
    desk: Desk, request: RequestId, record: RecordId, version: Version, *, signer: KeyPair | None = None
) -> bytes:
    """
    The very bytes of a record, by the key of its compartment that a released request brings.

    The first time the key is unwrapped and kept, and a receipt left on the ledger; by `signer` where a patient or
    delegate asked, None for the institution.

    Raises:
        TicketMissing: The request's key is not here.
        KeyUnusable: What was released is no key.
        NotReadable: The record came under a later key, or does not open to the bytes that were committed to.
        Refused: The request is not released, the consent has ended, or the custodian does not give the record.
    """
    held = _compartment_key(desk, request, signer)
    row = version_row(desk, record, version)
    epoch = KeyEpoch(row["content"]["key_epoch"])
    if epoch > held.epoch:
        why = (
            f"it came under key {epoch} of its compartment, request {request.hex()} brought key {held.epoch}"
        )
        raise NotReadable(record=record, why=f"{why}; ask for the compartment again")
    keys = desk.node.get_bytes(f"/v1/reads/{request.hex()}/keys/{record.hex()}/{version}")
    if wrap_hash(keys).hex() != row["content"]["wrap_hash"]:
        raise NotReadable(record=record, why="its custodian sent other keys than it registered")
    place = Place(
        patient=PatientId(bytes.fromhex(row["patient"])),
        compartment=Compartment(row["compartment"]),
        epoch=epoch,
        record=record,
        version=version,
    )
    sealed = fetch_sealed(desk, request, record, version)
    try:
        secrets = unpack_secrets(open_keys(earlier_key(held.key, held.epoch - epoch), keys, place))
        return open_sealed(sealed, secrets, row, record=record, version=version)
    except Undecryptable as error:
        raise NotReadable(record=record, why=f"{error} does not open") from error


def _compartment_key(desk: Desk, request: RequestId, signer: KeyPair | None) -> HeldKey:
    """The key that a request brought, or brings now."""
    held = read_key(desk, request)
    if held is None:
        ticket = read_ticket(desk, request)
        try:
            held = _unwrap(desk, ticket, desk.entry("requests", request))
        except Undecryptable as error:
            desk.send(AccessReceipt(request=request, result=ReceiptResult.UNREADABLE), key=signer)
            raise KeyUnusable(request=request) from error
        keep_key(desk, request, held)
    if desk.entry("requests", request)["status"] == "released":
        desk.send(AccessReceipt(request=request, result=ReceiptResult.READ), key=signer)
    drop_ticket(desk, request)
    return held


def _unwrap(desk: Desk, ticket: ReadTicket, access: dict[str, Any]) -> HeldKey:
    target = ticket.request.target
    assert isinstance(target, WholeCompartment), "records are read by `noded.ops.reading`"
    sidecar = from_json(WrapSidecar, desk.node.get(f"/v1/reads/{ticket.request.request.hex()}/wrap"))
    named = WrapHash(bytes.fromhex(access["wrap_hash"]))
    epochs = desk.entry("patients", target.patient)["epochs"]
    last = epochs[target.compartment] if target.compartment < len(epochs) else 0
    for epoch in range(last, -1, -1):  # The key went into the wrap before the release was final.
        try:
            key = ticket.open(desk.chain_id, sidecar, named, epoch=KeyEpoch(epoch))
        except Undecryptable:
            continue
        if len(key) == KEY_BYTES:
            return HeldKey(epoch=KeyEpoch(epoch), key=key)
    raise Undecryptable("the wrap of a compartment's key")
