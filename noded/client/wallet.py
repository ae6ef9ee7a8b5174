"""
A patient's wallet: one seed, and with every custodian another id and another key pair.

All comes back from the seed and the list of custodians. Nobody can connect a patient's ids or keys at two custodians
without the seed (ledger.md §1.4).
"""

from dataclasses import dataclass, field, replace
from typing import Annotated

from noded.client.transactions import KeyPair, key_pair
from noded.codec.errors import Malformed
from noded.codec.schema import Limit, decode_value, encode_value
from noded.crypto.kdf import pairwise_seed
from noded.types.ids import InstitutionId, PublicKey
from noded.types.medical import ID_BYTES, PatientId
from noded.types.operations.identity import PatientRegister, PatientRotate

CUSTODIANS_MAX = 1024
"""Institutions in one wallet: 20 KiB."""

WALLET_BYTES_MAX = 32 * 1024

ROTATIONS_AHEAD_MAX = 64
"""Keys that a copy of a wallet may be behind; some milliseconds to try."""

_ID_PURPOSE = "patient-id"
_KEY_PURPOSE = "account"
_DELEGATE_PURPOSE = "delegate"


class UnknownCustodian(ValueError):
    """The wallet has no keys with this institution."""

    def __init__(self, *, custodian: InstitutionId) -> None:
        super().__init__(f"the wallet has no keys with institution {custodian.hex()}")
        self.custodian = custodian


class NotThisWallets(ValueError):
    """A key does not come from this wallet's seed."""

    def __init__(self, *, key: PublicKey) -> None:
        super().__init__(f"key {key.hex()} is none of this wallet's")
        self.key = key


@dataclass(frozen=True, slots=True, kw_only=True)
class Relation:
    """A patient's standing with one custodian."""

    custodian: InstitutionId
    number: Annotated[int, Limit(0, (1 << 32) - 1)]
    """Counts the key pairs that replaced one another."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wallet:
    """A patient's keys; whoever has it is the patient. To be sealed under a password wherever it is kept."""

    seed: Annotated[bytes, Limit(32, 64)] = field(repr=False)
    """Random."""
    relations: Annotated[tuple[Relation, ...], Limit(0, CUSTODIANS_MAX)]
    """In the order in which they came."""

    def __post_init__(self) -> None:
        if len({each.custodian for each in self.relations}) != len(self.relations):
            raise Malformed("Wallet", "a custodian stands twice")

    def patient_id(self, custodian: InstitutionId) -> PatientId:
        """The patient's id with a custodian; the same through all rotations of the key."""
        return PatientId(pairwise_seed(self.seed, custodian, _ID_PURPOSE, 0)[:ID_BYTES])

    def key(self, custodian: InstitutionId) -> KeyPair:
        """
        The key pair in use with a custodian.

        Raises:
            UnknownCustodian: There is none.
        """
        return self._key(self._relation(custodian))

    def in_step(self, custodian: InstitutionId, public: PublicKey) -> "Wallet":
        """
        The wallet whose key with a custodian is the one with this public key, such as the one that the ledger names.

        A copy of a wallet may be older than the latest rotation; all later keys come from its seed, too.

        Raises:
            UnknownCustodian: There is none with this custodian.
            NotThisWallets: It is none of this wallet's.
        """
        old = self._relation(custodian)
        for ahead in range(ROTATIONS_AHEAD_MAX + 1):
            new = replace(old, number=old.number + ahead)
            if self._key(new).public == public:
                return self._with(old, new)
        raise NotThisWallets(key=public)

    def register(self, custodian: InstitutionId) -> tuple["Wallet", PatientRegister]:
        """
        The wallet with a further custodian, and the operation that makes the patient known there.

        The custodian sends it; the new key must cosign.
        """
        relation = Relation(custodian=custodian, number=0)
        wallet = replace(self, relations=(*self.relations, relation))
        patient = self.patient_id(custodian)
        return wallet, PatientRegister(patient=patient, key=self._key(relation).public)

    def rotate(self, custodian: InstitutionId) -> tuple["Wallet", PatientRotate]:
        """
        The wallet with a new key pair for a custodian, and the operation that replaces the old one by it.

        The old key sends it; the new one must cosign. The old wallet serves until it is final.

        Raises:
            UnknownCustodian: There is no key to replace.
        """
        old = self._relation(custodian)
        new = replace(old, number=old.number + 1)
        wallet = self._with(old, new)
        patient = self.patient_id(custodian)
        return wallet, PatientRotate(patient=patient, key=self._key(new).public)

    def delegate_key(self, patient: PatientId, number: int) -> KeyPair:
        """A key pair by which whoever has this wallet acts for another patient; `number` counts those that ended."""
        return key_pair(pairwise_seed(self.seed, patient, _DELEGATE_PURPOSE, number))

    def encode(self) -> bytes:
        """The wallet, seed included, as bytes to be sealed."""
        return encode_value(self)

    def _relation(self, custodian: InstitutionId) -> Relation:
        for relation in self.relations:
            if relation.custodian == custodian:
                return relation
        raise UnknownCustodian(custodian=custodian)

    def _with(self, old: Relation, new: Relation) -> "Wallet":
        return replace(self, relations=tuple(new if each is old else each for each in self.relations))

    def _key(self, relation: Relation) -> KeyPair:
        return key_pair(pairwise_seed(self.seed, relation.custodian, _KEY_PURPOSE, relation.number))


def decode_wallet(data: bytes) -> Wallet:
    """
    The wallet of which these are `encode`'s bytes.

    Raises:
        Malformed: They are no wallet.
    """
    return decode_value(Wallet, data, max_bytes=WALLET_BYTES_MAX)
