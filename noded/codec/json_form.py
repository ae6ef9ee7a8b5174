"""
Values as JSON has them, for people and for other programs; by the same annotations as their encoding.

A dataclass is an object of its fields, short bytes are lower-case hexadecimal and longer ones base64, members of enums
their names in lower case, and a value of a registry has its class's name as ``type``. Nothing signs or hashes this form.
"""

import re
from base64 import b64decode, b64encode
from dataclasses import fields
from enum import IntEnum
from typing import Any, TypeVar, get_type_hints

from noded.codec.errors import Malformed, Unencodable
from noded.codec.schema import Registry, encode_value
from noded.codec.shapes import (
    Boolean,
    Bytes,
    Choice,
    Integer,
    Many,
    Member,
    Optional,
    Record,
    Row,
    Shape,
    Text,
    shape_of,
)

T = TypeVar("T")

HEX_BYTES_MAX = 64
"""Ids, keys, hashes and signatures are of this length at most; what may be longer is content."""

TYPE = "type"
"""The member that names the class of a value of a registry."""


def to_json(value: object) -> dict[str, Any]:
    """The JSON object of a dataclass instance."""
    return {name: _write(shape, getattr(value, name)) for name, shape in _shapes(type(value)).items()}


def choice_to_json(registry: Registry[Any], value: object) -> dict[str, Any]:
    """The JSON object of an instance of a registered class, which it names."""
    return {TYPE: type_name(type(value)), **to_json(value)}


def from_json(cls: type[T], data: object, where: str = "") -> T:
    """
    The instance of a dataclass that a JSON object describes; a member that may be None may be missing.

    Args:
        cls: The dataclass.
        data: As `json.loads` gives it.
        where: Path of the object in its document, for errors.

    Raises:
        Malformed: It describes none; `where` is the path of the member at fault.
    """
    value: T = _read_object(cls, data, where or cls.__name__)
    try:
        encode_value(value)
    except Unencodable as error:
        raise Malformed(error.where, error.why) from error
    return value


def choice_from_json(registry: Registry[T], data: object, where: str = "") -> T:
    """
    The instance of whichever class of a registry a JSON object describes.

    Raises:
        Malformed: It describes none; `where` is the path of the member at fault.
    """
    value: T = _read(Choice(registry), data, where or registry.name)
    try:
        registry.encode(value)
    except Unencodable as error:
        raise Malformed(f"{where}: {error.where}" if where else error.where, error.why) from error
    return value


def type_name(cls: type) -> str:
    """What JSON calls a registered class: an operation's own name, else the class's in lower case."""
    name = getattr(cls, "name", None)
    return name if isinstance(name, str) else re.sub(r"(?<!^)(?=[A-Z])", "_", cls.__name__).lower()


_known: dict[type, dict[str, Shape]] = {}


def _shapes(cls: type) -> dict[str, Shape]:
    shapes = _known.get(cls)
    if shapes is None:
        hints = get_type_hints(cls, include_extras=True)
        encoded = [field.name for field in fields(cls) if field.init]
        shapes = _known[cls] = {name: shape_of(hints[name], f"{cls.__name__}.{name}") for name in encoded}
    return shapes


def _write(shape: Shape, value: Any) -> Any:
    match shape:
        case _ if value is None:
            return None
        case Optional(inner):
            return _write(inner, value)
        case Bytes(limit):
            return value.hex() if limit.max <= HEX_BYTES_MAX else b64encode(value).decode()
        case Member():
            return value.name.lower()
        case Many(item):
            return [_write(item, each) for each in value]
        case Row(items):
            return [_write(item, each) for item, each in zip(items, value, strict=True)]
        case Record():
            return to_json(value)
        case Choice(registry):
            return choice_to_json(registry, value)
        case _:
            return value


def _read(shape: Shape, data: Any, where: str) -> Any:
    match shape:
        case Optional(inner):
            return None if data is None else _read(inner, data, where)
        case Boolean():
            return _typed(bool, data, where)
        case Integer():
            return _typed(int, data, where)
        case Text():
            return _typed(str, data, where)
        case Bytes(limit):
            is_short = limit.max <= HEX_BYTES_MAX
            text = _typed(str, data, where)
            try:
                return bytes.fromhex(text) if is_short else b64decode(text, validate=True)
            except ValueError:
                raise Malformed(where, f"{'hexadecimal digits' if is_short else 'base64'} expected") from None
        case Member(enum):
            return _member(enum, _typed(str, data, where), where)
        case Many(item):
            listed = _typed(list, data, where)
            return tuple(_read(item, each, f"{where}[{index}]") for index, each in enumerate(listed))
        case Row(items):
            listed = _typed(list, data, where)
            if len(listed) != len(items):
                raise Malformed(where, f"{len(items)} items are expected")
            return tuple(
                _read(item, each, f"{where}[{index}]")
                for index, (item, each) in enumerate(zip(items, listed, strict=True))
            )
        case Record(cls):
            return _read_object(cls, data, where)
        case Choice(registry):
            members = _typed(dict, data, where)
            known = {type_name(cls): cls for cls in registry.classes().values()}
            chosen = known.get(_typed(str, members.get(TYPE), f"{where}.{TYPE}"))
            if chosen is None:
                raise Malformed(f"{where}.{TYPE}", f"one of these is expected: {', '.join(known)}")
            return _read_object(chosen, {name: each for name, each in members.items() if name != TYPE}, where)


def _read_object(cls: type[T], data: object, where: str) -> T:
    members = _typed(dict, data, where)
    shapes = _shapes(cls)
    unknown = [name for name in members if name not in shapes]
    if unknown:
        raise Malformed(f"{where}.{unknown[0]}", f"unknown; known are {', '.join(shapes)}")
    missing = [name for name in shapes if name not in members and not isinstance(shapes[name], Optional)]
    if missing:
        raise Malformed(f"{where}.{missing[0]}", "is missing")
    return cls(**{name: _read(shape, members.get(name), f"{where}.{name}") for name, shape in shapes.items()})


def _typed(kind: type[T], data: object, where: str) -> T:
    if not isinstance(data, kind) or (kind is int and isinstance(data, bool)):
        words = {
            bool: "true or false",
            int: "a whole number",
            str: "a text",
            list: "a list",
            dict: "an object",
        }
        raise Malformed(where, f"{words[kind]} is expected")
    return data


def _member(enum: type[IntEnum], name: str, where: str) -> IntEnum:
    try:
        return enum[name.upper()]
    except KeyError:
        known = ", ".join(member.name.lower() for member in enum)
        raise Malformed(where, f"one of these is expected: {known}") from None
