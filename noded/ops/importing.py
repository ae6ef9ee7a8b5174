"""FHIR documents become records: kept encrypted by the institution's node, then registered, many at a time."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from noded.api.backend import CONTENT_BYTES_MAX, Kept, VersionsToKeep, VersionToKeep
from noded.client.answers import POSTED_MAX, Refused
from noded.errors import ConfigError
from noded.fhir.documents import FhirRecord, find_documents, read_document
from noded.fhir.slicing import InvalidDocument, ProblemKind
from noded.fhir.validation import validate
from noded.ops.desk import FINAL_S, SEQUENCE_ERRORS, Desk, NotFinal, Rejected
from noded.ops.patients import KeptPatient
from noded.storage.files import alone_in
from noded.types.ids import Height
from noded.types.medical import Compartment, KeyEpoch, PatientId, RecordId, Version
from noded.types.operations import Operation
from noded.types.operations.identity import PatientRegister
from noded.types.operations.records import RecordContent, RecordRegister
from noded.types.transaction import COSIGNERS_MAX, SignedTransaction

FIRST: Final = Version(1)

RECORDS_TOGETHER: Final = 100
"""Records of one transaction; about 25 KiB."""

CALL_BYTES_MAX: Final = min(8 * 1024 * 1024, CONTENT_BYTES_MAX)
"""Contents handed to the node at once, but for a single record that is larger."""

UNDER_WAY_MAX: Final = 16
"""Transactions on their way to being final while further records are encrypted."""

NO_COMPARTMENT: Final = Compartment(0)


class NotOurs(ConfigError):
    """A patient is registered with another member, which keeps their records."""

    def __init__(self, patient: PatientId, custodian: str) -> None:
        super().__init__(
            f"patient {patient.hex()} is registered with member {custodian}; give the id that `noded patient register`"
            " said here"
        )
        self.patient = patient


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportedRecord:
    """A record that is kept and registered."""

    registration: RecordRegister
    source: str
    path: str
    size: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Import:
    """What became of some documents."""

    records: tuple[ImportedRecord, ...]
    new_patients: int
    transactions: int
    warnings: tuple[str, ...]
    """What the validator found; no record is lost over it."""
    without_resource: tuple[str, ...]
    """Entries in which there is nothing to import, such as deletions."""
    problems: tuple[str, ...]
    """Broken places from which no record could be cut, and files that are no documents."""


def import_documents(
    desk: Desk,
    paths: Iterable[Path],
    *,
    compartment: Compartment,
    progress: Callable[[str], None],
    whose: PatientId | None = None,
) -> Import:
    """
    Import documents; every entry of a Bundle is one record, and its bytes are those of the file.

    Args:
        desk: Of the institution that keeps them.
        paths: Files, and folders of them.
        compartment: Of the patients' records.
        progress: Is told how far it is.
        whose: The patient, registered here, whom the documents name; None to know patients by what documents call them.

    Raises:
        Rejected, NotFinal: A transaction of it took no effect, or not in time; what came before it stands.
        NodeUnreachable, Refused: The node does not go along.
    """
    imported: list[ImportedRecord] = []
    warnings: list[str] = []
    without_resource: list[str] = []
    problems: list[str] = []
    new_patients = 0
    sent = _Sent(desk)
    for path in find_documents(paths):
        try:
            document = read_document(path)
        except InvalidDocument as error:
            problems.append(str(error))
            continue
        for problem in document.problems:
            empty = problem.kind is ProblemKind.NO_RESOURCE
            (without_resource if empty else problems).append(str(problem))
        named = {each.attribution.patient for each in document.records} - {None}
        if whose is not None and len(named) > 1:
            problems.append(f"{path}: names {len(named)} patients, and --patient one")
            continue
        known = [desk.patients.find(each) for each in named if each is not None]
        other = next((each.patient for each in known if each is not None and each.patient != whose), None)
        if whose is not None and other is not None:
            problems.append(f"{path}: names patient {other.hex()}, and --patient another")
            continue
        added, new = _import(desk, sent, document.records, compartment, whose)
        imported += added
        new_patients += new
        for record in document.records:
            place = f"{record.slice.source}: line {record.slice.line}: {record.slice.path}"
            warnings += [f"{place}: {finding}" for finding in validate(record.slice.content)]
        progress(f"{path.name}: {len(document.records)} records, {len(imported)} so far")
    sent.wait_all()
    return Import(
        records=tuple(imported),
        new_patients=new_patients,
        transactions=sent.count,
        warnings=tuple(warnings),
        without_resource=tuple(without_resource),
        problems=tuple(problems),
    )


def import_records(
    desk: Desk, records: Sequence[FhirRecord], *, compartment: Compartment
) -> list[ImportedRecord]:
    """Import records as `import_documents` does, in the same order and without validation."""
    sent = _Sent(desk)
    imported, _ = _import(desk, sent, records, compartment, None)
    sent.wait_all()
    return imported


class _Sent:
    """Registrations on their way; a bounded number at a time."""

    def __init__(self, desk: Desk) -> None:
        self.count = 0
        self._desk = desk
        self._waiting: deque[SignedTransaction] = deque()

    def send(self, operations: Sequence[Operation]) -> None:
        """Hand in a transaction, and wait only if many are on their way."""
        signed = self._desk.sign(*operations)
        posted = self._desk.hand_in(signed)
        if posted.refused is not None:
            raise Rejected(operation="record.register", reason=posted.refused, detail=posted.detail)
        self.count += 1
        self._waiting.append(signed)
        if len(self._waiting) > UNDER_WAY_MAX:
            self._wait(self._waiting.popleft())

    def wait_all(self) -> None:
        """Return when all are final."""
        while self._waiting:
            self._wait(self._waiting.popleft())

    def _wait(self, signed: SignedTransaction) -> None:
        outcome = self._desk.node.wait_transaction(signed.hash, FINAL_S)
        if outcome is None:
            raise NotFinal(signed)
        if outcome["applied"]:
            self._desk.seen_final(Height(outcome["height"]))
        elif outcome["error"] in SEQUENCE_ERRORS:
            self._desk.send(*signed.transaction.body.operations)  # Another command took the sequence.
        else:
            raise Rejected(operation="record.register", reason=outcome["error"], detail=outcome["detail"])


def _import(
    desk: Desk, sent: _Sent, records: Sequence[FhirRecord], compartment: Compartment, whose: PatientId | None
) -> tuple[list[ImportedRecord], int]:
    """Have records kept, and send their registrations; also how many patients are new."""
    patients, new = _patients_of(desk, records) if whose is None else (_all_of(desk, records, whose), 0)
    imported: list[ImportedRecord] = []
    for part in _parts(records):
        imported += _import_part(desk, sent, part, patients, compartment)
    return imported, new


def _all_of(
    desk: Desk, records: Sequence[FhirRecord], whose: PatientId
) -> dict[str, tuple[PatientId, tuple[KeyEpoch, ...]]]:
    """One patient of the ledger's, whom documents are known to name from then on."""
    entry = desk.entry("patients", whose)
    if entry["custodian"] != desk.me.hex():
        raise NotOurs(whose, entry["custodian"])
    epochs = tuple(map(KeyEpoch, entry["epochs"]))
    names = dict.fromkeys(name for each in records if (name := each.attribution.patient) is not None)
    for name in names:
        desk.patients.call(whose, name)
    return dict.fromkeys(names, (whose, epochs))


def _patients_of(
    desk: Desk, records: Sequence[FhirRecord]
) -> tuple[dict[str, tuple[PatientId, tuple[KeyEpoch, ...]]], int]:
    """The patients of a document with their compartments' epochs, registered; and how many are new."""
    names = list(dict.fromkeys(name for each in records if (name := each.attribution.patient) is not None))
    known = desk.patients
    desk_new = known.add([name for name in names if known.find(name) is None])
    found: dict[str, tuple[PatientId, tuple[KeyEpoch, ...]]] = {}
    missing: list[KeptPatient] = []
    for name in names:
        kept = known.find(name)
        assert kept is not None, "it was added above"
        epochs = None if kept in desk_new else _epochs(desk, kept.patient)
        if epochs is None:
            missing.append(kept)
        found[name] = (kept.patient, epochs or ())
    if missing:
        with alone_in(desk.home):  # Another import may be at it.
            register_patients(desk, [each for each in missing if _epochs(desk, each.patient) is None])
    return found, len(desk_new)


def register_patients(desk: Desk, patients: Sequence[KeptPatient]) -> None:
    """Make patients known to the ledger whose wallets are kept; as many together as may cosign."""
    for start in range(0, len(patients), COSIGNERS_MAX):
        part = patients[start : start + COSIGNERS_MAX]
        keys = [desk.patients.wallet_of(each.patient).key(desk.me) for each in part]
        operations = [
            PatientRegister(patient=each.patient, key=key.public)
            for each, key in zip(part, keys, strict=True)
        ]
        desk.send(*operations, cosigners=keys)


def _epochs(desk: Desk, patient: PatientId) -> tuple[KeyEpoch, ...] | None:
    """The epochs of a patient's compartments; None if the ledger does not know the patient."""
    try:
        return tuple(map(KeyEpoch, desk.entry("patients", patient)["epochs"]))
    except Refused as error:
        if error.status == 404:
            return None
        raise


def _parts(records: Sequence[FhirRecord]) -> Iterator[Sequence[FhirRecord]]:
    """Records in portions that fit one transaction and one call."""
    assert RECORDS_TOGETHER <= POSTED_MAX
    part: list[FhirRecord] = []
    size = 0
    for record in records:
        if part and (len(part) == RECORDS_TOGETHER or size + len(record.slice.content) > CALL_BYTES_MAX):
            yield part
            part, size = [], 0
        part.append(record)
        size += len(record.slice.content)
    if part:
        yield part


def _import_part(
    desk: Desk,
    sent: _Sent,
    part: Sequence[FhirRecord],
    patients: dict[str, tuple[PatientId, tuple[KeyEpoch, ...]]],
    compartment: Compartment,
) -> list[ImportedRecord]:
    versions = []
    for record in part:
        name = record.attribution.patient
        patient, epochs = (None, ()) if name is None else patients[name]
        place = NO_COMPARTMENT if patient is None else compartment
        versions.append(
            VersionToKeep(
                record=RecordId(desk.new_id()),
                version=FIRST,
                content=record.slice.content,
                patient=patient,
                compartment=place,
                key_epoch=epochs[place] if place < len(epochs) else KeyEpoch(0),
            )
        )
    kept = desk.keep(VersionsToKeep(versions=tuple(versions))).versions
    registrations = [_registration(*each) for each in zip(part, versions, kept, strict=True)]
    sent.send(registrations)
    return [
        ImportedRecord(
            registration=registration,
            source=record.slice.source,
            path=record.slice.path,
            size=len(record.slice.content),
        )
        for record, registration in zip(part, registrations, strict=True)
    ]


def _registration(record: FhirRecord, version: VersionToKeep, kept: Kept) -> RecordRegister:
    return RecordRegister(
        record=version.record,
        patient=version.patient,
        kind=record.kind,
        compartment=version.compartment,
        content=content_of(record, version, kept),
    )


def content_of(record: FhirRecord, version: VersionToKeep, kept: Kept) -> RecordContent:
    """What the ledger says of a version that its custodian keeps."""
    return RecordContent(
        commitment=kept.version.commitment,
        ciphertext_hash=kept.version.ciphertext,
        ciphertext_bytes=kept.version.ciphertext_bytes,
        days=record.period,
        key_epoch=version.key_epoch,
        wrap_hash=kept.wrap_hash,
    )
