"""`noded condition`: from what others write to what `consent grant --condition` takes, without a node."""

import json
from pathlib import Path

from noded.codec.json_form import choice_from_json
from noded.ledger.conditions.duo import DuoTerm, compile_duo
from noded.types.conditions import CONDITIONS, All, CompartmentIn, Not, OrganizationIn, PurposeIn
from noded.types.ids import InstitutionId, TimestampMs
from noded.types.medical import Compartment, Tag
from noded.types.roles import Purpose
from tests.helpers.command import Captured, complaint, said, told

CLINIC = "0a" * 16
CONSENT = {
    "resourceType": "Consent",
    "status": "active",
    "scope": {"coding": [{"code": "patient-privacy"}]},
    "policyRule": {"coding": [{"code": "OPTOUT"}]},
    "provision": {
        "type": "permit",
        "purpose": [{"code": "TREAT"}],
        "actor": [
            {"role": {"coding": [{"code": "PRCP"}]}, "reference": {"reference": "Organization/clinic"}}
        ],
        "provision": [{"type": "deny", "securityLabel": [{"code": "PSY"}]}],
    },
}


def written(folder: Path, consent: object) -> Path:
    path = folder / "consent.json"
    path.write_text(json.dumps(consent))
    return path


class TestFhir:
    def test_says_what_the_document_permits(self, tmp_path: Path, capsys: Captured) -> None:
        path = written(tmp_path, CONSENT)

        done = told(
            capsys,
            "condition",
            "fhir",
            path,
            "--organization",
            f"Organization/clinic={CLINIC}",
            "--label",
            "PSY=7",
        )

        condition = choice_from_json(CONDITIONS, done["condition"])
        assert isinstance(condition, All)
        assert set(condition.of) == {
            OrganizationIn(institutions=(InstitutionId(bytes.fromhex(CLINIC)),)),
            PurposeIn(purposes=(Purpose.TREAT,)),
            Not(of=CompartmentIn(compartments=(Compartment(7),))),
        }
        assert done["notes"] == []

    def test_what_is_unknown_is_read_against_the_reader_and_noted(
        self, tmp_path: Path, capsys: Captured
    ) -> None:
        done = told(capsys, "condition", "fhir", written(tmp_path, CONSENT))

        assert sorted(note.split(":")[0] for note in done["notes"]) == [
            "provision.actor[0]",
            "provision.provision[0].securityLabel[0]",
        ]

    def test_the_table_form_is_a_file_for_grant(self, tmp_path: Path, capsys: Captured) -> None:
        text = said(capsys, "condition", "fhir", written(tmp_path, CONSENT))

        choice_from_json(CONDITIONS, json.loads(text))

    def test_what_the_document_leaves_open_is_asked_for(self, tmp_path: Path, capsys: Captured) -> None:
        path = written(
            tmp_path,
            CONSENT
            | {
                "policyRule": {"coding": [{"code": "OPTIN"}]},
                "provision": {"purpose": [{"code": "TREAT"}]},
            },
        )

        assert "state permit or deny" in complaint(capsys, "condition", "fhir", path, code=1)
        told(capsys, "condition", "fhir", path, "--root", "deny")

    def test_a_broken_document_or_name_is_named(self, tmp_path: Path, capsys: Captured) -> None:
        path = tmp_path / "broken.json"
        path.write_text("[" * 10_000)
        assert "broken.json" in complaint(capsys, "condition", "fhir", path, code=2)
        path.write_text("[]")
        assert "no FHIR resource" in complaint(capsys, "condition", "fhir", path, code=2)
        path = written(tmp_path, CONSENT)
        assert "0 to 15" in complaint(capsys, "condition", "fhir", path, "--label", "PSY=16", code=2)


class TestDuo:
    def test_codes_and_their_arguments(self, capsys: Captured) -> None:
        done = told(
            capsys, "condition", "duo", "GRU", "DUO:0000046", "GS=DE,FR", "TS=2027-12-31", f"PS={'0b' * 16}"
        )

        assert choice_from_json(CONDITIONS, done["condition"]) == compile_duo(
            [
                DuoTerm(code="DUO:0000042"),
                DuoTerm(code="DUO:0000046"),
                DuoTerm(code="DUO:0000022", jurisdictions=("DE", "FR")),
                DuoTerm(code="DUO:0000025", until_ms=TimestampMs(1_830_211_200_000)),
                DuoTerm(code="DUO:0000027", tags=(Tag(b"\x0b" * 16),)),
            ]
        )

    def test_what_says_no_terms_is_refused_by_name(self, capsys: Captured) -> None:
        assert "GS needs its argument" in complaint(capsys, "condition", "duo", "GRU", "GS", code=1)
        assert "XYZ" in complaint(capsys, "condition", "duo", "XYZ", code=1)
        assert "takes no argument" in complaint(capsys, "condition", "duo", "GRU=DE", code=2)
        assert "2027-12-31" in complaint(capsys, "condition", "duo", "GRU", "TS=tomorrow", code=2)
