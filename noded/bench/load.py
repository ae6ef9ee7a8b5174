"""Transactions of the load: registrations of records, signed before the clock starts."""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count
from typing import Final

from noded.client.transactions import KeyPair, TransactionBuilder
from noded.client.wallet import Wallet
from noded.types.ids import ChainId, Height, InstitutionId
from noded.types.medical import (
    CiphertextHash,
    Commitment,
    Compartment,
    Day,
    DayRange,
    KeyEpoch,
    KindClass,
    RecordId,
    Version,
    WrapHash,
)
from noded.types.operations.records import RecordContent, RecordRegister
from noded.types.transaction import SignedTransaction

VERSION: Final = Version(1)

SIZE_BYTES: Final = 4_000
"""A record's ciphertext as the ledger hears of it; the records themselves stay out of the measurement."""


@dataclass(slots=True)
class Sender:
    """One institution that registers records of one patient."""

    institution: InstitutionId
    builder: TransactionBuilder
    wallet: Wallet

    def register_patient(self) -> SignedTransaction:
        """The transaction that has to come first."""
        self.wallet, operation = self.wallet.register(self.institution)
        return self.builder.build(operation, cosigners=[self.wallet.key(self.institution)])

    @property
    def patient_path(self) -> str:
        """Where the API has what the ledger knows of the patient."""
        return f"/v1/patients/{self.wallet.patient_id(self.institution).hex()}"

    def records(self, operations: int) -> Iterator[SignedTransaction]:
        """Transactions of so many registrations each, without end."""
        patient = self.wallet.patient_id(self.institution)
        days = DayRange(first=Day(20_000), end=Day(20_001))
        while True:
            noise = os.urandom(112 * operations)
            pieces = [noise[at : at + 112] for at in range(0, len(noise), 112)]
            yield self.builder.build(
                *(
                    RecordRegister(
                        record=RecordId(piece[:16]),
                        patient=patient,
                        kind=KindClass.LAB,
                        compartment=Compartment(0),
                        content=RecordContent(
                            commitment=Commitment(piece[16:48]),
                            ciphertext_hash=CiphertextHash(piece[48:80]),
                            ciphertext_bytes=SIZE_BYTES,
                            days=days,
                            key_epoch=KeyEpoch(0),
                            wrap_hash=WrapHash(piece[80:112]),
                        ),
                    )
                    for piece in pieces
                )
            )


def make_sender(institution: InstitutionId, key: KeyPair, chain_id: ChainId, valid_until: Height) -> Sender:
    """A sender that begins with the key's first sequence."""
    numbers = count()
    builder = TransactionBuilder(
        chain_id=chain_id, key=key, next_sequence=lambda: next(numbers), valid_until=lambda: valid_until
    )
    return Sender(institution, builder, Wallet(seed=os.urandom(32), relations=()))
