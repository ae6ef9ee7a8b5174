from dataclasses import dataclass, field, make_dataclass
from enum import IntEnum
from typing import Annotated, Any, NewType

import cbor2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from noded.codec import heads
from noded.codec.errors import Malformed, Unencodable
from noded.codec.schema import DEPTH_MAX, Limit, Registry, decode_value, encode_value, pack, restrict, unpack
from tests.helpers.loose_cbor import loose_encodings

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
                annotation = Annotated[tuple[annotation, ...], Limit(low, high)]
                values = st.lists(values, min_size=low, max_size=min(high, 26)).map(tuple)
            case "row":
                other, other_values = draw(st.sampled_from(leaves))
                annotation, values = tuple[annotation, other], st.tuples(values, other_values)
    return annotation, values


@st.composite
def instances(draw: st.DrawFn) -> Any:
    fields = draw(
        st.lists(annotated_values(), min_size=1, max_size=30 if draw(st.integers(0, 9)) == 0 else 6)
    )
    named = [(f"f{index}", annotation) for index, (annotation, _) in enumerate(fields)]
    cls = make_dataclass("Generated", named, frozen=True, slots=True, kw_only=True)
    return cls(**{f"f{index}": draw(values) for index, (_, values) in enumerate(fields)})


class TestRoundTrip:
    def test_every_kind_of_field(self) -> None:
        data = encode_value(EVERYTHING)

        assert decode_value(Everything, data, max_bytes=2000) == EVERYTHING

    @given(instances())
    def test_decode_undoes_encode(self, value: Any) -> None:
        data = encode_value(value)
        decoded = decode_value(type(value), data, max_bytes=len(data))

        assert decoded == value
        assert repr(decoded) == repr(value), "equal, but of other types"
        assert hash(decoded) == hash(value)

    @given(instances())
    def test_another_implementation_writes_the_same(self, value: Any) -> None:
        data = encode_value(value)

        assert cbor2.dumps(cbor2.loads(data), canonical=True) == data

    @pytest.mark.parametrize("number", [0, 23, 24, 255, 256, 65_535, 65_536, (1 << 32) - 1, 1 << 32])
    def test_numbers_about_each_size_of_a_head(self, number: int) -> None:
        for value in (Unsigned(n=number), Both(n=number), Both(n=-number), Both(n=-1 - number)):
            encoding = encode_value(value)

            assert encoding == cbor2.dumps([value.n], canonical=True)
            assert decode_value(type(value), encoding, max_bytes=16) == value

    @given(instances())
    def test_unpack_undoes_pack(self, value: Any) -> None:
        assert unpack(type(value), pack(value)) == value

    def test_a_class_is_an_array_of_its_fields(self) -> None:
        circle = Circle(centre=Point(x=1, y=-2), radius=3)

        assert pack(circle) == [[1, -2], 3]
        assert encode_value(circle).hex() == "8282012103"
        assert SHAPES.encode(circle).hex() == "830382012103"


class TestCanonical:
    """C1: a value has one encoding; every other one is refused."""

    @given(instances())
    def test_looser_encodings_are_refused(self, value: Any) -> None:
        for loose in loose_encodings(pack(value)):
            with pytest.raises(Malformed):
                decode_value(type(value), loose, max_bytes=len(loose))

    @given(instances(), st.data())
    def test_whatever_decodes_is_canonical(self, value: Any, data: st.DataObject) -> None:
        encoding = bytearray(encode_value(value))
        for _ in range(data.draw(st.integers(1, 3))):
            encoding[data.draw(st.integers(0, len(encoding) - 1))] = data.draw(st.integers(0, 255))
        try:
            decoded = decode_value(type(value), bytes(encoding), max_bytes=len(encoding))
        except Malformed:
            return

        assert encode_value(decoded) == encoding

    @given(instances())
    def test_beginnings_are_refused(self, value: Any) -> None:
        data = encode_value(value)

        for size in range(len(data)):
            with pytest.raises(Malformed):
                decode_value(type(value), data[:size], max_bytes=len(data))

    @given(instances(), st.binary(min_size=1, max_size=3))
    def test_more_bytes_are_refused(self, value: Any, more: bytes) -> None:
        data = encode_value(value) + more

        with pytest.raises(Malformed, match="more data"):
            decode_value(type(value), data, max_bytes=len(data))


class TestLimits:
    """C2: every field has a type and a limit, and both ways keep them."""

    @pytest.mark.parametrize(
        ("path", "value"),
        [
            ((0,), bytes(31)),
            ((0,), bytes(33)),
            ((0,), "0" * 32),
            ((0,), None),
            ((2,), -101),
            ((2,), 1001),
            ((2,), True),
            ((2,), b""),
            ((2,), 1.0),
            ((3,), ""),
            ((3,), "ä" * 6),
            ((3,), b"a"),
            ((4,), 2),
            ((4,), -1),
            ((4,), "RED"),
            ((5,), 1),
            ((5,), None),
            ((6,), bytes(31)),
            ((7,), bytes(3)),
            ((8,), [[1, 1]] * 4),
            ((8,), None),
            ((8, 0), [1]),
            ((8, 0), [1, 1, 1]),
            ((8, 0, 0), -1),
            ((8, 0, 0), 1 << 63),
            ((8, 0, 1), 6),
            ((8, 0, 1), -6),
            ((9, 0), [1]),
            ((9, 0, 1), ""),
            ((10,), [bytes(32), False]),
            ((10, 1), 0),
            ((11,), []),
            ((11,), [300]),
            ((11,), [300, [], 0]),
            ((11,), [4, []]),
            ((11,), [3, []]),
            ((11,), ["shape", []]),
            ((11,), {}),
            ((12,), bytes(401)),
            ((13,), -1),
            ((13,), 1 << 64),
        ],
    )
    def test_decoding_refuses(self, path: tuple[int, ...], value: Any) -> None:
        with pytest.raises(Malformed):
            decode_value(Everything, with_plain(path, value), max_bytes=5000)

    @pytest.mark.parametrize("number", range(14))
    def test_decoding_refuses_none_of_these_for_the_wrong_reason(self, number: int) -> None:
        unchanged = with_plain((number,), pack(EVERYTHING)[number])

        assert decode_value(Everything, unchanged, max_bytes=5000) == EVERYTHING

    def test_the_error_names_class_and_field(self) -> None:
        with pytest.raises(Malformed) as refused:
            decode_value(Everything, with_plain((8, 0, 1), 6), max_bytes=5000)

        assert (refused.value.where, refused.value.why) == ("Point.y", "out of range")

    @pytest.mark.parametrize(
        "value",
        [
            Point(x=-1, y=0),
            Point(x=1 << 63, y=0),
            Point(x=0, y=6),
            Group(members=(Group(members=()),) * 5),
            Group(members=(Shape(),)),
        ],
    )
    def test_encoding_refuses(self, value: Any) -> None:
        with pytest.raises(Unencodable):
            encode_value(value)

    @pytest.mark.parametrize(
        ("annotation", "value"),
        [
            (Digest, bytes(31)),
            (Name, ""),
            (Name, "ä" * 6),
            (Name, "\udc80"),
            (Colour, 2),
            (tuple[bool, bool], (True,)),
            (Annotated[tuple[bool, ...], Limit(1, 2)], ()),
            (Digest | None, b""),
            (Annotated[int, Limit(-300, -2)], -1),
        ],
    )
    def test_encoding_refuses_fields(self, annotation: Any, value: Any) -> None:
        cls = make_dataclass("Generated", [("field", annotation)], frozen=True, slots=True)

        with pytest.raises(Unencodable, match=r"Generated\.field"):
            encode_value(cls(value))

    def test_the_size_of_the_whole_is_limited(self) -> None:
        data = encode_value(EVERYTHING)

        with pytest.raises(Malformed, match=f"more than {len(data) - 1} bytes"):
            decode_value(Everything, data, max_bytes=len(data) - 1)

    def test_a_hostile_count_costs_nothing(self) -> None:
        cls = make_dataclass(
            "Generated", [("field", Annotated[tuple[bool, ...], Limit(0, 1 << 62)])], frozen=True, slots=True
        )

        with pytest.raises(Malformed, match="ends early"):
            decode_value(cls, bytes.fromhex("819b4000000000000000"), max_bytes=10)

    def test_depth_is_limited(self) -> None:
        value = Chain(next=None)
        for _ in range(DEPTH_MAX - 1):
            value = Chain(next=value)
        data = encode_value(value)

        assert decode_value(Chain, data, max_bytes=100) == value
        with pytest.raises(Unencodable, match="too deep"):
            encode_value(Chain(next=value))
        with pytest.raises(Malformed, match="too deep"):
            decode_value(Chain, b"\x81" + data, max_bytes=100)
        with pytest.raises(Malformed, match="too deep"):
            decode_value(Chain, b"\x81" * 100_000, max_bytes=100_000)

    def test_depth_is_limited_through_registries(self) -> None:
        with pytest.raises(Malformed, match="too deep"):
            SHAPES.decode(bytes.fromhex("8219012c81") * 1000, max_bytes=5000)

    def test_rules_between_fields(self) -> None:
        assert decode_value(Span, b"\x82\x01\x02", max_bytes=3) == Span(first=1, last=2)
        with pytest.raises(Malformed, match="before it begins"):
            decode_value(Span, b"\x82\x02\x01", max_bytes=3)

    def test_rules_between_fields_see_whole_values_only(self) -> None:
        """However early the data ends, `__post_init__` gets no part of a digest."""
        data = encode_value(Signed(number=1, digest=Digest(bytes(32))))

        for size in range(len(data)):
            with pytest.raises(Malformed):
                decode_value(Signed, data[:size], max_bytes=50)


class TestAnnotations:
    @pytest.mark.parametrize(
        "annotation",
        [
            bytes,
            str,
            tuple[bool, ...],
            NewType("Loose", bytes),
            Annotated[bytes, Limit(-1, 4)],
            Annotated[int, Limit(0, 1 << 64)],
            float,
            dict[str, int],
            list[int],
            int | bool,
            Annotated[int | None, Limit(0, 1)] | None,
            Any,
            object,
        ],
    )
    def test_without_a_limit_or_an_encoding_there_is_no_codec(self, annotation: Any) -> None:
        """C2: a field that anyone could fill is refused before it meets data, and each time."""
        cls = make_dataclass("Generated", [("field", annotation)], frozen=True, slots=True)

        for _ in range(2):
            with pytest.raises(TypeError, match=r"Generated\.field"):
                decode_value(cls, b"", max_bytes=1)

    def test_a_class_that_cannot_be_compiled_leaves_nothing_behind(self) -> None:
        """A cycle through a class without a codec: neither becomes half usable."""
        outer = make_dataclass("Outer", [("point", Point), ("bad", float)], frozen=True, slots=True)

        for _ in range(2):
            with pytest.raises(TypeError, match=r"Outer\.bad"):
                encode_value(outer(Point(x=1, y=1), 1.0))
        assert encode_value(Point(x=1, y=1)).hex() == "820101"

    def test_classes_need_slots(self) -> None:
        with pytest.raises(TypeError, match="slots"):
            encode_value(make_dataclass("Generated", [("field", int)], frozen=True)(1))

    def test_a_new_type_keeps_its_limit(self) -> None:
        with pytest.raises(AssertionError, match="another limit"):
            restrict(Digest, Limit(16, 16))

    def test_a_limit_needs_a_max(self) -> None:
        with pytest.raises(AssertionError, match="needs a max"):
            Limit(5)

    def test_the_outer_limit_holds(self) -> None:
        cls = make_dataclass("Generated", [("field", Annotated[Name, Limit(1, 20)])], frozen=True, slots=True)

        assert decode_value(cls, encode_value(cls("a" * 20)), max_bytes=30) == cls("a" * 20)


class TestComputedFields:
    """Fields that a class computes from the others have no encoding."""

    def test_they_are_computed_anew(self) -> None:
        data = encode_value(Sum(first=3, second=4))

        assert data.hex() == "820304"
        assert decode_value(Sum, data, max_bytes=3).total == 7
        assert decode_value(Sum, data, max_bytes=3).cached is None

    def test_a_tag_does_not_count_them(self) -> None:
        sums: Registry[Sum] = Registry("sum")
        sums.register(1, Sum)

        assert sums.encode(Sum(first=3, second=4)).hex() == "83010304"
        assert sums.decode(bytes.fromhex("83010304"), max_bytes=4) == Sum(first=3, second=4)


class TestRegistry:
    def test_decodes_by_tag(self) -> None:
        circle = Circle(centre=Point(x=1, y=1), radius=2)

        assert SHAPES.decode(SHAPES.encode(circle), max_bytes=20) == circle

    def test_unknown_tags_are_refused(self) -> None:
        with pytest.raises(Malformed, match="unknown tag"):
            SHAPES.decode(b"\x81\x04", max_bytes=2)

    @pytest.mark.parametrize("head", ["80", "81", "82", "84", "97", "9803", "9f"])
    def test_the_number_of_fields_is_the_class_s(self, head: str) -> None:
        """C1: with three items and a head that says otherwise."""
        assert SHAPES.decode(bytes.fromhex("830382012103"), max_bytes=6)
        with pytest.raises(Malformed):
            SHAPES.decode(bytes.fromhex(head + "0382012103"), max_bytes=7)

    def test_strangers_have_no_encoding(self) -> None:
        with pytest.raises(Unencodable, match="Point is not registered"):
            SHAPES.encode(Point(x=1, y=1))  # type: ignore[arg-type]

    def test_a_tag_has_one_class_and_a_class_one_tag(self) -> None:
        with pytest.raises(AssertionError, match="tag 3 is Circle"):
            SHAPES.register(3, Point)
        with pytest.raises(AssertionError, match="Circle has shape tag 3"):
            SHAPES.register(4, Circle)
        with pytest.raises(AssertionError, match="out of range"):
            SHAPES.register(1 << 16, Point)

    def test_registration_may_follow_use(self) -> None:
        late: Registry[object] = Registry("late")
        holder = make_dataclass("Holder", [("held", Annotated[object, late])], frozen=True, slots=True)
        with pytest.raises(Malformed, match="unknown tag"):
            decode_value(holder, b"\x81\x81\x05", max_bytes=3)

        added = make_dataclass("Added", [], frozen=True, slots=True)
        late.register(5, added)

        assert decode_value(holder, b"\x81\x81\x05", max_bytes=3) == holder(added())
        assert late.tag_of(added) == 5
        assert late.classes() == {5: added}
