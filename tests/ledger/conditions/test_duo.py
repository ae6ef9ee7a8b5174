"""Data Use Ontology: what a dataset's terms ask of a request."""

import csv
from dataclasses import replace
from typing import Any

import pytest

from noded.ledger.conditions.duo import CODES, DuoTerm, UnusableDuo, compile_duo
from noded.ledger.conditions.evaluate import AccessFacts, evaluate
from noded.types.ids import InstitutionId, PublicKey, TimestampMs
from noded.types.medical import Tag, Use
from noded.types.roles import Purpose
from tests.helpers.shared_data import shared_path
from tests.ledger.conditions.test_evaluate import FACTS

RESEARCH = replace(FACTS, purpose=Purpose.HRESCH, uses=(), tags=())
DISEASE, PROJECT = Tag(b"disease".ljust(16)), Tag(b"project".ljust(16))
BY_SHORTHAND = {code.shorthand: id for id, code in CODES.items()}


def duo(shorthand: str, **arguments: Any) -> DuoTerm:
    return DuoTerm(code=BY_SHORTHAND[shorthand], **arguments)


def permits(facts: AccessFacts, *terms: DuoTerm) -> bool:
    return evaluate(compile_duo(terms), facts).permits


class TestPermissions:
    @pytest.mark.parametrize(
        ("term", "uses", "permitted"),
        [
            (duo("GRU"), (Use.ANCESTRY_STUDY,), True),
            (duo("HMB"), (), True),
            (duo("HMB"), (Use.ANCESTRY_STUDY,), False),
            (duo("POA"), (), False),
            (duo("POA"), (Use.ANCESTRY_STUDY,), True),
            (duo("NRES"), (), True),
        ],
    )
    def test_research(self, term: DuoTerm, uses: tuple[Use, ...], permitted: bool) -> None:
        assert permits(replace(RESEARCH, uses=uses), term) is permitted

    @pytest.mark.parametrize("shorthand", ["GRU", "HMB", "POA"])
    def test_only_research(self, shorthand: str) -> None:
        facts = replace(RESEARCH, purpose=Purpose.HPAYMT, uses=(Use.ANCESTRY_STUDY,))

        assert not permits(facts, duo(shorthand))

    def test_a_trial_is_research(self) -> None:
        assert permits(replace(RESEARCH, purpose=Purpose.CLINTRCH), duo("GRU"))

    def test_one_disease(self) -> None:
        term = duo("DS", tags=(DISEASE,))

        assert permits(replace(RESEARCH, tags=(DISEASE,)), term)
        assert not permits(replace(RESEARCH, tags=(PROJECT,)), term)
        assert not permits(RESEARCH, term)

    def test_clinical_care_besides_research(self) -> None:
        care = replace(RESEARCH, purpose=Purpose.TREAT)

        assert permits(care, duo("GRU"), duo("CC"))
        assert permits(RESEARCH, duo("GRU"), duo("CC"))
        assert not permits(care, duo("GRU"))
        assert not permits(RESEARCH, duo("CC"))


class TestModifiers:
    """Each narrows: the same request is permitted with what the modifier asks, and not without."""

    @pytest.mark.parametrize(
        ("term", "without", "within"),
        [
            (duo("RS", tags=(PROJECT,)), {}, {"tags": (PROJECT,)}),
            (duo("PS", tags=(PROJECT,)), {"tags": (DISEASE,)}, {"tags": (PROJECT,)}),
            (duo("NMDS"), {"uses": (Use.METHODS_DEVELOPMENT,)}, {}),
            (duo("GSO"), {}, {"uses": (Use.GENETIC_STUDY,)}),
            (
                duo("NPUNCU"),
                {"uses": (Use.NON_COMMERCIAL,)},
                {"uses": (Use.NON_COMMERCIAL, Use.NOT_FOR_PROFIT)},
            ),
            (duo("PUB"), {}, {"uses": (Use.WILL_PUBLISH,)}),
            (duo("COL"), {}, {"uses": (Use.WILL_COLLABORATE,)}),
            (duo("IRB"), {}, {"uses": (Use.ETHICS_APPROVED,)}),
            (duo("GS", jurisdictions=("DE",)), {"jurisdiction": "US"}, {"jurisdiction": "DE"}),
            (duo("MOR"), {}, {"uses": (Use.WILL_NOT_PUBLISH_EARLY,)}),
            (duo("TS", until_ms=TimestampMs(500)), {"time_ms": 500}, {"time_ms": 499}),
            (duo("US", keys=(PublicKey(b"u" * 32),)), {}, {"signers": (PublicKey(b"u" * 32),)}),
            (
                duo("IS", institutions=(InstitutionId(b"i" * 16),)),
                {},
                {"institution": InstitutionId(b"i" * 16)},
            ),
            (duo("RTN"), {}, {"uses": (Use.WILL_RETURN_DATA,)}),
            (duo("NPOA"), {"uses": (Use.ANCESTRY_STUDY,)}, {}),
            (duo("NPU"), {}, {"uses": (Use.NOT_FOR_PROFIT,)}),
            (duo("NCU"), {}, {"uses": (Use.NON_COMMERCIAL,)}),
        ],
        ids=lambda value: CODES[value.code].shorthand if isinstance(value, DuoTerm) else "",
    )
    def test_narrows(self, term: DuoTerm, without: dict[str, Any], within: dict[str, Any]) -> None:
        assert not permits(replace(RESEARCH, **without), duo("GRU"), term)
        assert permits(replace(RESEARCH, **within), duo("GRU"), term)

    def test_denial_names_the_modifier(self) -> None:
        decision = evaluate(compile_duo([duo("GRU"), duo("PUB"), duo("IRB")]), RESEARCH)

        assert decision.path == "all[1]/use"


class TestUnusable:
    @pytest.mark.parametrize(
        "terms",
        [
            [],
            [duo("PUB")],
            [DuoTerm(code="DUO:0000001")],
            [DuoTerm(code="DUO:9999999")],
            *([duo("GRU"), duo(each)] for each in ("RS", "PS", "GS", "TS", "US", "IS")),
            [duo("DS")],
        ],
    )
    def test_refused(self, terms: list[DuoTerm]) -> None:
        with pytest.raises(UnusableDuo):
            compile_duo(terms)


def test_matching_table_covers_the_ontology() -> None:
    """Every code that is no mere heading is known, by its own shorthand, as the permission or modifier that it is."""
    headings = {"DUO:0000001", "DUO:0000017"}
    with shared_path("duo/duo.csv").open(newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["id"] not in headings]

    assert {row["id"]: row["shorthand"] for row in rows} == {id: code.shorthand for id, code in CODES.items()}
    for row in rows:
        is_permission = row["description"].startswith("This data use permission") or row["shorthand"] == "CC"
        assert CODES[row["id"]].permission is is_permission, row["id"]
