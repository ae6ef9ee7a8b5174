"""
Delegates: keys of other wallets that act for a patient, as the ledger has them.

Patient and delegate both sign the transaction by which one acts for the other (L22), each where their wallet is: the
delegate draws it up and signs first, the patient signs what comes from the delegate, and sends it.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from noded.client.answers import Posted, Refused
from noded.client.transactions import KeyPair
from noded.client.wallet import Wallet
from noded.codec.errors import Malformed
from noded.codec.schema import decode_value, encode_value
from noded.errors import ConfigError
from noded.ledger.admission import SEQUENCE_WINDOW
from noded.ops.desk import Desk
from noded.ops.wallets import WrongWallet, in_step
from noded.types.ids import Height, PublicKey, TimestampMs
from noded.types.medical import PatientId
from noded.types.operations.identity import DelegateClear, DelegateSet
from noded.types.transaction import TRANSACTION_VERSION, Cosignature, TransactionBody, make_transaction

TERMS_MAX: Final = 64
"""Times that one wallet may become a patient's delegate anew: each has a key of its own, for an ended one never acts again."""


OFFER_BYTES_MAX: Final = 4096
"""One transaction and a signature are 400."""

RESERVED_MIN: Final = SEQUENCE_WINDOW // 4
"""An offer's sequence is so far ahead that the patient can go on sending meanwhile (L4)."""

CLOCKS_MS: Final = 3_600_000
"""By which the clock of who made an offer may be ahead of the patient's."""

_MAGIC: Final = b"noded delegate offer\n"


class NotActing(ConfigError):
    """A wallet has no key that acts for a patient."""

    def __init__(self, patient: PatientId) -> None:
        super().__init__(
            f"the wallet is not patient {patient.hex()}'s, and no key of it acts for that patient now; see"
            f" `noded delegate list {patient.hex()}`"
        )
        self.patient = patient


class NoDelegate(ConfigError):
    """A key is none of a delegate's who acts now."""

    def __init__(self, key: PublicKey) -> None:
        super().__init__(f"key {key.hex()} acts for nobody; see `noded delegate list PATIENT`")
        self.key = key


class BadOffer(ConfigError):
    """A file is no delegate's offer, or none that the patient may sign; the message says what to do."""

    def __init__(self, path: Path, why: str) -> None:
        super().__init__(f"{path}: {why}; `noded delegate offer` writes one")
        self.path = path
        self.why = why


@dataclass(frozen=True, slots=True, kw_only=True)
class Offer:
    """A delegate's readiness to act for a patient: the patient's transaction, signed by the delegate; nothing secret."""

    body: TransactionBody
    cosignature: Cosignature


def acting_key(desk: Desk, wallet: Wallet, patient: PatientId) -> KeyPair:
    """
    The key of a wallet that acts for a patient: the patient's own, or a delegate's (L23).

    Raises:
        NotActing: There is none.
        Refused: The ledger does not know the patient.
    """
    try:
        own, custodian = in_step(desk, wallet, patient)
        return own.key(custodian)
    except WrongWallet:
        key, is_acting = _latest(desk, wallet, patient)
    if not is_acting:
        raise NotActing(patient)
    return key


def offer(desk: Desk, patient: PatientId, delegate: Wallet, until_ms: TimestampMs) -> Offer:
    """Draw up the transaction by which whoever has a wallet acts for a patient until a time, for the patient to sign."""
    theirs, _ = _latest(desk, delegate, patient)
    sender = PublicKey(bytes.fromhex(desk.entry("patients", patient)["key"]))
    account = desk.node.get(f"/v1/accounts/{sender.hex()}")
    longest = desk.node.get("/v1/parameters")["value"]["valid_until_max"]
    body = TransactionBody(
        version=TRANSACTION_VERSION,
        chain_id=desk.chain_id,
        sender=sender,
        sequence=account["value"]["next_sequence"] + RESERVED_MIN + desk.random_bytes(1)[0],
        valid_until=Height(account["height"] + longest),
        operations=(DelegateSet(patient=patient, key=theirs.public, until_ms=until_ms),),
    )
    return Offer(body=body, cosignature=Cosignature(signer=theirs.public, signature=theirs.sign(body)))


def take_offer(
    desk: Desk, found: Offer, path: Path, patient: PatientId, until_ms: TimestampMs, *, key: KeyPair
) -> DelegateSet:
    """
    Let the delegate who made an offer act for a patient (L22), and say what was signed.

    Args:
        desk: At any member.
        found: The offer.
        path: Where it comes from, for errors.
        patient: Whom the delegate is to act for.
        until_ms: The latest end that the patient agrees to; the two clocks may differ by `CLOCKS_MS`.
        key: The patient's.

    Raises:
        BadOffer: It says something else than that, or cannot be sent any more.
        Rejected, NotFinal: It is not on the ledger.
    """
    body = found.body
    match body.operations:
        case (DelegateSet() as operation,):
            if operation.patient != patient:
                raise BadOffer(path, f"it is an offer to patient {operation.patient.hex()}")
            if operation.until_ms > until_ms + CLOCKS_MS:
                raise BadOffer(
                    path, "it lasts longer than --for says; ask for a shorter one, or agree to more"
                )
        case _:
            raise BadOffer(path, "it would do something else than set a delegate; do not sign it")
    if body.chain_id != desk.chain_id:
        raise BadOffer(path, "it is for another chain")
    if body.sender != key.public:
        raise BadOffer(
            path, f"key {body.sender.hex()} is to sign it, which is not the patient's now; ask for a new one"
        )
    ahead = body.sequence - desk.node.get(f"/v1/accounts/{key.public.hex()}")["value"]["next_sequence"]
    if not -SEQUENCE_WINDOW < ahead < SEQUENCE_WINDOW:
        raise BadOffer(path, f"its sequence {body.sequence} is out of the patient's; ask for a new one")
    desk.see_through(make_transaction(body, key.sign(body), (found.cosignature,)))
    return operation


def move_end(
    desk: Desk, patient: PatientId, delegate: PublicKey, until_ms: TimestampMs, *, key: KeyPair
) -> None:
    """Let a delegate who acts for a patient do so until another time (L22); errors as the desk's."""
    desk.send(DelegateSet(patient=patient, key=delegate, until_ms=until_ms), key=key)


def write_offer(path: Path, made: Offer) -> None:
    """Keep an offer in a file."""
    path.write_bytes(_MAGIC + encode_value(made))


def read_offer(path: Path) -> Offer:
    """The offer in a file; raises `BadOffer` if it has none."""
    try:
        with path.open("rb") as file:
            data = file.read(OFFER_BYTES_MAX + 1)
    except OSError as error:
        raise BadOffer(path, str(error.strerror)) from error
    if not data.startswith(_MAGIC):
        raise BadOffer(path, "this is no offer")
    try:
        return decode_value(Offer, data[len(_MAGIC) :], max_bytes=OFFER_BYTES_MAX)
    except Malformed as error:
        raise BadOffer(path, f"it is damaged ({error})") from error


def patient_of(desk: Desk, delegate: PublicKey) -> PatientId:
    """For whom a delegate's key acts; raises `NoDelegate`."""
    entry = _entry(desk, delegate)
    if entry is None or entry["kind"] != "delegate" or entry["until"] is not None:
        raise NoDelegate(delegate)
    return PatientId(bytes.fromhex(entry["owner"]))


def clear_delegate(desk: Desk, patient: PatientId, delegate: PublicKey, *, key: KeyPair) -> Posted:
    """End a delegate's power, by a key of the patient's or the delegate's; errors as the desk's."""
    return desk.send(DelegateClear(patient=patient, key=delegate), key=key)


def _latest(desk: Desk, wallet: Wallet, patient: PatientId) -> tuple[KeyPair, bool]:
    """The wallet's key that acts for a patient, or else the first one that never did; and which of the two it is."""
    for number in range(TERMS_MAX):
        key = wallet.delegate_key(patient, number)
        entry = _entry(desk, key.public)
        if entry is None or entry["until"] is None:
            return key, entry is not None
    raise NotActing(patient)


def _entry(desk: Desk, key: PublicKey) -> dict[str, Any] | None:
    try:
        value: dict[str, Any] = desk.node.get(f"/v1/accounts/{key.hex()}")["value"]["entry"]
    except Refused as error:
        if error.status != 404:
            raise
        return None
    return value
