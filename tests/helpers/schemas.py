"""Classes of every shape that the codec knows, and values of them."""

from dataclasses import dataclass, field, make_dataclass
from enum import IntEnum
from types import GenericAlias
from typing import Annotated, Any, NewType

import cbor2
from hypothesis import strategies as st

from noded.codec import heads
from noded.codec.errors import Malformed
from noded.codec.schema import Limit, Registry, pack, restrict

Digest = NewType("Digest", bytes)


restrict(Digest, Limit(32, 32))


BlockDigest = NewType("BlockDigest", Digest)


Score = NewType("Score", int)


restrict(Score, Limit(-100, 1000))


Name = NewType("Name", str)


restrict(Name, Limit(1, 10))


class Colour(IntEnum):
    RED = 1
    GREEN = 30
    BLUE = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    x: int
    y: Annotated[int, Limit(-5, 5)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Unsigned:
    n: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Both:
    n: Annotated[int, Limit(-(1 << 40), 1 << 40)]


class Shape:
    __slots__ = ()


SHAPES: Registry[Shape] = Registry("shape")


@SHAPES.tag(3)
@dataclass(frozen=True, slots=True, kw_only=True)
class Circle(Shape):
    centre: Point
    radius: int


@SHAPES.tag(300)
@dataclass(frozen=True, slots=True, kw_only=True)
class Group(Shape):
    members: Annotated[tuple[Annotated[Shape, SHAPES], ...], Limit(0, 4)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Everything:
    digest: Digest
    block: BlockDigest
    score: Score
    name: Name
    colour: Colour
    flag: bool
    maybe: Digest | None
    maybe_short: Annotated[bytes | None, Limit(0, 2)]
    many: Annotated[tuple[Point, ...], Limit(0, 3)]
    pairs: Annotated[tuple[tuple[Score, Name], ...], Limit(0, 3)]
    row: tuple[Digest, bool, Point]
    shape: Annotated[Shape, SHAPES]
    free: Annotated[bytes, Limit(0, 400)]
    wide: Annotated[int, Limit(0, (1 << 64) - 1)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Chain:
    next: "Chain | None"


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    first: int
    last: int

    def __post_init__(self) -> None:
        if self.first > self.last:
            raise Malformed("Span", "it ends before it begins")


@dataclass(frozen=True, slots=True, kw_only=True)
class Sum:
    first: int
    second: int
    total: int = field(init=False)
    cached: dict[str, int] | None = field(init=False, default=None)

    def __post_init__(self) -> None:
        object.__setattr__(self, "total", self.first + self.second)


@dataclass(frozen=True, slots=True, kw_only=True)
class Signed:
    number: int
    digest: Digest

    def __post_init__(self) -> None:
        assert len(self.digest) == 32


EVERYTHING = Everything(
    digest=Digest(bytes(32)),
    block=BlockDigest(Digest(b"b" * 32)),
    score=Score(-100),
    name=Name("Grüße"),
    colour=Colour.BLUE,
    flag=True,
    maybe=None,
    maybe_short=b"ab",
    many=(Point(x=0, y=-5), Point(x=1 << 40, y=5)),
    pairs=((Score(7), Name("a")),),
    row=(Digest(b"r" * 32), False, Point(x=24, y=0)),
    shape=Group(members=(Circle(centre=Point(x=1, y=1), radius=256), Group(members=()))),
    free=b"f" * 300,
    wide=(1 << 64) - 1,
)


def with_plain(path: tuple[int, ...], value: Any) -> bytes:
    """The encoding of EVERYTHING with one plain item exchanged."""

    def exchanged(items: list[Any], path: tuple[int, ...]) -> list[Any]:
        inner = exchanged(items[path[0]], path[1:]) if len(path) > 1 else value
        return [*items[: path[0]], inner, *items[path[0] + 1 :]]

    return cbor2.dumps(exchanged(pack(EVERYTHING), path), canonical=True)


# Every kind of field with a strategy for its values; a generated class is a list of these.

colours = st.sampled_from(Colour)


points = st.builds(Point, x=st.integers(0, (1 << 63) - 1), y=st.integers(-5, 5))


circles = st.builds(Circle, centre=points, radius=st.integers(0, (1 << 63) - 1))


any_shapes = circles | st.builds(Group, members=st.lists(circles, max_size=4).map(tuple))


short_texts = st.text(max_size=8).filter(lambda text: 1 <= len(text.encode()) <= 10)


leaves: list[tuple[Any, st.SearchStrategy[Any]]] = [
    (int, st.integers(0, (1 << 63) - 1)),
    (Annotated[int, Limit(heads.INT_MIN, heads.INT_MAX)], st.integers(heads.INT_MIN, heads.INT_MAX)),
    (Annotated[int, Limit(-300, -2)], st.integers(-300, -2)),
    (Annotated[int, Limit(5, 70000)], st.integers(5, 70000)),
    (Score, st.integers(-100, 1000)),
    (bool, st.booleans()),
    (Colour, colours),
    (Digest, st.binary(min_size=32, max_size=32)),
    (Annotated[bytes, Limit(1, 1)], st.binary(min_size=1, max_size=1)),
    (Annotated[bytes, Limit(0, 300)], st.binary(max_size=300)),
    (Annotated[bytes, Limit(300, 300)], st.binary(min_size=300, max_size=300)),
    (Name, short_texts),
    (Annotated[str, Limit(3, 3)], st.just("abc")),
    (Point, points),
    (Annotated[Shape, SHAPES], any_shapes),
]


@st.composite
def annotated_values(draw: st.DrawFn, depth: int = 2) -> tuple[Any, st.SearchStrategy[Any]]:
    annotation, values = draw(st.sampled_from(leaves))
    for _ in range(draw(st.integers(0, depth))):
        match draw(st.sampled_from(("optional", "many", "row"))):
            case "optional" if type(None) not in getattr(annotation, "__args__", ()):
                annotation, values = annotation | None, st.none() | values
            case "many":
                low, high = draw(st.sampled_from(((0, 2), (2, 2), (1, 30))))
                annotation = Annotated[GenericAlias(tuple, (annotation, ...)), Limit(low, high)]
                values = st.lists(values, min_size=low, max_size=min(high, 26)).map(tuple)
            case "row":
                other, other_values = draw(st.sampled_from(leaves))
                annotation, values = GenericAlias(tuple, (annotation, other)), st.tuples(values, other_values)
    return annotation, values


@st.composite
def instances(draw: st.DrawFn) -> Any:
    fields = draw(
        st.lists(annotated_values(), min_size=1, max_size=30 if draw(st.integers(0, 9)) == 0 else 6)
    )
    named = [(f"f{index}", annotation) for index, (annotation, _) in enumerate(fields)]
    cls = make_dataclass("Generated", named, frozen=True, slots=True, kw_only=True)
    return cls(**{f"f{index}": draw(values) for index, (_, values) in enumerate(fields)})
