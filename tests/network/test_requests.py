"""Questions and answers multiplexed on the bulk lane."""

import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from noded.network import Lane, PeerUnavailable, RequestRefused
from noded.network.faults import UnexpectedFrame
from noded.network.frames import FrameCutter, Kind, decode_answer, decode_request, encode_request
from noded.network.limits import REFUSAL_BYTES_MAX, REQUESTS_IN_MAX, REQUESTS_OUT_MAX
from noded.network.queues import SendQueue
from noded.network.requests import Answering, Asking, Tether


def make_queue() -> SendQueue:
    return SendQueue(messages_max=1000, bytes_max=10**6)


def sent(queue: SendQueue) -> list[tuple[int, bytes]]:
    return FrameCutter(Lane.BULK).feed(b"".join(queue))


class TestAsking:
    async def test_answers_find_their_questions_in_any_order(self) -> None:
        queue = make_queue()
        asking = Asking(queue)
        answers = {}

        async def ask(question: bytes) -> None:
            answers[question] = await asking.ask(7, question)

        async with trio.open_nursery() as nursery:
            for question in (b"a", b"b", b"c"):
                nursery.start_soon(ask, question)
            await wait_all_tasks_blocked()
            for _, body in reversed(sent(queue)):
                request_id, kind, question = decode_request(body)
                asking.on_answer(Kind.RESPONSE, request_id.to_bytes(4, "big") + bytes([kind]) + question)

        assert answers == {b"a": b"\x07a", b"b": b"\x07b", b"c": b"\x07c"}

    async def test_a_refusal_is_raised_shortened_and_readable(self) -> None:
        asking = Asking(make_queue())
        async with trio.open_nursery() as nursery:

            async def ask() -> None:
                with pytest.raises(RequestRefused) as caught:
                    await asking.ask(0, b"")
                assert caught.value.reason == "\ufffd" * REFUSAL_BYTES_MAX

            nursery.start_soon(ask)
            await wait_all_tasks_blocked()
            asking.on_answer(Kind.REFUSAL, bytes(4) + b"\xff" * 1000)

    async def test_an_answer_that_comes_too_late_is_ignored(self) -> None:
        asking = Asking(make_queue())
        async with trio.open_nursery() as nursery:
            nursery.start_soon(asking.ask, 0, b"")
            await wait_all_tasks_blocked()
            nursery.cancel_scope.cancel()

        asking.on_answer(Kind.RESPONSE, bytes(4))

    async def test_an_answer_to_no_question_is_a_fault(self) -> None:
        with pytest.raises(UnexpectedFrame):
            Asking(make_queue()).on_answer(Kind.RESPONSE, bytes(4))

    async def test_questions_under_way_are_bounded(self) -> None:
        """N8."""
        queue = make_queue()
        asking = Asking(queue)
        async with trio.open_nursery() as nursery:
            for _ in range(REQUESTS_OUT_MAX + 3):
                nursery.start_soon(asking.ask, 0, b"")
            await wait_all_tasks_blocked()
            assert len(queue) == REQUESTS_OUT_MAX
            asking.on_answer(Kind.RESPONSE, bytes(4))
            await wait_all_tasks_blocked()
            assert len(queue) == REQUESTS_OUT_MAX + 1
            nursery.cancel_scope.cancel()


class TestAnswering:
    async def test_requests_at_once_are_bounded(self) -> None:
        """N8."""
        queue = make_queue()

        async def answer(kind: int, payload: bytes) -> bytes:
            return payload

        answering = Answering(queue, answer)
        body = encode_request(5, 1, b"q")[5:]
        accepted = [answering.accept(body) for _ in range(REQUESTS_IN_MAX + 1)]

        assert accepted == [(5, 1, b"q")] * REQUESTS_IN_MAX + [None]
        assert sent(queue) == [(Kind.REFUSAL, (5).to_bytes(4, "big") + b"TooManyRequests")]
        await answering.serve(5, 1, b"q")
        assert answering.accept(body) == (5, 1, b"q")

    async def test_a_refusal_is_sent_with_its_reason(self) -> None:
        queue = make_queue()

        async def answer(kind: int, payload: bytes) -> bytes:
            raise RequestRefused("NoPermit" + "!" * 1000)

        await Answering(queue, answer).serve(9, 0, b"")
        [(kind, body)] = sent(queue)

        assert kind == Kind.REFUSAL
        assert decode_answer(body) == (9, (b"NoPermit" + b"!" * 1000)[:REFUSAL_BYTES_MAX])


class TestTether:
    async def test_cutting_ends_what_is_held_and_what_comes(self) -> None:
        tether = Tether()
        async with trio.open_nursery() as nursery:

            async def hold() -> None:
                with pytest.raises(PeerUnavailable):
                    await tether.hold(trio.sleep_forever())

            nursery.start_soon(hold)
            await wait_all_tasks_blocked()
            tether.cut()

        with pytest.raises(PeerUnavailable):
            await tether.hold(trio.sleep_forever())

    async def test_what_ends_in_time_is_returned(self) -> None:
        async def answer() -> int:
            return 3

        assert await Tether().hold(answer()) == 3
