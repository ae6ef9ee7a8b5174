"""Hypothesis strategies for any class with an encoding, by its annotations."""

from collections.abc import Sequence
from dataclasses import fields
from typing import Any, get_type_hints

from hypothesis import strategies as st

from noded.codec import shapes
from noded.codec.errors import Malformed
from noded.codec.schema import encode_value
from noded.codec.shapes import Shape, shape_of


class Values:
    """
    Makes strategies whose byte strings mostly come from a pool, so that what they name often exists.

    Args:
        pool: Byte strings to draw from wherever their length fits.
        depth: Values of a registry within values of a registry.
    """

    def __init__(self, pool: Sequence[bytes], depth: int = 3) -> None:
        self._pool = list(pool)
        self._depth = depth

    def of(self, cls: type) -> st.SearchStrategy[Any]:
        """Instances of a class, all of them encodable."""
        return self._record(cls, self._depth).filter(lambda value: value is not None)

    def _record(self, cls: type, depth: int) -> st.SearchStrategy[Any]:
        hints = get_type_hints(cls, include_extras=True)
        parts = {
            field.name: self._shape(shape_of(hints[field.name], field.name), depth)
            for field in fields(cls)
            if field.init
        }

        def build(values: dict[str, Any]) -> Any:
            if any(value is _NOTHING for value in values.values()):
                return None
            try:
                made = cls(**values)
                encode_value(made)
            except Malformed:
                return None
            return made

        return st.fixed_dictionaries(parts).map(build)

    def _shape(self, shape: Shape, depth: int) -> st.SearchStrategy[Any]:
        match shape:
            case shapes.Integer(limit):
                low, high = limit.min, limit.max
                near = st.integers(max(low, min(0, high)), min(high, max(low, 4)))
                return st.one_of(near, st.integers(low, high))
            case shapes.Boolean():
                return st.booleans()
            case shapes.Member(enum):
                return st.sampled_from(list(enum))
            case shapes.Bytes(limit):
                fitting = [each for each in self._pool if limit.min <= len(each) <= limit.max]
                free = st.binary(min_size=limit.min, max_size=min(limit.max, limit.min + 8))
                return (
                    st.one_of(st.sampled_from(fitting), st.sampled_from(fitting), free) if fitting else free
                )
            case shapes.Text(limit):
                return st.text("abC é", min_size=limit.min, max_size=max(limit.min, min(limit.max // 2, 6)))
            case shapes.Optional(inner):
                return st.one_of(st.none(), self._shape(inner, depth))
            case shapes.Many(item, limit):
                most = max(limit.min, min(limit.max, 3))
                return st.lists(self._shape(item, depth), min_size=limit.min, max_size=most).map(
                    lambda items: _NOTHING if any(each is _NOTHING for each in items) else tuple(items)
                )
            case shapes.Row(items):
                return st.tuples(*(self._shape(item, depth) for item in items))
            case shapes.Record(cls):
                return self._record(cls, depth).map(_or_nothing)
            case shapes.Choice(registry):
                if depth == 0:
                    return st.just(_NOTHING)
                classes = list(registry.classes().values())
                return st.sampled_from(classes).flatmap(
                    lambda cls: self._record(cls, depth - 1).map(_or_nothing)
                )


class _Nothing:
    """What could not be made."""


_NOTHING = _Nothing()


def _or_nothing(value: Any) -> Any:
    return _NOTHING if value is None else value
