"""A patient's wallet as a file of its own, sealed under a passphrase."""

import os
from pathlib import Path
from typing import Final

from noded.client.transactions import KeyPair
from noded.client.wallet import WALLET_BYTES_MAX, NotThisWallets, UnknownCustodian, Wallet, decode_wallet
from noded.codec.errors import Malformed
from noded.crypto.errors import Undecryptable
from noded.crypto.kdf import SALT_BYTES, STRETCHING, Stretching, open_with_password, seal_with_password
from noded.errors import ConfigError
from noded.keys.errors import WrongPassphrase
from noded.keys.files import read_private_whole
from noded.ops.desk import Desk
from noded.types.ids import InstitutionId, PublicKey
from noded.types.medical import PatientId

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


def key_of(desk: Desk, wallet: Wallet, patient: PatientId) -> KeyPair:
    """
    The key that the ledger names as the patient's, from the patient's wallet.

    Raises:
        WrongWallet: It is not in this wallet.
        Refused: The ledger does not know the patient.
    """
    entry = desk.entry("patients", patient)
    custodian = InstitutionId(bytes.fromhex(entry["custodian"]))
    try:
        return wallet.key_named(custodian, PublicKey(bytes.fromhex(entry["key"])))
    except (UnknownCustodian, NotThisWallets) as error:
        raise WrongWallet(patient) from error


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
