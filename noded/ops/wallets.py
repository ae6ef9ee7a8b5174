"""A patient's wallet as a file of its own, sealed under a passphrase."""

import os
from pathlib import Path
from typing import Final

from noded.client.wallet import WALLET_BYTES_MAX, Wallet, decode_wallet
from noded.codec.errors import Malformed
from noded.crypto.errors import Undecryptable
from noded.crypto.kdf import SALT_BYTES, STRETCHING, Stretching, open_with_password, seal_with_password
from noded.keys.errors import WrongPassphrase
from noded.keys.files import read_private_whole

_CONTEXT: Final = b"noded/wallet-file/1"


def seal_wallet(wallet: Wallet, passphrase: bytes, stretching: Stretching = STRETCHING) -> bytes:
    """The content of a wallet's file."""
    salt = os.urandom(SALT_BYTES)
    return seal_with_password(passphrase, wallet.encode(), context=_CONTEXT, salt=salt, stretching=stretching)


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
