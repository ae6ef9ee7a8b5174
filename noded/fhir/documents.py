"""Files in, records with all that importing them needs out; one bad file does not stop the others."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from noded.fhir.classify import classify
from noded.fhir.json_cursor import JsonCursor
from noded.fhir.patients import Attribution, Entry, PatientIndex
from noded.fhir.period import find_period
from noded.fhir.slicing import (
    DOCUMENT_BYTES_MAX,
    InvalidDocument,
    Problem,
    ResourceSlice,
    slice_document,
)
from noded.types.medical import DayRange, KindClass


@dataclass(frozen=True, slots=True, kw_only=True)
class FhirRecord:
    """A record as cut from its document, and what of it decides how it is kept."""

    slice: ResourceSlice
    kind: KindClass
    attribution: Attribution
    period: DayRange | None
    """None if the resource does not say plainly when its data is from."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FhirDocument:
    """One file: every record in it, in file order, and the places that gave none."""

    source: str
    records: tuple[FhirRecord, ...]
    problems: tuple[Problem, ...]


def find_documents(paths: Iterable[Path]) -> list[Path]:
    """The files to read: each file as named, each folder's ``*.json`` in order of name, not deeper."""
    return [file for path in paths for file in (sorted(path.glob("*.json")) if path.is_dir() else [path])]


def read_document(path: Path) -> FhirDocument:
    """
    Read one file.

    Raises:
        InvalidDocument: It cannot be read, or is no FHIR document; see `slice_document`.
    """
    try:
        if path.stat().st_size > DOCUMENT_BYTES_MAX:
            reason = f"larger than {DOCUMENT_BYTES_MAX} bytes; split the Bundle into several files"
            raise InvalidDocument(source=str(path), line=1, column=1, reason=reason)
        data = path.read_bytes()
    except OSError as error:
        reason = f"cannot be read: {error.strerror}"
        raise InvalidDocument(source=str(path), line=1, column=1, reason=reason) from error
    return parse_document(str(path), data)


def parse_document(source: str, data: bytes) -> FhirDocument:
    """
    Cut a file's bytes into records and say of each its kind, patient and period.

    Raises:
        InvalidDocument: See `slice_document`.
    """
    document = slice_document(source, data)
    entries = [Entry(full_url=cut.full_url, resource=_parse(cut.content)) for cut in document.slices]
    patients = PatientIndex(entries)
    records = tuple(
        FhirRecord(
            slice=cut,
            kind=classify(entry.resource),
            attribution=patients.attribute(entry),
            period=find_period(entry.resource),
        )
        for cut, entry in zip(document.slices, entries, strict=True)
    )
    return FhirDocument(source=source, records=records, problems=document.problems)


def _parse(content: bytes) -> dict[str, object]:
    """The members of a resource, numbers as None: nothing here reads one."""
    resource = JsonCursor(content.decode()).value()
    assert isinstance(resource, dict)
    return resource
