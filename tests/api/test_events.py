import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import pytest
import trio

from noded.api.backend import StateAt
from noded.api.routes import events
from noded.client.wire import AnswerReader, request_bytes
from tests.helpers.api import ServedApi, serve
from tests.helpers.backend import TestBackend
from tests.helpers.medical import CLINIC, CONSENT, PATIENT

T = TypeVar("T")


class Stream:
    """A client's end of an event stream."""

    def __init__(self, stream: trio.SocketStream) -> None:
        self._stream = stream
        self._reader = AnswerReader()
        self._text = ""

    async def event(self) -> dict[str, str]:
        """The next event with data, or bare id, as its fields."""
        while True:
            while "\n\n" not in self._text:
                data = await self._stream.receive_some(65536)
                assert data, "the stream ended"
                self._text += self._reader.feed(data).decode()
            block, _, self._text = self._text.partition("\n\n")
            lines = [line.partition(":") for line in block.split("\n")]
            fields = {name: value.strip() for name, _, value in lines if name}
            if fields:
                return fields

    async def blocks(self, count: int) -> list[dict[str, Any]]:
        found = []
        for _ in range(count):
            event = await self.event()
            assert event["event"] == "block"
            document = json.loads(event["data"])
            assert document["height"] == int(event["id"])
            found.append(document)
        return found


async def follow(served: ServedApi, query: str = "", **headers: str) -> Stream:
    stream = await served.connect()
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    await stream.send_all(request_bytes("GET", f"/v1/events{query}", named, None))
    return Stream(stream)


async def test_the_past_comes_first_then_what_happens(served: ServedApi, backend: TestBackend) -> None:
    stream = await follow(served, "?start=1")
    past = await stream.blocks(4)
    backend.commit()
    (new,) = await stream.blocks(1)

    assert [block["height"] for block in (*past, new)] == [1, 2, 3, 4, 5]
    assert [event["event"]["name"] for event in past[0]["events"]] == ["patient.registered"]
    assert past[3]["hash"] == backend.chain.committed[4].block.hash.hex()
    assert new["time_ms"] > past[3]["time_ms"]


async def test_without_a_start_only_what_is_to_come(served: ServedApi, backend: TestBackend) -> None:
    stream = await follow(served)
    await trio.sleep(0.05)
    backend.commit()

    assert [block["height"] for block in await stream.blocks(1)] == [5]


async def test_it_resumes_behind_the_last_height_that_came(served: ServedApi) -> None:
    stream = await follow(served, last_event_id="2")

    assert [block["height"] for block in await stream.blocks(2)] == [3, 4]


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("&name=consent.", [(2, ["consent.granted", "consent.amended"])]),
        (f"&about={CONSENT.hex()}", [(2, ["consent.granted", "consent.amended"])]),
        (
            f"&about={CLINIC.id.hex()}",
            [(3, ["access.permitted", "breakglass.opened"]), (4, ["access.released"])],
        ),
        (
            f"&name=access.&about={PATIENT.id.hex()}",
            [(3, ["access.permitted", "access.denied"]), (4, ["access.released"])],
        ),
    ],
)
async def test_a_filter_leaves_out_what_does_not_fit(
    served: ServedApi, query: str, expected: list[tuple[int, list[str]]]
) -> None:
    stream = await follow(served, f"?start=0{query}")

    blocks = await stream.blocks(len(expected))

    assert [
        (block["height"], [event["event"]["name"] for event in block["events"]]) for block in blocks
    ] == expected


async def test_transactions_are_named_where_asked_for(served: ServedApi, backend: TestBackend) -> None:
    stream = await follow(served, "?start=3&transactions=true")

    (block, _) = await stream.blocks(2)

    entries = backend.chain.committed[3].entries
    assert block["transactions"] == [{"hash": entry.hash.hex(), "error": None} for entry in entries]


async def test_what_was_forgotten_is_told(served: ServedApi, backend: TestBackend) -> None:
    backend.store.prune_blocks(3, 10)
    stream = await follow(served, "?start=0")

    told = await stream.event()
    (third, _) = await stream.blocks(2)

    assert (told["event"], json.loads(told["data"])) == ("pruned", {"first": 0, "last": 2})
    assert third["height"] == 3


async def test_a_silent_stream_shows_that_it_is_alive(
    served: ServedApi, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(events, "SILENCE_S", 0.05)
    stream = await follow(served)

    assert await stream.event() == {"id": "4"}


async def test_a_stream_in_which_nothing_fits_shows_so_too(
    served: ServedApi, backend: TestBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Blocks come all the time, so that it never waits for long."""
    monkeypatch.setattr(events, "SILENCE_S", 0.3)
    stream = await follow(served, "?name=nothing.")
    async with trio.open_nursery() as nursery:
        nursery.start_soon(_commit_on, backend)
        with trio.fail_after(20):
            told = await stream.event()
        nursery.cancel_scope.cancel()

    assert set(told) == {"id"}
    assert int(told["id"]) > 4


async def _commit_on(backend: TestBackend) -> None:
    while True:
        backend.commit()
        await trio.sleep(0.005)


async def test_a_block_that_comes_while_others_are_read_is_told_at_once(tmp_path: Path) -> None:
    class Overtaken(TestBackend):
        async def read(self, query: Callable[[StateAt], T]) -> T:
            found = self.look(query)
            if self.look(lambda at: at.height) < 5:
                self.commit()
            return found

    backend = Overtaken()
    while backend.look(lambda at: at.height) < 4:
        backend.commit()
    async with serve(backend, tmp_path) as served:
        stream = await follow(served, "?start=4")
        with trio.fail_after(events.SILENCE_S / 2):
            assert [block["height"] for block in await stream.blocks(2)] == [4, 5]


async def test_streams_have_a_limit_and_end_with_their_clients(
    served: ServedApi, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(events, "STREAMS_MAX", 1)
    first = await follow(served, "?start=4")
    await first.blocks(1)
    refused = await served.get("/v1/events")
    await first._stream.aclose()
    while (answer := await _begin(served)) == 503:
        await trio.sleep(0.01)

    assert (refused.status, refused.reason) == (503, "Busy")
    assert answer == 200


async def _begin(served: ServedApi) -> int:
    async with await served.connect() as stream:
        await stream.send_all(request_bytes("GET", "/v1/events?start=0", {}, None))
        reader = AnswerReader()
        while reader.status is None:
            reader.feed(await stream.receive_some(1000))
        return reader.status


@pytest.mark.parametrize("last", ["x", "-1", "9" * 30, ""])
async def test_what_is_no_height_is_refused(served: ServedApi, last: str) -> None:
    answer = await served.get("/v1/events", headers={"last-event-id": last})

    assert (answer.status, answer.reason) == (422, "InvalidRequest")


async def test_a_height_far_ahead_waits_for_it(served: ServedApi, backend: TestBackend) -> None:
    stream = await follow(served, last_event_id="5")
    await trio.sleep(0.02)
    backend.commit()
    backend.commit()

    assert [block["height"] for block in await stream.blocks(1)] == [6]


@pytest.mark.parametrize("limit", ["BLOCKS_AT_ONCE", "TEXT_AT_ONCE"])
async def test_a_long_history_comes_in_pieces(
    limit: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of two blocks, or of two bytes, which each block has."""
    monkeypatch.setattr(events, limit, 2)
    backend = TestBackend()
    for _ in range(7):
        backend.commit()
    async with serve(backend, tmp_path) as served:
        stream = await follow(served, "?start=0")

        assert [block["height"] for block in await stream.blocks(8)] == list(range(8))
