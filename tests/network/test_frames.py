"""Frames of a lane and the hello."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from noded.network import Lane
from noded.network.faults import OversizeFrame, UnexpectedFrame, WrongChain, WrongHello, WrongProtocolVersion
from noded.network.frames import (
    FRAME_BYTES_MAX,
    FrameCutter,
    Hello,
    Kind,
    decode_answer,
    decode_request,
    encode_answer,
    encode_frame,
    encode_request,
)
from noded.network.interface import BULK_PAYLOAD_BYTES_MAX, CONSENSUS_PAYLOAD_BYTES_MAX

CHAIN = b"c" * 32
ONE, TWO = b"1" * 16, b"2" * 16


def first(frame: bytes, lane: Lane = Lane.BULK) -> tuple[int, bytes]:
    [only] = FrameCutter(lane).feed(frame)
    return only


class TestFrameCutter:
    """N4: 4 bytes of length, 1 byte of kind, a body; bounded by lane."""

    @given(
        st.lists(st.tuples(st.sampled_from(Kind), st.binary(max_size=300))), st.lists(st.integers(0, 4000))
    )
    def test_frames_survive_any_cutting_of_the_stream(
        self, frames: list[tuple[Kind, bytes]], cuts: list[int]
    ) -> None:
        stream = b"".join(encode_frame(kind, body) for kind, body in frames)
        ends = sorted(cut for cut in cuts if cut < len(stream))
        cutter, found = FrameCutter(Lane.BULK), []
        for start, end in zip([0, *ends], [*ends, len(stream)], strict=True):
            found += cutter.feed(stream[start:end])

        assert found == frames
        assert cutter.held_bytes == 0

    @pytest.mark.parametrize("lane", Lane)
    def test_the_largest_frame_passes_and_one_byte_more_does_not(self, lane: Lane) -> None:
        largest = encode_frame(Kind.MESSAGE, bytes(FRAME_BYTES_MAX[lane] - 5))

        assert first(largest, lane) == (Kind.MESSAGE, bytes(FRAME_BYTES_MAX[lane] - 5))
        with pytest.raises(OversizeFrame):
            FrameCutter(lane).feed(encode_frame(Kind.MESSAGE, bytes(FRAME_BYTES_MAX[lane] - 4)))

    def test_an_oversize_length_is_refused_before_its_body_comes(self) -> None:
        with pytest.raises(OversizeFrame):
            FrameCutter(Lane.BULK).feed(b"\xff\xff\xff\xff")

    def test_an_empty_frame_is_refused(self) -> None:
        with pytest.raises(OversizeFrame):
            FrameCutter(Lane.CONSENSUS).feed(bytes(4))

    def test_payloads_of_the_announced_sizes_fit(self) -> None:
        first(encode_frame(Kind.MESSAGE, bytes(CONSENSUS_PAYLOAD_BYTES_MAX)), Lane.CONSENSUS)
        first(encode_request(2**32 - 1, 255, bytes(BULK_PAYLOAD_BYTES_MAX)))
        first(encode_answer(Kind.RESPONSE, 2**32 - 1, bytes(BULK_PAYLOAD_BYTES_MAX)))


class TestHello:
    """N2: one chain, one version, the right peers and lane."""

    def test_the_same_hello_is_accepted(self) -> None:
        hello = Hello(chain_id=CHAIN, speaker=ONE, listener=TWO)

        for lane in Lane:
            hello.check(lane, *first(hello.encode(lane)))

    @pytest.mark.parametrize(
        ("said", "lane"),
        [
            (Hello(chain_id=CHAIN, speaker=TWO, listener=ONE), Lane.BULK),
            (Hello(chain_id=CHAIN, speaker=ONE, listener=ONE), Lane.BULK),
            (Hello(chain_id=CHAIN, speaker=ONE, listener=TWO), Lane.CONSENSUS),
        ],
    )
    def test_another_peer_or_lane_is_a_fault(self, said: Hello, lane: Lane) -> None:
        with pytest.raises(WrongHello):
            Hello(chain_id=CHAIN, speaker=ONE, listener=TWO).check(Lane.BULK, *first(said.encode(lane)))

    def test_another_chain_is_named(self) -> None:
        said = Hello(chain_id=b"d" * 32, speaker=ONE, listener=TWO)

        with pytest.raises(WrongChain, match=(b"d" * 32).hex()):
            Hello(chain_id=CHAIN, speaker=ONE, listener=TWO).check(Lane.BULK, *first(said.encode(Lane.BULK)))

    def test_another_version_is_named_whatever_follows(self) -> None:
        with pytest.raises(WrongProtocolVersion, match="version 513"):
            Hello(chain_id=CHAIN, speaker=ONE, listener=TWO).check(
                Lane.BULK, Kind.HELLO, b"\x02\x01new format"
            )

    @pytest.mark.parametrize(
        ("kind", "body"), [(Kind.MESSAGE, b"\0\1"), (Kind.HELLO, b""), (Kind.HELLO, b"\0\1short")]
    )
    def test_what_is_no_hello_is_a_fault(self, kind: Kind, body: bytes) -> None:
        with pytest.raises(WrongHello):
            Hello(chain_id=CHAIN, speaker=ONE, listener=TWO).check(Lane.BULK, kind, body)


class TestRequests:
    """Heads of requests and answers."""

    @given(st.integers(0, 2**32 - 1), st.integers(0, 255), st.binary(max_size=50))
    def test_what_is_encoded_is_decoded(self, request_id: int, kind: int, payload: bytes) -> None:
        _, request = first(encode_request(request_id, kind, payload))
        _, answer = first(encode_answer(Kind.RESPONSE, request_id, payload))

        assert decode_request(request) == (request_id, kind, payload)
        assert decode_answer(answer) == (request_id, payload)

    def test_short_bodies_are_faults(self) -> None:
        with pytest.raises(UnexpectedFrame):
            decode_request(bytes(4))
        with pytest.raises(UnexpectedFrame):
            decode_answer(bytes(3))
