"""Token buckets, and limits that have to agree with each other."""

import pytest

from noded.network import limits
from noded.network.frames import FRAME_BYTES_MAX
from noded.network.limits import TokenBucket


class TestTokenBucket:
    """N8: rates."""

    def test_a_burst_is_free_and_then_the_rate_holds(self) -> None:
        bucket = TokenBucket(rate=10, burst=5)

        assert [bucket.take(1, 100.0) for _ in range(5)] == [0.0] * 5
        assert bucket.take(1, 100.0) == pytest.approx(0.1)
        assert bucket.take(1, 100.2) == 0.0

    def test_tokens_do_not_pile_up_beyond_the_burst(self) -> None:
        bucket = TokenBucket(rate=10, burst=5)
        bucket.take(0, 1.0)

        assert bucket.take(6, 1000.0) == pytest.approx(0.1)

    def test_trying_takes_nothing_when_it_fails(self) -> None:
        bucket = TokenBucket(rate=1, burst=2)

        assert [bucket.try_take(1, 10.0) for _ in range(4)] == [True, True, False, False]
        assert bucket.try_take(1, 11.0)


def test_a_coalesced_write_fits_one_noise_record() -> None:
    assert limits.COALESCE_BYTES + 12 <= 65_535 - 16


def test_a_frame_fits_the_window_of_its_stream() -> None:
    """A receiver that waits for the rest of a frame goes on reading, so this is about speed, not deadlock."""
    assert max(FRAME_BYTES_MAX) <= limits.WINDOW_BYTES


def test_a_sender_is_never_left_with_less_window_than_a_piece() -> None:
    """The reader opens the window after a quarter of it; three quarters are always left when all is read."""
    assert limits.COALESCE_BYTES <= limits.WINDOW_BYTES * 3 // 4


def test_a_queue_has_room_for_every_answer_of_the_largest_size() -> None:
    assert FRAME_BYTES_MAX[1] <= limits.BULK_QUEUE_BYTES_MAX
