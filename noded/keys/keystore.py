"""
The keystore: a folder with one file for each key, and one that holds the key to them.

A passphrase opens the master key (Argon2id, some 0.2 s once), the master key all others, so a node with six keys starts
as fast as with one, and another passphrase means one file rewritten. Without a passphrase, for testnets only and
when asked for, the secrets stand in the files.
"""

import os
import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Final

from noded.crypto.kdf import (
    SALT_BYTES,
    STRETCHING,
    Stretching,
    seal_with_password,
)
from noded.keys.errors import (
    BadKeyName,
    KeyExists,
    KeyFileDamaged,
    KeyMissing,
    KeystoreExists,
    PassphraseMissing,
    PassphraseUnneeded,
)
from noded.keys.files import check_private, make_private_folder, read_private, write_private
from noded.keys.key_file import (
    KeyAlgorithm,
    KeyFile,
    KeyInfo,
    check_secret,
    decode_key_file,
    merged_watermarks,
)
from noded.keys.master import (
    MASTER_BYTES,
    MASTER_NAME,
    open_master,
    open_sealed,
    read_sealed_master,
    write_master,
    write_no_master,
)
from noded.keys.signer import Watermark
from noded.types.ids import ChainId

SUFFIX: Final = ".key"

NAME: Final = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,63})")

_NO_STRETCHING: Final = Stretching(memory_kib=8, iterations=1, lanes=1)
"""For keys under the master key, which nobody can guess."""

_EXPORT_CONTEXT: Final = b"noded/key-export/1"

RandomBytes = Callable[[int], bytes]


class Keystore:
    """An open keystore; its secrets can be read."""

    def __init__(self, folder: Path, master: bytes | None, random_bytes: RandomBytes) -> None:
        """Use `create_keystore` or `open_keystore`."""
        self.folder = folder
        self._master = master
        self._random_bytes = random_bytes

    @property
    def is_encrypted(self) -> bool:
        """Whether the secrets are sealed on the disk."""
        return self._master is not None

    def generate(self, name: str, algorithm: KeyAlgorithm) -> KeyInfo:
        """
        Make a key.

        Raises:
            KeyExists: There is one of this name.
            BadKeyName: The name cannot be a file's.
        """
        return self.add(name, algorithm, self._random_bytes(algorithm.secret_bytes))

    def add(
        self,
        name: str,
        algorithm: KeyAlgorithm,
        secret: bytes,
        watermarks: Mapping[ChainId, Watermark] | None = None,
    ) -> KeyInfo:
        """
        Keep a secret that is known already.

        Raises:
            KeyExists: There is one of this name.
            BadKeyName: The name cannot be a file's.
        """
        assert len(secret) == algorithm.secret_bytes
        path = _path(self.folder, name)
        if path.exists():
            raise KeyExists(self.folder, name)
        info = KeyInfo(
            name=name,
            algorithm=algorithm,
            public_key=algorithm.public_key(secret),
            watermarks=merged_watermarks(watermarks or {}, {}),
        )
        self._write(info, secret)
        return info

    def info(self, name: str) -> KeyInfo:
        """
        What everyone may know of a key.

        Raises:
            KeyMissing: There is none of this name.
        """
        return _read(self.folder, name).info

    def secret(self, name: str) -> bytes:
        """
        The secret of a key.

        Raises:
            KeyMissing: There is none of this name.
            WrongPassphrase: The file was sealed under another master key, or changed.
            KeyFileDamaged: The file is no key.
        """
        path = _path(self.folder, name)
        kept = _read(self.folder, name)
        if kept.is_sealed != self.is_encrypted:
            raise KeyFileDamaged(path, "it is from another keystore")
        secret = kept.secret
        if self._master is not None:
            secret = open_sealed(path, self._master, kept.secret, kept.info.context())
        check_secret(path, kept.info, secret)
        return secret

    def raise_watermark(self, name: str, chain_id: ChainId, watermark: Watermark) -> None:
        """Remember with the key that nothing new may be signed at or below this place of this chain (K4)."""
        info, secret = self.info(name), self.secret(name)
        watermarks = merged_watermarks(info.watermarks, {chain_id: watermark})
        if watermarks != info.watermarks:
            self._write(replace(info, watermarks=watermarks), secret)

    def export(
        self,
        name: str,
        passphrase: bytes,
        watermarks: Mapping[ChainId, Watermark],
        stretching: Stretching = STRETCHING,
    ) -> bytes:
        """
        The key under a passphrase of its own, for another keystore; the watermarks travel with it.

        Args:
            name: Of the key.
            passphrase: For the export only.
            watermarks: Up to where this machine may have signed; kept ones that are higher win.
            stretching: What a guess of the passphrase costs.
        """
        info, secret = self.info(name), self.secret(name)
        info = replace(info, watermarks=merged_watermarks(info.watermarks, watermarks))
        context = _EXPORT_CONTEXT + info.context()
        salt = self._random_bytes(SALT_BYTES)
        sealed = seal_with_password(passphrase, secret, context=context, salt=salt, stretching=stretching)
        return KeyFile(info=info, secret=sealed, is_sealed=True).encode()

    def import_key(
        self, source: Path, exported: bytes, passphrase: bytes, *, name: str | None = None
    ) -> KeyInfo:
        """
        Keep a key that another keystore exported, under its own name or another.

        A key that is here already only gets the higher watermarks.

        Args:
            source: The export's file, for errors.
            exported: Its content.
            passphrase: Of the export.
            name: Instead of its own.

        Raises:
            WrongPassphrase: The passphrase is another, or the export was changed.
            KeyExists: There is another key of this name.
            KeyFileDamaged: This is no export.
        """
        kept = decode_key_file(source, exported)
        if not kept.is_sealed:
            raise KeyFileDamaged(source, "it is not sealed")
        secret = open_sealed(source, passphrase, kept.secret, _EXPORT_CONTEXT + kept.info.context())
        check_secret(source, kept.info, secret)
        name = kept.info.name if name is None else name
        if not _path(self.folder, name).exists():
            return self.add(name, kept.info.algorithm, secret, kept.info.watermarks)
        if self.info(name).public_key != kept.info.public_key:
            raise KeyExists(self.folder, name)
        for chain_id, watermark in kept.info.watermarks.items():
            self.raise_watermark(name, chain_id, watermark)
        return self.info(name)

    def change_passphrase(self, passphrase: bytes, stretching: Stretching = STRETCHING) -> None:
        """Open with this passphrase from now on; the old one still opens old copies of the folder."""
        if self._master is None:
            raise PassphraseUnneeded(self.folder)
        salt = self._random_bytes(SALT_BYTES)
        write_master(self.folder, self._master, passphrase, salt=salt, stretching=stretching)

    def _write(self, info: KeyInfo, secret: bytes) -> None:
        path = _path(self.folder, info.name)
        if self._master is not None:
            secret = seal_with_password(
                self._master,
                secret,
                context=info.context(),
                salt=self._random_bytes(SALT_BYTES),
                stretching=_NO_STRETCHING,
            )
        kept = KeyFile(info=info, secret=secret, is_sealed=self.is_encrypted)
        write_private(path, kept.encode())


def create_keystore(
    folder: Path,
    passphrase: bytes | None,
    *,
    random_bytes: RandomBytes = os.urandom,
    stretching: Stretching = STRETCHING,
) -> Keystore:
    """
    Make an empty keystore. With None for a passphrase its secrets will not be encrypted: for testnets only.

    Raises:
        KeystoreExists: There is one already.
        FileExposed: Others may enter the folder.
    """
    make_private_folder(folder)
    check_private(folder)
    if (folder / MASTER_NAME).exists():
        raise KeystoreExists(folder)
    if passphrase is None:
        write_no_master(folder)
        return Keystore(folder, None, random_bytes)
    master = random_bytes(MASTER_BYTES)
    write_master(folder, master, passphrase, salt=random_bytes(SALT_BYTES), stretching=stretching)
    return Keystore(folder, master, random_bytes)


def is_encrypted(folder: Path) -> bool:
    """
    Whether opening the keystore takes a passphrase.

    Raises:
        KeystoreMissing: There is none.
        KeyFileDamaged: Its file is none of ours.
    """
    return read_sealed_master(folder) is not None


def open_keystore(
    folder: Path, passphrase: bytes | None, *, random_bytes: RandomBytes = os.urandom
) -> Keystore:
    """
    Open a keystore; with None for a passphrase, one that is not encrypted.

    Raises:
        KeystoreMissing: There is none.
        FileExposed: Other users have access to it.
        PassphraseMissing, PassphraseUnneeded, WrongPassphrase: The passphrase is not the right one.
        KeyFileDamaged: Its file is none of ours.
    """
    sealed = read_sealed_master(folder)
    if sealed is None:
        if passphrase is not None:
            raise PassphraseUnneeded(folder)
        return Keystore(folder, None, random_bytes)
    if passphrase is None:
        raise PassphraseMissing(folder, "its keys are encrypted and no passphrase was given")
    master = open_master(folder, sealed, passphrase)
    return Keystore(folder, master, random_bytes)


def list_keys(folder: Path) -> list[KeyInfo]:
    """What everyone may know of the keys in a folder, by name; needs no passphrase and verifies nothing."""
    names = sorted(path.stem for path in folder.glob(f"*{SUFFIX}"))
    return [_read(folder, name).info for name in names]


def _path(folder: Path, name: str) -> Path:
    if not NAME.fullmatch(name):
        raise BadKeyName(folder, name)
    return folder / f"{name}{SUFFIX}"


def _read(folder: Path, name: str) -> KeyFile:
    path = _path(folder, name)
    if not path.exists():
        raise KeyMissing(folder, name)
    kept = decode_key_file(path, read_private(path))
    if kept.info.name != name:
        raise KeyFileDamaged(path, f"it is the file of key {kept.info.name!r}")
    return kept
