"""Bounded queues of frames to send."""

import trio
from trio.testing import wait_all_tasks_blocked

from noded.network.limits import COALESCE_BYTES
from noded.network.queues import SendQueue


def make_queue(messages_max: int = 100, bytes_max: int = 10**6) -> SendQueue:
    return SendQueue(messages_max=messages_max, bytes_max=bytes_max)


class TestPut:
    """N5: bounded in messages and in bytes."""

    def test_a_full_queue_refuses_and_is_unchanged(self) -> None:
        queue = make_queue(messages_max=2)

        assert [queue.put(b"a"), queue.put(b"b"), queue.put(b"c")] == [True, True, False]
        assert list(queue) == [b"a", b"b"]

    def test_bytes_are_bounded_too(self) -> None:
        queue = make_queue(bytes_max=10)

        assert [queue.put(bytes(6)), queue.put(bytes(5)), queue.put(bytes(4))] == [True, False, True]
        assert queue.bytes == 10

    async def test_who_waits_for_room_gets_it(self) -> None:
        queue = make_queue(messages_max=1)
        queue.put(b"first")
        async with trio.open_nursery() as nursery:
            nursery.start_soon(queue.put_when_room, b"second")
            nursery.start_soon(queue.put_when_room, b"third")
            await wait_all_tasks_blocked()
            taken = [await queue.take() for _ in range(3)]

        assert taken[0] == b"first"
        assert sorted(taken) == [b"first", b"second", b"third"]
        assert queue.bytes == 0


class TestTake:
    """Frames are coalesced without waiting for more."""

    async def test_small_frames_are_taken_together(self) -> None:
        queue = make_queue()
        for number in range(5):
            queue.put(bytes([number]))

        assert await queue.take() == bytes(range(5))
        assert len(queue) == 0

    async def test_no_more_than_fits_one_write(self) -> None:
        queue = make_queue()
        for size in (COALESCE_BYTES - 1, 1, 1):
            queue.put(bytes(size))

        assert len(await queue.take()) == COALESCE_BYTES
        assert len(await queue.take()) == 1

    async def test_a_large_frame_goes_alone(self) -> None:
        queue = make_queue()
        queue.put(bytes(COALESCE_BYTES * 2))
        queue.put(b"x")

        assert len(await queue.take()) == COALESCE_BYTES * 2

    async def test_cancelling_a_wait_loses_nothing(self) -> None:
        queue = make_queue()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(queue.take)
            await wait_all_tasks_blocked()
            nursery.cancel_scope.cancel()
        queue.put(b"kept")

        assert await queue.take() == b"kept"
