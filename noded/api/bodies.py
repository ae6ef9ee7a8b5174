"""Reading what a client sends: never more than the route takes, never longer than it is worth."""

from collections.abc import AsyncIterator
from typing import Final

import trio
from starlette.requests import Request

from noded.api.problems import BodyTooLarge, BodyTooSlow, BodyUnsupported

PATIENCE_S: Final = 10.0
"""For any body at all."""

BYTES_PER_S_MIN: Final = 64 * 1024
"""Beyond PATIENCE_S; a slower client holds memory for too long."""


async def read_body(request: Request, *, bytes_max: int) -> bytes:
    """
    The whole body.

    Raises:
        BodyTooLarge: It has more bytes, or announces them.
        BodyTooSlow: It comes slower than BYTES_PER_S_MIN.
    """
    parts = [part async for part in _parts(request, bytes_max)]
    return parts[0] if len(parts) == 1 else b"".join(parts)


def content_type(request: Request, *accepted: str) -> str:
    """
    The body's content type, which must be one of these, and the body not encoded besides.

    Raises:
        BodyUnsupported: It is another, or none is given.
    """
    encoding = request.headers.get("content-encoding", "identity").strip().lower()
    if encoding != "identity":
        raise BodyUnsupported(f"the content encoding is {encoding[:40]!r}; expected none")
    given = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if given not in accepted:
        raise BodyUnsupported(f"the content type is {given or 'missing'!r}; expected {' or '.join(accepted)}")
    return given


async def _parts(request: Request, bytes_max: int) -> AsyncIterator[bytes]:
    announced = request.headers.get("content-length", "")
    if announced.isdecimal() and int(announced) > bytes_max:
        raise BodyTooLarge(f"{announced} bytes are announced, {bytes_max} are taken")
    deadline = trio.current_time() + PATIENCE_S
    size = 0
    while True:
        with trio.move_on_at(deadline + size / BYTES_PER_S_MIN) as scope:
            message = await request.receive()
        if scope.cancelled_caught:
            raise BodyTooSlow(f"{size} bytes came in {PATIENCE_S + size / BYTES_PER_S_MIN:.0f} s")
        if message["type"] == "http.disconnect":
            raise BodyTooSlow("the client left before the end of the body")
        part = message.get("body", b"")
        if part:
            size += len(part)
            if size > bytes_max:
                raise BodyTooLarge(f"more than {bytes_max} bytes came")
            yield part
        if not message.get("more_body", False):
            return
