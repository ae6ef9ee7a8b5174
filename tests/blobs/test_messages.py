"""Questions and answers about blobs: one encoding, bounded."""

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from noded.blobs.manifest import SEGMENTS_MAX
from noded.blobs.messages import (
    ANSWER_BYTES_MAX,
    ANSWER_SEGMENTS_MAX,
    QUESTION_BYTES_MAX,
    BlobAnswer,
    BlobQuestion,
    decode_answer,
    decode_question,
    encode_answer,
    encode_question,
)
from noded.codec.errors import Malformed
from noded.network.interface import BULK_PAYLOAD_BYTES_MAX
from noded.types.medical import RecordId, RequestId, Version

IDS = st.binary(min_size=16, max_size=16)
QUESTIONS = st.builds(
    BlobQuestion,
    request=IDS.map(RequestId),
    record=IDS.map(RecordId),
    version=st.integers(1, (1 << 32) - 1).map(Version),
    first=st.integers(0, SEGMENTS_MAX - 1),
    segments=st.integers(0, ANSWER_SEGMENTS_MAX),
)


@given(QUESTIONS)
def test_a_question_is_read_as_it_was_written(question: BlobQuestion) -> None:
    assert decode_question(encode_question(question)) == question
    assert len(encode_question(question)) <= QUESTION_BYTES_MAX


@given(st.none() | st.binary(min_size=1, max_size=100))
def test_an_answer_is_read_as_it_was_written(data: bytes | None) -> None:
    assert decode_answer(encode_answer(BlobAnswer(data=data))) == BlobAnswer(data=data)


def test_the_largest_answer_fits_a_message() -> None:
    assert len(encode_answer(BlobAnswer(data=bytes(ANSWER_BYTES_MAX)))) <= BULK_PAYLOAD_BYTES_MAX


@given(st.binary(max_size=100))
def test_garbage_is_malformed(payload: bytes) -> None:
    with suppress(Malformed):
        assert encode_question(decode_question(payload)) == payload
    with suppress(Malformed):
        assert encode_answer(decode_answer(payload)) == payload


@pytest.mark.parametrize(("first", "segments"), [(SEGMENTS_MAX, 1), (0, ANSWER_SEGMENTS_MAX + 1)])
def test_a_question_beyond_the_limits_is_malformed(first: int, segments: int) -> None:
    good = encode_question(
        BlobQuestion(
            request=RequestId(bytes(16)), record=RecordId(bytes(16)), version=Version(1), first=1, segments=1
        )
    )
    written = b"\x19" + first.to_bytes(2) if first > 255 else bytes([first])

    with pytest.raises(Malformed):
        decode_question(good[:-2] + written + bytes([segments]))
    assert decode_question(good[:-2] + b"\x00\x0f").segments == 15
