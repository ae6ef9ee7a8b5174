"""L48: conditions are bounded; and their JSON."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from noded.ledger.conditions.syntax import (
    ConditionTooLarge,
    IllegibleCondition,
    check_condition,
    checked_condition,
    condition_from_json,
    condition_to_json,
)
from noded.types.conditions import (
    CONDITION_DEPTH_MAX,
    CONDITION_NODES_MAX,
    EVERYBODY,
    All,
    Any,
    Condition,
    Not,
    PurposeIn,
    RoleIn,
)
from noded.types.roles import Purpose, Role
from tests.ledger.conditions.test_evaluate import FAILS, HOLDS

LEAF = PurposeIn(purposes=(Purpose.TREAT,))


def nested(levels: int) -> Condition:
    condition: Condition = LEAF
    for _ in range(levels - 1):
        condition = Not(of=condition)
    return condition


class TestBounds:
    """L48: at most 64 nodes on 8 levels."""

    def test_depth(self) -> None:
        check_condition(nested(CONDITION_DEPTH_MAX))
        with pytest.raises(ConditionTooLarge) as raised:
            check_condition(nested(CONDITION_DEPTH_MAX + 1))

        assert raised.value.depth == CONDITION_DEPTH_MAX + 1

    def test_nodes(self) -> None:
        sixteen = Any(of=(LEAF,) * 15)
        full = All(of=(sixteen, sixteen, sixteen, Any(of=(LEAF,) * 14)))

        check_condition(full)
        assert CONDITION_NODES_MAX == 1 + 3 * 16 + 15
        with pytest.raises(ConditionTooLarge) as raised:
            check_condition(All(of=(*full.of, LEAF)))
        assert raised.value.nodes == CONDITION_NODES_MAX + 1

    def test_items_of_a_node(self) -> None:
        with pytest.raises(IllegibleCondition):
            checked_condition(All(of=(LEAF,) * 17))


class TestJson:
    @pytest.mark.parametrize("condition", HOLDS + FAILS, ids=lambda c: type(c).__name__)
    def test_there_and_back(self, condition: Condition) -> None:
        whole = All(of=(Any(of=(condition,)), Not(of=condition)))

        assert condition_from_json(json.loads(json.dumps(condition_to_json(whole)))) == whole

    def test_reads_well(self) -> None:
        condition = All(of=(LEAF, Not(of=RoleIn(roles=(Role.INSURER,)))))

        assert condition_to_json(condition) == {
            "all": [{"purpose": {"purposes": ["TREAT"]}}, {"not": {"role": {"roles": ["INSURER"]}}}]
        }

    @pytest.mark.parametrize(
        ("plain", "path"),
        [
            ([], ""),
            ({"all": {}}, "all"),
            ({"all": [{"purpose": {"purposes": ["EAT"]}}]}, "all[0]/purpose/purposes[0]"),
            ({"not": {"maybe": {}}}, "not/maybe"),
            ({"purpose": {"purposes": []}}, "purpose"),
            ({"purpose": {"purposes": ["TREAT"], "more": 1}}, "purpose/more"),
            ({"organization": {"institutions": ["xyz"]}}, "organization/institutions[0]"),
            ({"organization": {"institutions": ["00"]}}, "organization"),
            ({"reads": {"limit": True}}, "reads/limit"),
            ({"reads": {}}, "reads/limit"),
            ({"data": {"days": {"first": 5, "end": 5}}}, "data/days"),
            ({"time": {"from_ms": -1, "until_ms": None}}, "time"),
            ({"approvals": {"needed": 2, "keys": ["00" * 32]}}, "approvals"),
        ],
    )
    def test_illegible(self, plain: object, path: str) -> None:
        with pytest.raises(IllegibleCondition) as raised:
            condition_from_json(plain)

        assert raised.value.path == path

    def test_endless_nesting_is_refused(self) -> None:
        plain: object = {"all": []}
        for _ in range(5000):
            plain = {"not": plain}
        with pytest.raises(ConditionTooLarge):
            condition_from_json(plain)

    def test_everybody(self) -> None:
        assert condition_from_json({"all": []}) == EVERYBODY


PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=4),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["all", "any", "not", "purpose", "purposes", "reads", "limit", "data", "days", "first"]
            ),
            inner,
            max_size=2,
        )
    ),
    max_leaves=12,
)


@given(PLAIN)
def test_any_json_is_read_or_refused(plain: object) -> None:
    try:
        condition = condition_from_json(plain)
    except (IllegibleCondition, ConditionTooLarge):
        return
    assert condition_from_json(condition_to_json(condition)) == condition
