"""F4: findings are warnings: they name the member and the rule, never a value, and never lose a record."""

import subprocess
import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from noded.fhir.validation import FINDINGS_MAX, Finding, validate
from tests.helpers.written_json import written_resources

OBSERVATION = '{"resourceType":"Observation","status":"final","code":{"text":"x"}'


def test_a_valid_resource_has_no_findings() -> None:
    assert validate(f'{OBSERVATION},"valueQuantity":{{"value":1.00}}}}'.encode()) == ()


@pytest.mark.parametrize(
    "number", ["-1.000000000000000000E+245", "0.1e1", "1E+9999", "1E+99999999999999999999", "7" * 4400]
)
def test_any_number_of_json_is_read(number: str) -> None:
    findings = validate(f'{OBSERVATION},"valueQuantity":{{"value":{number}}}}}'.encode())

    assert [finding.path for finding in findings] in ([], ["Observation.valueQuantity.value"])


@pytest.mark.parametrize(
    ("content", "finding"),
    [
        (
            OBSERVATION + ',"colour":"secret"}',
            Finding(path="Observation.colour", reason="Extra inputs are not permitted"),
        ),
        (
            '{"resourceType":"Observation","status":"final","code":{"coding":[{"code":"a"},{"code":5}]}}',
            Finding(path="Observation.code.coding[1].code", reason="Input should be a valid string"),
        ),
        ('{"id":"secret"}', Finding(path="resourceType", reason="missing, so nothing else can be checked")),
        (
            OBSERVATION + ',"status":"secret"}',
            Finding(path="Observation.status", reason="stands twice in one object; readers may differ"),
        ),
    ],
)
def test_a_finding_names_the_member_and_the_rule(content: str, finding: Finding) -> None:
    assert validate(content.encode()) == (finding,)


@pytest.mark.parametrize(
    "content",
    ['{"resourceType":"Secret"}', '{"resourceType":"Patient","contained":[{"resourceType":"Secret"}]}'],
)
def test_an_unknown_type_is_a_finding_too(content: str) -> None:
    (finding,) = validate(content.encode())

    assert "unknown resource type" in finding.reason
    assert "Secret" not in finding.reason


@pytest.mark.parametrize("value", ['"secret"', '["secret"]', '{"secret":1}'])
def test_no_finding_quotes_a_value(value: str) -> None:
    members = ",".join(
        f'"{name}":{value}' for name in ("id", "birthDate", "gender", "name", "active", "telecom")
    )

    findings = validate(f'{{"resourceType":"Patient",{members}}}'.encode())

    assert len(findings) >= 4
    assert not any("secret" in finding.reason for finding in findings)


def test_the_number_of_findings_is_bounded() -> None:
    members = ",".join(f'"x{number}":0' for number in range(100))

    assert len(validate(f"{OBSERVATION},{members}}}".encode())) == FINDINGS_MAX


@settings(max_examples=50)
@given(written_resources(), st.sampled_from(["Basic", "Observation", "Bundle", "Secret"]))
def test_any_json_object_is_checked(text: str, resource_type: str) -> None:
    for finding in validate(text.replace('"Basic"', f'"{resource_type}"').encode()):
        assert len(str(finding)) < 600


def test_the_validator_is_loaded_only_when_used() -> None:
    """The daemon may import all of noded.fhir without the half second and the 250 modules."""
    program = (
        "import sys, noded.fhir.documents, noded.fhir.validation; print('fhir.resources' in sys.modules)"
    )

    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60
    )

    assert done.stdout.strip() == "False"
