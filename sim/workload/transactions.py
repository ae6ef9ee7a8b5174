"""Real transactions of one gateway's clients: patients, records, consents and requests for access."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Literal

from noded.types.ids import Height, InstitutionId
from noded.types.medical import ConsentId, PatientId, RecordId
from noded.types.operations import Operation
from noded.types.operations.identity import PatientRegister
from noded.types.transaction import SignedTransaction
from sim.streams import Stream
from sim.workload.accounts import Account, Notary, make_account
from sim.workload.operations import grant_consent, register_record, request_access

Kind = Literal["patient", "record", "consent", "access"]

KEPT = 256
"""Final records and consents of a gateway that later transactions refer to."""


@dataclass(slots=True)
class _Patient:
    id: PatientId
    account: Account
    records: list[RecordId] = field(default_factory=list)
    """Final ones."""


@dataclass(frozen=True, slots=True)
class _Consented:
    consent: ConsentId
    patient: _Patient


class Clients:
    """
    The people at one institution, whose transactions refer to what is final already.

    Args:
        institution: Whose gateway they use.
        account: The institution's.
        notary: Signs for all of them.
        stream: All random choices.
    """

    def __init__(self, institution: InstitutionId, account: Account, notary: Notary, stream: Stream) -> None:
        self._institution = institution
        self._account = account
        self._notary = notary
        self._stream = stream
        self._patients: list[_Patient] = []
        self._consents: list[_Consented] = []
        self._effects: dict[bytes, Callable[[], None]] = {}

    def register_patient(self, height: Height) -> SignedTransaction:
        """A new patient comes."""
        patient = _Patient(PatientId(self._stream.bytes(16)), make_account(self._stream.bytes(32)))
        operation = PatientRegister(patient=patient.id, key=patient.account.public_key)
        return self._make(
            self._account, height, operation, lambda: self._patients.append(patient), [patient.account]
        )

    def make(self, kind: Kind, height: Height) -> tuple[Kind, SignedTransaction]:
        """The next transaction of a kind; a record where what it would refer to is not final yet."""
        if kind == "access" and self._consents:
            return kind, self._request_access(height)
        if kind == "consent" and self._patients:
            return kind, self._grant_consent(height)
        return "record", self._register_record(height)

    def became_final(self, name: bytes, *, applied: bool) -> None:
        """A transaction of these clients is final."""
        effect = self._effects.pop(name, None)
        if effect is not None and applied:
            effect()

    def _register_record(self, height: Height) -> SignedTransaction:
        patient = self._stream.choice(self._patients) if self._patients else None
        operation = register_record(self._stream, None if patient is None else patient.id)

        def keep() -> None:
            if patient is not None:
                patient.records.append(operation.record)
                del patient.records[:-KEPT]

        return self._make(self._account, height, operation, keep)

    def _grant_consent(self, height: Height) -> SignedTransaction:
        patient = self._stream.choice(self._patients)
        operation = grant_consent(self._stream, patient.id, self._institution)

        def keep() -> None:
            self._consents.append(_Consented(operation.consent, patient))
            del self._consents[:-KEPT]

        return self._make(patient.account, height, operation, keep)

    def _request_access(self, height: Height) -> SignedTransaction:
        consented = self._stream.choice(self._consents)
        records = consented.patient.records
        if not records:
            return self._register_record(height)
        return self._make(
            self._account, height, request_access(self._stream, records, consented.consent), None
        )

    def _make(
        self,
        sender: Account,
        height: Height,
        operation: Operation,
        effect: Callable[[], None] | None,
        cosigners: Sequence[Account] = (),
    ) -> SignedTransaction:
        made = self._notary.make(sender, height, operation, cosigners)
        if effect is not None:
            self._effects[made.hash] = effect
        return made
