"""`frozen`: what a frozen dataclass is to the type checker, and nearly so at run time."""

from dataclasses import dataclass, replace

import pytest

from noded.types.frozen import frozen


@frozen()
class Point:
    """Made by position or by name."""

    x: int
    y: int = 0


@frozen(kw_only=True)
class Named:
    """Made by name only."""

    x: int


@dataclass(frozen=True, slots=True)
class Usual:
    """What `Point` stands for."""

    x: int
    y: int = 0


def test_the_type_checker_refuses_to_set_a_field() -> None:
    """mypy, which is told here to pass it over, complains of a comment without use where it finds nothing to refuse."""
    point = Point(1)
    point.x = 2  # type: ignore[misc]


def test_it_is_a_dataclass_with_slots() -> None:
    """Equal and hashed by its fields, shown and matched as every dataclass, and without room for anything else."""
    assert Point(1, 2) == Point(1, y=2) != Point(2, 2)
    assert hash(Point(1, 2)) == hash(Usual(1, 2))
    assert repr(Point(1)) == "Point(x=1, y=0)"
    assert replace(Point(1), y=3) == Point(1, 3)
    match Point(4, 5):
        case Point(x, y):
            assert (x, y) == (4, 5)
    with pytest.raises(AttributeError):
        Point(1).z = 2  # type: ignore[attr-defined]


def test_fields_may_be_by_name_only() -> None:
    """As the values of the protocol are."""
    assert Named(x=1).x == 1
    with pytest.raises(TypeError):
        Named(1)  # type: ignore[call-arg]
