"""The form of conditions: their bounds, and JSON for those who write and read them."""

from dataclasses import fields
from enum import IntEnum
from typing import Any as Anything
from typing import get_type_hints

from noded.codec import shapes
from noded.codec.errors import Malformed, Unencodable
from noded.codec.shapes import Shape, shape_of
from noded.errors import InvalidTransaction
from noded.ledger.conditions.evaluate import LEAF_NAMES
from noded.types.conditions import (
    CONDITION_DEPTH_MAX,
    CONDITION_NODES_MAX,
    CONDITIONS,
    All,
    Any,
    Condition,
    Not,
)

CONDITION_BYTES_MAX = CONDITION_NODES_MAX * 640
"""Encoding of a condition: at most 16 items of 34 bytes a node, and some."""


class ConditionTooLarge(InvalidTransaction):
    """A condition has more nodes or levels than the language allows (L48)."""

    def __init__(self, *, nodes: int, depth: int) -> None:
        super().__init__(
            f"{nodes} nodes on {depth} levels; {CONDITION_NODES_MAX} on {CONDITION_DEPTH_MAX} are allowed"
        )
        self.nodes = nodes
        self.depth = depth


class IllegibleCondition(InvalidTransaction):
    """JSON says no condition; the path says where."""

    def __init__(self, *, path: str, why: str) -> None:
        super().__init__(f"{path or 'condition'}: {why}")
        self.path = path
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
    The condition, if nodes would accept it.

    Raises:
        ConditionTooLarge: It has too many nodes or levels (L48).
        IllegibleCondition: A field breaks its limits.
    """
    check_condition(condition)
    return _accepted(condition, "")


def _accepted(condition: Condition, path: str) -> Condition:
    try:
        return CONDITIONS.decode(CONDITIONS.encode(condition), max_bytes=CONDITION_BYTES_MAX)
    except (Malformed, Unencodable) as error:
        raise IllegibleCondition(path=path, why=str(error)) from None


def _children(node: Condition) -> tuple[Condition, ...]:
    match node:
        case All(of=conditions) | Any(of=conditions):
            return conditions
        case Not(of=condition):
            return (condition,)
        case _:
            return ()


def condition_to_json(condition: Condition) -> dict[str, Anything]:
    """Plain values for JSON, such as ``{"all": [{"purpose": {"purposes": ["TREAT"]}}]}``."""
    match condition:
        case All(of=conditions):
            return {"all": [condition_to_json(inner) for inner in conditions]}
        case Any(of=conditions):
            return {"any": [condition_to_json(inner) for inner in conditions]}
        case Not(of=inner):
            return {"not": condition_to_json(inner)}
        case _:
            return {LEAF_NAMES[type(condition)]: _show(condition)}


def condition_from_json(plain: Anything) -> Condition:
    """
    The condition that plain values describe, within its bounds.

    Raises:
        IllegibleCondition: They describe none.
        ConditionTooLarge: It is beyond the bounds.
    """
    condition = _read_condition(plain, "", CONDITION_DEPTH_MAX)
    check_condition(condition)
    return condition


_LEAVES_BY_NAME = {name: cls for cls, name in LEAF_NAMES.items()}


def _read_condition(plain: Anything, path: str, depth: int) -> Condition:
    if depth == 0:
        raise ConditionTooLarge(nodes=CONDITION_DEPTH_MAX + 1, depth=CONDITION_DEPTH_MAX + 1)
    if not isinstance(plain, dict) or len(plain) != 1:
        raise IllegibleCondition(path=path, why="must be an object with one member")
    ((name, value),) = plain.items()
    here = f"{path}/{name}" if path else str(name)
    if name in ("all", "any"):
        if not isinstance(value, list):
            raise IllegibleCondition(path=here, why="must be a list")
        of = tuple(_read_condition(inner, f"{here}[{index}]", depth - 1) for index, inner in enumerate(value))
        made: Condition = All(of=of) if name == "all" else Any(of=of)
    elif name == "not":
        made = Not(of=_read_condition(value, here, depth - 1))
    elif name in _LEAVES_BY_NAME:
        made = _read_fields(_LEAVES_BY_NAME[name], value, here)
    else:
        raise IllegibleCondition(path=here, why=f"is none of all, any, not, {', '.join(_LEAVES_BY_NAME)}")
    return _accepted(made, here)


def _field_shapes(cls: type) -> dict[str, Shape]:
    hints = get_type_hints(cls, include_extras=True)
    return {field.name: shape_of(hints[field.name], field.name) for field in fields(cls)}


def _show(value: Anything) -> Anything:
    if isinstance(value, IntEnum):
        return value.name
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, tuple):
        return [_show(item) for item in value]
    if value is None or isinstance(value, int | str):
        return value
    return {field.name: _show(getattr(value, field.name)) for field in fields(value)}


def _read_fields(cls: type, plain: Anything, path: str) -> Anything:
    if not isinstance(plain, dict):
        raise IllegibleCondition(path=path, why="must be an object")
    wanted = _field_shapes(cls)
    unknown = [name for name in plain if name not in wanted]
    if unknown:
        raise IllegibleCondition(path=f"{path}/{unknown[0]}", why=f"is none of {', '.join(wanted)}")
    values = {name: _read(plain.get(name), shape, f"{path}/{name}") for name, shape in wanted.items()}
    try:
        return cls(**values)
    except Malformed as error:
        raise IllegibleCondition(path=path, why=error.why) from None


def _read(plain: Anything, shape: Shape, path: str) -> Anything:
    match shape:
        case shapes.Optional(inner=inner):
            return None if plain is None else _read(plain, inner, path)
        case shapes.Many(item=item) if isinstance(plain, list):
            return tuple(_read(value, item, f"{path}[{index}]") for index, value in enumerate(plain))
        case shapes.Member(enum=enum) if isinstance(plain, str) and plain.upper() in enum.__members__:
            return enum[plain.upper()]
        case shapes.Integer() if isinstance(plain, int) and not isinstance(plain, bool):
            return plain
        case shapes.Text() if isinstance(plain, str):
            return plain
        case shapes.Bytes() if isinstance(plain, str):
            try:
                return bytes.fromhex(plain)
            except ValueError:
                raise IllegibleCondition(path=path, why="must be hexadecimal") from None
        case shapes.Record(cls=cls):
            return _read_fields(cls, plain, path)
        case shapes.Member(enum=enum):
            raise IllegibleCondition(path=path, why=f"must be one of {', '.join(enum.__members__)}")
        case _:
            raise IllegibleCondition(path=path, why="is missing or of the wrong type")
