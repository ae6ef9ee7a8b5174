"""Delegates: keys of other wallets that act for a patient, as the ledger has them."""

from typing import Any, Final

from noded.client.answers import Posted, Refused
from noded.client.transactions import KeyPair
from noded.client.wallet import Wallet
from noded.errors import ConfigError
from noded.ops.desk import Desk
from noded.ops.wallets import WrongWallet, in_step
from noded.types.ids import PublicKey, TimestampMs
from noded.types.medical import PatientId
from noded.types.operations.identity import DelegateClear, DelegateSet

TERMS_MAX: Final = 64
"""Times that one wallet may become a patient's delegate anew: each has a key of its own, for an ended one never acts again."""


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


def set_delegate(
    desk: Desk, patient: PatientId, delegate: Wallet, until_ms: TimestampMs, *, key: KeyPair
) -> PublicKey:
    """
    Let whoever has a wallet act for a patient until a time, or move that time (L22); the key by which they act.

    Raises:
        Rejected, NotFinal: It is not on the ledger.
    """
    theirs, _ = _latest(desk, delegate, patient)
    operation = DelegateSet(patient=patient, key=theirs.public, until_ms=until_ms)
    desk.send(operation, key=key, cosigners=[theirs])
    return theirs.public


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
