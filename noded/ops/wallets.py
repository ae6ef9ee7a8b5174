"""A patient's wallet as a file of its own, sealed under a passphrase."""

import os
from pathlib import Path
from typing import Final

from noded.client.wallet import WALLET_BYTES_MAX, NotThisWallets, UnknownCustodian, Wallet, decode_wallet
from noded.codec.errors import Malformed
from noded.crypto.errors import Undecryptable
from noded.crypto.kdf import SALT_BYTES, STRETCHING, Stretching, open_with_password, seal_with_password
from noded.errors import ConfigError
from noded.keys.errors import WrongPassphrase
from noded.keys.files import read_private_whole, write_private
from noded.ops.desk import Desk
from noded.types.ids import InstitutionId, PublicKey
from noded.types.medical import PatientId
from noded.types.operations.identity import PatientRegister

_CONTEXT: Final = b"noded/wallet-file/1"


def seal_wallet(wallet: Wallet, passphrase: bytes, stretching: Stretching = STRETCHING) -> bytes:
    """The content of a wallet's file."""
    salt = os.urandom(SALT_BYTES)
    return seal_with_password(passphrase, wallet.encode(), context=_CONTEXT, salt=salt, stretching=stretching)


class WrongWallet(ConfigError):
    """A wallet is not the one of a patient."""

    def __init__(self, patient: PatientId) -> None:
        super().__init__(f"the wallet is not patient {patient.hex()}'s; give that patient's with --wallet")
        self.patient = patient


def in_step(desk: Desk, wallet: Wallet, patient: PatientId) -> tuple[Wallet, InstitutionId]:
    """
    The patient's wallet with the key that the ledger names, and the custodian whose patient this is.

    Raises:
        WrongWallet: The wallet is another one.
        Refused: The ledger does not know the patient.
    """
    entry = desk.entry("patients", patient)
    custodian = InstitutionId(bytes.fromhex(entry["custodian"]))
    try:
        return wallet.in_step(custodian, PublicKey(bytes.fromhex(entry["key"]))), custodian
    except (UnknownCustodian, NotThisWallets) as error:
        raise WrongWallet(patient) from error


def rotate_key(desk: Desk, wallet: Wallet, patient: PatientId) -> tuple[Wallet, PublicKey]:
    """
    Have the next key of a wallet replace the patient's; the wallet from then on, and that key.

    Raises:
        WrongWallet: The wallet is another one.
        Rejected, NotFinal: The ledger does not name the new key.
    """
    present, custodian = in_step(desk, wallet, patient)
    rotated, operation = present.rotate(custodian)
    desk.send(operation, key=present.key(custodian), cosigners=[rotated.key(custodian)])
    return rotated, operation.key


def register_wallet(desk: Desk, wallet: Wallet, file: Path, passphrase: bytes) -> PatientId:
    """
    Make the patient who has a wallet known with this institution, under an id and a key of their own there.

    The wallet's file has the custodian before the ledger has the patient; done again after a crash it is finished.

    Raises:
        Rejected, NotFinal: The patient is not on the ledger, or was before.
        StorageError: The file cannot be written; nothing was sent.
    """
    if all(each.custodian != desk.me for each in wallet.relations):
        wallet, _ = wallet.register(desk.me)
        write_private(file, seal_wallet(wallet, passphrase))
    patient, key = wallet.patient_id(desk.me), wallet.key(desk.me)
    desk.send(PatientRegister(patient=patient, key=key.public), cosigners=[key])
    return patient


def open_wallet(path: Path, passphrase: bytes) -> Wallet:
    """
    The wallet in a file.

    Raises:
        WrongPassphrase: It does not open, or is no wallet.
        FileExposed: Other users have access to it.
        StorageError: It cannot be read.
    """
    sealed = read_private_whole(path, 2 * WALLET_BYTES_MAX)
    try:
        return decode_wallet(open_with_password(passphrase, sealed, context=_CONTEXT))
    except (Undecryptable, Malformed) as error:
        raise WrongPassphrase(path) from error
