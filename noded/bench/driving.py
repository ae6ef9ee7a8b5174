"""The load itself: open, with intended times that wait for nobody; or closed, with a bound on what is on its way."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from math import ceil
from typing import Final

import trio

from noded.client.answers import POSTED_MAX, NodeUnreachable, Refused
from noded.client.async_http import AsyncNodeClient
from noded.ledger.admission import SEQUENCE_WINDOW
from noded.types.transaction import SignedTransaction

SLOT_S: Final = 0.01
"""Transactions intended within it are posted together at its end; none is older when it is posted."""

WAIT_S: Final = 60.0
"""Longest wait for a batch to become final."""

POSTS_PER_NODE: Final = 8
"""Batches on their way to each node of a closed load."""

OUTSTANDING_MAX: Final = 4096
"""Transactions on their way in a closed load: over a second of what four nodes finalise on two cores."""

OUTSTANDING_OPERATIONS_MAX: Final = 16_384
"""The same for operations, where a transaction has many."""

_ROUNDING: Final = 1e-6
"""Of a transaction, by which products of rates and times may miss a whole number."""

Source = Iterator[SignedTransaction]


@dataclass(slots=True)
class Tally:
    """What became of a load."""

    latencies_ms: list[float] = field(default_factory=list)
    """Of each transaction that took effect, from its intended time to the answer that it is final."""
    final_at: list[float] = field(default_factory=list)
    """When, by Trio's clock; in the same order."""
    failed: Counter[str] = field(default_factory=Counter)
    """Those that did not, by reason."""


async def drive_open(
    nodes: Sequence[AsyncNodeClient], sources: Sequence[Source], *, rate: float, seconds: float
) -> Tally:
    """
    Post transactions at a rate, whatever becomes of them, and wait for all.

    Slots go to the nodes in turn; each has its own source, and never more on its way than its key's window of sequences,
    in which they may overtake one another (L4): who waits for a node that stands is late, and that counts.
    """
    tally = Tally()
    on_way = [0] * len(nodes)
    answered = trio.Event()

    async def post(chosen: int, batch: Sequence[SignedTransaction], intended: Sequence[float]) -> None:
        nonlocal answered
        await _post(nodes[chosen], batch, intended, tally)
        on_way[chosen] -= len(batch)
        answered.set()
        answered = trio.Event()

    total = int(rate * seconds)
    start = trio.current_time() + SLOT_S
    posted = 0
    batches = 0
    slot = 0
    async with trio.open_nursery() as nursery:
        while posted < total:
            slot += 1
            due = min(total, ceil(slot * SLOT_S * rate - _ROUNDING))
            if due > posted:
                await trio.sleep_until(start + slot * SLOT_S)
            while posted < due:
                chosen = batches % len(nodes)
                batches += 1
                end = min(due, posted + POSTED_MAX)
                while on_way[chosen] + end - posted > SEQUENCE_WINDOW:
                    await answered.wait()
                batch = list(islice(sources[chosen], end - posted))
                intended = [start + number / rate for number in range(posted, end)]
                posted = end
                on_way[chosen] += len(batch)
                nursery.start_soon(post, chosen, batch, intended)
    return tally


async def drive_closed(
    nodes: Sequence[AsyncNodeClient], sources: Sequence[Source], *, seconds: float, operations: int
) -> Tally:
    """
    Keep a bounded number of transactions on their way for so many seconds, or until a source ends.

    Each node's are of one key: more than its window of sequences could overtake one another (L4).
    """
    tally = Tally()
    most = min(OUTSTANDING_MAX, OUTSTANDING_OPERATIONS_MAX // operations, len(nodes) * SEQUENCE_WINDOW)
    outstanding = max(len(nodes) * POSTS_PER_NODE, most)
    size = max(1, min(POSTED_MAX, outstanding // len(nodes) // POSTS_PER_NODE))
    end = trio.current_time() + seconds

    async def keep_posting(node: AsyncNodeClient, source: Source) -> None:
        while trio.current_time() < end:
            batch = list(islice(source, size))
            if not batch:
                break
            await _post(node, batch, [trio.current_time()] * len(batch), tally)

    async with trio.open_nursery() as nursery:
        for node, source in zip(nodes, sources, strict=True):
            for _ in range(POSTS_PER_NODE):
                nursery.start_soon(keep_posting, node, source)
    return tally


async def _post(
    node: AsyncNodeClient, batch: Sequence[SignedTransaction], intended: Sequence[float], tally: Tally
) -> None:
    try:
        answers = await node.post_transactions([signed.encoding for signed in batch], wait_s=WAIT_S)
    except (NodeUnreachable, Refused) as error:
        tally.failed[type(error).__name__] += len(batch)
        return
    now = trio.current_time()
    for posted, at in zip(answers, intended, strict=True):
        if posted.refused is not None or not posted.is_applied:
            tally.failed[posted.refused or posted.error or "NotFinal"] += 1
        else:
            tally.latencies_ms.append((now - at) * 1000)
            tally.final_at.append(now)
