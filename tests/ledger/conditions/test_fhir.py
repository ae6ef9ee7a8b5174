"""FHIR Consent: nested provisions, periods, and what the ledger cannot tell apart."""

import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from noded.ledger.conditions.evaluate import AccessFacts, evaluate
from noded.ledger.conditions.fhir import CompiledConsent, Names, Rule, UnclearConsent, compile_consent
from noded.ledger.conditions.fhir_time import read_day_range, read_time_span
from noded.ledger.conditions.syntax import ConditionOutOfLimits, ConditionTooLarge
from noded.types.conditions import EVERYBODY, NOBODY
from noded.types.ids import TimestampMs
from noded.types.medical import Compartment, Day, DayRange
from noded.types.roles import Purpose
from tests.helpers.shared_data import shared_path
from tests.ledger.conditions.test_evaluate import CLINIC, FACTS, HOSPITAL

NAMES = Names(
    organizations={"Organization/clinic": CLINIC, "Organization/f001": HOSPITAL},
    labels={"PSY": Compartment(7)},
)
TREAT = replace(FACTS, purpose=Purpose.TREAT)


def concept(*codes: str) -> dict[str, Any]:
    return {"coding": [{"code": code} for code in codes]}


def coding(code: str) -> dict[str, Any]:
    return {"code": code}


def actor(role: str, reference: str) -> dict[str, Any]:
    return {"role": concept(role), "reference": {"reference": reference}}


def consent(provision: Any = None, policy: str | None = "OPTIN", **changes: Any) -> dict[str, Any]:
    resource = {"resourceType": "Consent", "status": "active", "scope": concept("patient-privacy"), **changes}
    if policy is not None:
        resource["policyRule"] = concept(policy)
    if provision is not None:
        resource["provision"] = provision
    return resource


def compiled(provision: Any = None, policy: str | None = "OPTIN", **changes: Any) -> CompiledConsent:
    return compile_consent(consent(provision, policy, **changes), NAMES)


def permits(result: CompiledConsent, facts: AccessFacts = TREAT) -> bool:
    return evaluate(result.condition, facts).permits


class TestPolicy:
    def test_opt_in_without_provision(self) -> None:
        assert compiled().condition == EVERYBODY

    def test_opt_out_without_provision(self) -> None:
        assert compiled(policy="OPTOUT").condition == NOBODY

    @pytest.mark.parametrize(
        ("resource", "path"),
        [
            (consent(resourceType="Contract"), "resourceType"),
            (consent(status="rejected"), "status"),
            (consent(scope=concept("adr")), "scope"),
            (consent(modifierExtension=[{}]), "modifierExtension"),
            (consent(policy=None), "policyRule"),
            (consent({"purpose": []}), "provision.type"),
            (consent({"type": "permit", "modifierExtension": []}), "provision.modifierExtension"),
            (consent({"type": "permit", "provision": [{}]}), "provision.provision[0].type"),
            (consent({"type": "permit", "provision": "x"}), "provision.provision"),
            (consent([], policy="OPTIN"), "provision.type"),
            (consent([], policy="OPTOUT"), "provision"),
        ],
    )
    def test_unclear(self, resource: dict[str, Any], path: str) -> None:
        with pytest.raises(UnclearConsent) as raised:
            compile_consent(resource, NAMES)

        assert raised.value.path == path

    def test_patient_can_say_what_the_root_means(self) -> None:
        resource = consent({"purpose": [coding("TREAT")]})

        assert permits(compile_consent(resource, NAMES, root="permit"))
        assert not permits(compile_consent(resource, NAMES, root="deny"))


class TestProvisions:
    """A child is an exception to its parent."""

    def test_permit_is_the_scope(self) -> None:
        result = compiled({"type": "permit", "purpose": [coding("TREAT")]})

        assert permits(result)
        assert not permits(result, replace(TREAT, purpose=Purpose.HPAYMT))

    def test_deny_is_an_exception_to_opting_in(self) -> None:
        result = compiled({"type": "deny", "purpose": [coding("HPAYMT")]})

        assert permits(result)
        assert not permits(result, replace(TREAT, purpose=Purpose.HPAYMT))

    def test_untyped_root_is_an_exception_to_opting_out(self) -> None:
        result = compiled({"purpose": [coding("ETREAT")]}, policy="OPTOUT")

        assert permits(result, FACTS)
        assert not permits(result, TREAT)

    def test_three_levels(self) -> None:
        """Treatment, but not at the clinic, but there in an emergency."""
        result = compiled(
            {
                "type": "permit",
                "purpose": [coding("TREAT")],
                "provision": [
                    {
                        "type": "deny",
                        "actor": [actor("PRCP", "Organization/clinic")],
                        "provision": [{"type": "permit", "purpose": [coding("ETREAT")]}],
                    }
                ],
            }
        )

        assert not permits(result)
        assert permits(result, replace(TREAT, purpose=Purpose.ETREAT))
        assert permits(result, replace(TREAT, institution=HOSPITAL))
        assert not permits(result, replace(TREAT, institution=HOSPITAL, purpose=Purpose.HPAYMT))

    def test_opt_out_with_deny_permits_only_nested_permissions(self) -> None:
        result = compiled(
            {"type": "deny", "provision": [{"type": "permit", "purpose": [coding("ETREAT")]}]},
            policy="OPTOUT",
        )

        assert permits(result, FACTS)
        assert not permits(result, TREAT)

    def test_permissions_within_a_permission_narrow_it(self) -> None:
        result = compiled(
            {"type": "permit", "provision": [{"type": "permit", "purpose": [coding("ETREAT")]}]}
        )

        assert permits(result, FACTS)
        assert not permits(result, TREAT)
        assert result.notes

    def test_too_deep(self) -> None:
        provision: dict[str, Any] = {"type": "permit"}
        for _ in range(1000):
            provision = {"type": "permit", "provision": [provision]}
        with pytest.raises(UnclearConsent):
            compiled(provision)

    def test_too_many(self) -> None:
        children = [{"type": "deny", "purpose": [coding("HPAYMT")], "period": {"start": "2020"}}] * 40
        with pytest.raises((ConditionTooLarge, ConditionOutOfLimits)):
            compiled({"type": "permit", "provision": children})


class TestElements:
    @pytest.mark.parametrize(
        ("element", "met", "unmet"),
        [
            (
                {"period": {"start": "1970-01-01", "end": "1970-01-01"}},
                {"time_ms": 86_399_999},
                {"time_ms": 86_400_000},
            ),
            ({"period": {"start": "1970-01-02"}}, {"time_ms": 86_400_000}, {"time_ms": 86_399_999}),
            ({"actor": [actor("PRCP", "Organization/clinic")]}, {}, {"institution": HOSPITAL}),
            ({"actor": [actor("CST", "Organization/f001")]}, {}, {"custodian": CLINIC}),
            ({"purpose": [coding("HPAYMT"), coding("TREAT")]}, {}, {"purpose": Purpose.HRESCH}),
            ({"securityLabel": [coding("PSY")]}, {"compartment": 7}, {"compartment": 0}),
            ({"dataPeriod": {"start": "1970-01-11", "end": "1970-01-12"}}, {}, {"days": None}),
            ({"action": [concept("access")]}, {}, None),
            ({"action": [concept("correct")]}, None, {}),
        ],
    )
    def test_element(
        self, element: dict[str, Any], met: dict[str, Any] | None, unmet: dict[str, Any] | None
    ) -> None:
        permit, deny = compiled({"type": "permit", **element}), compiled({"type": "deny", **element})

        assert permit.notes == deny.notes == ()
        if met is not None:
            assert permits(permit, replace(TREAT, **met))
            assert not permits(deny, replace(TREAT, **met))
        if unmet is not None:
            assert not permits(permit, replace(TREAT, **unmet))
            if unmet != {"days": None}:  # Data of unknown date may be from the days in question.
                assert permits(deny, replace(TREAT, **unmet))

    def test_data_partly_from_denied_days_is_denied(self) -> None:
        result = compiled({"type": "deny", "dataPeriod": {"start": "1970-01-12", "end": "1970-01-20"}})

        assert not permits(result)  # Its days are the 11th and 12th.
        assert permits(result, replace(TREAT, days=DayRange(first=Day(9), end=Day(11))))
        assert permits(result, replace(TREAT, days=DayRange(first=Day(20), end=Day(21))))

    def test_named_reader_and_named_custodian_must_both_match_to_permit(self) -> None:
        both = {"actor": [actor("PRCP", "Organization/clinic"), actor("CST", "Organization/f001")]}

        assert permits(compiled({"type": "permit", **both}))
        assert not permits(compiled({"type": "permit", **both}), replace(TREAT, custodian=CLINIC))
        assert not permits(compiled({"type": "deny", **both}), replace(TREAT, custodian=CLINIC))

    @pytest.mark.parametrize(
        "element",
        [
            {"code": [concept("34133-9")]},
            {"class": [coding("application/hl7-cda+xml")]},
            {"data": [{"meaning": "instance", "reference": {"reference": "Observation/1"}}]},
            {"actor": [actor("PRCP", "Practitioner/13")]},
            {"actor": [actor("WIT", "Organization/clinic")]},
            {"actor": [{}]},
            {"purpose": [coding("NOSUCH")]},
            {"purpose": [{}]},
            {"securityLabel": [coding("R")]},
            {"action": [concept("dance")]},
            {"period": {"start": "yesterday"}},
            {"period": {"start": "2020", "end": "2019"}},
            {"dataPeriod": "2020"},
        ],
    )
    def test_what_the_ledger_cannot_tell_is_read_against_the_reader(self, element: dict[str, Any]) -> None:
        permit, deny = compiled({"type": "permit", **element}), compiled({"type": "deny", **element})

        assert not permits(permit)
        assert not permits(deny)
        assert permit.notes
        assert deny.notes

    def test_a_narrower_purpose_than_the_ledger_knows(self) -> None:
        facts = replace(TREAT, purpose=Purpose.ETREAT)

        assert not permits(compiled({"type": "permit", "purpose": [coding("BTG")]}), facts)
        assert not permits(compiled({"type": "deny", "purpose": [coding("BTG")]}), facts)


class TestTime:
    @pytest.mark.parametrize(
        ("period", "span"),
        [
            ({"start": "1970"}, (0, None)),
            ({"end": "1970"}, (None, 365 * 86_400_000)),
            ({"start": "2000-02", "end": "2000-02"}, (949_363_200_000, 951_868_800_000)),
            ({"start": "2024-02-29T23:59:59.999Z"}, (1_709_251_199_999, None)),
            ({"start": "1970-01-01T01:00:00+01:00"}, (0, None)),
            ({"start": "1969-12-31T19:00:00-05:00"}, (0, None)),
            ({"end": "1960"}, (None, 0)),
            ({"start": "1960", "end": "1961"}, (0, 0)),
        ],
    )
    def test_spans(self, period: dict[str, str], span: tuple[int | None, int | None]) -> None:
        assert read_time_span(period) == span

    @pytest.mark.parametrize(
        "text",
        ["", "2023-02-29", "2020-13", "0000", "2020-01-01T25:00:00Z", "2020-01-01T10:00:00", "٢٠٢٠", 2020],
    )
    def test_illegible(self, text: Any) -> None:
        assert read_time_span({"start": text}) is None
        assert read_day_range({"start": text}) is None

    def test_days(self) -> None:
        assert read_day_range({"start": "1970-01-02", "end": "1970-01-02"}) == DayRange(
            first=Day(1), end=Day(2)
        )
        assert read_day_range({}) is None


EXAMPLES = ("Emergency", "basic", "notAuthor", "notThem", "notTime", "signature")


def example(name: str) -> dict[str, Any]:
    resource: dict[str, Any] = json.loads(
        shared_path(f"fhir-r4-examples/Consent-consent-example-{name}.json").read_text()
    )
    return resource


class TestPublishedExamples:
    @pytest.mark.parametrize("name", EXAMPLES[1:])
    def test_untyped_root_under_opt_in_is_refused(self, name: str) -> None:
        """The same structure means "only then" in one example and "not then" in another."""
        with pytest.raises(UnclearConsent) as raised:
            compile_consent(example(name), NAMES)

        assert raised.value.path == "provision.type"

    def test_emergency(self) -> None:
        """Opted out; treatment in an emergency by f001's records, except f001's records: nobody."""
        result = compile_consent(example("Emergency"), NAMES)

        assert not permits(result, FACTS)
        assert not permits(result, replace(FACTS, custodian=CLINIC))

    @pytest.mark.parametrize(
        ("name", "root", "change", "permitted"),
        [
            ("basic", "permit", {"time_ms": TimestampMs(1_400_000_000_000)}, True),
            ("basic", "permit", {"time_ms": TimestampMs(1_500_000_000_000)}, False),
            ("notAuthor", "deny", {"custodian": HOSPITAL}, False),
            ("notAuthor", "deny", {"custodian": CLINIC}, True),
            ("notTime", "deny", {"time_ms": TimestampMs(1_421_000_000_000)}, False),
            ("notTime", "deny", {"time_ms": TimestampMs(1_430_000_000_000)}, True),
            ("notThem", "deny", {}, False),
            ("signature", "permit", {}, False),
        ],
    )
    def test_as_the_patient_meant_it(
        self, name: str, root: Rule, change: dict[str, Any], permitted: bool
    ) -> None:
        result = compile_consent(example(name), NAMES, root=root)

        assert permits(result, replace(TREAT, **change)) is permitted

    def test_the_nurse_is_unknown_to_the_ledger(self) -> None:
        result = compile_consent(example("notThem"), NAMES, root="deny")

        assert result.notes == ("provision.actor[0]: prohibits whatever it says",)


ELEMENTS = st.fixed_dictionaries(
    {},
    optional={
        "type": st.sampled_from(["permit", "deny", "other", 1]),
        "purpose": st.lists(st.sampled_from([coding("TREAT"), coding("X"), {"code": 1}, 3]), max_size=2),
        "actor": st.lists(
            st.sampled_from([actor("PRCP", "Organization/clinic"), {"role": []}, {}]), max_size=2
        ),
        "period": st.sampled_from([{"start": "2020"}, {"end": []}, 5, None]),
        "dataPeriod": st.sampled_from([{"start": "2020"}, {"end": "0001"}, [], None]),
        "code": st.sampled_from([[], [concept("1")], None]),
        "action": st.sampled_from([[], [concept("access")], [{"coding": [1]}], "x"]),
    },
)
PROVISIONS = st.recursive(
    ELEMENTS,
    lambda inner: st.tuples(ELEMENTS, st.lists(inner, max_size=2)).map(
        lambda both: {**both[0], "provision": both[1]}
    ),
    max_leaves=6,
)


@given(PROVISIONS, st.sampled_from(["OPTIN", "OPTOUT", None]), st.sampled_from(["permit", "deny", None]))
def test_any_provision_compiles_or_is_refused(provision: Any, policy: str | None, root: Rule | None) -> None:
    try:
        result = compile_consent(consent(provision, policy), NAMES, root=root)
    except (UnclearConsent, ConditionTooLarge, ConditionOutOfLimits):
        return
    evaluate(result.condition, TREAT)
