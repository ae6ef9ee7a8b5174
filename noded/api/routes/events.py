"""What happens on the ledger, as it happens: server-sent events, block by block."""

from collections.abc import MutableMapping
from functools import partial
from typing import Annotated, Any, Final

import trio
from pydantic import Field
from starlette.requests import Request
from starlette.responses import Response

from noded.api.backend import Backend, Busy, StateAt
from noded.api.chain_data import STORED_BYTES_MAX, header_of, receipts_of, transactions_of
from noded.api.connection import Receive, Send
from noded.api.problems import InvalidRequest
from noded.api.rendering import dump, to_json
from noded.api.routing import EVENTS, Answer, Number, Routes
from noded.api.tokens import Scope
from noded.codec.schema import decode_value
from noded.ledger.commit import Events, PlacedEvent
from noded.storage.store import HEIGHT_MAX
from noded.types.ids import Height
from noded.types.transaction import transaction_hash

STREAMS_MAX: Final = 64
"""Streams at a time; each reads every block anew."""

TEXT_AT_ONCE: Final = 256 * 1024
"""Bytes after which a client is sent what there is, before further blocks are read: full blocks have a mebibyte each."""

BLOCKS_AT_ONCE: Final = 32
"""Blocks read for one piece of a stream, so that one that is far behind takes turns with other queries."""

SILENCE_S: Final = 15.0
"""A stream without events shows so often that it is alive, and how far it has come."""

TAG: Final = "events"


def add_events(routes: Routes, backend: Backend) -> None:
    """Add the stream of events."""
    open_streams = 0

    async def events(
        request: Request,
        start: Annotated[
            Number | None,
            Field(ge=0, le=HEIGHT_MAX, description="First height; by default the next block's."),
        ] = None,
        name: Annotated[
            str,
            Field(max_length=64, description="Only events whose name begins so, such as `consent.`"),
        ] = "",
        about: Annotated[
            str,
            Field(
                pattern="^([0-9a-f]{2}){0,64}$",
                description="Only events about this id or key, as subject or party.",
            ),
        ] = "",
        transactions: Annotated[
            bool, Field(description="Name each block's transactions and what became of them.")
        ] = False,
    ) -> Response:
        """
        Follow the ledger: one event a block, whose id is the height.

        With the header `Last-Event-ID` it resumes behind that height. Blocks in which nothing fits the filter are left
        out. An event `pruned` says from which heights on the node has forgotten what happened.
        """
        nonlocal open_streams
        first = _first_height(request.headers.get("last-event-id"), start)
        if open_streams >= STREAMS_MAX:
            raise Busy(f"{STREAMS_MAX} streams of events are open")

        def change(count: int) -> None:
            nonlocal open_streams
            open_streams += count

        wanted = _Wanted(name=name, about=bytes.fromhex(about), transactions=transactions)
        if first is None:
            first = backend.look(_height) + 1
        return EventStream(backend, first, wanted, change)

    routes.add(
        "GET",
        "/v1/events",
        events,
        access=Scope.READ,
        tag=TAG,
        answer=Answer(description="The stream.", media_type=EVENTS, schema={"type": "string"}),
        parameters=[
            {
                "name": "Last-Event-ID",
                "in": "header",
                "description": "Resume behind the event that had this id, a height.",
                "schema": {"type": "integer", "minimum": 0, "maximum": HEIGHT_MAX},
            }
        ],
    )


class _Wanted:
    """Which events a client follows."""

    def __init__(self, *, name: str, about: bytes, transactions: bool) -> None:
        self.name = name
        self.about = about
        self.transactions = transactions
        self.is_all = not name and not about

    def fits(self, placed: PlacedEvent) -> bool:
        """Whether an event is among them."""
        event = placed.event
        if not event.name.startswith(self.name):
            return False
        return not self.about or self.about == event.subject or self.about in event.parties


class EventStream(Response):
    """A stream that ends when the client leaves, or the node stops."""

    def __init__(self, backend: Backend, first: int, wanted: _Wanted, change: Any) -> None:
        super().__init__(media_type=EVENTS, headers={"cache-control": "no-store"})
        del self.headers["content-length"]
        self._backend = backend
        self._next = first
        self._wanted = wanted
        self._change = change

    async def __call__(self, scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        """Send what there is, then whatever comes."""
        self._change(1)
        try:
            await send(
                {"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers}
            )
            await self._follow(send)
        finally:
            self._change(-1)

    async def _follow(self, send: Send) -> None:
        text = b": noded\n\n"
        while True:
            if text:
                await _send(send, text)
                due_s = trio.current_time() + SILENCE_S
            # The height as it is now: no block comes unseen before the wait.
            if self._next > self._backend.look(_height):
                with trio.move_on_at(due_s):
                    await self._backend.wait_block()
            text, self._next = await self._backend.read(
                partial(_blocks, first=self._next, wanted=self._wanted)
            )
            if not text and trio.current_time() >= due_s:
                text = b"id: %d\n\n" % (self._next - 1) if self._next else b":\n\n"


async def _send(send: Send, text: bytes) -> None:
    await send({"type": "http.response.body", "body": text, "more_body": True})


def _first_height(last: str | None, start: int | None) -> int | None:
    if last is None:
        return start
    if not last.isascii() or not last.isdecimal() or len(last) > 13:
        raise InvalidRequest(f"header.last-event-id: {last[:40]!r} is no height")
    return min(int(last), HEIGHT_MAX - 1) + 1


def _height(at: StateAt) -> Height:
    return at.height


def _blocks(at: StateAt, first: int, wanted: _Wanted) -> tuple[bytes, int]:
    """The text for some blocks, and the height that comes next."""
    last = min(int(at.height), first + BLOCKS_AT_ONCE - 1)
    parts: list[bytes] = []
    size = 0
    pruned: list[int] = []
    for height in range(first, last + 1):
        if size >= TEXT_AT_ONCE:
            last = height - 1
            break
        stored = at.reader.block(height)
        assert stored is not None, "there are no gaps up to the height of the state"
        if stored.events is None:
            pruned.append(height)
            continue
        found = decode_value(Events, stored.events, max_bytes=STORED_BYTES_MAX).events
        fitting = found if wanted.is_all else tuple(each for each in found if wanted.fits(each))
        if not fitting and not wanted.is_all and not wanted.transactions:
            continue
        document: dict[str, Any] = {
            "height": height,
            "hash": stored.hash.hex(),
            "time_ms": header_of(stored).time_ms,
            "events": [to_json(each) for each in fitting],
        }
        if wanted.transactions:
            receipts = receipts_of(stored)
            document["transactions"] = [
                {
                    "hash": transaction_hash(encoding).hex(),
                    "error": receipts[position].error,
                }
                for position, encoding in transactions_of(at, stored)
            ]
        parts.append(b"id: %d\nevent: block\ndata: %s\n\n" % (height, dump(document)))
        size += len(parts[-1])
    if pruned:
        told = dump({"first": pruned[0], "last": pruned[-1]})
        parts.insert(0, b"id: %d\nevent: pruned\ndata: %s\n\n" % (pruned[-1], told))
    return b"".join(parts), max(first, last + 1)
