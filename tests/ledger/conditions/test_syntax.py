"""L48: conditions are bounded."""

import json

import pytest

from noded.codec.json_form import choice_from_json, choice_to_json
from noded.ledger.conditions.syntax import (
    ConditionOutOfLimits,
    ConditionTooLarge,
    check_condition,
    checked_condition,
)
from noded.types.conditions import (
    CONDITION_DEPTH_MAX,
    CONDITION_NODES_MAX,
    CONDITIONS,
    ITEMS_MAX,
    All,
    Any,
    Condition,
    Not,
    PurposeIn,
)
from noded.types.roles import Purpose
from tests.ledger.conditions.test_evaluate import FAILS, HOLDS

LEAF = PurposeIn(purposes=(Purpose.TREAT,))


def nested(levels: int) -> Condition:
    condition: Condition = LEAF
    for _ in range(levels - 1):
        condition = Not(of=condition)
    return condition


def test_depth() -> None:
    """L48: at most 8 levels."""
    check_condition(nested(CONDITION_DEPTH_MAX))
    with pytest.raises(ConditionTooLarge) as raised:
        check_condition(nested(CONDITION_DEPTH_MAX + 1))

    assert raised.value.depth == CONDITION_DEPTH_MAX + 1


def test_nodes() -> None:
    """L48: at most 64 nodes."""
    sixteen = Any(of=(LEAF,) * 15)
    full = All(of=(sixteen, sixteen, sixteen, Any(of=(LEAF,) * 14)))

    check_condition(full)
    assert CONDITION_NODES_MAX == 1 + 3 * 16 + 15
    with pytest.raises(ConditionTooLarge) as raised:
        check_condition(All(of=(*full.of, LEAF)))
    assert raised.value.nodes == CONDITION_NODES_MAX + 1


def test_items_of_a_node() -> None:
    """L48: at most 16 items."""
    assert checked_condition(All(of=(LEAF,) * ITEMS_MAX)) == All(of=(LEAF,) * ITEMS_MAX)
    with pytest.raises(ConditionOutOfLimits) as raised:
        checked_condition(All(of=(LEAF,) * (ITEMS_MAX + 1)))

    assert raised.value.field == "All.of"


@pytest.mark.parametrize("condition", HOLDS + FAILS, ids=lambda c: type(c).__name__)
def test_there_and_back_as_bytes_and_as_json(condition: Condition) -> None:
    whole = All(of=(Any(of=(condition,)), Not(of=condition)))

    assert CONDITIONS.decode(CONDITIONS.encode(whole), max_bytes=10_000) == whole
    data = json.loads(json.dumps(choice_to_json(CONDITIONS, whole)))
    assert choice_from_json(CONDITIONS, data) == whole
