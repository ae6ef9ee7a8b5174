"""B5: fetched whole through every loss, and never an unchecked byte."""

from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
import trio
import trio.testing
from hypothesis import given
from hypothesis import strategies as st

from noded.blobs.errors import BlobForged, BlobRefused, BlobUnreachable
from noded.blobs.fetching import ATTEMPTS_MAX, BlobFetcher, compute_pause_s
from noded.blobs.messages import decode_answer, decode_question, encode_answer
from noded.blobs.store import BlobStore
from noded.codec.errors import Malformed
from noded.network.interface import PeerUnavailable, RequestRefused, RequestTimedOut
from tests.helpers.blobs import make_store
from tests.helpers.custodian import DATA, RECORD, VERSION, ServingCustodian


@pytest.fixture
def custodian(tmp_path: Path) -> ServingCustodian:
    return ServingCustodian(tmp_path / "custodian")


@pytest.fixture
def reader(tmp_path: Path) -> BlobStore:
    return make_store(tmp_path / "reader")


class TestFetching:
    async def test_the_blob_arrives_whole(self, custodian: ServingCustodian, reader: BlobStore) -> None:
        await BlobFetcher(reader).fetch(custodian.wanted, custodian.ask)

        reader.verify(custodian.name)
        assert reader.read(custodian.name, 0, 21) == DATA
        assert [(asked.first, asked.segments) for asked in custodian.questions] == [(0, 0), (0, 15), (15, 15)]

    async def test_what_is_here_is_not_asked_for(
        self, custodian: ServingCustodian, reader: BlobStore
    ) -> None:
        fetcher = BlobFetcher(reader)
        await fetcher.fetch(custodian.wanted, custodian.ask)
        custodian.questions.clear()

        await fetcher.fetch(custodian.wanted, custodian.ask)

        assert custodian.questions == []

    async def test_two_who_want_it_fetch_it_once(
        self, custodian: ServingCustodian, reader: BlobStore
    ) -> None:
        fetcher = BlobFetcher(reader)

        async with trio.open_nursery() as nursery:
            for _ in range(3):
                nursery.start_soon(fetcher.fetch, custodian.wanted, custodian.ask)

        assert len(custodian.questions) == 3

    async def test_a_refusal_is_final(self, custodian: ServingCustodian, reader: BlobStore) -> None:
        custodian.permits.clear()

        with pytest.raises(BlobRefused) as caught:
            await BlobFetcher(reader).fetch(custodian.wanted, custodian.ask)
        assert (caught.value.record, caught.value.version) == (RECORD, VERSION)
        assert len(custodian.questions) == 1

    async def test_the_reader_writes_no_unchecked_byte(
        self, custodian: ServingCustodian, reader: BlobStore
    ) -> None:
        async def forging(payload: bytes) -> bytes:
            answer = decode_answer(await custodian.ask(payload))
            if decode_question(payload).first == 15:
                assert answer.data is not None
                return encode_answer(type(answer)(data=answer.data[:-1] + b"!"))
            return encode_answer(answer)

        with pytest.raises(BlobForged) as caught:
            await BlobFetcher(reader).fetch(custodian.wanted, forging)

        assert caught.value.segment == 20
        assert not reader.has(custodian.name)
        custodian.questions.clear()
        await BlobFetcher(reader).fetch(custodian.wanted, custodian.ask)
        assert [(asked.first, asked.segments) for asked in custodian.questions] == [(20, 15)]
        reader.verify(custodian.name)

    @pytest.mark.parametrize("data", [b"x", b"\xff" * 40, bytes(7) + b"\x01" + bytes(32)])
    async def test_a_forged_manifest_is_refused(
        self, custodian: ServingCustodian, reader: BlobStore, data: bytes
    ) -> None:
        async def forging(payload: bytes) -> bytes:
            return (
                b"\x81"
                + (b"\x58" + bytes([len(data)]) if len(data) > 23 else bytes([0x40 + len(data)]))
                + data
            )

        with pytest.raises(BlobForged) as caught:
            await BlobFetcher(reader).fetch(custodian.wanted, forging)
        assert caught.value.segment is None

    async def test_an_answer_that_is_none_is_malformed(
        self, custodian: ServingCustodian, reader: BlobStore
    ) -> None:
        async def babbling(payload: bytes) -> bytes:
            return b"\x00"

        with pytest.raises(Malformed):
            await BlobFetcher(reader).fetch(custodian.wanted, babbling)


class TestLosses:
    """B5: losses cost time, never what was fetched."""

    @staticmethod
    def losing(
        ask: Callable[[bytes], Awaitable[bytes]], losses: list[Exception | None]
    ) -> Callable[[bytes], Awaitable[bytes]]:
        async def lossy(payload: bytes) -> bytes:
            loss = losses.pop(0) if losses else None
            if loss is not None:
                raise loss
            return await ask(payload)

        return lossy

    async def test_losses_are_asked_again(
        self, custodian: ServingCustodian, reader: BlobStore, autojump_clock: trio.testing.MockClock
    ) -> None:
        losses: list[Exception | None] = [
            PeerUnavailable("gone"),
            None,
            RequestTimedOut("late"),
            RequestRefused("busy"),
            None,
            *[PeerUnavailable("gone")] * (ATTEMPTS_MAX - 1),
        ]

        await BlobFetcher(reader).fetch(custodian.wanted, self.losing(custodian.ask, losses))

        reader.verify(custodian.name)
        assert losses == []
        assert len(custodian.questions) == 3

    async def test_silence_ends_the_attempt_and_keeps_what_came(
        self, custodian: ServingCustodian, reader: BlobStore, autojump_clock: trio.testing.MockClock
    ) -> None:
        losses: list[Exception | None] = [None, None, *[PeerUnavailable("gone")] * ATTEMPTS_MAX]
        fetcher = BlobFetcher(reader)
        began = trio.current_time()

        with pytest.raises(BlobUnreachable) as caught:
            await fetcher.fetch(custodian.wanted, self.losing(custodian.ask, losses))

        assert (caught.value.segments, caught.value.attempts) == (15, ATTEMPTS_MAX)
        assert 15 < trio.current_time() - began < 33
        custodian.questions.clear()
        await fetcher.fetch(custodian.wanted, custodian.ask)
        assert [asked.first for asked in custodian.questions] == [15]

    async def test_cancelling_keeps_what_came(self, custodian: ServingCustodian, reader: BlobStore) -> None:
        with trio.CancelScope() as scope:

            async def cancelling(payload: bytes) -> bytes:
                if decode_question(payload).first == 15:
                    scope.cancel()
                    await trio.lowlevel.checkpoint()
                return await custodian.ask(payload)

            await BlobFetcher(reader).fetch(custodian.wanted, cancelling)

        assert scope.cancelled_caught
        custodian.questions.clear()
        await BlobFetcher(reader).fetch(custodian.wanted, custodian.ask)
        assert [asked.first for asked in custodian.questions] == [15]


@given(st.integers(1, ATTEMPTS_MAX), st.floats(0, 1))
def test_pauses_grow_and_are_bounded(attempt: int, lot: float) -> None:
    assert 0.125 <= compute_pause_s(attempt, lot) <= 16
    assert compute_pause_s(attempt, lot) <= compute_pause_s(attempt + 1, lot)
