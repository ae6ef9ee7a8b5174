"""
What of a record may be said on the ledger: a coarse kind class, nothing clinical (F5).

Metadata is health data (L33): a LOINC or ICD code on the ledger is a diagnosis on the ledger.
So only the resource's type and, for the two types that serve every department, its broad category
decide, and what is not plainly of another class is a `DOCUMENT`.
"""

from collections.abc import Iterator, Mapping

from noded.types.medical import KindClass

_BY_TYPE: dict[str, KindClass] = {
    **dict.fromkeys(("ImagingStudy", "Media"), KindClass.IMAGING),
    **dict.fromkeys(("Specimen", "SpecimenDefinition"), KindClass.LAB),
    **dict.fromkeys(("MolecularSequence",), KindClass.GENOMIC),
    **dict.fromkeys(
        (
            "Immunization",
            "ImmunizationEvaluation",
            "ImmunizationRecommendation",
            "Medication",
            "MedicationAdministration",
            "MedicationDispense",
            "MedicationKnowledge",
            "MedicationRequest",
            "MedicationStatement",
        ),
        KindClass.MEDICATION,
    ),
    **dict.fromkeys(
        (
            "Account",
            "ChargeItem",
            "Claim",
            "ClaimResponse",
            "Contract",
            "Coverage",
            "CoverageEligibilityRequest",
            "CoverageEligibilityResponse",
            "EnrollmentRequest",
            "EnrollmentResponse",
            "ExplanationOfBenefit",
            "InsurancePlan",
            "Invoice",
            "PaymentNotice",
            "PaymentReconciliation",
        ),
        KindClass.CLAIM,
    ),
}

_BY_CATEGORY: dict[str, KindClass] = {
    "laboratory": KindClass.LAB,  # observation-category
    "imaging": KindClass.IMAGING,
    **dict.fromkeys(("LAB", "CH", "HM", "MB", "BLB", "SR"), KindClass.LAB),  # v2 table 0074, for reports
    **dict.fromkeys(("RAD", "CT", "CUS", "NMR", "NMS", "OUS", "RUS", "RX", "VUS", "XRC"), KindClass.IMAGING),
    "GE": KindClass.GENOMIC,
}

_TYPES_WITH_CATEGORY = ("Observation", "DiagnosticReport")


def classify(resource: Mapping[str, object]) -> KindClass:
    """The kind class of a parsed resource; total, also for malformed ones."""
    resource_type = resource.get("resourceType")
    if not isinstance(resource_type, str):
        return KindClass.DOCUMENT
    if resource_type in _TYPES_WITH_CATEGORY:
        for code in _category_codes(resource.get("category")):
            if code in _BY_CATEGORY:
                return _BY_CATEGORY[code]
    return _BY_TYPE.get(resource_type, KindClass.DOCUMENT)


def _category_codes(category: object) -> Iterator[str]:
    """The codes of a `category`, in order; a single concept instead of a list is taken too."""
    for concept in category if isinstance(category, list) else [category]:
        codings = concept.get("coding") if isinstance(concept, dict) else None
        for coding in codings if isinstance(codings, list) else []:
            code = coding.get("code") if isinstance(coding, dict) else None
            if isinstance(code, str):
                yield code
