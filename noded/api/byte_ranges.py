"""Ranges of bytes that clients ask for (RFC 9110 §14)."""

import re
from typing import Final

from noded.api.problems import InvalidRequest

OFFSET_DIGITS_MAX: Final = 15
"""A petabyte; more digits are no offset of anything that is kept."""

_RANGE: Final = re.compile(rf"bytes=(\d{{1,{OFFSET_DIGITS_MAX}}})-(\d{{0,{OFFSET_DIGITS_MAX}}})", re.ASCII)


def requested_range(header: str | None) -> tuple[int, int | None] | None:
    """
    First byte and the byte behind the last (None: to the end) that are asked for; None for all.

    Raises:
        InvalidRequest: It is no single range from an offset on.
    """
    if header is None:
        return None
    found = _RANGE.fullmatch(header.strip())
    if found is None:
        raise InvalidRequest(f"header.range: {header[:80]!r} is not bytes=FIRST-LAST or bytes=FIRST-")
    first = int(found[1])
    last = int(found[2]) if found[2] else None
    if last is not None and last < first:
        raise InvalidRequest(f"header.range: {header[:80]!r} ends before it begins")
    return first, None if last is None else last + 1
