"""Ranges of bytes that clients ask for (RFC 9110 §14)."""

import re
from typing import Final

from starlette.requests import Request

from noded.api.problems import InvalidRequest, RangeBeyondEnd

OFFSET_DIGITS_MAX: Final = 15
"""A petabyte; more digits are no offset of anything that is kept."""

_UNIT: Final = "bytes="

_RANGE: Final = re.compile(rf"(\d{{0,{OFFSET_DIGITS_MAX}}})-(\d{{0,{OFFSET_DIGITS_MAX}}})", re.ASCII)


def requested_range(request: Request, size: int) -> tuple[int, int] | None:
    """
    First byte and the byte behind the last that are asked for, of so many; None for all.

    Ranges of other units, and of other methods than GET, mean nothing.

    Raises:
        InvalidRequest: It is no single range.
        RangeBeyondEnd: No byte is within it.
    """
    header = request.headers.get("range", "").strip()
    if request.method != "GET" or not header.lower().startswith(_UNIT):
        return None
    found = _RANGE.fullmatch(header[len(_UNIT) :])
    if found is None or not any(found.groups()):
        raise InvalidRequest(
            f"header.range: {header[:80]!r} is not bytes=FIRST-LAST, bytes=FIRST- or bytes=-COUNT"
        )
    if not found[1]:
        start, end = max(0, size - int(found[2])), size
    else:
        start, end = int(found[1]), int(found[2]) + 1 if found[2] else max(size, int(found[1]) + 1)
        if end <= start:
            raise InvalidRequest(f"header.range: {header[:80]!r} ends before it begins")
    if start >= size:
        raise RangeBeyondEnd(size)
    return start, min(end, size)
