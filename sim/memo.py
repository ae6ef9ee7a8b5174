"""
Pure work of the core, done once for all nodes.

A thousand nodes decode the same batch, execute the same block, and found the same state. While `shared_work` holds,
functions of the core that only depend on their arguments remember their results by the identity of immutable
arguments, or the value of bytes. The run is the same with and without: `--no-memo` shows it.
"""

from collections.abc import Callable, Iterator, MutableMapping
from contextlib import contextmanager
from functools import lru_cache
from inspect import signature
from typing import Any

import noded.ledger.admission
import noded.ledger.ledger
import noded.node.exchange
import noded.node.gateway
import noded.types.batch

RESULTS_MAX = 1_024
"""Results of one function that are remembered: batches and blocks of the last few seconds."""

EXECUTIONS_MAX = 512
"""Executed blocks remembered; a node further behind executes again."""

_SHARED: tuple[tuple[Any, str], ...] = (
    (noded.ledger.ledger, "found"),
    (noded.ledger.ledger, "open_batch"),
    (noded.node.exchange, "incoming_batch"),
)
"""Functions of immutable arguments, where they are called; remembered by identity."""

_SHARED_OF_BYTES: tuple[tuple[Any, str], ...] = (
    (noded.node.exchange, "decode_batch"),
    (noded.types.batch, "decode_batch"),
    (noded.node.gateway, "stateless_checks"),
    (noded.ledger.admission, "decode_transaction"),
)
"""Functions of bytes, remembered by value: a gateway's transaction is the same one in the batch that others get."""


class Executions(MutableMapping[Any, Any]):
    """
    What ledgers have executed, for all of them; charges each node for each block as if it had executed it.

    Args:
        charge: Called with the number of transactions whenever a node executes a block.
        memo: False to remember nothing.
    """

    def __init__(self, charge: Callable[[int], None], *, memo: bool) -> None:
        self._charge = charge
        self._memo = memo
        self._known: dict[Any, Any] = {}

    def __getitem__(self, key: Any) -> Any:
        value = self._known[key]
        self._pay(key, value)
        return value

    def __setitem__(self, key: Any, value: Any) -> None:
        if self._known.get(key) is not value:
            self._pay(key, value)
        if self._memo:
            if len(self._known) >= EXECUTIONS_MAX:
                del self._known[next(iter(self._known))]
            self._known[key] = value

    def __delitem__(self, key: Any) -> None:
        del self._known[key]

    def __iter__(self) -> Iterator[Any]:
        return iter(self._known)

    def __len__(self) -> int:
        return len(self._known)

    def _pay(self, key: Any, value: Any) -> None:
        if key[0] == "execution":
            self._charge(len(value.entries))


@contextmanager
def shared_work(*, memo: bool) -> Iterator[None]:
    """Let nodes share pure work until the end of the block; nothing happens with `memo=False`."""
    places = (*_SHARED, *_SHARED_OF_BYTES)
    originals = [getattr(module, name) for module, name in places]
    if memo:
        remembering = {getattr(*place): _remembering(getattr(*place)) for place in _SHARED}
        remembering |= {
            getattr(*place): lru_cache(RESULTS_MAX)(getattr(*place)) for place in _SHARED_OF_BYTES
        }
        for (module, name), original in zip(places, originals, strict=True):
            setattr(module, name, remembering[original])
    try:
        yield
    finally:
        for (module, name), original in zip(places, originals, strict=True):
            setattr(module, name, original)


def _remembering(function: Callable[..., Any]) -> Callable[..., Any]:
    """The function with a memory by identity of its last argument; the others must be equal, too."""
    if len(signature(function).parameters) == 1:
        return _remembering_one(function)
    known: dict[int, tuple[Any, Any]] = {}

    def remembered(*arguments: Any) -> Any:
        key = id(arguments[-1])
        found = known.get(key)
        if found is not None and found[0] == arguments:
            return found[1]
        result = function(*arguments)
        if len(known) >= RESULTS_MAX:
            del known[next(iter(known))]
        known[key] = arguments, result
        return result

    return remembered


def _remembering_one(function: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """The same, for a function of one argument."""
    known: dict[int, tuple[Any, Any]] = {}

    def remembered(argument: Any) -> Any:
        found = known.get(id(argument))
        if found is not None:
            return found[1]
        result = function(argument)
        if len(known) >= RESULTS_MAX:
            del known[next(iter(known))]
        known[id(argument)] = argument, result
        return result

    return remembered
