"""FHIR documents become encrypted, registered records of a hospital; its patients get wallets."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from noded.api.backend import VersionToKeep
from noded.client.transactions import chunks
from noded.client.wallet import Wallet
from noded.demo.actors import Institution, PatientActor, StoryBroken, applied
from noded.fhir.documents import FhirRecord, find_documents, read_document
from noded.fhir.slicing import InvalidDocument
from noded.types.medical import Compartment, KeyEpoch, RecordId, Version
from noded.types.operations import Operation
from noded.types.operations.records import RecordContent, RecordRegister

FIRST = Version(1)
COMPARTMENT = Compartment(0)
EPOCH = KeyEpoch(0)


@dataclass(frozen=True, slots=True)
class Imported:
    """A record that is registered."""

    id: RecordId
    patient: PatientActor | None
    record: FhirRecord
    registration: RecordRegister

    @property
    def content(self) -> bytes:
        """The very bytes of the document."""
        return self.record.slice.content


def read_records(folder: Path) -> tuple[list[FhirRecord], list[str]]:
    """
    All records of a folder's documents, and what was wrong with files that gave none.

    Raises:
        StoryBroken: There is no record at all.
    """
    records: list[FhirRecord] = []
    problems: list[str] = []
    for path in find_documents([folder]):
        try:
            document = read_document(path)
        except InvalidDocument as error:
            problems.append(str(error))
            continue
        records += document.records
    if not records:
        raise StoryBroken(f"{folder} has no FHIR records")
    return records, problems


def import_records(hospital: Institution, records: Sequence[FhirRecord]) -> list[Imported]:
    """Register the patients, have every record kept, and register it; all is final on return."""
    patients = _register_patients(hospital, records)
    versions = []
    for record in records:
        patient = patients.get(record.attribution.patient or "")
        versions.append(
            VersionToKeep(
                record=RecordId(os.urandom(16)),
                version=FIRST,
                content=record.slice.content,
                patient=None if patient is None else patient.wallet.patient_id(hospital.id),
                compartment=COMPARTMENT,
                key_epoch=EPOCH,
            )
        )
    operations: list[Operation] = []
    imported: list[Imported] = []
    for record, version, kept in zip(records, versions, hospital.keep(versions), strict=True):
        content = RecordContent(
            commitment=kept.version.commitment,
            ciphertext_hash=kept.version.ciphertext,
            ciphertext_bytes=kept.version.ciphertext_bytes,
            days=record.period,
            key_epoch=EPOCH,
            wrap_hash=kept.wrap_hash,
        )
        registration = RecordRegister(
            record=version.record,
            patient=version.patient,
            kind=record.kind,
            compartment=COMPARTMENT,
            content=content,
        )
        operations.append(registration)
        patient = patients.get(record.attribution.patient or "")
        imported.append(Imported(version.record, patient, record, registration))
    for posted in hospital.send(*(hospital.build(*chunk) for chunk in chunks(operations))):
        applied(posted)
    return imported


def _register_patients(hospital: Institution, records: Sequence[FhirRecord]) -> dict[str, PatientActor]:
    patients: dict[str, PatientActor] = {}
    registrations = []
    for record in records:
        key = record.attribution.patient
        if key is None or key in patients:
            continue
        wallet, registration = Wallet(seed=os.urandom(32), relations=()).register(hospital.id)
        pair = wallet.key(hospital.id)
        patients[key] = PatientActor(hospital, wallet, hospital.builder(pair))
        registrations.append(hospital.build(registration, cosigners=[pair]))
    for posted in hospital.send(*registrations):
        applied(posted)
    return patients
