"""Answers that hold at or after a height: what is final at one node may be a block away at the next."""

from collections.abc import Iterable
from typing import Final

import trio

from noded.api.backend import Backend
from noded.api.problems import Behind, InvalidRequest
from noded.client.answers import AT_LEAST_HEADER

WAIT_S: Final = 20.0
"""A block takes a fraction of a second, an idle chain's a few; a client's own patience is 30 s."""

DIGITS_MAX: Final = 15

_NAME: Final = AT_LEAST_HEADER.encode()


async def catch_up(backend: Backend, headers: Iterable[tuple[bytes, bytes]]) -> None:
    """
    Wait until the node has the height that a request asks for, if it asks (W7).

    Raises:
        InvalidRequest: It is no height.
        Behind: The node does not have it in time.
    """
    asked = next((value for name, value in headers if name == _NAME), None)
    if asked is None:
        return
    if not asked.isdigit() or len(asked) > DIGITS_MAX:
        raise InvalidRequest(f"{AT_LEAST_HEADER}: {asked[:40].decode('latin-1')!r} is no height")
    height = int(asked)
    with trio.move_on_after(WAIT_S):
        while _height(backend) < height:
            await backend.wait_block()
        return
    raise Behind(
        f"this node is at height {_height(backend)} and was asked for what holds at {height} or later;"
        " `noded status` says how it stands"
    )


def _height(backend: Backend) -> int:
    return backend.look(lambda at: at.height)
