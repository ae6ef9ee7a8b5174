"""
Deadlines: one queue in the state, swept by block time at the start of each block (L9).

Entries fire once, in order of their second, then of their scheduling; nothing is ever cancelled: a handler looks
whether its subject still waits. Whoever needs an exact end compares times; firing is for what must happen by itself.
"""

from collections.abc import Callable
from typing import TypeAlias

from noded.ledger.context import BlockContext
from noded.ledger.state import Overlay
from noded.types.ids import TimestampMs

Handler: TypeAlias = Callable[[Overlay, bytes, BlockContext], None]
"""Called with the subject when its deadline has passed; must not raise."""

FIRED_MAX = 256
"""Deadlines fired in one block; the others wait for the next, so that no block gets long."""


def schedule(state: Overlay, due_ms: TimestampMs, kind: int, subject: bytes) -> None:
    """Have the handler of `kind` called with `subject` in the first block later than `due_ms` (L9)."""


def sweep(state: Overlay, block: BlockContext) -> None:
    """Fire the deadlines that passed before this block's time, at most `FIRED_MAX` of them (L9)."""
