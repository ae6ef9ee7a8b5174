"""The JSON form says all that a value says, and errors name the member at fault."""

import json
from dataclasses import replace

import pytest

from noded.codec.errors import Malformed
from noded.codec.json_form import choice_from_json, choice_to_json, from_json, to_json
from noded.types.genesis import DEFAULT_PARAMETERS, NetworkParameters
from noded.types.ids import InstitutionId, TimestampMs
from noded.types.medical import Compartment, ConsentId, KindClass, PatientId, RequestId, WrapHash
from noded.types.operations import OPERATIONS, Operation
from noded.types.operations.consent import ConsentGrant, ConsentTerms, Mode, ToOrganization
from noded.types.operations.membership import Admit, GovPropose
from noded.types.roles import Purpose
from noded.types.sidecar import WrapSidecar

GRANT = ConsentGrant(
    consent=ConsentId(b"c" * 16),
    patient=PatientId(b"p" * 16),
    terms=ConsentTerms(
        grantee=ToOrganization(institution=InstitutionId(b"i" * 16)),
        purposes=(Purpose.TREAT, Purpose.CAREMGT),
        kinds=(KindClass.LAB,),
        compartments=(Compartment(0),),
        records=None,
        days=None,
        from_ms=TimestampMs(1),
        until_ms=TimestampMs(2),
        mode=Mode.RECEIPT,
        condition=None,
    ),
)


class TestToJson:
    def test_says_names_instead_of_numbers(self) -> None:
        data = choice_to_json(OPERATIONS, GRANT)

        assert data["type"] == "consent.grant"
        assert data["patient"] == "70" * 16
        assert data["terms"]["grantee"] == {"type": "to_organization", "institution": "69" * 16}
        assert data["terms"]["purposes"] == ["treat", "caremgt"]
        assert data["terms"]["records"] is None

    @pytest.mark.parametrize(
        "value", [GRANT, GovPropose(proposal=b"g" * 16, action=Admit(institution=InstitutionId(b"i" * 16)))]
    )
    def test_comes_back(self, value: Operation) -> None:
        text = json.dumps(choice_to_json(OPERATIONS, value))

        assert choice_from_json(OPERATIONS, json.loads(text)) == value

    def test_a_dataclass_comes_back(self) -> None:
        assert from_json(NetworkParameters, to_json(DEFAULT_PARAMETERS)) == DEFAULT_PARAMETERS

    def test_content_is_base64(self) -> None:
        sidecar = WrapSidecar(
            wrap_hash=WrapHash(bytes(32)),
            wrap=b"wrapped",
            request=RequestId(bytes(16)),
            recipient=InstitutionId(bytes(16)),
            expires_ms=TimestampMs(1),
        )

        assert to_json(sidecar)["wrap"] == "d3JhcHBlZA=="
        assert from_json(WrapSidecar, to_json(sidecar)) == sidecar
        with pytest.raises(Malformed, match="base64"):
            from_json(WrapSidecar, to_json(sidecar) | {"wrap": "%"})


class TestFromJson:
    def test_what_may_be_none_may_be_missing(self) -> None:
        data = choice_to_json(OPERATIONS, GRANT)
        del data["terms"]["days"], data["terms"]["condition"]

        assert choice_from_json(OPERATIONS, data) == GRANT

    @pytest.mark.parametrize(
        ("change", "where"),
        [
            ({"routing": "sideways"}, "NetworkParameters.routing"),
            ({"routing": 3}, "NetworkParameters.routing"),
            ({"delta_ms": "500"}, "NetworkParameters.delta_ms"),
            ({"delta_ms": True}, "NetworkParameters.delta_ms"),
            ({"delta_ms": 0}, "NetworkParameters.delta_ms"),
            ({"reputation": 1}, "NetworkParameters.reputation"),
            ({"delta": 5}, "NetworkParameters.delta"),
        ],
    )
    def test_names_the_member_at_fault(self, change: dict[str, object], where: str) -> None:
        with pytest.raises(Malformed) as raised:
            from_json(NetworkParameters, to_json(DEFAULT_PARAMETERS) | change)

        assert raised.value.where == where

    def test_names_what_is_missing(self) -> None:
        data = to_json(DEFAULT_PARAMETERS)
        del data["drift_ms"]

        with pytest.raises(Malformed, match="is missing") as raised:
            from_json(NetworkParameters, data)

        assert raised.value.where == "NetworkParameters.drift_ms"

    @pytest.mark.parametrize(
        ("path", "bad"),
        [
            ("patient", "xy"),
            ("patient", "70" * 15),
            ("terms.grantee.type", "to_nobody"),
            ("terms.purposes[1]", "fun"),
            ("terms.from_ms", 3),
        ],
    )
    def test_goes_down_into_operations(self, path: str, bad: object) -> None:
        data = choice_to_json(OPERATIONS, GRANT)
        if path == "terms.purposes[1]":
            data["terms"]["purposes"][1] = bad
        else:
            *way, last = path.split(".")
            place = data
            for name in way:
                place = place[name]
            place[last] = bad

        with pytest.raises(Malformed):
            choice_from_json(OPERATIONS, data)

    def test_only_objects_are_operations(self) -> None:
        with pytest.raises(Malformed, match="an object is expected"):
            choice_from_json(OPERATIONS, [])

    def test_limits_hold_that_json_does_not_know(self) -> None:
        changed = replace(DEFAULT_PARAMETERS, delta_ms=600_000)

        with pytest.raises(Malformed):
            from_json(NetworkParameters, to_json(changed) | {"delta_ms": 600_001})
