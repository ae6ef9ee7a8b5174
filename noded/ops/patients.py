"""
Patients whose keys an institution keeps for them until they take them along: one sealed file in its home.

What a document calls a patient is personal data, and a wallet is the patient: neither ever stands in the clear.
"""

import os
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Annotated, Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305

from noded.client.wallet import Wallet
from noded.codec.schema import Limit, decode_value, encode_value
from noded.crypto.kdf import hkdf
from noded.errors import ConfigError
from noded.fhir.patients import KEY_BYTES_MAX
from noded.keys.files import read_private_whole, write_private
from noded.storage.files import alone_in
from noded.types.ids import InstitutionId
from noded.types.medical import PatientId

PATIENTS_NAME: Final = "patients.sealed"

PATIENTS_MAX: Final = 100_000
"""Patients in one file; 100 bytes each make 10 MB, rewritten when one is added."""

FILE_BYTES_MAX: Final = PATIENTS_MAX * (KEY_BYTES_MAX + 256)

_INFO: Final = b"noded/patients-file/1"
_NONCE_BYTES: Final = 12
_SEED_BYTES: Final = 32


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptPatient:
    """A patient whose wallet is kept, or who has it."""

    name: Annotated[str, Limit(0, KEY_BYTES_MAX)] = field(repr=False)
    """As documents call them; empty for one that came without documents."""
    patient: PatientId
    wallet: Wallet | None = field(repr=False)
    """None where the patient brought it, or took it along and had it forgotten here."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _File:
    patients: Annotated[tuple[KeptPatient, ...], Limit(0, PATIENTS_MAX)]


class PatientsDamaged(ConfigError):
    """The file of patients does not open with this home's key."""

    def __init__(self, path: Path) -> None:
        super().__init__(
            f"{path}: is damaged, or from another home; restore it from a backup, for the patients' keys are in it"
        )
        self.path = path


class PatientUnknown(ConfigError):
    """No wallet of this patient is kept here."""

    def __init__(self, path: Path, patient: PatientId) -> None:
        super().__init__(
            f"{path}: has no wallet of patient {patient.hex()}; see `noded patient list`, or give --wallet"
        )
        self.patient = patient


class Patients:
    """The patients in a home."""

    def __init__(
        self,
        home: Path,
        data_key: bytes,
        custodian: InstitutionId,
        *,
        random_bytes: Callable[[int], bytes] = os.urandom,
    ) -> None:
        """
        Read the file, if there is one.

        Raises:
            PatientsDamaged: It does not open with this key.
            FileExposed: Other users have access to it.
        """
        self.path = home / PATIENTS_NAME
        self._custodian = custodian
        self._random_bytes = random_bytes
        self._cipher = ChaCha20Poly1305(hkdf(data_key, info=_INFO))
        self._load()

    def __iter__(self) -> Iterator[KeptPatient]:
        return iter(self._by_id.values())

    def __len__(self) -> int:
        return len(self._by_id)

    def find(self, name: str) -> KeptPatient | None:
        """The patient whom documents call so."""
        return self._by_name.get(name)

    def wallet_of(self, patient: PatientId) -> Wallet:
        """
        The wallet that is kept of the patient with this id.

        Raises:
            PatientUnknown: There is none.
        """
        found = self._by_id.get(patient)
        if found is None or found.wallet is None:
            raise PatientUnknown(self.path, patient)
        return found.wallet

    def add(self, names: list[str]) -> list[KeptPatient]:
        """
        Make a wallet for each of these; kept durably before anything of it reaches the ledger.

        Returns:
            Those that are new: whom another command has added meanwhile is found like those known before.
        """
        assert not any(name in self._by_name for name in names)
        if not names:
            return []
        # Another command would write what it read before, without these keys.
        with alone_in(self.path.parent):
            self._load()
            new = [self._make(name) for name in names if name not in self._by_name]
            self._write((*self._by_id.values(), *new))
        self._note(new)
        return new

    def call(self, patient: PatientId, name: str) -> None:
        """Know a patient who came without documents by what the first ones call them, durably."""
        with alone_in(self.path.parent):
            self._load()
            known = self._by_id.get(patient)
            if known is not None and known.name:
                return
            called = KeptPatient(name=name, patient=patient, wallet=None if known is None else known.wallet)
            self._write(tuple({**self._by_id, patient: called}.values()))
        self._note([called])

    def keep(self, patient: PatientId, wallet: Wallet | None) -> None:
        """Keep a later state of a patient's wallet, or none any more, durably; raises `PatientUnknown`."""
        with alone_in(self.path.parent):
            self._load()
            self.wallet_of(patient)
            changed = replace(self._by_id[patient], wallet=wallet)
            self._write(tuple(changed if each.patient == patient else each for each in self))
        self._note([changed])

    def _make(self, name: str) -> KeptPatient:
        wallet, _ = Wallet(seed=self._random_bytes(_SEED_BYTES), relations=()).register(self._custodian)
        return KeptPatient(name=name, patient=wallet.patient_id(self._custodian), wallet=wallet)

    def _load(self) -> None:
        self._by_id: dict[PatientId, KeptPatient] = {}
        self._by_name: dict[str, KeptPatient] = {}
        self._note(self._read() if self.path.exists() else ())

    def _note(self, patients: Iterable[KeptPatient]) -> None:
        for kept in patients:
            self._by_id[kept.patient] = kept
            if kept.name:
                self._by_name[kept.name] = kept

    def _read(self) -> tuple[KeptPatient, ...]:
        data = read_private_whole(self.path, FILE_BYTES_MAX)
        try:
            plain = self._cipher.decrypt(data[:_NONCE_BYTES], data[_NONCE_BYTES:], _INFO)
        except (InvalidTag, ValueError):
            raise PatientsDamaged(self.path) from None
        return decode_value(_File, plain, max_bytes=FILE_BYTES_MAX).patients

    def _write(self, patients: tuple[KeptPatient, ...]) -> None:
        plain = encode_value(_File(patients=patients))
        nonce = self._random_bytes(_NONCE_BYTES)
        write_private(self.path, nonce + self._cipher.encrypt(nonce, plain, _INFO))
