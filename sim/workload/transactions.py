"""Real transactions of one gateway's clients: patients, records, consents and requests for access."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

from noded.crypto.hashing import tagged_hash
from noded.crypto.signing import public_key_of, secret_of, sign
from noded.types.checks import SignatureCheck
from noded.types.ids import ChainId, Height, InstitutionId, PublicKey, Signature, TimestampMs
from noded.types.medical import (
    ActorId,
    CiphertextHash,
    Commitment,
    Compartment,
    ConsentId,
    KeyEpoch,
    KindClass,
    PatientId,
    ReaderKey,
    RecordId,
    RequestId,
    Version,
    WrapHash,
)
from noded.types.operations import Operation
from noded.types.operations.consent import (
    AccessRequest,
    ConsentGrant,
    ConsentTerms,
    Mode,
    OneRecord,
    ToOrganization,
    UnderConsent,
)
from noded.types.operations.identity import PatientRegister
from noded.types.operations.records import RecordContent, RecordRegister
from noded.types.roles import Purpose
from noded.types.transaction import (
    TRANSACTION_VERSION,
    Cosignature,
    SignedTransaction,
    TransactionBody,
    make_transaction,
    transaction_signing_bytes,
)
from sim.models.clock import EPOCH_MS
from sim.streams import Stream

Kind = Literal["patient", "record", "consent", "access"]

VALID_HEIGHTS = 50_000
"""How many heights ahead a transaction's end lies; more than a run has."""

KEPT = 256
"""Final records and consents of a gateway that later transactions refer to."""

YEAR_MS = 365 * 86_400_000

COMPARTMENT = Compartment(1)

KINDS = tuple(KindClass)


@dataclass(slots=True)
class _Account:
    """A key and how often it has signed."""

    secret: bytes
    public_key: PublicKey
    sequence: int = 0


@dataclass(slots=True)
class _Patient:
    id: PatientId
    account: _Account
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
        seed: Of the institution's account key.
        chain_id: Inside every transaction.
        stream: All random choices.
        signed: Told of each signature that is made.
    """

    def __init__(
        self,
        institution: InstitutionId,
        seed: bytes,
        chain_id: ChainId,
        stream: Stream,
        signed: Callable[[SignatureCheck], None],
    ) -> None:
        self._institution = institution
        self._chain_id = chain_id
        self._stream = stream
        self._signed = signed
        self._account = _account(seed)
        self._patients: list[_Patient] = []
        self._consents: list[_Consented] = []
        self._effects: dict[bytes, Callable[[], None]] = {}

    def register_patient(self, height: Height) -> SignedTransaction:
        """A new patient comes."""
        patient = _Patient(PatientId(self._stream.bytes(16)), _account(self._stream.bytes(32)))
        operation = PatientRegister(patient=patient.id, key=patient.account.public_key)
        return self._make(
            self._account, height, operation, lambda: self._patients.append(patient), cosigner=patient.account
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
        stream = self._stream
        patient = stream.choice(self._patients) if self._patients else None
        record = RecordId(stream.bytes(16))
        salt = stream.bytes(8)
        operation = RecordRegister(
            record=record,
            patient=None if patient is None else patient.id,
            kind=stream.choice(KINDS),
            compartment=Compartment(0) if patient is None else COMPARTMENT,
            content=RecordContent(
                commitment=Commitment(_noise(salt, "commitment")),
                ciphertext_hash=CiphertextHash(_noise(salt, "ciphertext")),
                ciphertext_bytes=1 + stream.below(4 << 20),
                days=None,
                key_epoch=KeyEpoch(0),
                wrap_hash=None if patient is None else WrapHash(_noise(salt, "wrap")),
            ),
        )

        def keep() -> None:
            if patient is not None:
                patient.records.append(record)
                del patient.records[:-KEPT]

        return self._make(self._account, height, operation, keep)

    def _grant_consent(self, height: Height) -> SignedTransaction:
        patient = self._stream.choice(self._patients)
        consent = ConsentId(self._stream.bytes(16))
        terms = ConsentTerms(
            grantee=ToOrganization(institution=self._institution),
            purposes=(Purpose.TREAT,),
            kinds=KINDS,
            compartments=(COMPARTMENT,),
            records=None,
            days=None,
            from_ms=TimestampMs(EPOCH_MS),
            until_ms=TimestampMs(EPOCH_MS + YEAR_MS),
            mode=Mode.RECEIPT,
            condition=None,
        )

        def keep() -> None:
            self._consents.append(_Consented(consent, patient))
            del self._consents[:-KEPT]

        operation = ConsentGrant(consent=consent, patient=patient.id, terms=terms)
        return self._make(patient.account, height, operation, keep)

    def _request_access(self, height: Height) -> SignedTransaction:
        stream = self._stream
        consented = stream.choice(self._consents)
        if not consented.patient.records:
            return self._register_record(height)
        operation = AccessRequest(
            request=RequestId(stream.bytes(16)),
            target=OneRecord(record=stream.choice(consented.patient.records), version=Version(1)),
            basis=UnderConsent(consent=consented.consent),
            purpose=Purpose.TREAT,
            actor=ActorId(stream.bytes(16)),
            reader_key=ReaderKey(stream.bytes(32)),
            uses=(),
            tags=(),
        )
        return self._make(self._account, height, operation, None)

    def _make(
        self,
        sender: _Account,
        height: Height,
        operation: Operation,
        effect: Callable[[], None] | None,
        cosigner: _Account | None = None,
    ) -> SignedTransaction:
        sender.sequence += 1
        body = TransactionBody(
            version=TRANSACTION_VERSION,
            chain_id=self._chain_id,
            sender=sender.public_key,
            sequence=sender.sequence,
            valid_until=Height(height + VALID_HEIGHTS),
            operations=(operation,),
        )
        message = transaction_signing_bytes(body)
        cosignatures: tuple[Cosignature, ...] = ()
        if cosigner is not None:
            cosignatures = (Cosignature(signer=cosigner.public_key, signature=self._sign(cosigner, message)),)
        made = make_transaction(body, self._sign(sender, message), cosignatures)
        if effect is not None:
            self._effects[made.hash] = effect
        return made

    def _sign(self, account: _Account, message: bytes) -> Signature:
        signature = Signature(sign(account.secret, message))
        self._signed(SignatureCheck(account.public_key, message, signature))
        return signature


def _account(seed: bytes) -> _Account:
    return _Account(secret_of(seed), PublicKey(public_key_of(seed)))


def _noise(salt: bytes, what: str) -> bytes:
    """32 bytes that look like a hash of something."""
    return tagged_hash("noded/sim-noise/1", salt, what.encode())
