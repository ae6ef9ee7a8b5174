"""
The state as a transition sees it: keys and values, changed by one transaction after another.

A key is an ASCII prefix and binary ids, such as ``b"rec/" + id``; a value is the encoding of a frozen dataclass.
Modules use `read` and `write`; objects are encoded once a transaction, when it has succeeded.
"""

from collections.abc import Callable
from typing import TypeVar

from noded.codec.errors import Unencodable
from noded.codec.schema import decode_value, encode_value
from noded.ledger.commit import IndexWrite
from noded.ledger.errors import ValueTooLarge
from noded.ledger.events import DETAIL_MAX, PARTIES_MAX, Event

T = TypeVar("T")

Value = object
"""Encoding, or the frozen dataclass that it encodes; None is absence."""

KEY_BYTES_MAX = 128
"""A prefix and up to three ids of 32 bytes."""

VALUE_BYTES_MAX = 512 * 1024
"""The largest single value is the table of 4096 validators."""


class Overlay:
    """
    A block's changes on top of its parent's state, one transaction at a time.

    Changes are pending until `keep`; `drop` undoes those since the last `keep`.
    """

    __slots__ = (
        "_below",
        "_events_kept",
        "_index_kept",
        "_pending",
        "_seen",
        "_values",
        "encodings",
        "events",
        "index",
    )

    def __init__(self, below: Callable[[bytes], Value]) -> None:
        """Stand on a state: `below` gives the value at a key, as an encoding or as the object that it encodes."""
        self._below = below
        self._pending: dict[bytes, Value] = {}
        self._values: dict[bytes, Value] = {}
        self._seen: dict[bytes, Value] = {}
        self.encodings: dict[bytes, bytes | None] = {}
        """What the kept changes left at each changed key."""
        self.index: list[IndexWrite] = []
        """Changes of the listings, in order."""
        self.events: list[Event] = []
        self._index_kept = 0
        self._events_kept = 0

    def get(self, key: bytes) -> bytes | None:
        """The encoding of a value; None where there is none."""
        value = self._lookup(key)
        return value if value is None or type(value) is bytes else encode_value(value)

    def put(self, key: bytes, value: bytes | None) -> None:
        """Set the encoding of a value; None removes it."""
        self._pending[key] = value

    def read(self, key: bytes, cls: type[T]) -> T | None:
        """The value at a key, which is of this class; None where there is none."""
        value = self._lookup(key)
        if value is None:
            return None
        if type(value) is bytes:
            value = decode_value(cls, value, max_bytes=VALUE_BYTES_MAX)
            for layer in (self._pending, self._values):
                if key in layer:
                    layer[key] = value
                    break
            else:
                self._seen[key] = value
        assert isinstance(value, cls), f"{key!r} holds a {type(value).__name__}"
        return value

    def write(self, key: bytes, value: object) -> None:
        """Set the value at a key: an instance of a frozen dataclass."""
        assert len(key) <= KEY_BYTES_MAX
        self._pending[key] = value

    def delete(self, key: bytes) -> None:
        """Remove the value at a key."""
        self._pending[key] = None

    def has(self, key: bytes) -> bool:
        """Whether there is a value at a key."""
        return self._lookup(key) is not None

    def index_put(self, key: bytes, value: bytes | None) -> None:
        """Set a row of the listings that queries read; no part of the state, not proven; None removes it."""
        self.index.append((key, value))

    def emit(self, event: Event) -> None:
        """
        Tell those who wait that something happened.

        Raises:
            ValueTooLarge: The event breaks the limits of its type (L7).
        """
        if len(event.parties) > PARTIES_MAX or len(event.detail) > DETAIL_MAX:
            raise ValueTooLarge(why=f"event {event.name} is too large")
        self.events.append(event)

    def keep(self) -> None:
        """
        Make the pending changes part of the block's.

        Raises:
            ValueTooLarge: One of them breaks the limits of its type (L7); all stay pending.
        """
        if self._pending:
            encodings: dict[bytes, bytes | None] = {}
            try:
                for key, value in self._pending.items():
                    encodings[key] = value if value is None or type(value) is bytes else encode_value(value)
            except Unencodable as error:
                raise ValueTooLarge(why=str(error)) from error
            self.encodings.update(encodings)
            self._values.update(self._pending)
            self._pending.clear()
        self._index_kept = len(self.index)
        self._events_kept = len(self.events)

    def drop(self) -> None:
        """Undo the pending changes."""
        self._pending.clear()
        del self.index[self._index_kept :]
        del self.events[self._events_kept :]

    def values(self) -> dict[bytes, Value]:
        """The kept changes as objects or encodings, for overlays above this one; not to be changed."""
        return self._values

    def seen(self) -> dict[bytes, Value]:
        """Unchanged values from below that were read here, as objects; not to be changed."""
        return self._seen

    def _lookup(self, key: bytes) -> Value:
        pending = self._pending
        if key in pending:
            return pending[key]
        if key in self._values:
            return self._values[key]
        if key in self._seen:
            return self._seen[key]
        value = self._below(key)
        if value is not None and type(value) is not bytes:
            self._seen[key] = value  # Whoever reads it again need not go down again.
        return value
