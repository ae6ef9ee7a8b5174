"""F6: whose record it is: references join exactly the people FHIR's rules join, and never two of them."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from noded.fhir.patients import KEY_BYTES_MAX, Attribution, Entry, PatientIndex
from tests.helpers.written_json import JSON

URN = "urn:uuid:0c3a1b9e-5b0f-4e0c-9d2e-0123456789ab"


def make_entry(resource_type: str = "Observation", full_url: str | None = None, **members: Any) -> Entry:
    return Entry(full_url=full_url, resource={"resourceType": resource_type, **members})


def make_patient(full_url: str | None = URN, patient_id: str = "1") -> Entry:
    return make_entry("Patient", full_url, id=patient_id)


def attribute(entry: Entry, *others: Entry) -> Attribution:
    return PatientIndex([*others, entry]).attribute(entry)


def patient_of(entry: Entry, *others: Entry) -> str | None:
    return attribute(entry, *others).patient


def to(reference: str, **members: Any) -> dict[str, object]:
    return {"reference": reference, **members}


class TestTheKeyOfAPatient:
    def test_is_the_full_url(self) -> None:
        assert patient_of(make_patient()) == URN

    def test_is_the_id_without_one(self) -> None:
        assert patient_of(make_patient(full_url=None)) == "Patient/1"

    def test_leaves_out_the_version(self) -> None:
        assert (
            patient_of(make_patient("https://a.example/Patient/1/_history/2"))
            == "https://a.example/Patient/1"
        )

    @pytest.mark.parametrize("odd", ["x" * 5000, "\ud800"])
    def test_one_that_cannot_be_kept_is_named_by_its_hash(self, odd: str) -> None:
        found = patient_of(make_patient(full_url=None, patient_id=odd))

        assert found is not None
        assert found.startswith("sha256:")
        assert len(found.encode()) <= KEY_BYTES_MAX
        assert patient_of(make_entry(subject=to(f"urn:{odd}"))) not in (None, found)


class TestReferences:
    def test_a_full_url_is_resolved_in_the_bundle(self) -> None:
        assert patient_of(make_entry(subject=to(URN)), make_patient()) == URN

    def test_the_order_of_entries_does_not_matter(self) -> None:
        observation = make_entry(subject=to(URN))

        assert PatientIndex([observation, make_patient()]).attribute(observation).patient == URN

    @pytest.mark.parametrize("reference", ["Patient/1", "Patient/1/_history/7"])
    def test_a_relative_reference_is_resolved_by_id(self, reference: str) -> None:
        assert patient_of(make_entry(subject=to(reference)), make_patient()) == URN
        assert patient_of(make_entry(subject=to(reference))) == "Patient/1"

    def test_a_relative_reference_is_of_the_server_its_entry_is_of(self) -> None:
        observation = make_entry(full_url="https://b.example/fhir/Observation/5", subject=to("Patient/1"))
        of_another_server = make_patient("https://a.example/fhir/Patient/1")

        assert patient_of(observation, of_another_server) == "https://b.example/fhir/Patient/1"

    def test_an_id_that_two_servers_gave_joins_neither(self) -> None:
        patients = [make_patient("https://a.example/Patient/1"), make_patient("https://b.example/Patient/1")]

        assert patient_of(make_entry(subject=to("Patient/1")), *patients) == "Patient/1"

    def test_absolute_references_stay_apart_by_server(self) -> None:
        keys = {patient_of(make_entry(subject=to(f"https://{host}.example/Patient/1"))) for host in "ab"}

        assert keys == {"https://a.example/Patient/1", "https://b.example/Patient/1"}

    def test_a_subject_outside_the_bundle_is_taken_for_a_patient(self) -> None:
        assert patient_of(make_entry(subject=to(URN))) == URN

    @pytest.mark.parametrize("other", ["Group", "Device", "Location"])
    def test_a_subject_that_is_no_patient_is_none(self, other: str) -> None:
        assert patient_of(make_entry(subject=to(URN)), make_entry(other, URN)) is None
        assert patient_of(make_entry(subject=to(f"{other}/1"))) is None
        assert patient_of(make_entry(subject=to(URN, type=other))) is None

    def test_an_identifier_names_a_patient_when_its_type_is_said(self) -> None:
        identifier = {"system": "urn:mrn", "value": "77"}

        assert patient_of(make_entry(subject={"type": "Patient", "identifier": identifier})) == (
            "Patient?identifier=urn:mrn|77"
        )
        assert patient_of(make_entry(subject={"identifier": identifier})) is None

    def test_a_conditional_reference_names_the_same_patient(self) -> None:
        assert (
            patient_of(make_entry(subject=to("Patient?identifier=urn:mrn|77")))
            == "Patient?identifier=urn:mrn|77"
        )

    def test_a_contained_patient_is_joined_with_nothing(self) -> None:
        contained = [{"resourceType": "Patient", "id": "p"}, {"resourceType": "Device", "id": "d"}]

        assert patient_of(make_entry(id="9", contained=contained, subject=to("#p"))) == "Observation/9#p"
        assert attribute(make_entry("Basic", contained=contained[1:], subject=to("#d"))).mentioned == ()


class TestFields:
    @pytest.mark.parametrize(
        ("resource_type", "field"),
        [
            ("Claim", "patient"),
            ("Coverage", "beneficiary"),
            ("Task", "for"),
            ("ResearchSubject", "individual"),
        ],
    )
    def test_each_type_has_its_own(self, resource_type: str, field: str) -> None:
        members: dict[str, Any] = {field: to("Patient/1")}
        assert patient_of(make_entry(resource_type, **members)) == "Patient/1"

    @pytest.mark.parametrize(
        "members",
        [
            {"participant": [{"actor": to("Practitioner/1")}, {"actor": to("Patient/1")}]},
            {"agent": [{"who": to("Patient/1")}]},
            {"entry": [{"resource": {"resourceType": "Patient", "id": "1"}}]},
            {"link": [{"target": to("Patient/1")}, {"target": to("Patient/1")}]},
        ],
    )
    def test_without_one_a_single_patient_anywhere_is_taken(self, members: dict[str, Any]) -> None:
        assert patient_of(make_entry("Basic", **members)) == "Patient/1"

    def test_the_subject_comes_before_others_who_are_mentioned(self) -> None:
        entry = make_entry(subject=to("Patient/1"), performer=[to("Patient/2")])

        assert attribute(entry) == Attribution(patient="Patient/1", mentioned=("Patient/1",))

    def test_a_record_of_several_patients_is_no_single_ones(self) -> None:
        members = [{"entity": to("Patient/1")}, {"entity": to("Patient/2")}]

        assert attribute(make_entry("Group", member=members)) == Attribution(
            patient=None, mentioned=("Patient/1", "Patient/2")
        )

    @pytest.mark.parametrize("resource_type", ["Organization", "Practitioner", "NamingSystem"])
    def test_a_record_of_no_patient_is_the_institutions_own(self, resource_type: str) -> None:
        entry = make_entry(resource_type, partOf=to("Organization/2"))

        assert attribute(entry) == Attribution(patient=None, mentioned=())


@given(
    st.lists(
        st.dictionaries(st.sampled_from(["resourceType", "id", "subject", "contained"]), JSON), max_size=3
    )
)
def test_is_total(resources: list[dict[str, object]]) -> None:
    entries = [Entry(full_url=None, resource=resource) for resource in resources]
    index = PatientIndex(entries)

    for entry in entries:
        found = index.attribute(entry)
        assert (found.patient is not None) == (len(found.mentioned) == 1)
