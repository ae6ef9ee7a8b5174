"""The sample records are what their README says: valid, odd in bytes, and with a canary in each."""

import json
from collections import Counter
from importlib.resources import files
from pathlib import Path

import pytest

from noded.fhir.documents import FhirDocument, find_documents, parse_document
from noded.fhir.slicing import ProblemKind
from noded.fhir.validation import validate
from noded.types.medical import KindClass

SAMPLES = Path(str(files("noded.demo") / "samples"))
PATHS = find_documents([SAMPLES])


def read(stem: str) -> FhirDocument:
    return parse_document(stem, (SAMPLES / f"{stem}.json").read_bytes())


@pytest.mark.parametrize("path", PATHS, ids=lambda path: path.stem)
class TestEverySample:
    def test_is_valid(self, path: Path) -> None:
        for record in read(path.stem).records:
            assert validate(record.slice.content) == (), record.slice.path

    def test_has_its_canary_in_every_record(self, path: Path) -> None:
        for record in read(path.stem).records:
            assert f"noded-sample-canary-{path.stem}".encode() in record.slice.content

    def test_would_be_changed_by_re_serialising(self, path: Path) -> None:
        data = path.read_bytes()

        assert json.dumps(json.loads(data)).encode() != data.strip()


def test_the_readme_lists_every_file() -> None:
    table = (SAMPLES / "README.md").read_text()

    assert [path.name for path in PATHS if f"| {path.name} |" not in table] == []


def test_there_are_three_patients_and_records_of_nobody() -> None:
    patients = Counter(record.attribution.patient for path in PATHS for record in read(path.stem).records)

    assert patients == {
        "urn:uuid:5a3d9c1e-0000-4000-8000-000000000001": 19,
        "https://north.example/fhir/Patient/li-1": 18,
        "Patient/om-1": 22,
        None: 4,
    }


def test_every_kind_class_occurs() -> None:
    kinds = {record.kind for path in PATHS for record in read(path.stem).records}

    assert kinds == set(KindClass)


def test_a_repeat_and_a_deletion_are_among_them() -> None:
    contents = Counter(record.slice.content for record in read("zoe-muster").records)

    assert sorted(contents.values())[-2:] == [1, 2]
    assert [problem.kind for problem in read("oscar-muestra").problems] == [ProblemKind.NO_RESOURCE]


def test_the_decimals_are_kept() -> None:
    (record,) = read("observation-decimals").records

    for number in (b"1.00", b"0.1e1", b"-1.000000000000000000E+245", b"-0\n"):
        assert b'"value": ' + number in record.slice.content
