"""A new version of a record: encrypted and kept beside the one that it replaces, which stays on the ledger (L35)."""

from pathlib import Path

from noded.api.backend import VersionsToKeep, VersionToKeep
from noded.errors import NodedError
from noded.fhir.documents import read_document
from noded.ops.desk import Desk
from noded.ops.importing import content_of
from noded.types.medical import Compartment, KeyEpoch, PatientId, RecordId, Version
from noded.types.operations.records import AmendReason, RecordAmend


class NotAmendable(NodedError):
    """A record cannot have a new version, or not from this file; nothing was kept."""

    def __init__(self, *, record: RecordId, why: str) -> None:
        super().__init__(f"record {record.hex()}: {why}")
        self.record = record


def amend(desk: Desk, record: RecordId, path: Path, reason: AmendReason) -> Version:
    """
    Replace the current version of a record of this institution's by the one resource in a file.

    Done again with the same file after a crash it finishes what is left.

    Raises:
        InvalidDocument: The file is no FHIR document.
        NotAmendable: It has not one record, or the record is another institution's, withdrawn or erased.
        Rejected, NotFinal: The version is not on the ledger, such as where another one came first.
        NodeUnreachable, Refused: The node does not go along.
    """
    document = read_document(path)
    if len(document.records) != 1 or document.problems:
        raise NotAmendable(
            record=record, why=f"{path} has {len(document.records)} records, and must have one"
        )
    entry = desk.entry("records", record)
    if entry["custodian"] != desk.me.hex():
        raise NotAmendable(record=record, why=f"institution {entry['custodian']} keeps it")
    if entry["status"] != "active":
        raise NotAmendable(record=record, why=f"it is {entry['status']}; register another one")
    patient = None if entry["patient"] is None else PatientId(bytes.fromhex(entry["patient"]))
    compartment = Compartment(entry["compartment"])
    epochs = [] if patient is None else desk.entry("patients", patient)["epochs"]
    (given,) = document.records
    new = VersionToKeep(
        record=record,
        version=Version(entry["version"] + 1),
        content=given.slice.content,
        patient=patient,
        compartment=compartment,
        key_epoch=KeyEpoch(epochs[compartment] if compartment < len(epochs) else 0),
    )
    (kept,) = desk.keep(VersionsToKeep(versions=(new,))).versions
    content = content_of(given, new, kept)
    replaces = Version(entry["version"])
    desk.send(RecordAmend(record=record, replaces=replaces, reason=reason, content=content))
    return new.version
