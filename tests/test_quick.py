"""A quick dataclass is the frozen dataclass that it was, made faster."""

import copy
import pickle
from dataclasses import FrozenInstanceError, dataclass, field, replace

import pytest

from noded.quick import quick


@quick
@dataclass(frozen=True, slots=True)
class Place:
    x: int
    y: int = 2


@quick
@dataclass(frozen=True, slots=True, kw_only=True)
class Named:
    x: int
    y: int = 2


def test_it_takes_the_same_arguments() -> None:
    assert (Place(1), Place(1, 3).y, Place(y=5, x=4).x) == (Place(1, 2), 3, 4)
    assert Named(x=1) == Named(y=2, x=1)
    for call in (lambda: Place(), lambda: Named(1), lambda: Place(1, 2, 3), lambda: Place(1, z=1)):  # type: ignore[call-arg,misc]
        with pytest.raises(TypeError):
            call()


def test_it_is_frozen_compared_hashed_and_copied_as_before() -> None:
    place = Place(1, 3)

    with pytest.raises(FrozenInstanceError):
        place.x = 2  # type: ignore[misc]
    assert place != Place(1, 4)
    assert hash(place) == hash(Place(1, 3))
    assert repr(place) == "Place(x=1, y=3)"
    assert replace(place, y=4) == Place(1, 4)
    assert copy.deepcopy(place) == pickle.loads(pickle.dumps(place)) == place
    match place:
        case Place(x, y):
            assert (x, y) == (1, 3)


def test_what_it_cannot_make_quick_it_refuses() -> None:
    @dataclass(frozen=True, slots=True)
    class Listed:
        rows: list[int] = field(default_factory=list)

    with pytest.raises(AssertionError):
        quick(Listed)
