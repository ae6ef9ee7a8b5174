from typing import Any

import cbor2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from noded.codec import cbor, heads
from noded.codec.errors import Malformed, Unencodable
from noded.errors import InvalidMessage
from tests.helpers.loose_cbor import loose_encodings

plain_values: st.SearchStrategy[Any] = st.recursive(
    st.integers(heads.INT_MIN, heads.INT_MAX)
    | st.binary(max_size=300)
    | st.text(max_size=80)
    | st.booleans()
    | st.none(),
    lambda inner: st.lists(inner, max_size=30),
    max_leaves=40,
)

RFC_8949_APPENDIX_A = [
    (0, "00"),
    (1, "01"),
    (10, "0a"),
    (23, "17"),
    (24, "1818"),
    (25, "1819"),
    (100, "1864"),
    (1000, "1903e8"),
    (1000000, "1a000f4240"),
    (1000000000000, "1b000000e8d4a51000"),
    (18446744073709551615, "1bffffffffffffffff"),
    (-1, "20"),
    (-10, "29"),
    (-100, "3863"),
    (-1000, "3903e7"),
    (False, "f4"),
    (True, "f5"),
    (None, "f6"),
    (b"", "40"),
    (b"\x01\x02\x03\x04", "4401020304"),
    ("", "60"),
    ("a", "6161"),
    ("IETF", "6449455446"),
    ('"\\', "62225c"),
    ("\u00fc", "62c3bc"),
    ("\u6c34", "63e6b0b4"),
    ("\U00010151", "64f0908591"),
    ([], "80"),
    ([1, 2, 3], "83010203"),
    ([1, [2, 3], [4, 5]], "8301820203820405"),
    (list(range(1, 26)), "98190102030405060708090a0b0c0d0e0f101112131415161718181819"),
]

REFUSED = {
    "": "nothing",
    "1817": "one byte more than needed",
    "190017": "two bytes more than needed",
    "1900ff": "one byte would do",
    "1a0000ffff": "two bytes would do",
    "1b00000000ffffffff": "four bytes would do",
    "3817": "a negative number with a long head",
    "3b8000000000000000": "below 64 bits",
    "3bffffffffffffffff": "far below 64 bits",
    "1c": "reserved",
    "1f": "reserved",
    "580161": "a long head of bytes",
    "780161": "a long head of text",
    "980101": "a long head of an array",
    "5f4101ff": "bytes of indefinite length",
    "7f6161ff": "text of indefinite length",
    "9f01ff": "an array of indefinite length",
    "bf01ff": "a map of indefinite length",
    "ff": "a break",
    "a0": "a map",
    "a10101": "a map",
    "a201010101": "a map with a duplicate key",
    "c001": "a tag",
    "c24101": "a bignum",
    "d9d9f700": "a tag",
    "f7": "undefined",
    "e0": "a simple value",
    "f814": "a long false",
    "f820": "a simple value",
    "f93c00": "a half float",
    "fa3f800000": "a single float",
    "fb3ff0000000000000": "a double float",
    "61ff": "text that is not UTF-8",
    "62c080": "overlong UTF-8",
    "63eda080": "a surrogate",
    "0001": "a second value",
    "8101ff": "a byte more",
    "8201": "an item less",
    "42 01": "a byte less",
    "19ff": "half a head",
    "18": "half a head",
    "5bffffffffffffffff": "a length far beyond the data",
    "9bffffffffffffffff": "a count far beyond the data",
}


@pytest.mark.parametrize(("value", "encoding"), RFC_8949_APPENDIX_A)
def test_examples_of_rfc_8949(value: Any, encoding: str) -> None:
    assert cbor.encode(value).hex() == encoding
    assert cbor.decode(bytes.fromhex(encoding), max_bytes=64) == value
    assert type(cbor.decode(bytes.fromhex(encoding), max_bytes=64)) is type(value)


@pytest.mark.parametrize("encoding", REFUSED, ids=[f"{data}: {why}" for data, why in REFUSED.items()])
def test_everything_else_is_refused(encoding: str) -> None:
    """C1: one encoding per value; C2: no value outside the few kinds in use."""
    with pytest.raises(Malformed):
        cbor.decode(bytes.fromhex(encoding), max_bytes=64)


def test_malformed_is_the_peers_fault() -> None:
    assert issubclass(Malformed, InvalidMessage)


@given(plain_values)
def test_decode_undoes_encode(value: Any) -> None:
    data = cbor.encode(value)

    assert cbor.decode(data, max_bytes=len(data)) == value


@given(plain_values)
def test_another_implementation_agrees(value: Any) -> None:
    assert cbor.encode(value) == cbor2.dumps(value, canonical=True)


@given(plain_values)
def test_every_other_encoding_of_a_value_is_refused(value: Any) -> None:
    """C1"""
    for loose in loose_encodings(value):
        with pytest.raises(Malformed):
            cbor.decode(loose, max_bytes=len(loose))


@given(st.binary(max_size=60))
def test_whatever_decodes_is_canonical(data: bytes) -> None:
    """C1"""
    try:
        value = cbor.decode(data, max_bytes=60)
    except Malformed:
        return

    assert cbor.encode(value) == data


@given(plain_values)
def test_every_beginning_of_an_encoding_is_refused(value: Any) -> None:
    data = cbor.encode(value)

    for size in range(len(data)):
        with pytest.raises(Malformed):
            cbor.decode(data[:size], max_bytes=len(data))


def test_size_is_limited() -> None:
    assert cbor.decode(b"\x43abc", max_bytes=4) == b"abc"
    with pytest.raises(Malformed, match="more than 3 bytes"):
        cbor.decode(b"\x43abc", max_bytes=3)


def test_depth_is_limited() -> None:
    deep = b"\x81" * 16 + b"\x00"

    assert cbor.encode(cbor.decode(deep, max_bytes=100)) == deep
    with pytest.raises(Malformed, match="too deep"):
        cbor.decode(b"\x81" + deep, max_bytes=100)
    with pytest.raises(Malformed, match="too deep"):
        cbor.decode(b"\x81" * 1_000_000, max_bytes=1_000_000)


@pytest.mark.parametrize(
    "value", [1.0, {}, {1}, bytearray(b"a"), 1 << 64, -(1 << 63) - 1, object(), "\ud800", [[1.0]]]
)
def test_other_values_have_no_encoding(value: Any) -> None:
    with pytest.raises(Unencodable):
        cbor.encode(value)


def test_too_deep_a_value_has_no_encoding() -> None:
    value: Any = 0
    for _ in range(17):
        value = [value]

    with pytest.raises(Unencodable, match="too deep"):
        cbor.encode(value)
