"""F5: kind classes stay coarse: the type and the broad category decide, never a clinical code."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from noded.fhir.classify import classify
from noded.types.medical import KindClass
from tests.helpers.written_json import JSON


def concept(*codes: str) -> dict[str, object]:
    return {"coding": [{"system": "urn:any", "code": code} for code in codes]}


@pytest.mark.parametrize(
    ("resource_type", "kind"),
    [
        ("Patient", KindClass.DOCUMENT),
        ("Encounter", KindClass.DOCUMENT),
        ("Condition", KindClass.DOCUMENT),
        ("DocumentReference", KindClass.DOCUMENT),
        ("TypeOfTheFuture", KindClass.DOCUMENT),
        ("ImagingStudy", KindClass.IMAGING),
        ("Specimen", KindClass.LAB),
        ("MedicationRequest", KindClass.MEDICATION),
        ("Immunization", KindClass.MEDICATION),
        ("Claim", KindClass.CLAIM),
        ("ExplanationOfBenefit", KindClass.CLAIM),
        ("MolecularSequence", KindClass.GENOMIC),
    ],
)
def test_the_type_decides(resource_type: str, kind: KindClass) -> None:
    assert classify({"resourceType": resource_type}) is kind


@pytest.mark.parametrize("resource_type", ["Observation", "DiagnosticReport"])
@pytest.mark.parametrize(
    ("category", "kind"),
    [
        ([concept("laboratory")], KindClass.LAB),
        ([concept("vital-signs")], KindClass.DOCUMENT),
        ([concept("survey"), concept("other", "LAB")], KindClass.LAB),
        (concept("RAD"), KindClass.IMAGING),
        ([concept("GE")], KindClass.GENOMIC),
        (None, KindClass.DOCUMENT),
    ],
)
def test_the_broad_category_decides_where_one_type_serves_all(
    resource_type: str, category: object, kind: KindClass
) -> None:
    assert classify({"resourceType": resource_type, "category": category}) is kind


def test_a_clinical_code_decides_nothing() -> None:
    """Two observations that differ in LOINC code only are one kind: the code cannot be read off the ledger."""
    hiv, height = (
        {"resourceType": "Observation", "category": [concept("vital-signs")], "code": concept(code)}
        for code in ("7917-8", "8302-2")
    )

    assert classify(hiv) is classify(height)


@given(st.dictionaries(st.sampled_from(["resourceType", "category", "code"]), JSON))
def test_is_total(resource: dict[str, object]) -> None:
    assert classify(resource) in KindClass
    assert classify(resource | {"resourceType": "Observation"}) in KindClass
