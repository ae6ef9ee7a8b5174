"""Files and folders in; records with kind, patient and period out."""

from collections import Counter
from pathlib import Path

import pytest

from noded.fhir.documents import find_documents, parse_document, read_document
from noded.fhir.slicing import InvalidDocument
from noded.types.medical import KindClass
from tests.helpers.shared_data import shared_path

BUNDLE = b"""{"resourceType": "Bundle", "entry": [
  {"fullUrl": "urn:uuid:p", "resource": {"resourceType": "Patient", "id": "p"}},
  {"resource": {"resourceType": "Claim", "patient": {"reference": "urn:uuid:p"}, "created": "2024-05-06", "n": 1.00}},
  {"resource": 5},
  {"resource": {"resourceType": "Organization"}}
]}"""


def test_each_record_has_what_importing_it_needs() -> None:
    document = parse_document("b.json", BUNDLE)

    assert [(record.kind, record.attribution.patient) for record in document.records] == [
        (KindClass.DOCUMENT, "urn:uuid:p"),
        (KindClass.CLAIM, "urn:uuid:p"),
        (KindClass.DOCUMENT, None),
    ]
    assert [record.period is None for record in document.records] == [True, False, True]
    assert [problem.path for problem in document.problems] == ["Bundle.entry[2]"]


def test_a_folder_is_its_json_files_by_name(tmp_path: Path) -> None:
    for name in ("b.json", "a.json", "notes.txt"):
        (tmp_path / name).touch()
    (tmp_path / "deeper").mkdir()
    (tmp_path / "deeper" / "c.json").touch()
    named = tmp_path / "notes.txt"

    assert find_documents([tmp_path, named]) == [tmp_path / "a.json", tmp_path / "b.json", named]


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(
        InvalidDocument, match=r"absent\.json: line 1, column 1: cannot be read: No such file"
    ):
        read_document(tmp_path / "absent.json")


def test_a_huge_file_is_refused_before_it_is_read(tmp_path: Path) -> None:
    with (tmp_path / "huge.json").open("wb") as file:
        file.truncate(300 * 1024 * 1024)

    with pytest.raises(InvalidDocument, match="larger than"):
        read_document(tmp_path / "huge.json")


def test_synthea_belongs_to_its_eleven_patients_and_the_institution() -> None:
    folder = shared_path("synthea-r4")
    documents = [read_document(path) for path in find_documents([folder])]
    patients = Counter(record.attribution.patient for document in documents for record in document.records)

    assert sum(patients.values()) == 1722
    assert patients[None] == 238, "119 organisations and 119 practitioners belong to no patient"
    assert len(patients) == 12
