"""What reader and custodian say to each other about a blob."""

from dataclasses import dataclass
from typing import Annotated

from noded.blobs.manifest import MANIFEST_BYTES_MAX, SEGMENTS_MAX
from noded.codec.schema import Limit, decode_value, encode_value
from noded.crypto.segments import SEALED_SEGMENT_BYTES
from noded.types.medical import RecordId, RequestId, Version

ANSWER_SEGMENTS_MAX = 15
"""Segments of one answer: 15 of 65,552 bytes are 983,280, within the 1,048,000 of a bulk message."""

ANSWER_BYTES_MAX = max(MANIFEST_BYTES_MAX, ANSWER_SEGMENTS_MAX * SEALED_SEGMENT_BYTES)

QUESTION_BYTES_MAX = 64
"""Two ids of 17 bytes, three numbers of at most 5, and a head."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BlobQuestion:
    """Ask for a part of a version's ciphertext, under a request that the ledger has permitted."""

    request: RequestId
    record: RecordId
    version: Version
    first: Annotated[int, Limit(0, SEGMENTS_MAX - 1)]
    """Number of the first segment wanted, from 0."""
    segments: Annotated[int, Limit(0, ANSWER_SEGMENTS_MAX)]
    """How many; 0 asks for the manifest."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BlobAnswer:
    """The bytes asked for, from the first on; possibly fewer segments, but whole ones."""

    data: Annotated[bytes, Limit(1, ANSWER_BYTES_MAX)] | None
    """None: no such blob, or no permit, or nothing at that place; which of them is not said (B7)."""


def encode_question(question: BlobQuestion) -> bytes:
    """The question's bytes, as a request's payload."""
    return encode_value(question)


def decode_question(payload: bytes) -> BlobQuestion:
    """The question in a payload; raises `Malformed` if it is none."""
    return decode_value(BlobQuestion, payload, max_bytes=QUESTION_BYTES_MAX)


def encode_answer(answer: BlobAnswer) -> bytes:
    """The answer's bytes."""
    return encode_value(answer)


def decode_answer(payload: bytes) -> BlobAnswer:
    """The answer in a payload; raises `Malformed` if it is none."""
    return decode_value(BlobAnswer, payload, max_bytes=ANSWER_BYTES_MAX + 16)
