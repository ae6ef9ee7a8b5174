"""Frames of a lane: 4 bytes of length, 1 byte of kind, a body (N4); and the hello that opens a lane (N2)."""

import enum
import struct
from dataclasses import dataclass

from noded.network.faults import OversizeFrame, UnexpectedFrame, WrongChain, WrongHello, WrongProtocolVersion
from noded.network.interface import InstitutionId, Lane

PROTOCOL_VERSION = 1
"""Raised with every change of frames that a peer of the version before would not understand."""

LANE_PROTOCOLS = ("/noded/consensus/1", "/noded/bulk/1")
"""Names of the lanes in libp2p's negotiation, by Lane."""

FRAME_BYTES_MAX = (64 * 1024, 1024 * 1024)
"""Largest frame by Lane, length included."""

CHAIN_ID_BYTES = 32
"""A chain's id is a hash of its genesis."""

_LENGTH = struct.Struct(">I")
_HEAD = struct.Struct(">IB")
_REQUEST_HEAD = struct.Struct(">IB")
_ANSWER_HEAD = struct.Struct(">I")
_HELLO = struct.Struct(f">HB{CHAIN_ID_BYTES}s16s16s")


class Kind(enum.IntEnum):
    """What a frame is."""

    HELLO = 0
    MESSAGE = 1
    PING = 2
    PONG = 3
    REQUEST = 4
    RESPONSE = 5
    REFUSAL = 6
    BEAT = 7
    """A sign of life that asks for no answer."""


KINDS = (
    frozenset({Kind.MESSAGE, Kind.PING, Kind.PONG, Kind.BEAT}),
    frozenset({Kind.MESSAGE, Kind.REQUEST, Kind.RESPONSE, Kind.REFUSAL}),
)
"""What may follow the hello, by Lane."""


def encode_frame(kind: Kind, body: bytes) -> bytes:
    """The frame's bytes; the caller has checked the size."""
    return _HEAD.pack(len(body) + 1, kind) + body


def encode_request(request_id: int, kind: int, payload: bytes) -> bytes:
    """A REQUEST frame; ids count up from 0 within a connection."""
    return encode_frame(Kind.REQUEST, _REQUEST_HEAD.pack(request_id, kind) + payload)


def decode_request(body: bytes) -> tuple[int, int, bytes]:
    """Id, kind and payload of a REQUEST frame's body."""
    if len(body) < _REQUEST_HEAD.size:
        raise UnexpectedFrame(f"a request of {len(body)} bytes")
    request_id, kind = _REQUEST_HEAD.unpack_from(body)
    return request_id, kind, body[_REQUEST_HEAD.size :]


def encode_answer(kind: Kind, request_id: int, payload: bytes) -> bytes:
    """A RESPONSE or REFUSAL frame."""
    return encode_frame(kind, _ANSWER_HEAD.pack(request_id) + payload)


def decode_answer(body: bytes) -> tuple[int, bytes]:
    """Id and payload of a RESPONSE or REFUSAL frame's body."""
    if len(body) < _ANSWER_HEAD.size:
        raise UnexpectedFrame(f"an answer of {len(body)} bytes")
    (request_id,) = _ANSWER_HEAD.unpack_from(body)
    return request_id, body[_ANSWER_HEAD.size :]


@dataclass(frozen=True, slots=True, kw_only=True)
class Hello:
    """Who speaks to whom, on which chain and lane."""

    chain_id: bytes
    """32 bytes."""
    speaker: InstitutionId
    listener: InstitutionId

    def encode(self, lane: Lane) -> bytes:
        """The HELLO frame for one lane."""
        return encode_frame(
            Kind.HELLO, _HELLO.pack(PROTOCOL_VERSION, lane, self.chain_id, self.speaker, self.listener)
        )

    def check(self, lane: Lane, kind: int, body: bytes) -> None:
        """
        Accept a first frame that says just this hello, and nothing else (N2).

        Raises:
            WrongProtocolVersion: The speaker is older or newer.
            WrongChain: The speaker belongs to another chain.
            WrongHello: Not a hello, or not for this lane and these peers.
        """
        if kind != Kind.HELLO or len(body) < _LENGTH.size:
            raise WrongHello(f"a first frame of kind {kind} with {len(body)} bytes")
        version = int.from_bytes(body[:2], "big")
        if version != PROTOCOL_VERSION:
            raise WrongProtocolVersion(f"the peer speaks version {version}, this node {PROTOCOL_VERSION}")
        if len(body) != _HELLO.size:
            raise WrongHello(f"a hello of {len(body)} bytes")
        _, said_lane, chain_id, speaker, listener = _HELLO.unpack(body)
        if chain_id != self.chain_id:
            raise WrongChain(f"the peer is on chain {chain_id.hex()}, this node on {self.chain_id.hex()}")
        if (said_lane, speaker, listener) != (lane, self.speaker, self.listener):
            raise WrongHello(f"lane {said_lane} from {speaker.hex()} to {listener.hex()}")


class FrameCutter:
    """Cuts a stream of bytes into frames; holds at most one frame that is not yet whole."""

    __slots__ = ("_missing", "_partial", "_size_max")

    def __init__(self, lane: Lane) -> None:
        self._size_max = FRAME_BYTES_MAX[lane]
        self._partial = bytearray()
        self._missing = 0

    @property
    def held_bytes(self) -> int:
        """Bytes of the frame that is not yet whole."""
        return len(self._partial)

    def feed(self, data: bytes) -> list[tuple[int, bytes]]:
        """
        Take the next bytes of the stream.

        Returns:
            Kind and body of each frame that is now whole.

        Raises:
            OversizeFrame: A length is 0 or too large; the stream cannot go on.
        """
        if self._partial:
            self._partial += data
            self._missing -= len(data)
            if self._missing > 0:
                return []
            data = bytes(self._partial)
            self._partial.clear()
        frames = []
        at, end = 0, len(data)
        stop = _LENGTH.size
        while at + _LENGTH.size <= end:
            (length,) = _LENGTH.unpack_from(data, at)
            stop = at + _LENGTH.size + length
            if length == 0 or stop - at > self._size_max:
                raise OversizeFrame(f"a frame of {length} bytes")
            if stop > end:
                break
            frames.append((data[at + 4], data[at + 5 : stop]))
            at = stop
            stop = at + _LENGTH.size
        if at < end:
            self._partial += memoryview(data)[at:]
            self._missing = stop - end
        return frames
