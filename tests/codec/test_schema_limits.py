"""C2: what breaks a limit is neither written nor read."""

from dataclasses import make_dataclass
from typing import Annotated, Any

import pytest

from noded.codec.errors import Malformed, Unencodable
from noded.codec.schema import DEPTH_MAX, Limit, decode_value, encode_value, pack
from tests.helpers.schemas import (
    EVERYTHING,
    SHAPES,
    Chain,
    Colour,
    Digest,
    Everything,
    Group,
    Name,
    Point,
    Shape,
    Signed,
    Span,
    with_plain,
)


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
