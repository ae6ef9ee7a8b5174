"""
Deadlines: one queue in the state, swept by block time at the start of each block (L9).

An entry fires once, in the first block at least a second after it was due that has room for it; nothing is ever
cancelled: a handler looks whether its subject still waits. Whoever needs an exact end compares times; firing is for
what must happen by itself.

    due/                    how many wait, and the hour up to which all is fired
    due/h ‖ hour            which seconds of the hour have entries
    due/s ‖ second ‖ page   entries; page 0 counts them all, and goes last
"""

from collections.abc import Callable, Mapping
from typing import Annotated, TypeAlias

from noded.codec.schema import Limit
from noded.ledger.context import BlockContext
from noded.ledger.state import Overlay
from noded.types.frozen import frozen
from noded.types.ids import TimestampMs

Handler: TypeAlias = Callable[[Overlay, bytes, BlockContext], None]
"""Called with the subject when its deadline has passed; must not raise."""

FIRED_MAX = 256
"""Deadlines fired in one block, give or take a page; the others wait for the next, so that no block gets long."""

HOURS_MAX = 1024
"""Hours looked through in one block: 6 weeks of standstill, or about 10 ms."""

PAGE_ENTRIES_MAX = 64
"""Entries rewritten when one is added: under 5 KiB."""

_HOUR_SECONDS = 3600
_QUEUE_KEY = b"due/"


@frozen(kw_only=True)
class Queue:
    """The state of the queue."""

    count: int
    """Entries that wait."""
    hour: int
    """Hours since 1970 before which nothing waits."""


@frozen(kw_only=True)
class Hour:
    """Seconds with entries."""

    seconds: Annotated[bytes, Limit(_HOUR_SECONDS // 8, _HOUR_SECONDS // 8)]
    """Big-endian: bit i stands for second i of the hour."""


@frozen(kw_only=True)
class Entry:
    """Whom to call when."""

    kind: int
    subject: Annotated[bytes, Limit(1, 64)]


@frozen(kw_only=True)
class Page:
    """Entries of one second."""

    total: int
    """Entries of the second on all pages; only page 0 counts."""
    entries: Annotated[tuple[Entry, ...], Limit(0, PAGE_ENTRIES_MAX)]


def schedule(state: Overlay, due_ms: TimestampMs, kind: int, subject: bytes) -> None:
    """Have the handler of `kind` called with `subject` when `due_ms` has passed (L9)."""
    queue = state.read(_QUEUE_KEY, Queue) or Queue(count=0, hour=0)
    second = max(due_ms // 1000, queue.hour * _HOUR_SECONDS)
    first = state.read(_page_key(second, 0), Page) or Page(total=0, entries=())
    number = first.total // PAGE_ENTRIES_MAX
    entry = Entry(kind=kind, subject=subject)
    if number == 0:
        first = Page(total=first.total + 1, entries=(*first.entries, entry))
    else:
        page = state.read(_page_key(second, number), Page)
        entries = () if page is None else page.entries
        state.write(_page_key(second, number), Page(total=0, entries=(*entries, entry)))
        first = Page(total=first.total + 1, entries=first.entries)
    state.write(_page_key(second, 0), first)
    if first.total == 1:
        hour = second // _HOUR_SECONDS
        seconds = _seconds(state, hour) | 1 << second % _HOUR_SECONDS
        state.write(_hour_key(hour), Hour(seconds=seconds.to_bytes(_HOUR_SECONDS // 8)))
    state.write(_QUEUE_KEY, Queue(count=queue.count + 1, hour=queue.hour))


def sweep(state: Overlay, block: BlockContext, handlers: Mapping[int, Handler]) -> None:
    """Fire what passed before this block's time, as far as `FIRED_MAX` and `HOURS_MAX` allow (L9)."""
    now = block.time_ms // 1000
    last = now // _HOUR_SECONDS
    queue = state.read(_QUEUE_KEY, Queue) or Queue(count=0, hour=0)
    hour = queue.hour if queue.count else max(queue.hour, last)
    hours_end = hour + HOURS_MAX
    fired = 0
    while hour <= last and hour < hours_end and fired < FIRED_MAX:
        seconds = _seconds(state, hour)
        if hour == last:
            seconds &= (1 << now % _HOUR_SECONDS) - 1
        if seconds:
            entries = _take_page(state, hour * _HOUR_SECONDS + (seconds & -seconds).bit_length() - 1)
            fired += len(entries)
            _move(state, hour, len(entries))
            for entry in entries:
                handlers[entry.kind](state, entry.subject, block)
        elif hour == last:
            break
        else:
            hour += 1
    _move(state, hour, 0)


def _move(state: Overlay, hour: int, fired: int) -> None:
    queue = state.read(_QUEUE_KEY, Queue) or Queue(count=0, hour=0)
    if fired or hour != queue.hour:
        state.write(_QUEUE_KEY, Queue(count=queue.count - fired, hour=hour))


def waiting(state: Overlay) -> int:
    """How many deadlines wait."""
    queue = state.read(_QUEUE_KEY, Queue)
    return 0 if queue is None else queue.count


def _take_page(state: Overlay, second: int) -> tuple[Entry, ...]:
    """Remove the last page of a second, and return its entries."""
    first = state.read(_page_key(second, 0), Page)
    assert first is not None
    number = (first.total - 1) // PAGE_ENTRIES_MAX
    if number:
        page = state.read(_page_key(second, number), Page)
        assert page is not None
        state.delete(_page_key(second, number))
        left = first.total - len(page.entries)
        state.write(_page_key(second, 0), Page(total=left, entries=first.entries))
        return page.entries
    state.delete(_page_key(second, 0))
    hour, offset = divmod(second, _HOUR_SECONDS)
    seconds = _seconds(state, hour) & ~(1 << offset)
    if seconds:
        state.write(_hour_key(hour), Hour(seconds=seconds.to_bytes(_HOUR_SECONDS // 8)))
    else:
        state.delete(_hour_key(hour))
    return first.entries


def _seconds(state: Overlay, hour: int) -> int:
    entry = state.read(_hour_key(hour), Hour)
    return 0 if entry is None else int.from_bytes(entry.seconds)


def _hour_key(hour: int) -> bytes:
    return b"due/h" + hour.to_bytes(8)


def _page_key(second: int, page: int) -> bytes:
    return b"due/s" + second.to_bytes(8) + page.to_bytes(4)
