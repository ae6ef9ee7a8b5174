"""Shapes: what an annotation says about a field's encoding, with the limits that hold for it."""

import types
import typing
from dataclasses import dataclass, is_dataclass
from enum import IntEnum
from typing import Annotated, Any, NewType, Union

from noded.codec.heads import INT_MAX, INT_MIN

_UNSET = -(1 << 64)


@dataclass(frozen=True, slots=True)
class Limit:
    """
    The range of a field: an integer's value, the bytes of a bytes or str (in UTF-8), the items of a tuple.

    Both ends are included; `max` must be given.
    """

    min: int = 0
    max: int = _UNSET

    def __post_init__(self) -> None:
        assert self.min <= self.max, "a limit needs a max, not below its min"


INT_DEFAULT = Limit(0, (1 << 63) - 1)
"""Range of integers without a limit of their own: what SQLite, FHIR clients and JavaScript's BigInt64 share."""


@dataclass(frozen=True, slots=True)
class Integer:
    """An int within a range."""

    limit: Limit


@dataclass(frozen=True, slots=True)
class Bytes:
    """A bytes of a length within a range."""

    limit: Limit


@dataclass(frozen=True, slots=True)
class Text:
    """A str whose UTF-8 has a length within a range."""

    limit: Limit


@dataclass(frozen=True, slots=True)
class Boolean:
    """True or False."""


@dataclass(frozen=True, slots=True)
class Member:
    """A member of an IntEnum."""

    enum: type[IntEnum]


@dataclass(frozen=True, slots=True)
class Optional:
    """None, or something that is never None."""

    inner: "Shape"


@dataclass(frozen=True, slots=True)
class Many:
    """A tuple of alike items, their count within a range."""

    item: "Shape"
    limit: Limit


@dataclass(frozen=True, slots=True)
class Row:
    """A tuple of fixed length, each item of its own shape."""

    items: tuple["Shape", ...]


@dataclass(frozen=True, slots=True)
class Record:
    """A dataclass: an array of its fields in order of declaration."""

    cls: type


@dataclass(frozen=True, slots=True)
class Choice:
    """An instance of any class of a registry: an array of its tag and its fields."""

    registry: Any


Shape = Integer | Bytes | Text | Boolean | Member | Optional | Many | Row | Record | Choice

_LIMITS: dict[Any, Limit] = {}


def restrict(new_type: Any, limit: Limit) -> None:
    """Give every field annotated with this `NewType` a limit; to be called where the type is declared."""
    assert isinstance(new_type, NewType), f"{new_type} is not a NewType"
    assert _LIMITS.setdefault(new_type, limit) == limit, f"{new_type} has another limit"


def shape_of(annotation: Any, where: str, limit: Limit | None = None) -> Shape:
    """
    The shape that an annotation describes; the outermost limit holds.

    Raises:
        TypeError: The annotation has no encoding, or lacks the limit that it needs.
    """
    origin, arguments = typing.get_origin(annotation), typing.get_args(annotation)
    if origin is Annotated:
        inner, *extras = arguments
        limits = [extra for extra in extras if isinstance(extra, Limit)]
        choices = [extra for extra in extras if not isinstance(extra, Limit)]
        if choices:
            return Choice(choices[0])
        return shape_of(inner, where, limit or limits[0])
    if isinstance(annotation, NewType):
        return shape_of(annotation.__supertype__, where, limit or _LIMITS.get(annotation))
    if origin is Union or origin is types.UnionType:
        inner = [argument for argument in arguments if argument is not types.NoneType]
        if len(inner) != 1 or len(arguments) != 2:
            raise TypeError(f"{where}: only `X | None` has an encoding; other unions need a registry")
        shape = shape_of(inner[0], where, limit)
        if isinstance(shape, Optional):
            raise TypeError(f"{where}: None would mean two things")
        return Optional(shape)
    if origin is tuple:
        if len(arguments) == 2 and arguments[1] is Ellipsis:
            return Many(shape_of(arguments[0], where), _needed(limit, where))
        return Row(tuple(shape_of(argument, where) for argument in arguments))
    if annotation is bool:
        return Boolean()
    if annotation is int:
        limit = limit or INT_DEFAULT
        if limit.min < INT_MIN or limit.max > INT_MAX:
            raise TypeError(f"{where}: integers have 64 bits")
        return Integer(limit)
    if annotation is bytes:
        return Bytes(_needed(limit, where))
    if annotation is str:
        return Text(_needed(limit, where))
    if isinstance(annotation, type) and issubclass(annotation, IntEnum):
        if min(annotation) < 0:
            raise TypeError(f"{where}: members must not be negative")
        return Member(annotation)
    if isinstance(annotation, type) and is_dataclass(annotation):
        return Record(annotation)
    raise TypeError(f"{where}: {annotation} has no encoding")


def _needed(limit: Limit | None, where: str) -> Limit:
    if limit is None:
        raise TypeError(f"{where}: anyone could fill this; it needs a limit")
    if limit.min < 0:
        raise TypeError(f"{where}: a length is never negative")
    return limit
