"""The keystore's own file: the master key, sealed under the passphrase, or the word that there is none."""

import json
from pathlib import Path
from typing import Final

from noded.crypto.errors import Undecryptable
from noded.crypto.kdf import Stretching, open_with_password, seal_with_password
from noded.keys.errors import KeyFileDamaged, KeystoreMissing, WrongPassphrase
from noded.keys.files import check_private, read_private, write_private

MASTER_NAME: Final = "keystore.json"

MASTER_BYTES: Final = 32

_FORMAT: Final = 1

_CONTEXT: Final = b"noded/keystore-master/1"


def write_master(
    folder: Path, master: bytes, passphrase: bytes, *, salt: bytes, stretching: Stretching
) -> None:
    """Seal the master key under a passphrase."""
    sealed = seal_with_password(passphrase, master, context=_CONTEXT, salt=salt, stretching=stretching)
    _write(folder, {"format": _FORMAT, "protection": "passphrase", "sealed": sealed.hex()})


def write_no_master(folder: Path) -> None:
    """Say that the secrets of this folder are not encrypted."""
    _write(folder, {"format": _FORMAT, "protection": "none"})


def open_master(folder: Path, sealed: bytes, passphrase: bytes) -> bytes:
    """
    The master key.

    Raises:
        WrongPassphrase: The passphrase is another, or the file was changed.
    """
    return open_sealed(folder / MASTER_NAME, passphrase, sealed, _CONTEXT)


def read_sealed_master(folder: Path) -> bytes | None:
    """
    The sealed master key; None where secrets are not encrypted.

    Raises:
        KeystoreMissing: There is no keystore.
        FileExposed: Other users have access to it.
        KeyFileDamaged: Its file is none of ours.
    """
    path = folder / MASTER_NAME
    if not path.exists():
        raise KeystoreMissing(folder)
    check_private(folder)
    try:
        fields = json.loads(read_private(path))
        if fields["format"] != _FORMAT:
            raise KeyFileDamaged(path, f"its format {fields['format']} is unknown to this program")
        protection = fields["protection"]
        if protection not in ("none", "passphrase"):
            raise KeyFileDamaged(path, f"its protection {protection!r} is unknown to this program")
        return None if protection == "none" else bytes.fromhex(fields["sealed"])
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise KeyFileDamaged(path, f"{type(error).__name__}: {error}") from error


def open_sealed(path: Path, password: bytes, sealed: bytes, context: bytes) -> bytes:
    """
    What was sealed under this password, or under a key.

    Raises:
        WrongPassphrase: The password is another, or the bytes were changed.
    """
    try:
        return open_with_password(password, sealed, context=context)
    except Undecryptable as error:
        raise WrongPassphrase(path) from error


def _write(folder: Path, content: dict[str, int | str]) -> None:
    write_private(folder / MASTER_NAME, json.dumps(content, indent=2).encode() + b"\n")
