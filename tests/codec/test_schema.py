"""C1 and C2: classes, their encodings, and the annotations that make both."""

from dataclasses import make_dataclass
from typing import Annotated, Any, NewType

import cbor2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from noded.codec.errors import Malformed, Unencodable
from noded.codec.schema import Limit, Registry, decode_value, encode_value, pack, restrict, unpack
from tests.helpers.loose_cbor import loose_encodings
from tests.helpers.schemas import (
    EVERYTHING,
    SHAPES,
    Both,
    Circle,
    Digest,
    Everything,
    Name,
    Point,
    Sum,
    Unsigned,
    instances,
)


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
        stranger: Any = Point(x=1, y=1)
        with pytest.raises(Unencodable, match="Point is not registered"):
            SHAPES.encode(stranger)

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
