"""A short history for tests of the API: a record, a consent, a request that was released, a use of break-glass."""

from dataclasses import replace

from noded.types.genesis import Institution
from noded.types.medical import RecordId, Version
from noded.types.operations.audit import ErasureRequest
from noded.types.operations.consent import AccessRelease, ConsentAmend
from noded.types.operations.identity import PatientRegister
from noded.types.operations.records import AmendReason, RecordAmend
from tests.helpers.backend import TestBackend
from tests.helpers.ledger import TestChain, key_of, make_genesis
from tests.helpers.medical import (
    CLINIC,
    CONSENT,
    HOSPITAL,
    INSURER,
    PATIENT,
    RECORD,
    REQUEST,
    ROLES,
    WRAP_HASH,
    make_content,
    make_grant,
    make_institution,
    make_opening,
    make_record,
    make_request,
)

MEMBERS = sorted((HOSPITAL, CLINIC, INSURER), key=lambda party: party.id)

DENIED = b"denied-request.."
ERASED = RecordId(b"erased-record...")


def founders() -> list[Institution]:
    """The members, each with keys of its own."""
    return [
        replace(
            make_institution(party, ROLES[party]),
            consensus_key=key_of(number, "consensus"),
            network_key=key_of(number, "network"),
        )
        for number, party in enumerate(MEMBERS)
    ]


def tell_story(backend: TestBackend | None = None) -> TestBackend:
    """
    Blocks 1 to 4 of a chain of three members.

    1: the patient and a record are registered. 2: a consent is granted and amended, the record amended. 3: the clinic
    is permitted, the insurer denied, the glass is broken. 4: the clinic's request is released, an erasure demanded.
    """
    if backend is None:
        backend = TestBackend(TestChain(make_genesis(institutions=founders())))
    chain = backend.chain
    backend.commit(
        chain.transaction(
            PatientRegister(patient=PATIENT.patient, key=PATIENT.key),
            make_record(),
            make_record(ERASED),
            sender=HOSPITAL.key,
            cosigners=[PATIENT.key],
        )
    )
    terms = make_grant().terms
    backend.commit(
        chain.transaction(
            make_grant(),
            ConsentAmend(consent=CONSENT, replaces=Version(1), terms=terms),
            sender=PATIENT.key,
        ),
        chain.transaction(
            RecordAmend(
                record=RECORD,
                replaces=Version(1),
                reason=AmendReason.ADDENDUM,
                content=make_content(number=2),
            ),
            sender=HOSPITAL.key,
        ),
    )
    backend.commit(
        chain.transaction(make_request(REQUEST), make_opening(), sender=CLINIC.key),
        chain.transaction(make_request(DENIED), sender=INSURER.key),
    )
    backend.commit(
        chain.transaction(AccessRelease(request=REQUEST, wrap_hash=WRAP_HASH), sender=HOSPITAL.key),
        chain.transaction(ErasureRequest(record=ERASED), sender=PATIENT.key),
    )
    for committed in chain.committed:
        assert all(receipt.error is None for receipt in committed.receipts), committed.receipts
    return backend
