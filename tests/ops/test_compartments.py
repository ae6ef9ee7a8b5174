"""A compartment's key at its reader: unwrapped once, kept sealed, and what a faulty custodian sends is told apart."""

from pathlib import Path
from typing import Any, cast

import pytest

from noded.client.compartments import Place, compartment_key, seal_keys
from noded.client.transactions import KeyPair
from noded.client.wraps import ReadTicket, ask, context_of, wrap_keys
from noded.codec.json_form import to_json
from noded.ops.compartments import KeyUnusable, read_in_compartment
from noded.ops.desk import Desk
from noded.ops.reading import NotReadable
from noded.ops.tickets import HeldKey, TicketMissing, keep_ticket, read_key
from noded.types.ids import ChainId, InstitutionId, TimestampMs
from noded.types.medical import ActorId, Compartment, ConsentId, KeyEpoch, PatientId, RecordId, Version
from noded.types.operations import Operation
from noded.types.operations.consent import AccessReceipt, ReceiptResult, UnderConsent, WholeCompartment
from noded.types.roles import Purpose
from noded.types.sidecar import WrapSidecar

PATIENT, RECORD, CONSENT = PatientId(b"p" * 16), RecordId(b"r" * 16), ConsentId(b"c" * 16)
CHAIN = ChainId(b"h" * 32)
COMPARTMENT = Compartment(3)
FIRST = Version(1)
KEY = compartment_key(bytes(32), PATIENT, COMPARTMENT, KeyEpoch(1))


class Node:
    """Answers as a node would whose custodian sent this wrap, and these keys of the record."""

    def __init__(self, sidecar: WrapSidecar, keys: bytes) -> None:
        self.sidecar = sidecar
        self.keys = keys

    def get(self, path: str) -> dict[str, Any]:
        if path.endswith("/wrap"):
            return to_json(self.sidecar)
        content = {"key_epoch": 1, "wrap_hash": seal_keys(KEY, b"k" * 64, place())[1].hex()}
        return {"value": {"patient": PATIENT.hex(), "compartment": COMPARTMENT, "content": content}}

    def get_bytes(self, path: str) -> bytes:
        assert "/keys/" in path
        return self.keys


class FakeDesk:
    """A reader's home and what its ledger says of the one request."""

    def __init__(self, home: Path, node: Node) -> None:
        self.home = home
        self.node = node
        self.chain_id = CHAIN
        self.data_key = b"d" * 32
        self.status = "released"
        self.receipts: list[ReceiptResult] = []
        self._drawn = 0

    def random_bytes(self, count: int) -> bytes:
        self._drawn += 1
        return self._drawn.to_bytes(count)

    def entry(self, kind: str, id: bytes) -> dict[str, Any]:
        if kind == "patients":
            return {"epochs": [0] * COMPARTMENT + [2]}
        return {
            "status": self.status,
            "wrap_hash": self.node.sidecar.wrap_hash.hex(),
            "basis": {"consent": CONSENT.hex()},
        }

    def send(self, operation: Operation, *, key: KeyPair | None) -> None:
        assert isinstance(operation, AccessReceipt)
        assert key is None, "an institution asked"
        self.receipts.append(operation.result)
        self.status = operation.result.name.lower()


def place() -> Place:
    return Place(patient=PATIENT, compartment=COMPARTMENT, epoch=KeyEpoch(1), record=RECORD, version=FIRST)


def make_ticket() -> ReadTicket:
    return ask(
        lambda count: b"t" * count,
        target=WholeCompartment(patient=PATIENT, compartment=COMPARTMENT),
        basis=UnderConsent(consent=CONSENT),
        purpose=Purpose.TREAT,
        actor=ActorId(b"a" * 16),
    )


def make_desk(
    home: Path, *, key: bytes = KEY, epoch: int = 1, keys: bytes = b"other"
) -> tuple[FakeDesk, Desk]:
    ticket = make_ticket()
    sidecar = wrap_keys(
        key,
        context_of(CHAIN, ticket.request, KeyEpoch(epoch)),
        recipient=InstitutionId(b"i" * 16),
        expires_ms=TimestampMs(1),
    )
    fake = FakeDesk(home, Node(sidecar, keys))
    desk = cast(Desk, fake)
    keep_ticket(desk, ticket)
    return fake, desk


def test_the_key_is_kept_under_the_epoch_that_its_wrap_was_made_for(tmp_path: Path) -> None:
    """Another release under the same consent may have named a later epoch meanwhile."""
    fake, desk = make_desk(tmp_path)
    request = make_ticket().request.request

    with pytest.raises(NotReadable, match="other keys than it registered"):
        read_in_compartment(desk, request, RECORD, FIRST)

    assert read_key(desk, request) == HeldKey(epoch=KeyEpoch(1), key=KEY)
    assert fake.receipts == [ReceiptResult.READ]
    with pytest.raises(NotReadable):
        read_in_compartment(desk, request, RECORD, FIRST)
    assert fake.receipts == [ReceiptResult.READ], "one receipt for a compartment"
    assert KEY not in b"".join(path.read_bytes() for path in tmp_path.rglob("*.sealed"))


def test_a_receipt_that_was_interrupted_is_sent_the_next_time(tmp_path: Path) -> None:
    fake, desk = make_desk(tmp_path)
    request = make_ticket().request.request
    with pytest.raises(NotReadable):
        read_in_compartment(desk, request, RECORD, FIRST)
    fake.status = "released"

    with pytest.raises(NotReadable):
        read_in_compartment(desk, request, RECORD, FIRST)

    assert fake.receipts == [ReceiptResult.READ, ReceiptResult.READ]


@pytest.mark.parametrize(
    "released",
    [{"key": b"short"}, {"epoch": 3}],
    ids=["no key of that length", "an epoch that the ledger does not know"],
)
def test_what_is_no_key_leaves_a_receipt_that_says_so(tmp_path: Path, released: dict[str, Any]) -> None:
    fake, desk = make_desk(tmp_path, **released)
    request = make_ticket().request.request

    with pytest.raises(KeyUnusable):
        read_in_compartment(desk, request, RECORD, FIRST)

    assert fake.receipts == [ReceiptResult.UNREADABLE]
    assert read_key(desk, request) is None


def test_a_home_without_the_requests_key_says_so(tmp_path: Path) -> None:
    fake, desk = make_desk(tmp_path)
    for path in tmp_path.rglob("*.sealed"):
        path.unlink()

    with pytest.raises(TicketMissing, match="another home"):
        read_in_compartment(desk, make_ticket().request.request, RECORD, FIRST)

    assert fake.receipts == []
