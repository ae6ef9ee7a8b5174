"""The bounds of conditions; their JSON is that of all values (`noded.codec.json_form`)."""

from noded.codec.errors import Unencodable
from noded.errors import InvalidTransaction
from noded.types.conditions import (
    CONDITION_DEPTH_MAX,
    CONDITION_NODES_MAX,
    CONDITIONS,
    All,
    Any,
    Condition,
    Not,
)


class ConditionTooLarge(InvalidTransaction):
    """A condition has more nodes or levels than the language allows (L48)."""

    def __init__(self, *, nodes: int, depth: int) -> None:
        super().__init__(
            f"{nodes} nodes on {depth} levels; {CONDITION_NODES_MAX} on {CONDITION_DEPTH_MAX} are allowed"
        )
        self.nodes = nodes
        self.depth = depth


class ConditionOutOfLimits(InvalidTransaction):
    """A node of a condition holds more items, or larger ones, than the language allows (L48)."""

    def __init__(self, *, field: str, why: str) -> None:
        super().__init__(f"{field}: {why}")
        self.field = field
        self.why = why


def check_condition(condition: Condition) -> None:
    """Raise `ConditionTooLarge` unless the condition is within the language's bounds (L48)."""
    nodes, depth, level = 0, 0, [condition]
    while level:
        nodes += len(level)
        depth += 1
        if nodes > CONDITION_NODES_MAX or depth > CONDITION_DEPTH_MAX:
            raise ConditionTooLarge(nodes=nodes, depth=depth)
        level = [inner for node in level for inner in _children(node)]


def checked_condition(condition: Condition) -> Condition:
    """
    A condition made here, if nodes would accept it.

    Raises:
        ConditionTooLarge: It has too many nodes or levels (L48).
        ConditionOutOfLimits: A node holds too much (L48).
    """
    check_condition(condition)
    try:
        CONDITIONS.encode(condition)
    except Unencodable as error:
        raise ConditionOutOfLimits(field=error.where, why=error.why) from None
    return condition


def _children(node: Condition) -> tuple[Condition, ...]:
    match node:
        case All(of=conditions) | Any(of=conditions):
            return conditions
        case Not(of=condition):
            return (condition,)
        case _:
            return ()
