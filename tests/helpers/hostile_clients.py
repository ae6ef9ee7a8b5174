"""Clients of the HTTP API that mean no good, as a process of their own; tells in JSON what became of each kind."""

import json
import sys
from collections import Counter
from collections.abc import Awaitable, Callable
from contextlib import suppress
from functools import partial

import trio

from noded.client.wire import AnswerReader, request_bytes

AT_ONCE = 8
"""Clients of each kind."""

PAUSE_S = 0.02
"""Between two requests of one client: together some hundreds a second, so that the test itself leaves room."""

OVERSIZE_BYTES = 3 * 1024 * 1024
"""Twice what any call takes."""

Address = tuple[str, int]
Outcomes = Counter[str]


async def _ask(address: Address, request: bytes) -> str:
    """The status that a request is answered with, or "closed"."""
    reader = AnswerReader()
    try:
        async with await trio.open_tcp_stream(*address) as stream:
            with suppress(trio.BrokenResourceError):  # A refusal may come before all is sent.
                await stream.send_all(request)
            while not reader.is_complete:
                data = await stream.receive_some(65536)
                if not data:
                    return "closed"
                reader.feed(data)
    except (OSError, trio.BrokenResourceError):
        return "closed"
    return str(reader.status)


async def unauthorised(address: Address, _: str) -> str:
    """Guesses a token."""
    headers = {"authorization": "Bearer noded_0000000000000000_guess"}
    return await _ask(address, request_bytes("GET", "/v1/status", headers, None))


async def oversize(address: Address, token: str) -> str:
    """Hands in more than any call takes."""
    headers = {"authorization": f"Bearer {token}", "content-type": "application/cbor"}
    return await _ask(address, request_bytes("POST", "/v1/txs", headers, bytes(OVERSIZE_BYTES)))


async def flooding(address: Address, token: str) -> str:
    """Has a good token, and asks too often."""
    headers = {"authorization": f"Bearer {token}"}
    return await _ask(address, request_bytes("GET", "/v1/status", headers, None))


async def slow(address: Address, _: str) -> str:
    """Sends a byte a second of a head that never ends."""
    try:
        async with await trio.open_tcp_stream(*address) as stream:
            await stream.send_all(b"GET /v1/status HTTP/1.1\r\nhost: x\r\nx: ")
            while True:
                await stream.send_all(b"x")
                with trio.move_on_after(1):
                    if not await stream.receive_some(1):
                        return "closed"
    except (OSError, trio.BrokenResourceError):
        return "closed"


KINDS: tuple[Callable[[Address, str], Awaitable[str]], ...] = (unauthorised, oversize, flooding, slow)


async def attack(address: Address, token: str, seconds: float) -> dict[str, Outcomes]:
    """Be a nuisance for some seconds."""
    found = {kind.__name__: Counter[str]() for kind in KINDS}
    with trio.move_on_after(seconds):
        async with trio.open_nursery() as nursery:
            for kind in KINDS:
                for _ in range(AT_ONCE):
                    nursery.start_soon(_again, partial(kind, address, token), found[kind.__name__])
    return found


async def _again(once: Callable[[], Awaitable[str]], outcomes: Outcomes) -> None:
    while True:
        outcomes[await once()] += 1
        await trio.sleep(PAUSE_S)


if __name__ == "__main__":
    host, port, shown_token, duration = sys.argv[1:]
    print(json.dumps(trio.run(attack, (host, int(port)), shown_token, float(duration))))
