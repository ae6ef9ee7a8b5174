"""L47–L49: what conditions mean, within which bounds, and which node decides."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any as Anything

import pytest
from hypothesis import given
from hypothesis import strategies as st

from noded.ledger.conditions.evaluate import LEAF_NAMES, LEAVES, AccessFacts, Decision, evaluate
from noded.types import conditions as syntax
from noded.types.conditions import EVERYBODY, NOBODY, All, Any, Condition, Not
from noded.types.ids import Height, InstitutionId, PublicKey, TimestampMs
from noded.types.medical import Compartment, Day, DayRange, GroupId, KindClass, Tag, Use, Version
from noded.types.roles import Purpose, Role

CLINIC, HOSPITAL = InstitutionId(b"c" * 16), InstitutionId(b"h" * 16)
GROUP = GroupId(b"g" * 16)
KEY_1, KEY_2, KEY_3 = (PublicKey(bytes([each]) * 32) for each in (1, 2, 3))

FACTS = AccessFacts(
    time_ms=TimestampMs(1000),
    height=Height(10),
    purpose=Purpose.ETREAT,
    institution=CLINIC,
    role=Role.HOSPITAL,
    jurisdiction="DE",
    custodian=HOSPITAL,
    kinds=(KindClass.LAB,),
    compartment=Compartment(3),
    days=DayRange(first=Day(10), end=Day(12)),
    reads=5,
    signers=(KEY_1, KEY_2),
    uses=(Use.GENETIC_STUDY, Use.NON_COMMERCIAL),
    tags=(Tag(b"t" * 16),),
    is_member=lambda group, version: group == GROUP and version >= 2,
)


def time(from_ms: int | None, until_ms: int | None) -> Condition:
    return syntax.TimeWithin(
        from_ms=None if from_ms is None else TimestampMs(from_ms),
        until_ms=None if until_ms is None else TimestampMs(until_ms),
    )


def days(first: int, end: int) -> Condition:
    return syntax.DataWithin(days=DayRange(first=Day(first), end=Day(end)))


HOLDS: list[Condition] = [
    time(1000, 1001),
    time(None, None),
    syntax.HeightWithin(first=Height(10), last=Height(10)),
    syntax.PurposeIn(purposes=(Purpose.ETREAT,)),
    syntax.PurposeIn(purposes=(Purpose.TREAT,)),
    syntax.RoleIn(roles=(Role.LAB, Role.HOSPITAL)),
    syntax.OrganizationIn(institutions=(CLINIC,)),
    syntax.InGroup(group=GROUP, version=Version(2)),
    syntax.JurisdictionIn(jurisdictions=("FR", "DE")),
    syntax.CustodianIn(institutions=(HOSPITAL,)),
    syntax.KindIn(kinds=(KindClass.LAB,)),
    syntax.CompartmentIn(compartments=(Compartment(3),)),
    days(10, 12),
    days(0, 99),
    syntax.ReadsBelow(limit=6),
    syntax.Approvals(needed=2, keys=(KEY_3, KEY_2, KEY_1)),
    syntax.UseDeclared(uses=(Use.NON_COMMERCIAL, Use.GENETIC_STUDY)),
    syntax.TagDeclared(tags=(Tag(b"x" * 16), Tag(b"t" * 16))),
    EVERYBODY,
]

FAILS: list[Condition] = [
    time(1001, None),
    time(None, 1000),
    syntax.HeightWithin(first=Height(11), last=Height(20)),
    syntax.HeightWithin(first=Height(0), last=Height(9)),
    syntax.PurposeIn(purposes=(Purpose.CAREMGT, Purpose.HPAYMT)),
    syntax.RoleIn(roles=(Role.INSURER,)),
    syntax.OrganizationIn(institutions=(HOSPITAL,)),
    syntax.InGroup(group=GROUP, version=Version(1)),
    syntax.JurisdictionIn(jurisdictions=("FR",)),
    syntax.CustodianIn(institutions=(CLINIC,)),
    syntax.KindIn(kinds=(KindClass.CLAIM,)),
    syntax.CompartmentIn(compartments=(Compartment(0),)),
    days(11, 99),
    days(0, 11),
    syntax.ReadsBelow(limit=5),
    syntax.Approvals(needed=2, keys=(KEY_3, KEY_2)),
    syntax.UseDeclared(uses=(Use.NON_COMMERCIAL, Use.WILL_PUBLISH)),
    syntax.TagDeclared(tags=(Tag(b"x" * 16),)),
    NOBODY,
]


class TestLeaves:
    """L47: each kind of leaf permits exactly where its words say."""

    @pytest.mark.parametrize("condition", HOLDS, ids=lambda c: type(c).__name__)
    def test_holds(self, condition: Condition) -> None:
        assert evaluate(condition, FACTS).permits

    @pytest.mark.parametrize("condition", FAILS, ids=lambda c: type(c).__name__)
    def test_fails(self, condition: Condition) -> None:
        assert not evaluate(condition, FACTS).permits

    def test_every_registered_node_has_a_meaning_and_is_tested(self) -> None:
        leaves = set(syntax.CONDITIONS.classes().values()) - {All, Any, Not}

        assert leaves == set(LEAF_NAMES)
        assert leaves == {type(each) for each in HOLDS if type(each) is not All}
        assert leaves == {type(each) for each in FAILS if type(each) is not Any}
        assert len({name for name, _, _ in LEAVES}) == len(LEAVES)

    def test_data_without_days_is_within_none(self) -> None:
        facts = replace(FACTS, days=None)

        assert not evaluate(days(-99, 99), facts).permits

    def test_several_kinds_must_all_be_allowed(self) -> None:
        facts = replace(FACTS, kinds=tuple(KindClass))

        assert not evaluate(syntax.KindIn(kinds=(KindClass.LAB,)), facts).permits
        assert evaluate(syntax.KindIn(kinds=tuple(KindClass)), facts).permits


YES, NO = HOLDS[4], FAILS[5]  # purpose, role


class TestPath:
    """L49: the path leads to the node that decided."""

    @pytest.mark.parametrize(
        ("condition", "decision"),
        [
            (YES, Decision(True, "purpose")),
            (NO, Decision(False, "role")),
            (All(of=(YES, NO, NOBODY)), Decision(False, "all[1]/role")),
            (All(of=(YES, YES)), Decision(True, "all")),
            (Any(of=(NO, YES)), Decision(True, "any[1]/purpose")),
            (Any(of=(NO, NO)), Decision(False, "any")),
            (Not(of=YES), Decision(False, "not/purpose")),
            (All(of=(YES, Not(of=All(of=(YES,))))), Decision(False, "all[1]/not/all")),
            (All(of=(Any(of=(NO, Not(of=YES))),)), Decision(False, "all[0]/any")),
        ],
    )
    def test_names_the_deciding_node(self, condition: Condition, decision: Decision) -> None:
        assert evaluate(condition, FACTS) == decision


def trees(leaf: Condition, value: bool) -> "st.SearchStrategy[tuple[Condition, bool]]":
    return st.just((leaf, value))


def grown(
    children: "st.SearchStrategy[tuple[Condition, bool]]",
) -> "st.SearchStrategy[tuple[Condition, bool]]":
    def join(
        node: Callable[..., Condition], holds: Callable[[Anything], bool]
    ) -> "st.SearchStrategy[tuple[Condition, bool]]":
        return st.lists(children, max_size=4).map(
            lambda parts: (node(of=tuple(c for c, _ in parts)), holds(v for _, v in parts))
        )

    return st.one_of(
        join(All, all), join(Any, any), children.map(lambda part: (Not(of=part[0]), not part[1]))
    )


LEAVES_WITH_VALUE = st.one_of([trees(each, True) for each in HOLDS] + [trees(each, False) for each in FAILS])


@given(st.recursive(LEAVES_WITH_VALUE, grown, max_leaves=20))
def test_every_tree_decides_as_logic_does(tree: tuple[Condition, bool]) -> None:
    condition, expected = tree

    assert evaluate(condition, FACTS).permits is expected
